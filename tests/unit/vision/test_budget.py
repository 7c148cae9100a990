"""What decoding a picture takes in memory: never more than was counted from its header, and refused by name above the bound."""

from __future__ import annotations

import io
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from dinolabel.settings import Settings
from dinolabel.vision.decoding import memory_budget
from dinolabel.vision.decoding.pictures import image_of, open_image
from dinolabel.vision.errors import MediaUnreadable

SIDE = 3000  # 9 megapixels: enough that what Python itself takes does not matter
PEAK = """
import sys
from pathlib import Path
from dinolabel.vision.decoding.pictures import open_image
def memory(what):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(what)) / 1024
open_image(Path(sys.argv[2])).pixels  # whatever a decoder loads the first time
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = memory("VmRSS")
pixels = open_image(Path(sys.argv[1])).pixels
print(*pixels.shape[:2], memory("VmHWM") - before)
"""


def grey(dtype: str, top: float) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.linspace(0, top, SIDE).astype(dtype)[None].repeat(SIDE, axis=0))


def colour(mode: str = "RGB", *values: int) -> PIL.Image.Image:
    return PIL.Image.new(mode, (SIDE, SIDE), values or (200, 30, 30))


EXIF = PIL.Image.Exif()
EXIF[0x0112] = 6
WRITERS = {
    "1.png": lambda file: PIL.Image.new("1", (SIDE, SIDE), 1).save(file),
    "P-clear.png": lambda file: colour().convert("P").save(file, transparency=0),
    "RGB.jpg": lambda file: colour().save(file),
    "RGB-progressive.jpg": lambda file: colour().save(file, progressive=True, subsampling=0),
    "RGBA.png": lambda file: colour("RGBA", 200, 30, 30, 128).save(file),
    "CMYK.jpg": lambda file: colour("CMYK", 0, 200, 200, 0).save(file),
    "I16.png": lambda file: grey("uint16", 65535).save(file),
    "RGB16-dark.png": lambda file: cv2.imwrite(str(file), np.asarray(colour()).astype(np.uint16) * 16),
    "I.tif": lambda file: grey("int32", 100_000).save(file),
    "F.tif": lambda file: grey("float32", 1).save(file),
    "RGB-turned.tif": lambda file: colour().save(file, exif=EXIF),
    "RGB.webp": lambda file: colour().save(file, quality=10, method=0),
    "RGB.avif": lambda file: colour().save(file, speed=10, quality=10),
    "RGB.jp2": lambda file: colour().save(file),
}


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    yield
    memory_budget.allow(memory_budget.USUAL_MB)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is told in other units elsewhere")
@pytest.mark.parametrize("name", WRITERS)
def test_no_mode_takes_more_than_was_counted(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    small = tmp_path / f"small.{name.split('.')[1]}"
    PIL.Image.new("RGB", (64, 64)).save(small)
    done = subprocess.run([sys.executable, "-c", PEAK, str(path), str(small)], capture_output=True, text=True, check=True)
    height, width, taken = done.stdout.split("\n")[-2].split()
    assert (int(height), int(width)) == (SIDE, SIDE)
    memory_budget.allow(16)
    with pytest.raises(MediaUnreadable, match=r"3000 x 3000, would take") as refusal:
        open_image(path)
    counted = int(str(refusal.value).split("would take ")[1].split(" MB")[0])
    assert float(taken) <= counted + 8, (taken, counted)
    assert counted <= 3 * float(taken) + 100  # and not far above it


def test_178_megapixels_of_16_bits_fit_the_usual_bound_and_larger_modes_are_named() -> None:
    """From headers alone: files that promise much and hold a single row."""
    fits = header("I;16", 13_377, 13_377)
    assert image_of(fits, "map.png").width == 13_377
    memory_budget.allow(512)
    with pytest.raises(MediaUnreadable, match=r"^map\.png, 13377 x 13377, would take 9\d\d MB of memory; 512 MB are allowed\.") as refusal:
        image_of(fits, "map.png")
    assert "DINOLABEL_PICTURE_MAX_MB" in refusal.value.hint


def header(mode: str, width: int, height: int) -> bytes:
    """A PNG of one pixel whose header claims more."""
    file = io.BytesIO()
    PIL.Image.new(mode, (1, 1)).save(file, "PNG")
    data = bytearray(file.getvalue())
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def test_the_bound_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOLABEL_PICTURE_MAX_MB", "100")
    assert Settings.load().picture_max_mb == 100
    with pytest.raises(MediaUnreadable, match="100 MB are allowed"):
        image_of(header("RGB", 9_000, 9_000), "wall.png")


@pytest.mark.parametrize("turn", range(1, 9))
def test_strips_join_to_the_whole(tmp_path: Path, turn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of many strips has the pixels of one that went through in one piece."""
    noise = np.random.default_rng(turn).integers(0, 256, (37, 50, 3), np.uint8)
    exif = PIL.Image.Exif()
    exif[0x0112] = turn
    PIL.Image.fromarray(noise).save(tmp_path / "a.png", exif=exif)
    whole = open_image(tmp_path / "a.png").pixels
    monkeypatch.setattr("dinolabel.vision.decoding.rgb.STRIP", 150)  # three rows, and one at the end
    assert np.array_equal(open_image(tmp_path / "a.png").pixels, whole)
    steps = {1: noise, 2: noise[:, ::-1], 3: noise[::-1, ::-1], 4: noise[::-1], 6: np.rot90(noise, -1), 8: np.rot90(noise)}
    steps |= {5: noise.transpose(1, 0, 2), 7: noise[::-1, ::-1].transpose(1, 0, 2)}
    assert np.array_equal(whole, steps[turn])
