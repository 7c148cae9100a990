"""COCO's detection JSON: `annotations/instances_train.json`, `instances_val.json`, pictures in `images/`.

Boxes are xywh pixels; a rotated box has its hull there and its four corners as `segmentation` (cocodataset.org, "Data format"). An upright
box has an empty one: readers make a second object of an outline.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Unpack

from dinolabel.exporters.pipeline.collect import collect_images
from dinolabel.exporters.pipeline.collection import ExportContext, ImageCollection, Json
from dinolabel.exporters.pipeline.records import ExportedBox, ExportedImage, area_of, doubt_facts, provenance
from dinolabel.exporters.pipeline.report import ExportReport
from dinolabel.studio.label_configs.label_config import LabelConfig

FORMAT = 1


def export(tasks: Iterable[Json], config: LabelConfig, out: Path, **how: Unpack[ExportContext]) -> ExportReport:
    """Write `out`, whole or not at all. Pictures that people left empty are there without annotations. Raises ExportRefused."""
    with collect_images(tasks, config, out, name="coco", place=_place, **how) as found:
        ids = {label: number for number, label in enumerate(found.classes, 1)}
        written = 0
        for side in found.sides:
            name = "instances.json" if side == "all" else f"instances_{side}.json"
            written = _write(found.tray.path(f"annotations/{name}"), found, side, ids, written)
    return found.report


def _place(picture: ExportedImage) -> str:
    return f"images/{picture.name}" if picture.side == "all" else f"images/{picture.side}/{picture.name}"


def _write(path: Path, found: ImageCollection, side: str, ids: dict[str, int], written: int) -> int:
    """One file, a line per picture and box, so that neither we nor a diff needs all of it at once. Returns the last annotation's id."""
    info = {"description": "exported by dinolabel", "version": str(FORMAT), "dinolabel": {"format": FORMAT}}
    kinds = {label: found.config.kind_of(label) for label in found.classes}
    categories = [{"id": ids[label], "name": label, "supercategory": kinds[label]} for label in found.classes]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f'{{"info": {json.dumps(info)},\n"licenses": [],\n"categories": {json.dumps(categories)},\n"images": [')
        _lines(file, (_image(each) for each in found.on_side(side)))
        file.write('],\n"annotations": [')
        written = _lines(file, (_annotation(each, box, ids) for each in found.on_side(side) for box in each.boxes), start=written)
        file.write("]}\n")
    return written


def _lines(file: Any, entries: Iterator[dict[str, Any]], *, start: int | None = None) -> int:
    number = start or 0
    for at, entry in enumerate(entries):
        number += 1
        numbered = entry if start is None else {"id": number, **entry}
        file.write(("\n" if at == 0 else ",\n") + json.dumps(numbered))
    return number


def _image(picture: ExportedImage) -> dict[str, Any]:
    """file_name is the copy's name, as every reader wants it: relative to the folder of pictures."""
    return {
        "id": picture.task,
        "file_name": Path(picture.placed).name if picture.placed else picture.file,
        "width": picture.width,
        "height": picture.height,
        "dinolabel": {"address": picture.address, "sha256": picture.sha256, "group": picture.group, **doubt_facts(picture)},
    }


def _annotation(picture: ExportedImage, marked: ExportedBox, ids: dict[str, int]) -> dict[str, Any]:
    box, known = marked.box, provenance(marked)
    if known["score"] is None:
        del known["score"]  # datumaro takes it for a number, whatever stands there
    return {
        "image_id": picture.task,
        "category_id": ids[marked.label],
        "bbox": [box.x1, box.y1, box.width, box.height],
        "area": area_of(marked),
        "segmentation": [[number for corner in marked.quad for number in corner]] if marked.quad else [],
        "iscrowd": 0,
        "attributes": {
            "given_label": marked.given,
            "kind": marked.kind,
            "verdict": marked.verdict,
            "rotated": marked.quad is not None,
            **known,
        },
    }
