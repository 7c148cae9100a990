"""Pictures that tasks hold in their own addresses."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from urllib.parse import quote_from_bytes

import PIL.Image
import pytest
import structlog.testing

from dinolabel.studio.media import inline
from dinolabel.studio.media.resolver import MediaResolver
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.errors import MediaError, MediaRefused, MediaUnreadable


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", (24, 16), (200, 30, 30)).save(file, kind)
    return file.getvalue()


JPEG, PNG = picture("JPEG"), picture("PNG")
TEXT = base64.b64encode(JPEG).decode()


@pytest.mark.parametrize(
    ("address", "data"),
    [
        (f"data:image/jpeg;base64,{TEXT}", JPEG),
        (f"DATA:IMAGE/JPEG;BASE64,{TEXT}", JPEG),
        (f"data:image/jpeg;name=a.jpg;base64,{TEXT}", JPEG),
        (f"data:image/jpeg;base64,{TEXT.rstrip('=')}", JPEG),
        (f"data:image/jpeg;base64,{TEXT[:40]}\n {TEXT[40:]}", JPEG),
        (f"data:image/jpeg;base64,{TEXT.replace('+', '%2B').replace('/', '%2F').replace('=', '%3D')}", JPEG),
        (f"data:image/png,{quote_from_bytes(PNG)}", PNG),
        (f"data:application/octet-stream;base64,{TEXT}", JPEG),
        (f"data:image/png;base64,{TEXT}", JPEG),
    ],
)
def test_the_file_in_an_address(tmp_path: Path, address: str, data: bytes) -> None:
    assert inline.decode(address, max_bytes=2**20) == data
    media = MediaResolver(None, cache_dir=tmp_path)
    assert media.refusal(address) is None
    path = media.resolve(address)
    assert path.read_bytes() == data and media.resolve(address) == path
    assert (open_image(path).width, open_image(path).height) == (24, 16)


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        ("data:text/html;base64,PGh0bWw+", MediaUnreadable, "text/html"),
        ("data:,hello", MediaUnreadable, "names no type"),
        ("data:application/pdf;base64,JVBERi0=", MediaUnreadable, "application/pdf"),
        ("data:image/svg+xml,%3Csvg%3E", MediaUnreadable, "SVG"),
        ("data:image/jpeg;base64", MediaUnreadable, "no comma"),
        ("data:image/jpeg;base64,", MediaUnreadable, "empty"),
        ("data:image/jpeg;base64,SECRET!SECRET", MediaUnreadable, "base64"),
        ("data:image/jpeg;base64,SECRE", MediaUnreadable, "base64"),
        (f"data:image/jpeg;base64,{TEXT[: len(TEXT) // 2 // 4 * 4]}", MediaUnreadable, "The picture in the data: address"),
        ("data:image/jpeg;base64,U0VDUkVU", MediaUnreadable, "no picture that we can decode"),
        ("data:image/jpeg;base64," + "SECRET" * 10**6, MediaRefused, "larger than 1 MB"),
        ("data:image/jpeg," + "SECRET" * 10**6, MediaRefused, "larger than 1 MB"),
        ("data:image/jpeg;base64," + base64.b64encode(bytes(2**20 + 1)).decode(), MediaRefused, "larger than 1 MB"),
    ],
)
def test_what_is_wrong_with_one_is_named_and_nothing_of_it_is_told(
    tmp_path: Path, address: str, error: type[MediaError], words: str
) -> None:
    with structlog.testing.capture_logs() as logs, pytest.raises(error, match=words) as caught:
        MediaResolver(None, cache_dir=tmp_path, max_mb=1).resolve(address)
    told = f"{caught.value} {caught.value.hint} {logs}"
    assert caught.value.hint and "SECRET" not in told and TEXT[:20] not in told and len(told) < 400
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []
