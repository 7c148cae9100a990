from __future__ import annotations

from typing import Any

import pytest

from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.media.picture_key import address_at, value_at
from dinolabel.vision.errors import MediaRefused


@pytest.mark.parametrize(
    ("data", "key", "value"),
    [
        ({"image": "a.jpg"}, "image", "a.jpg"),
        ({"data": {"image": "a.jpg"}}, "data.image", "a.jpg"),
        ({"data.image": "a.jpg", "data": {"image": "b.jpg"}}, "data.image", "a.jpg"),
        ({"images": ["a.jpg", "b.jpg"]}, "images[1]", "b.jpg"),
        ({"images": [{"url": "a.jpg"}]}, "images[0].url", "a.jpg"),
        ({"a": {"b": [[{"c": "x"}]]}}, "a.b[0][0].c", "x"),
        ({"a": {"my key": "x"}}, 'a["my key"]', "x"),
        ({"images": ["a.jpg"]}, "images[1]", None),
        ({"image": "a.jpg"}, "image[0]", None),
        ({"image": "a.jpg"}, "image.url", None),
        ({}, "data.image", None),
    ],
)
def test_a_key_or_a_path_is_followed(data: dict[str, Any], key: str, value: Any) -> None:
    assert value_at(data, key) == value


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"photo": "a.jpg"}, "no picture under 'image'"),
        ({"image": None}, "no picture under 'image'"),
        ({"image": " "}, "an empty text"),
        ({"image": ["a.jpg"]}, "a list"),
        ({"image": {"url": "a.jpg"}}, "an object"),
        ({"image": 5}, "a number"),
        ({"image": True}, "true or false"),
    ],
)
def test_what_is_there_instead_is_said(data: dict[str, Any], words: str) -> None:
    with pytest.raises(MediaRefused, match=words) as caught:
        address_at(data, "image")
    assert caught.value.hint


def test_a_nested_key_of_a_label_config_finds_the_picture() -> None:
    xml = (
        '<View><Image name="image" value="$data.image"/><RectangleLabels name="label" toName="image">'
        '<Label value="face"/></RectangleLabels></View>'
    )
    config = LabelConfig.parse(xml)
    assert config.picture_in({"data": {"image": "/data/upload/1/0a1b2c3d-x.jpg"}}) == "/data/upload/1/0a1b2c3d-x.jpg"
