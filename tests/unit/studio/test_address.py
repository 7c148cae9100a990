from __future__ import annotations

import pytest

from dinolabel.studio.media import url as address
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
