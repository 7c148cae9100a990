"""Pictures of more than eight bits: what is far below its range is stretched and said so; what uses its range, and eight bits, stay."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from dinolabel.vision.decoding.pictures import from_pillow, open_image
from dinolabel.vision.decoding.rgb import ValueRange, range_of


def ramp(low: float, high: float, dtype: str) -> np.ndarray:
    """(4, 256) from the lowest to the highest value."""
    return np.linspace(low, high, 256).astype(dtype)[None].repeat(4, axis=0)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 1023), (0, 4095), (0, 16383), (64, 4000), (7000, 9200), (29_315, 31_000), (61_000, 65_535)],
    ids=["10 bits", "12 bits", "14 bits", "12 bits, not all", "counts of a thermal camera", "hundredths of a kelvin", "bright and flat"],
)
def test_grey_far_below_its_range_is_stretched(tmp_path: Path, low: int, high: int, suffix: str) -> None:
    path = tmp_path / f"deep.{suffix}"
    PIL.Image.fromarray(ramp(low, high, "uint16")).save(path)
    image = open_image(path)
    assert image.remarks == []
    pixels = image.pixels
    assert np.abs(pixels[0, :, 0].astype(int) - np.arange(256)).max() <= 1
    assert (pixels == pixels[..., :1]).all()
    assert image.remarks == [f"uses only {low} to {high} of its range and was stretched to be seen"]
    _ = image.pixels
    assert len(image.remarks) == 1


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("value", [(0, 65_535), (20_000, 45_000), (0, 16_384), (33_000, 33_000), (0, 0)])
def test_grey_that_uses_its_range_is_scaled_from_the_whole_of_it(tmp_path: Path, value: tuple[int, int], suffix: str) -> None:
    path = tmp_path / f"full.{suffix}"
    values = ramp(*value, "uint16")
    PIL.Image.fromarray(values).save(path)
    image = open_image(path)
    assert np.array_equal(image.pixels[..., 0], np.floor(values / 65535 * 255 + 0.5))
    assert image.remarks == []


@pytest.mark.parametrize("value", [(0, 15), (100, 120), (0, 255)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_eight_bits_are_never_stretched(tmp_path: Path, value: tuple[int, int], mode: str) -> None:
    values = ramp(*value, "uint8")
    PIL.Image.fromarray(values).convert(mode).save(tmp_path / "night.png")
    image = open_image(tmp_path / "night.png")
    assert np.array_equal(image.pixels[..., 1], values)
    assert image.remarks == []


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_colour_of_12_bits_in_16_keeps_all_of_them(tmp_path: Path, suffix: str) -> None:
    """Pillow hands out the upper eight, of which four are used; all three channels are stretched alike."""
    blue, green, red = ramp(0, 4095, "uint16"), ramp(0, 2000, "uint16"), ramp(4095, 0, "uint16")
    assert cv2.imwrite(str(tmp_path / f"deep.{suffix}"), np.stack([blue, green, red], axis=-1))
    image = open_image(tmp_path / f"deep.{suffix}")
    pixels = image.pixels.astype(int)
    assert np.abs(pixels[0, :, 2] - np.arange(256)).max() <= 1
    assert np.abs(pixels[0, :, 0] - np.arange(256)[::-1]).max() <= 1
    assert np.abs(pixels[0, :, 1] - np.arange(256) * 2000 / 4095).max() <= 1
    assert image.remarks == ["uses only 0 to 4095 of its range and was stretched to be seen"]


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="apt-get install libimage-exiftool-perl")
def test_colour_of_12_bits_in_16_is_turned_too(tmp_path: Path) -> None:
    values = np.zeros((20, 40, 3), np.uint16)
    values[:, :20] = (0, 0, 4095)  # cv2 writes BGR: red on the left
    assert cv2.imwrite(str(tmp_path / "deep.tif"), values)
    subprocess.run(["exiftool", "-q", "-n", "-Orientation=6", "-o", "turned.tif", "deep.tif"], cwd=tmp_path, check=True)
    pixels = open_image(tmp_path / "turned.tif").pixels
    assert pixels.shape == (40, 20, 3)
    assert pixels[5, 10].tolist() == [255, 0, 0] and pixels[35, 10].tolist() == [0, 0, 0]


@pytest.mark.parametrize("top", [65_535, 20_000])
def test_colour_of_16_bits_that_uses_them_stays(tmp_path: Path, top: int) -> None:
    values = np.stack([ramp(0, top, "uint16")] * 3, axis=-1)
    assert cv2.imwrite(str(tmp_path / "full.png"), values)
    image = open_image(tmp_path / "full.png")
    assert np.array_equal(image.pixels, (values >> 8).astype(np.uint8))
    assert image.remarks == []


@pytest.mark.parametrize(
    ("low", "high", "floating", "found"),
    [
        (0, 65_535, False, ValueRange(0, 65_535)),
        (0, 16_383, False, ValueRange(0, 16_383, stretched=True)),
        (0, 16_384, False, ValueRange(0, 65_535)),
        (0, 1, False, ValueRange(0, 1, stretched=True)),  # a mask of whole numbers
        (5, 5, False, ValueRange(0, 65_535)),
        (-3, 100, False, ValueRange(-3, 100)),
        (0, 100_000, False, ValueRange(0, 100_000)),
        (0.0, 1.0, True, ValueRange(0, 1)),
        (0.1, 0.2, True, ValueRange(0.1, 0.2, stretched=True)),
        (0.0, 255.0, True, ValueRange(0, 255, stretched=True)),
        (290.0, 310.0, True, ValueRange(290, 310, stretched=True)),
        (-20.0, 35.0, True, ValueRange(-20, 35)),
    ],
)
def test_ranges(low: float, high: float, floating: bool, found: ValueRange) -> None:
    assert range_of(low, high, floating=floating) == found


def test_degrees_with_holes(tmp_path: Path) -> None:
    values = np.array([[290.0, 310.0], [np.nan, np.inf]], np.float32)
    PIL.Image.fromarray(values).save(tmp_path / "heat.tif")
    assert open_image(tmp_path / "heat.tif").pixels[..., 0].tolist() == [[0, 255], [0, 255]]


def test_nothing_but_holes(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.full((2, 2), np.nan, np.float32)).save(tmp_path / "hole.tif")
    assert not open_image(tmp_path / "hole.tif").pixels.any()


def test_signed_and_in_memory() -> None:
    image = from_pillow(PIL.Image.fromarray(np.array([[-10, 0, 10]], np.int32)))
    assert image.pixels[0, :, 0].tolist() == [0, 128, 255]
    image = from_pillow(PIL.Image.fromarray(ramp(0, 4095, "uint16")))
    assert image.pixels[0, -1].tolist() == [255, 255, 255]
    assert len(image.remarks) == 1
