"""PASCAL VOC: an XML file per picture in `Annotations/`, JPEGs in `JPEGImages/`, lists of them in `ImageSets/Main/`, classes in
`labelmap.txt`.

Corners are whole pixels counted from 1, the last one included (VOC2012 devkit, 4.1): xmin = 1, xmax = width is the whole picture.
What VOC has no place for is in elements that other readers pass over: `exact`, `quad`, `given_label`, `verdict`, `score` of an object,
`sha256`, `state` and `unread` of a picture.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from typing import Unpack

from dinolabel.exporters.pipeline.collect import collect_images
from dinolabel.exporters.pipeline.collection import ExportContext, ImageCollection, Json
from dinolabel.exporters.pipeline.records import ExportedBox, ExportedImage
from dinolabel.exporters.pipeline.report import ExportReport
from dinolabel.studio.label_configs.label_config import LabelConfig

NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, however written."""


def export(tasks: Iterable[Json], config: LabelConfig, out: Path, **how: Unpack[ExportContext]) -> ExportReport:
    """Write `out`, whole or not at all. A picture that people left empty has a file without objects. Raises ExportRefused."""
    with collect_images(tasks, config, out, name="voc", place=lambda picture: f"JPEGImages/{picture.name}", suffix=".jpg", **how) as found:
        for picture in found:
            path = found.tray.path(f"Annotations/{Path(picture.name).stem}.xml")
            ET.ElementTree(_xml(picture)).write(path, encoding="utf-8", xml_declaration=True)
        _lists(found)
        found.tray.path("labelmap.txt").write_text(_label_map(found.classes), encoding="utf-8")
    return found.report


def _lists(found: ImageCollection) -> None:
    for name in (*found.sides, "trainval") if found.sides != ("all",) else ("trainval",):
        with found.tray.path(f"ImageSets/Main/{name}.txt").open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{Path(each.name).stem}\n" for each in found if name in ("trainval", each.side))


def _label_map(classes: Iterable[str]) -> str:
    """The classes in their order, as CVAT and datumaro declare them; colours, parts and actions are left to them."""
    return "# label:color_rgb:parts:actions\n" + "".join(f"{' '.join(each.splitlines())}:::\n" for each in classes)


def _xml(picture: ExportedImage) -> ET.Element:
    root = ET.Element("annotation")
    _put(root, "folder", "JPEGImages")
    _put(root, "filename", picture.name)
    source = ET.SubElement(root, "source")
    _put(source, "database", "dinolabel")
    _put(source, "annotation", f"task {picture.task}")
    _put(source, "image", picture.address)
    _put(source, "sha256", picture.sha256)
    size = ET.SubElement(root, "size")
    for name, value in (("width", picture.width), ("height", picture.height), ("depth", 3)):
        _put(size, name, str(value))
    _put(root, "segmented", "0")
    _put(root, "state", picture.state)
    for mark in picture.unread:
        entry = ET.SubElement(root, "unread")
        for name in ("region", "kind", "why"):
            _put(entry, name, getattr(mark, name))
    for each in picture.boxes:
        root.append(_object(each, picture))
    ET.indent(root)
    return root


def _object(marked: ExportedBox, picture: ExportedImage) -> ET.Element:
    box, entry = marked.box, ET.Element("object")
    _put(entry, "name", marked.label)
    _put(entry, "pose", "Unspecified")
    touching = box.x1 <= 0 or box.y1 <= 0 or box.x2 >= picture.width or box.y2 >= picture.height
    _put(entry, "truncated", str(int(touching)))
    _put(entry, "difficult", "0")
    corners = ET.SubElement(entry, "bndbox")
    _put(corners, "xmin", str(math.floor(box.x1) + 1))
    _put(corners, "ymin", str(math.floor(box.y1) + 1))
    _put(corners, "xmax", str(math.ceil(box.x2)))
    _put(corners, "ymax", str(math.ceil(box.y2)))
    _put(entry, "exact", " ".join(f"{number:.4f}" for number in box.xyxy))
    _put(entry, "verdict", marked.verdict)
    if marked.given is not None:
        _put(entry, "given_label", marked.given)
    if marked.score is not None:
        _put(entry, "score", f"{marked.score:.6f}")
    if marked.quad:
        _put(entry, "quad", " ".join(f"{number:.4f}" for corner in marked.quad for number in corner))
    return entry


def _put(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = NO_XML.sub("�", text)
