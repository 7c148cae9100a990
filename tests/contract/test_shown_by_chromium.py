"""Every picture has the size and the pixels that Chromium shows of it: what is seen in Label Studio's editor is what boxes are drawn on."""

from __future__ import annotations

import base64
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from dinolabel.vision.decoding.pictures import from_pillow, open_image
from tests.turned import SIZE, odd, pattern, turned, written

CHROMIUM = shutil.which("chromium")
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update"
LOOK = """async pictures => {
  const seen = {};
  for (const [name, address] of Object.entries(pictures)) {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext('2d');
    context.fillStyle = 'white';
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0);
    seen[name] = [canvas.width, canvas.height, Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data)];
  }
  return seen;
}"""
MEDIA = {"mpo": "jpeg", "cmyk": "jpeg", "apng": "png", "ico": "x-icon"}
RED, GREEN, BLUE = ((200, 0, 0), (0, 200, 0), (0, 0, 200))


def frames(form: str, **options: object) -> bytes:
    first, *others = (PIL.Image.new("RGB", SIZE, colour) for colour in (RED, GREEN, BLUE))
    return written(first, form, save_all=True, append_images=others, duration=60_000, **options)


def gif_of_right_half() -> bytes:
    """A GIF of 48 x 32 whose first frame covers the right half."""
    half = PIL.Image.new("P", (SIZE[0] // 2, SIZE[1]), 1)
    half.putpalette([*RED, *GREEN, *[0] * 762])
    data = bytearray(written(half, "GIF"))
    data[6:10] = struct.pack("<HH", *SIZE)
    at = data.index(b",", 13 + 3 * (2 << (data[10] & 7)))
    data[at + 1 : at + 5] = struct.pack("<HH", SIZE[0] // 2, 0)
    return bytes(data)


def without_adobe(data: bytes) -> bytes:
    at = data.index(b"\xff\xee")
    return data[:at] + data[at + 2 + struct.unpack_from(">H", data, at + 2)[0] :]


def others() -> dict[str, bytes]:
    """What has no turn, and is decoded otherwise by one reader or another."""
    half = pattern().convert("RGBA")
    half.putalpha(128)
    few = pattern().convert("P")
    deep = np.linspace(0, 65535, SIZE[0] * SIZE[1]).reshape(SIZE[::-1]).astype(np.uint16)
    cmyk = written(pattern().convert("CMYK"), "JPEG", quality=95)
    return {
        "gif-plain": written(pattern(), "GIF"),
        "gif-moving": frames("GIF"),
        "gif-of-right-half": gif_of_right_half(),
        "gif-clear": written(few, "GIF", transparency=few.getpixel((0, 0))),
        "bmp-plain": written(pattern(), "BMP"),
        "ico-plain": written(pattern(), "ICO", sizes=[SIZE]),
        "apng-still-picture-first": frames("PNG"),
        "apng-still-picture-apart": frames("PNG", default_image=True),
        "webp-moving": frames("WEBP", lossless=True),
        "png-half-clear": written(half, "PNG"),
        "png-palette-clear": written(few, "PNG", transparency=few.getpixel((0, 0))),
        "png-colour-clear": written(pattern(), "PNG", transparency=(230, 20, 20)),
        "png-16-bits": written(PIL.Image.fromarray(deep), "PNG"),
        "webp-half-clear": written(half, "WEBP", lossless=True),
        "cmyk-adobe": cmyk,
        "cmyk-plain": without_adobe(cmyk),
    }


PICTURES = {f"{name} {turn}": data for turn in range(1, 9) for name, data in turned(turn).items()} | odd() | others()


@pytest.fixture(scope="module")
def shown() -> Mapping[str, np.ndarray]:
    """Name -> (H, W, 3) as Chromium shows it over white."""
    if CHROMIUM is None:
        pytest.skip("apt-get install chromium")
    sync = pytest.importorskip("playwright.sync_api")

    def address(name: str, data: bytes) -> str:
        form = name.split("-")[0]
        return f"data:image/{MEDIA.get(form, form)};base64,{base64.b64encode(data).decode()}"

    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS.split(), "--force-color-profile=srgb"])
        seen = browser.new_page().evaluate(LOOK, {name: address(name, data) for name, data in PICTURES.items()})
        browser.close()
    return {name: np.array(values, np.uint8).reshape(height, width, 4)[..., :3] for name, (width, height, values) in seen.items()}


@pytest.mark.parametrize("name", PICTURES)
def test_as_the_browser_shows_it(shown: Mapping[str, np.ndarray], tmp_path: Path, name: str) -> None:
    path = tmp_path / "picture"
    path.write_bytes(PICTURES[name])
    image = open_image(path)
    height, width, _ = shown[name].shape
    assert (image.width, image.height) == (width, height)
    assert np.abs(image.pixels.astype(int) - shown[name]).max() <= 1


FORGOTTEN = ("png-exif-after", "png-two-chunks", "apng-still-picture-apart", "gif-of-right-half")
"""Pillow does not say of a loaded picture where its EXIF stood, or what else its file holds."""


@pytest.mark.parametrize("name", [each for each in PICTURES if not each.startswith(FORGOTTEN)])
def test_a_picture_in_memory_is_the_same(shown: Mapping[str, np.ndarray], tmp_path: Path, name: str) -> None:
    path = tmp_path / "picture"
    path.write_bytes(PICTURES[name])
    with PIL.Image.open(path) as picture:
        picture.load()
        assert np.abs(from_pillow(picture).pixels.astype(int) - shown[name]).max() <= 1


def test_the_browser_turns_what_it_is_known_to_turn(shown: Mapping[str, np.ndarray]) -> None:
    """So that a browser which shows nothing at all, or heeds no tag any more, does not pass for agreement."""
    sideways = {name.split(" ")[0] for name, pixels in shown.items() if name.endswith(" 6") and pixels.shape[:2] == SIZE}
    assert sideways == {
        *("jpeg-exif", "jpeg-exif-little-endian", "jpeg-exif-late", "jpeg-exif-and-another-xmp", "mpo-exif", "png-exif-before", "avif-box"),
    }
