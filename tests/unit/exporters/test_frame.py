"""Sizes beside a project's boxes: copies of the picture are fine, another shape is refused by name, and a turn is not made twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from dinolabel.exporters import formats
from dinolabel.exporters.formats import coco, crops
from dinolabel.exporters.options import ExportOptions
from tests.doubles.annotated import Annotated, annotation, region

WIDE, TALL = (96, 64), (64, 96)


def world(tmp_path: Path, turn: int, *answers: dict[str, Any], size: tuple[int, int] = WIDE) -> Annotated:
    """One picture of `size` with an EXIF turn, and a second that is as it should be."""
    made = Annotated(tmp_path / "pictures")
    made.folder.mkdir(parents=True)
    exif = PIL.Image.Exif()
    exif[0x0112] = turn
    PIL.Image.new("RGB", size, (90, 30, 10)).save(made.folder / "a.jpg", exif=exif)
    made.add(*answers, name="a.jpg")
    made.add(annotation(2, region("fine", (20, 10, 60, 50), "lacy")))
    return made


def exported(made: Annotated, tmp_path: Path) -> tuple[Any, dict[str, Any]]:
    out = tmp_path / "coco"
    report = coco.export(made.tasks, made.config, out, open_image=made.open, find=made.find, wish=ExportOptions(split=False))
    return report, json.loads((out / "annotations/instances.json").read_text())


@pytest.mark.parametrize(
    ("turn", "size", "box", "expected", "sideways"),
    [
        (1, WIDE, (8, 6, 40, 30), (8, 6, 32, 24), 0),
        (1, (192, 128), (16, 12, 80, 60), (8, 6, 32, 24), 0),  # drawn on a larger copy
        (6, TALL, (8, 6, 40, 30), (8, 6, 32, 24), 0),  # as the editor writes it
        (6, WIDE, (12, 4, 60, 20), (8, 6, 32, 24), 1),  # the same shares, sizes before the turn
        (8, (192, 128), (24, 8, 120, 40), (8, 6, 32, 24), 1),
        (5, WIDE, (12, 4, 60, 20), (8, 6, 32, 24), 1),
    ],
)
def test_shares_of_the_upright_picture(
    tmp_path: Path, turn: int, size: tuple[int, int], box: tuple[float, ...], expected: tuple[float, ...], sideways: int
) -> None:
    report, content = exported(world(tmp_path, turn, annotation(1, region("r", box, "jason", size=size))), tmp_path)  # type: ignore[arg-type]
    assert not report.failed and report.sideways == sideways
    assert next(each["bbox"] for each in content["annotations"]) == pytest.approx(expected)


@pytest.mark.parametrize(("turn", "size"), [(1, (50, 50)), (1, TALL), (3, TALL), (6, (100, 100))])
def test_another_shape_costs_its_picture_only(tmp_path: Path, turn: int, size: tuple[int, int]) -> None:
    made = world(tmp_path, turn, annotation(1, region("r9", (8, 6, 40, 30), "jason", size=size)))
    report, content = exported(made, tmp_path)
    cut = crops.export(made.tasks, made.config, tmp_path / "crops", open_image=made.open, find=made.find)
    for found in (report, cut):
        (failed,) = found.failed
        assert (failed["task"], failed["error"], failed["boxes"]) == (1, "SizeMismatch", 1)
        assert "r9" in failed["why"] and f"{size[0]} x {size[1]}" in failed["why"]
    assert [each["image_id"] for each in content["annotations"]] == [2] and cut.rows == 1


def test_crops_are_cut_where_the_box_was_drawn(tmp_path: Path) -> None:
    made = world(tmp_path, 6, annotation(1, region("r", (12, 4, 60, 20), "jason", size=WIDE)))
    for _ in range(2):  # the second finds the first's journal or its whole export
        report = crops.export(made.tasks, made.config, tmp_path / "crops", open_image=made.open, find=made.find)
        assert (report.sideways, report.failed) == (1, ())
        rows = [json.loads(line) for line in (tmp_path / "crops/manifest.jsonl").read_text().splitlines()]
        assert next(each["box"] for each in rows if each["task"] == 1) == [8, 6, 40, 30]


def test_a_turned_box_keeps_its_angle(tmp_path: Path) -> None:
    """Corners in the frame before the turn are corners of another rectangle: the angle is that of what people saw."""
    upright = region("r", (30, 30, 50, 40), "jason", rotation=30, size=TALL)
    swapped = {**upright, "original_width": WIDE[0], "original_height": WIDE[1]}
    found = [
        exported(world(tmp_path / str(at), 6, annotation(1, each)), tmp_path / str(at))[1] for at, each in enumerate((upright, swapped))
    ]
    first, second = (each["annotations"][0] for each in found)
    assert second["segmentation"][0] == pytest.approx(first["segmentation"][0]) and second["bbox"] == pytest.approx(first["bbox"])


def test_sizes_of_predictions_count_for_nothing(tmp_path: Path) -> None:
    shown = [region("gone", (10, 10, 40, 40), "face", size=(50, 50))]
    made = world(tmp_path, 1, annotation(1, shown=shown))
    report = crops.export(made.tasks, made.config, tmp_path / "crops", open_image=made.open, find=made.find)
    assert not report.failed and report.rejected == 1
    rows = [json.loads(line) for line in (tmp_path / "crops/manifest.jsonl").read_text().splitlines()]
    assert next(each["box"] for each in rows if each["task"] == 1) == pytest.approx([19.25, 12.75, 76.75, 51.25])


@pytest.mark.parametrize("name", ["coco", "yolo", "voc", "csv", "parquet", "hf", "xmp"])
def test_every_format_goes_one_way(tmp_path: Path, name: str) -> None:
    made = world(tmp_path, 1, annotation(1, region("r", (8, 6, 40, 30), "jason", size=(50, 50))))
    report = formats.load(name).export(made.tasks, made.config, tmp_path / "out", open_image=made.open, find=made.find)
    assert [each["error"] for each in report.failed] == ["SizeMismatch"]
