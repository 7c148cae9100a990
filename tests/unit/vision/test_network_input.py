"""Pictures as a network takes them are bit for bit transformers' own, without its image processor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import GroundingDinoImageProcessorPil
from transformers.image_transforms import get_size_with_aspect_ratio

from dinolabel.vision.images.network_input import Preprocessing
from dinolabel.vision.loading.transformers_loader import image_processor

OWN = {"size": {"shortest_edge": 96, "longest_edge": 160}}


def test_sizes_are_those_of_transformers() -> None:
    how, draw = Preprocessing.of({}), np.random.default_rng(0)
    for _ in range(4000):
        height, width, shorter = (int(each) for each in draw.integers(1, 3000, 3))
        longer = int(shorter * draw.uniform(1, 2))
        theirs = get_size_with_aspect_ratio((height, width), shorter, longer)
        assert how.size(height, width, shorter=shorter, longer=longer) == theirs, (height, width, shorter, longer)


@pytest.mark.parametrize(
    "said",
    [
        {},
        OWN,
        {**OWN, "resample": 3, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]},
        {**OWN, "do_rescale": False},
        {**OWN, "do_normalize": False},
        {**OWN, "rescale_factor": 0.5},
        {"size": 96, "max_size": 200},
    ],
)
@pytest.mark.parametrize(("height", "width"), [(48, 64), (3, 70), (150, 96), (120, 400)])
def test_pixels_are_those_of_transformers(tmp_path: Path, said: dict[str, Any], height: int, width: int) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": "GroundingDinoImageProcessor", **said}))
    theirs, ours = GroundingDinoImageProcessorPil.from_pretrained(tmp_path), Preprocessing.of(image_processor(tmp_path))
    picture = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    size = tuple(max(1, side) for side in ours.size(height, width, shorter=ours.shorter, longer=ours.longer))
    expected = theirs([picture], do_pad=False, input_data_format="channels_last", return_tensors="np")["pixel_values"][0]
    if min(size) > 1:
        assert expected.shape[1:] == size
    else:
        expected = theirs(
            [picture], size=dict(zip(("height", "width"), size, strict=True)), do_pad=False, input_data_format="channels_last"
        )["pixel_values"][0]
    assert np.array_equal(ours.pixels(picture, size), np.asarray(expected))
