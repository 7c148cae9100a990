"""The text files that YOLO trainers read: `images/train`, `labels/train`, …, `data.yaml`, and `classes.txt` for tools without YAML.

A line is a class number and x, y (middle), width, height as shares of the picture; with `oriented`, the four corners instead.
What such lines have no place for is in `dinolabel-pictures.json`, a line per picture, by the name of its copy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Unpack

from dinolabel.exporters.pipeline.collect import collect_images
from dinolabel.exporters.pipeline.collection import ExportContext, ImageCollection, Json
from dinolabel.exporters.pipeline.records import ExportedBox, ExportedImage, doubt_facts
from dinolabel.exporters.pipeline.report import ExportReport
from dinolabel.studio.label_configs.label_config import LabelConfig

PICTURES = "dinolabel-pictures.json"


def export(tasks: Iterable[Json], config: LabelConfig, out: Path, **how: Unpack[ExportContext]) -> ExportReport:
    """Write `out`, whole or not at all. A picture that people left empty has an empty text file. Raises ExportRefused."""
    with collect_images(tasks, config, out, name="yolo", place=lambda picture: f"images/{picture.side}/{picture.name}", **how) as found:
        numbers = {label: number for number, label in enumerate(found.classes)}
        for picture in found:
            lines = [_line(each, picture, numbers[each.label], oriented=found.wish.oriented) for each in picture.boxes]
            text = found.tray.path(f"labels/{picture.side}/{Path(picture.name).stem}.txt")
            text.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        _remember(found)
        found.tray.path("data.yaml").write_text(_yaml(found), encoding="utf-8")
        found.tray.path("classes.txt").write_text("".join(f"{' '.join(each.splitlines())}\n" for each in found.classes), encoding="utf-8")
    return found.report


def _remember(found: ImageCollection) -> None:
    """No label names: they are in data.yaml, and a box either has its line's or was given none."""
    with found.tray.path(PICTURES).open("w", encoding="utf-8", newline="\n") as file:
        for at, picture in enumerate(found):
            file.write(("[\n" if at == 0 else ",\n") + json.dumps(_facts(picture)))
        file.write("\n]\n" if found.report.sides else "[]\n")


def _facts(picture: ExportedImage) -> dict[str, Any]:
    return {
        "name": picture.name,
        "side": picture.side,
        "task": picture.task,
        "address": picture.address,
        "sha256": picture.sha256,
        "width": picture.width,
        "height": picture.height,
        **doubt_facts(picture),
        "boxes": [
            {"box": each.box.xyxy, "quad": each.quad, "given": each.given is not None, "verdict": each.verdict, "score": each.score}
            for each in picture.boxes
        ],
    }


def _line(marked: ExportedBox, picture: ExportedImage, number: int, *, oriented: bool) -> str:
    box, width, height = marked.box, picture.width, picture.height
    if oriented:
        corners = marked.quad or ((box.x1, box.y1), (box.x2, box.y1), (box.x2, box.y2), (box.x1, box.y2))
        # trainers refuse shares outside 0..1, so corners beyond the picture's edge move onto it
        shares = [min(max(each, 0.0), 1.0) for x, y in corners for each in (x / width, y / height)]
    else:
        shares = [(box.x1 + box.x2) / 2 / width, (box.y1 + box.y2) / 2 / height, box.width / width, box.height / height]
    return " ".join((str(number), *(f"{each:.8f}" for each in shares)))


def _yaml(found: ImageCollection) -> str:
    """Names in JSON's quotes, which are YAML's too, so that `yes`, `1.0`, `a: b` stay names. No absolute path, so it can be moved."""
    train, val = (f"images/{side}" for side in (found.sides * 2)[:2])  # a single side is both: trainers want both
    names = "".join(f"  {number}: {_quoted(label)}\n" for number, label in enumerate(found.classes))
    return f"# exported by dinolabel, format 1\ntrain: {train}\nval: {val}\nnc: {len(found.classes)}\nnames:\n{names}"


def _quoted(label: str) -> str:
    """Emoji as they are: JSON would write them as two halves, which YAML does not join. Line ends that only YAML knows are escaped."""
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(label, ensure_ascii=False))
