"""Which prediction a person began from: the parent, not whatever was on show when they submitted."""

from __future__ import annotations

from typing import Any

import pytest

from dinolabel.studio.label_configs.label_config import LabelConfig, build
from dinolabel.studio.reviews.annotations import annotations_of

CONFIG = LabelConfig.parse(build({"human face": "face"}, ["jason"]))
OLD = {"id": 5, "model_version": "gdino.old", "result": []}
NEW = {"id": 9, "model_version": "gdino.new", "result": []}


@pytest.mark.parametrize(
    ("parent", "inline", "listed", "version"),
    [
        (5, OLD, [], "gdino.old"),
        (5, NEW, [OLD, NEW], "gdino.old"),
        (5, NEW, [], None),
        (5, {}, [NEW, OLD], "gdino.old"),
        (None, OLD, [], "gdino.old"),
        (None, {}, [OLD], None),
        (None, 9, [OLD, NEW], "gdino.new"),
        (5, {}, True, None),
    ],
)
def test_the_parent_counts(parent: int | None, inline: Any, listed: Any, version: str | None) -> None:
    annotation = {"id": 1, "result": [], "parent_prediction": parent, "prediction": inline}
    task = {"id": 1, "data": {}, "annotations": [annotation], "predictions": listed}
    assert [each.model_version for each in annotations_of(task, CONFIG)] == [version]
