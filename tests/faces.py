"""A real face for tests: matplotlib brings Grace Hopper's portrait (U.S. Navy, public domain). What needs dlib is skipped without it."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import PIL.Image
import pytest

from dinolabel.vision.loading import dlib_models
from dinolabel.vision.types import Box, Image

PLUG = dlib_models.FACES
INSTALLED = dlib_models.find_folder() is not None and bool(dlib_models.library_version())
needed = pytest.mark.skipif(not INSTALLED, reason="the extra `faces` is not installed")
PORTRAIT = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
FACE = Box(188, 100, 358, 335)
"""Pixels of the portrait (512 x 600), from hairline to chin, as marked by hand."""


def photo(width: int = 512) -> PIL.Image.Image:
    """The portrait, so many pixels wide."""
    whole = PIL.Image.open(PORTRAIT).convert("RGB")
    return whole.resize((width, round(width * whole.height / whole.width)), PIL.Image.Resampling.LANCZOS)


def portrait(width: int = 512) -> Image:
    return Image.from_array(np.asarray(photo(width)))


def face(width: int = 512) -> Box:
    """Where it is in a portrait of that width."""
    return Box(*(each * width / 512 for each in FACE.xyxy))
