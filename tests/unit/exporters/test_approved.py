"""What people decided, read from Label Studio's own exports."""

from __future__ import annotations

import json
from pathlib import Path

from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.pipeline.report import count
from dinolabel.studio.label_configs.label_config import LabelConfig

FIXTURES = Path(__file__).parents[2] / "fixtures"
CONFIG = LabelConfig.parse(
    """<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">
    <Label value="object" predicted_values="object"/><Label value="cat"/><Label value="dog"/></RectangleLabels></View>"""
)


def test_a_recorded_export() -> None:
    report = count(json.loads((FIXTURES / "ls_export.json").read_text()), CONFIG, ExportOptions())
    assert report.approved == {"cat": 2, "dog": 2}
    assert report.generic == 13
    assert report.unlabelled == 1  # a bird, which the config does not know
    assert (report.rejected, report.unverified, report.skipped) == (4, 0, 1)


def test_order_of_tasks_does_not_count() -> None:
    tasks = json.loads((FIXTURES / "ls_export.json").read_text())
    assert count(tasks, CONFIG, ExportOptions()) == count(list(reversed(tasks)), CONFIG, ExportOptions())


def test_labels_without_a_box_are_counted_too() -> None:
    assert count([], CONFIG, ExportOptions()).approved == {"cat": 0, "dog": 0}
