from __future__ import annotations

import pytest

from dinolabel.studio.media import url as address
from dinolabel.studio.media.hidden_files import refuse_hidden
from dinolabel.vision.errors import MediaRefused


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("/data/upload/8/69234a41-cat.jpg", ["data", "upload", "8", "69234a41-cat.jpg"]),
        ("/data/local-files/?d=photos/b%20c.jpg", ["photos", "b c.jpg"]),
        ("https://ls.example/ls/data/local-files/?d=photos/a.jpg", ["photos", "a.jpg"]),
        ("https://h.example/p/x.jpg?X-Amz-Signature=a/b&d=other.png", ["p", "x.jpg"]),
        ("https://ls.example/ls/tasks/3/resolve/?fileuri=czM6Ly9iL2NhdHMvYS5qcGc=", ["cats", "a.jpg"]),
        ("/tasks/3/resolve/?fileuri=czM6Ly9iL2NhdHMvYS5qcGc=", ["cats", "a.jpg"]),
        ("data:image/jpeg;base64,/9j/4AAQ", []),
        ("a\\b.jpg", ["a", "b.jpg"]),
    ],
)
def test_folders_and_file_name(url: str, parts: list[str]) -> None:
    assert address.parts(url) == parts


@pytest.mark.parametrize("url", ["http://[bad/a.jpg", None, 7, ["a.jpg"]])
def test_what_is_no_address_has_no_parts(url: object) -> None:
    with pytest.raises(MediaRefused):
        address.parts(url)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://user:key@CDN.example.com:8443/a.jpg?s=1", "cdn.example.com:8443"),
        ("s3://bucket/a.jpg", "s3://bucket"),
        ("data:image/png;base64,AAAA", "the task itself"),
        ("/data/upload/1/a.jpg", ""),
        ("file:///photos/a.jpg", ""),
    ],
)
def test_where_an_address_leads(url: str, place: str) -> None:
    assert address.place(url) == place


@pytest.mark.parametrize(
    ("url", "scheme"), [("a:b.jpg", None), ("2024:05.jpg", None), ("trip:1/a.jpg", None), ("HTTPS://h/a", "https"), ("data:,x", "data")]
)
def test_what_is_a_scheme(url: str, scheme: str | None) -> None:
    assert address.scheme(url) == scheme


def test_a_picture_in_an_address_is_not_written_down() -> None:
    assert address.brief("data:image/jpeg;base64," + "A" * 999) == "data:image/jpeg;base64,…"
    assert address.brief("https://h.example/a,b.jpg") == "https://h.example/a,b.jpg"


@pytest.mark.parametrize(
    "url",
    [
        "/data/local-files/?d=photos/._a.jpg",
        "/data/local-files/?d=photos/trip/.thumbnails/a.jpg",
        "/data/local-files/?d=photos/%40eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg",
        "https://ls.example/ls/data/local-files/?d=photos/.Trash-1000/files/a.jpg",
        "/data/local-files/?d=photos/__MACOSX/a.jpg",
        "s3://bucket/.thumbnails/a.jpg",
        "/tasks/7/resolve/?fileuri=czM6Ly9iLy50aHVtYm5haWxzL2EuanBn",  # s3://b/.thumbnails/a.jpg
        "/data/upload/5/0a1b2c3d-._a.jpg",
        "._a.jpg",
    ],
)
def test_a_task_of_a_hidden_file_is_no_picture(url: str) -> None:
    with pytest.raises(MediaRefused, match="hidden file") as refusal:
        refuse_hidden(url)
    assert refusal.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "/data/local-files/?d=photos/a.jpg",
        "/data/local-files/?d=.private/a.jpg",  # the folder that the storage serves
        "/data/local-files/?d=.private/trip/a.jpg",
        "/data/upload/5/5a745c19-.jpg",  # of an emoji
        "https://cdn.example/.cache/a.jpg",
        "s3://bucket/a.jpg",
        "photos/a.jpg",
        "data:image/jpeg;base64,/9j/4AAQ",
    ],
)
def test_a_folder_that_somebody_chose_is_no_hidden_one(url: str) -> None:
    refuse_hidden(url)
