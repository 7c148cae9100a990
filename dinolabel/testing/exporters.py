"""Laws of an export format: each is a function of its `export` and of an empty folder. The project that is exported is drawn here."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from dinolabel.exporters.media_lookup import finder
from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.pipeline.report import ExportReport
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.file_digest import sha256_of_file

WIDTH, HEIGHT = 200, 100
XML = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">'
    '<Label value="face" predicted_values="human face"/><Label value="jason"/><Label value="lacy"/></RectangleLabels></View>'
)
APPROVED = {"jason": 2, "lacy": 1}  # of the three annotated pictures below
Export = Callable[..., ExportReport]


def check_exporter(export: Export) -> None:
    """Every law, on a small project with boxes of two names. Raises AssertionError."""
    for law in EXPORTER_LAWS:
        with tempfile.TemporaryDirectory() as folder:
            law(export, Path(folder))


def draw_project(folder: Path) -> list[dict[str, Any]]:
    """Three annotated pictures in `folder`, and their tasks as Label Studio gives them: two boxes, one box turned, no box."""
    boxes: list[list[tuple[str, float]]] = [[("jason", 0.0), ("lacy", 0.0)], [("jason", 30.0)], []]
    return [_task(folder, number, regions) for number, regions in enumerate(boxes, start=1)]


def _task(folder: Path, number: int, regions: list[tuple[str, float]]) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(folder / f"{number}.png")
    result = [_region(f"{number}-{place}", place, label, turned) for place, (label, turned) in enumerate(regions)]
    times = {"created_at": "2026-11-22T10:00:00Z", "updated_at": "2026-11-22T11:00:00Z", "lead_time": 2.0}
    done = {"id": number, "completed_by": 1, "result": result, "was_cancelled": False, **times}
    return {"id": number, "inner_id": number, "data": {"image": f"/data/local-files/?d={number}.png"}, "annotations": [done]}


def _region(identity: str, place: int, label: str, turned: float) -> dict[str, Any]:
    value = {"x": 10.0 + 40 * place, "y": 10.0, "width": 20.0, "height": 40.0, "rotation": turned, "rectanglelabels": [label]}
    names = {"from_name": "label", "to_name": "image", "type": "rectanglelabels", "origin": "manual", "image_rotation": 0}
    return {"id": identity, "value": value, "original_width": WIDTH, "original_height": HEIGHT, **names}


def run_export(export: Export, tasks: list[dict[str, Any]], pictures: Path, out: Path) -> ExportReport:
    """As `dinolabel export` calls it."""
    find = finder(pictures)
    return export(
        tasks, LabelConfig.parse(XML), out, open_image=lambda address: open_image(find(address)), find=find,
        wish=ExportOptions(), generic_is_unknown=False, progress=lambda done, total: None, xml=XML,
    )  # fmt: skip


def files_in(folder: Path) -> Mapping[str, str]:
    """Relative path -> sha256."""
    return {each.relative_to(folder).as_posix(): sha256_of_file(each) for each in sorted(folder.rglob("*")) if each.is_file()}


def counts_what_people_approved(export: Export, folder: Path) -> None:
    report = run_export(export, draw_project(folder / "pictures"), folder / "pictures", folder / "out")
    assert isinstance(report, ExportReport), f"it returns {type(report).__name__}, expected an ExportReport"
    assert dict(report.approved) == APPROVED, f"approved are {dict(report.approved)}, expected {APPROVED}"
    assert not report.failed and report.rows > 0 and files_in(folder / "out"), "it wrote nothing"


def writes_into_its_folder_alone(export: Export, folder: Path) -> None:
    """Tasks and pictures stay as they were, and so does a file that somebody put among an earlier export's."""
    tasks = draw_project(folder / "pictures")
    before, pictures = copy.deepcopy(tasks), files_in(folder / "pictures")
    run_export(export, tasks, folder / "pictures", folder / "out")
    (folder / "out" / "notes.txt").write_text("of a person's", encoding="utf-8")
    run_export(export, tasks, folder / "pictures", folder / "out")
    assert tasks == before, "it changes the tasks"
    assert files_in(folder / "pictures") == pictures, "it changes the pictures"
    assert sorted(each.name for each in folder.iterdir()) == ["out", "pictures"], "it writes beside its folder"
    assert (folder / "out" / "notes.txt").is_file(), "it removes what a person has in the folder"


def again_is_the_same(export: Export, folder: Path) -> None:
    tasks = draw_project(folder / "pictures")
    reports = [run_export(export, tasks, folder / "pictures", folder / out) for out in ("out", "out", "other")]
    assert reports[0] == reports[1] == reports[2], "the same again is counted differently"
    one, other = files_in(folder / "out"), files_in(folder / "other")
    assert one.keys() == other.keys(), f"the same again has other files: {sorted(one.keys() ^ other.keys())}"


def one_bad_task_costs_nothing_else(export: Export, folder: Path) -> None:
    """A task that makes no sense and a picture that is gone are `failed`, each with its task and why; the others are written."""
    tasks = draw_project(folder / "pictures")
    lost = copy.deepcopy(tasks[0]) | {"id": 8, "data": {"image": "/data/local-files/?d=gone.png"}}
    broken = {"id": 9, "data": {"image": "1.png"}, "annotations": "none"}
    whole = run_export(export, tasks, folder / "pictures", folder / "whole")
    report = run_export(export, [broken, lost, *tasks], folder / "pictures", folder / "out")
    failed = {each["task"] for each in report.failed}
    assert 9 in failed, "a task whose annotations are no list is not in `failed`"
    assert all(each.get("why") for each in report.failed), "a failure does not say why"
    if 8 in failed:  # a format that copies no picture may well do without it
        assert report.rows == whole.rows, f"{report.rows} rows were written of the others, expected {whole.rows}"


EXPORTER_LAWS: tuple[Callable[[Export, Path], None], ...] = (
    counts_what_people_approved,
    writes_into_its_folder_alone,
    again_is_the_same,
    one_bad_task_costs_nothing_else,
)
