"""What a person reads of a detection: three answers, three rows."""

from __future__ import annotations

import json

import pytest

from dinolabel.vision.proposals.labelled_box import LabelledBox
from dinolabel.vision.types import Box, Detection, Named, Reference, Suppressed, Unknown

BOX = Box(1.25, 2.5, 30, 40)


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (None, {"label": "cat", "confidence": None, "guess": None}),
        (Named("tom", 0.912345), {"label": "tom", "confidence": 0.9123, "guess": None}),
        (Unknown("tom", 0.4), {"label": "cat", "confidence": None, "guess": "tom"}),
        (Suppressed(0.8), {"label": "cat", "confidence": None, "guess": None}),
        (
            Named("tom", 0.9, (Reference("7/1/a/person", "tom", 0.1),)),
            {"label": "tom", "confidence": 0.9, "guess": None, "because": [{"crop": "7/1/a/person", "label": "tom", "distance": 0.1}]},
        ),
    ],
)
def test_row(answer: object, wanted: dict[str, object]) -> None:
    row = LabelledBox.of(Detection(BOX, "cat", 0.123456, answer)).row()
    assert row == {"phrase": "cat", "score": 0.1235, "box": [1.25, 2.5, 30, 40], "because": [], **wanted}
    assert list(row) == ["label", "phrase", "score", "confidence", "guess", "box", "because"]
    json.dumps(row)
