"""An export's memory grows by an index of the pictures, and not by what is in them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dinolabel.exporters import formats
from dinolabel.exporters.annotation_effort.counts import EffortCounts
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.vision.decoding.pictures import open_image
from tests.doubles.annotated import annotation, region, xml

CONFIG = LabelConfig.parse(xml("jason", "lacy"))
BOXES = 10
PER_BOX = 500  # bytes: a box as Label Studio's JSON, with its prediction, is more than 4,000 in memory


def tasks(number: int) -> Iterator[dict[str, Any]]:
    for at in range(1, number + 1):
        kept = [region(f"{at}-{box}", (4 * box, 0, 4 * box + 9, 50), "jason") for box in range(BOXES)]
        yield {"id": at, "data": {"image": "1.png"}, "annotations": [annotation(at, *kept, shown=kept)]}


def peak(work: Any) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["csv", "labelstudio"])
def test_an_export(tmp_path: Path, name: str) -> None:
    import PIL.Image

    path = tmp_path / "1.png"
    PIL.Image.new("RGB", (200, 100)).save(path)

    def export(number: int, out: str) -> None:
        found = formats.load(name).export(
            tasks(number), CONFIG, tmp_path / out, open_image=lambda value: open_image(path), find=lambda value: path
        )
        assert found.rows == number * BOXES

    export(2, "warm")
    assert peak(lambda: export(60, "large")) - peak(lambda: export(10, "small")) < 50 * BOXES * PER_BOX


def test_the_report_of_effort() -> None:
    def count(number: int) -> None:
        effort = EffortCounts()
        for task in tasks(number):
            effort.add(task, CONFIG)
        assert effort.summary()["versions"][0]["boxes"] == number * BOXES

    count(2)
    assert peak(lambda: count(60)) - peak(lambda: count(10)) < 50 * BOXES * PER_BOX
