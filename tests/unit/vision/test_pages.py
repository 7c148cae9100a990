"""Which of a TIFF's pictures is the picture, and what is said of it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import PIL.Image
import pytest
from PIL.TiffImagePlugin import AppendingTiffWriter

from dinolabel.vision.decoding.pictures import open_image, stored
from dinolabel.vision.errors import MediaUnreadable

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)
NEW_KIND, OLD_KIND, PHOTOMETRIC, DNG_VERSION = 254, 255, 262, 50706


def pages(path: Path, *each: tuple[tuple[int, int], tuple[int, int, int], dict[int, int | bytes]], **options: object) -> Path:
    """A TIFF of these pages: size, colour, tags."""
    with AppendingTiffWriter(io.BytesIO(), True) as writer:
        for size, colour, tags in each:
            PIL.Image.new("RGB", size, colour).save(writer, "TIFF", tiffinfo=tags, **options)
            writer.newFrame()
        path.write_bytes(writer.f.getvalue())
    return path


@pytest.mark.parametrize(
    ("of", "size", "colour", "remarks"),
    [
        ([((8, 6), RED, {})], (8, 6), RED, []),
        ([((8, 6), RED, {}), ((9, 7), GREEN, {}), ((8, 6), BLUE, {})], (8, 6), RED, ["has 3 pages: page 1 was used"]),
        ([((4, 3), RED, {NEW_KIND: 1}), ((8, 6), GREEN, {})], (8, 6), GREEN, ["begins with a reduced copy: its page 2 was used"]),
        ([((4, 3), RED, {OLD_KIND: 2}), ((8, 6), GREEN, {})], (8, 6), GREEN, ["begins with a reduced copy: its page 2 was used"]),
        ([((8, 6), RED, {}), ((4, 3), GREEN, {NEW_KIND: 1}), ((2, 2), BLUE, {NEW_KIND: 1})], (8, 6), RED, []),  # a pyramid
        ([((8, 6), RED, {}), ((8, 6), GREEN, {NEW_KIND: 4})], (8, 6), RED, []),  # its mask
        ([((4, 3), RED, {NEW_KIND: 1})], (4, 3), RED, []),  # there is nothing else
    ],
    ids=["one", "three", "thumbnail first", "thumbnail first, old tag", "pyramid", "mask", "thumbnail alone"],
)
def test_the_page_that_is_the_picture(tmp_path: Path, of: list, size: tuple[int, int], colour: tuple, remarks: list[str]) -> None:
    path = pages(tmp_path / "scan.tif", *of)
    image = open_image(path)
    assert (image.width, image.height) == size
    assert image.pixels.shape == (size[1], size[0], 3)
    assert tuple(image.pixels[0, 0]) == colour
    assert image.remarks == remarks
    assert stored(path).kind == "TIFF"


def test_the_page_behind_a_thumbnail_is_turned_by_its_own_tag(tmp_path: Path) -> None:
    image = open_image(pages(tmp_path / "scan.tif", ((4, 3), RED, {NEW_KIND: 1}), ((8, 6), GREEN, {0x0112: 6})))
    assert (image.width, image.height, image.pixels.shape) == (6, 8, (8, 6, 3))


def test_big_tiff(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (8, 6), RED).save(tmp_path / "big.tif", big_tiff=True)
    assert tuple(open_image(tmp_path / "big.tif").pixels[0, 0]) == RED


def test_damaged_later_pages_cost_themselves_only(tmp_path: Path) -> None:
    path = pages(tmp_path / "scan.tif", ((8, 6), RED, {}), ((8, 6), GREEN, {}))
    with PIL.Image.open(path) as picture:
        picture.seek(1)
        start = picture.tag_v2._offset
    path.write_bytes(path.read_bytes()[: start + 4])
    assert tuple(open_image(path).pixels[0, 0]) == RED


@pytest.mark.parametrize("kind", ["dng", "sensor beside", "cr2"])
def test_a_raw_called_tif_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "IMG_1.tif"
    if kind == "dng":
        pages(path, ((4, 3), BLUE, {NEW_KIND: 1, DNG_VERSION: b"\1\4\0\0"}))
    elif kind == "sensor beside":
        path.write_bytes(with_sensor())
    else:
        path.write_bytes(with_sensor(brand=b"CR\2\0", sensor=False))
    with pytest.raises(MediaUnreadable, match=r"^IMG_1\.tif is a camera's RAW") as refusal:
        open_image(path)
    assert "JPEG" in refusal.value.hint


def with_sensor(*, brand: bytes = b"", sensor: bool = True) -> bytes:
    """A preview whose SubIFD holds what the sensor saw, as NEF, ARW and DNG have it; or one that a brand alone tells, as CR2's does."""

    def directory(at: int, tags: dict[int, int]) -> bytes:
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
        return struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)

    preview = {254: 1, 256: 4, 257: 3, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 3, 279: 12, **({330: 200} if sensor else {})}
    seen = {254: 0, 256: 4, 257: 3, 258: 16, 259: 1, PHOTOMETRIC: 32803, 273: 8, 277: 1, 278: 3, 279: 24}
    head = b"II*\0" + struct.pack("<I", 32) + brand.ljust(24, b"Z")
    data = head + directory(32, preview)
    return data + bytes(200 - len(data)) + directory(200, seen)
