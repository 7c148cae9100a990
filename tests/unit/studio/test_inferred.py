"""Which of a task's values is the picture, with no label config to say so."""

from __future__ import annotations

from typing import Any

import pytest

from dinolabel.studio.reviews.infer_config import infer_config
from dinolabel.vision.errors import LabelConfigError
from tests.doubles.annotated import annotation, region

SIGNED = "https://bucket.example.com/p/x.jpg?X-Amz-Signature=ab%2Bc&X-Amz-Expires=60"


def task(**data: Any) -> dict[str, Any]:
    return {"id": 1, "data": data, "annotations": [annotation(1, region("a", (0, 0, 9, 9), "jason"))]}


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"image": "/data/upload/1/a.jpg"}, "image"),
        ({"image": SIGNED}, "image"),
        ({"image": "https://h.example/x.JPEG#t=1"}, "image"),
        ({"image": "https://h.example/x.png?a=1#b"}, "image"),
        ({"image": "/data/local-files/?d=photos/a%20b.jpg"}, "image"),
        ({"image": "https://ls.example/ls/tasks/3/resolve/?fileuri=czM6Ly9iL2EuanBn"}, "image"),  # s3://b/a.jpg
        ({"image": "s3://bucket/a.webp"}, "image"),
        ({"image": "data:image/jpeg;base64,AAAA"}, "image"),
        ({"image": "a.jpg"}, "image"),
        ({"image": "/data/upload/1/0a1b2c3d-a.jpg", "filename": "a.jpg"}, "image"),
        ({"text": "see a.jpg or b", "image": SIGNED}, "image"),
        ({"data": {"image": SIGNED}}, "data.image"),
        ({"photo": "https://h.example/photos/123", "id": "7"}, "photo"),
        ({"link": "https://h.example/about", "photo": "https://h.example/a.jpg"}, "photo"),
    ],
)
def test_the_key_that_holds_the_picture(data: dict[str, Any], key: str) -> None:
    found = infer_config([task(**data)])
    assert (found.data_key, found.labels) == (key, ("jason",))


@pytest.mark.parametrize(
    "data",
    [
        {"preview": "/data/upload/1/thumb.jpg", "image": "/data/upload/1/x.jpg"},
        {"image": SIGNED, "mask": "https://h.example/m.png"},
        {"a": "x.jpg", "b": "y.jpg"},
        {"data": {"left": "/l.png", "right": "/r.png"}},
        {"a": "https://h.example/1", "b": "https://h.example/2"},
    ],
)
def test_of_several_the_label_config_must_say_which(data: dict[str, Any]) -> None:
    with pytest.raises(LabelConfigError, match="several keys") as caught:
        infer_config([task(**data)])
    assert "--label-config" in caught.value.hint


@pytest.mark.parametrize("data", [{"text": "hello"}, {"pages": [{"page": "/a.jpg"}]}, {"image": "data:text/plain,hello"}, {}])
def test_no_picture_at_all(data: dict[str, Any]) -> None:
    with pytest.raises(LabelConfigError, match="no address of a picture"):
        infer_config([task(**data)])
