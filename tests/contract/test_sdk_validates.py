"""What we send is what Label Studio's own SDK accepts; what it would silently drop, it names."""

from __future__ import annotations

from typing import Any

import pytest

from dinolabel.studio.label_configs.label_config import LabelConfig, build
from dinolabel.studio.regions.validation import validate_prediction
from dinolabel.studio.regions.writing import to_prediction, to_result
from dinolabel.vision.types import Box, Detection, Named, Suppressed, Unknown

XML = build({"human face": "face", "dog face": "dog"}, ["jason", "lacy"])
DETECTIONS = [
    Detection(Box(0, 0, 64, 48), "human face", 0.9, Named("jason", 0.97)),
    Detection(Box(10, 10, 20.25, 30), "human face", 0.5, Unknown("lacy", 0.4)),
    Detection(Box(100, 100, 320, 240), "dog face", 0.31),
    Detection(Box(40, 40, 60, 60), "human face", 0.4, Suppressed(0.9)),
]


def prediction(detections: list[Detection]) -> dict[str, Any]:
    result = to_result(detections, LabelConfig.parse(XML), width=320, height=240, task=1, version="gdino.1")
    return to_prediction(1, result, "gdino.1")


@pytest.mark.parametrize("detections", [DETECTIONS, []])
def test_our_predictions_are_accepted(detections: list[Detection]) -> None:
    assert validate_prediction(XML, prediction(detections)) == []


@pytest.mark.parametrize("spoil", [{"from_name": "nobody"}, {"to_name": "nothing"}, {"type": "polygonlabels"}])
def test_what_would_be_dropped_is_named(spoil: dict[str, str]) -> None:
    broken = prediction(DETECTIONS)
    broken["result"][0] |= spoil
    assert validate_prediction(XML, broken)


def test_a_label_that_is_not_in_the_config_is_named() -> None:
    broken = prediction(DETECTIONS)
    broken["result"][0]["value"]["rectanglelabels"] = ["stranger"]
    assert validate_prediction(XML, broken)
