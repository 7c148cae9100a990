"""What people decided, read from Label Studio's own exports."""

from __future__ import annotations

import json
from pathlib import Path

from dinolabel.exporters.pipeline.selection import select_reviewed
from dinolabel.studio.label_configs.label_config import LabelConfig

FIXTURES = Path(__file__).parents[2] / "fixtures"
CONFIG = LabelConfig.parse(
    """<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">
    <Label value="object" predicted_values="object"/><Label value="cat"/><Label value="dog"/></RectangleLabels></View>"""
)


def test_a_recorded_export() -> None:
    tasks = json.loads((FIXTURES / "ls_export.json").read_text())
    selection = select_reviewed(tasks, CONFIG)
    assert selection.approved == {"cat": 2, "dog": 2}
    assert selection.count("approved", "generic") == 13
    assert selection.count("approved", "unlabelled") == 1  # a bird, which the config does not know
    assert [each.region for each in selection.boxes if each.verdict == "rejected"] == ["a26r0", "a31r0", "a31r1", "a31r2"]
    assert selection.count("unverified") == 0
    assert selection.skipped == 1


def test_order_of_tasks_does_not_count() -> None:
    tasks = json.loads((FIXTURES / "ls_export.json").read_text())
    assert select_reviewed(tasks, CONFIG) == select_reviewed(list(reversed(tasks)), CONFIG)
    assert list(select_reviewed(tasks, CONFIG).by_task) == sorted(select_reviewed(tasks, CONFIG).by_task)


def test_labels_without_a_box_are_counted_too() -> None:
    assert select_reviewed([], CONFIG).approved == {"cat": 0, "dog": 0}
