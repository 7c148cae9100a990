"""A frame of a film has the size and the pixels that Chromium shows of it, which is what boxes are drawn on."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dinolabel.vision.decoding.video_frames import open_frame
from tests.films import coloured, turned

pytestmark = pytest.mark.slow  # nineteen films are encoded, and played in a browser

CHROMIUM = shutil.which("chromium")
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update"
LOOK = """async address => {
  const film = document.createElement('video');
  [film.muted, film.src] = [true, address];
  await new Promise((ready, failed) => { film.onloadeddata = ready; film.onerror = () => failed(new Error(film.error.message)); });
  const shown = new Promise(done => film.requestVideoFrameCallback(done));
  await film.play();
  await shown;
  film.pause();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [film.videoWidth, film.videoHeight];
  const context = canvas.getContext('2d');
  context.drawImage(film, 0, 0);
  return [canvas.width, canvas.height, Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data)];
}"""
NEAR = 7
"""Levels by which FFmpeg's own conversion of BT.709 differs from the browser's."""

SMALL, HIGH = (96, 64), (64, 720)
FILMS = {
    "plain.mp4": (SMALL, {}, None),
    "mirrored.mp4": (SMALL, {}, (-1, 0, 0, 1)),
    "upside-down-mirrored.mp4": (SMALL, {}, (1, 0, 0, -1)),
    "half.mp4": (SMALL, {}, (-1, 0, 0, -1)),
    "quarter.mp4": (SMALL, {}, (0, 1, -1, 0)),
    "transposed.mp4": (SMALL, {}, (0, 1, 1, 0)),
    "transverse.mp4": (SMALL, {}, (0, -1, -1, 0)),
    "hd.mp4": (HIGH, {}, None),
    "below-hd.mp4": ((64, 718), {}, None),
    "hd-matrix-only.mp4": (HIGH, {"tags": (6, 2, 2)}, None),
    "small-matrix-only.mp4": (SMALL, {"tags": (1, 2, 2)}, None),
    "hd-tagged-601.mp4": (HIGH, {"tags": (6, 6, 6)}, None),
    "small-tagged-709.mp4": (SMALL, {"tags": (1, 1, 1)}, None),
    "hd-full-range.mp4": (HIGH, {"full": True}, None),
    "hd-vp8.webm": (HIGH, {"codec": "libvpx"}, None),
    "hd-vp9.webm": (HIGH, {}, None),
    "wide-pixels.mp4": (SMALL, {"aspect": Fraction(64, 45)}, None),
    "high-pixels.mp4": ((96, 360), {"aspect": Fraction(1, 2)}, None),
    "wide-pixels-quarter.mp4": (SMALL, {"aspect": Fraction(64, 45)}, (0, 1, -1, 0)),
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder, made = tmp_path_factory.mktemp("films"), {}
    for name, (size, options, matrix) in FILMS.items():
        path = coloured(folder / name, size, **options)
        made[name] = turned(path, matrix) if matrix else path
    return made


@pytest.fixture(scope="module")
def shown(films: Mapping[str, Path]) -> Mapping[str, np.ndarray]:
    """Name -> (H, W, 3) as Chromium shows it."""
    if CHROMIUM is None:
        pytest.skip("apt-get install chromium")
    sync = pytest.importorskip("playwright.sync_api")
    seen = {}
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS.split(), "--force-color-profile=srgb"])
        page = browser.new_page()
        for name, path in films.items():
            address = f"data:video/{path.suffix[1:]};base64,{base64.b64encode(path.read_bytes()).decode()}"
            width, height, values = page.evaluate(LOOK, address)
            seen[name] = np.array(values, np.uint8).reshape(height, width, 4)[..., :3]
        browser.close()
    return seen


@pytest.mark.parametrize("name", FILMS)
def test_as_the_browser_shows_it(shown: Mapping[str, np.ndarray], films: Mapping[str, Path], name: str) -> None:
    image = open_frame(films[name], 0)
    height, width, _ = shown[name].shape
    assert (image.width, image.height) == (width, height)
    for down in (1 / 8, 7 / 8):
        for across in (1 / 8, 7 / 8):
            at = round(height * down), round(width * across)
            assert image.pixels[at] == pytest.approx(shown[name][at], abs=NEAR), (name, at)
