"""XMP sidecars with face regions for photo managers: `IMG_1.jpg.xmp` beside where `IMG_1.jpg` would be; originals are not touched.

Regions as in the Metadata Working Group's guidelines 2.0, 5.9: middle and size as shares of the picture as stored, before its EXIF turn.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from typing import Unpack

from dinolabel.exporters.formats.voc import NO_XML
from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.pipeline.collect import collect_images
from dinolabel.exporters.pipeline.collection import ExportContext, Json
from dinolabel.exporters.pipeline.records import ExportedBox, ExportedImage
from dinolabel.exporters.pipeline.report import ExportReport
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.media.url import parts
from dinolabel.vision.decoding.pictures import stored
from dinolabel.vision.decoding.turns import SIDEWAYS

X, RDF, DC, TIFF = (
    "adobe:ns:meta/",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "http://purl.org/dc/elements/1.1/",
    "http://ns.adobe.com/tiff/1.0/",
)
MWG = "http://www.metadataworkinggroup.com/schemas/regions/"
AREA, DIMENSIONS = "http://ns.adobe.com/xmp/sType/Area#", "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
PREFIXES = {"x": X, "rdf": RDF, "dc": DC, "tiff": TIFF, "mwg-rs": MWG, "stArea": AREA, "stDim": DIMENSIONS}


def export(tasks: Iterable[Json], config: LabelConfig, out: Path, **how: Unpack[ExportContext]) -> ExportReport:
    """Write `out`, whole or not at all. Boxes without a learnt name are regions without one. Raises ExportRefused."""
    register()
    how["wish"] = how.get("wish", ExportOptions()).with_undecided()
    with collect_images(tasks, config, out, name="xmp", place=lambda picture: None, **how) as found:
        taken: set[str] = set()
        for picture in found:
            path = found.tray.path(_path(picture, taken))
            ET.ElementTree(_xmp(picture)).write(path, encoding="utf-8", xml_declaration=True)
    return found.report


def register() -> None:
    """Let ElementTree write the prefixes that photo managers are used to."""
    for prefix, uri in PREFIXES.items():
        ET.register_namespace(prefix, uri)


def _path(picture: ExportedImage, taken: set[str]) -> str:
    """Folders and name as in the task's address; a second task of the same picture has its number before the name."""
    *folders, name = parts(picture.address) or [picture.name]
    plain = "/".join((*folders, f"{name}.xmp"))
    path = plain if plain.casefold() not in taken else "/".join((*folders, f"{picture.task}-{name}.xmp"))
    taken.add(path.casefold())
    return path


def _xmp(picture: ExportedImage) -> ET.Element:
    file = stored(Path(picture.file))
    turn = file.turn
    root = ET.Element(f"{{{X}}}xmpmeta")
    about = ET.SubElement(ET.SubElement(root, f"{{{RDF}}}RDF"), f"{{{RDF}}}Description", {f"{{{RDF}}}about": ""})
    ET.SubElement(about, f"{{{TIFF}}}Orientation").text = str(file.told)
    names = list(dict.fromkeys(each.label for each in picture.boxes if each.kind == "named"))
    if names:
        words = ET.SubElement(ET.SubElement(about, f"{{{DC}}}subject"), f"{{{RDF}}}Bag")
        for name in names:
            ET.SubElement(words, f"{{{RDF}}}li").text = NO_XML.sub("�", name)
    width, height = (picture.height, picture.width) if turn in SIDEWAYS else (picture.width, picture.height)
    regions = ET.SubElement(about, f"{{{MWG}}}Regions", {f"{{{RDF}}}parseType": "Resource"})
    size = {f"{{{DIMENSIONS}}}w": str(width), f"{{{DIMENSIONS}}}h": str(height), f"{{{DIMENSIONS}}}unit": "pixel"}
    ET.SubElement(regions, f"{{{MWG}}}AppliedToDimensions", size)
    listed = ET.SubElement(ET.SubElement(regions, f"{{{MWG}}}RegionList"), f"{{{RDF}}}Bag")
    for each in picture.boxes:
        listed.append(_region(each, picture, turn))
    ET.indent(root)
    return root


def _region(marked: ExportedBox, picture: ExportedImage, turn: int) -> ET.Element:
    facts = {f"{{{MWG}}}Type": "Face"}
    if marked.kind == "named":
        facts[f"{{{MWG}}}Name"] = NO_XML.sub("�", marked.label)
    entry = ET.Element(f"{{{RDF}}}li")
    inner = ET.SubElement(entry, f"{{{RDF}}}Description", facts)
    x1, y1, x2, y2 = _as_stored(marked, picture, turn)
    shares = {"x": (x1 + x2) / 2, "y": (y1 + y2) / 2, "w": x2 - x1, "h": y2 - y1}
    area = {f"{{{AREA}}}{name}": f"{share:.6f}" for name, share in shares.items()}
    ET.SubElement(inner, f"{{{MWG}}}Area", {**area, f"{{{AREA}}}unit": "normalized"})
    return entry


def _as_stored(marked: ExportedBox, picture: ExportedImage, turn: int) -> tuple[float, float, float, float]:
    """Shares of the picture as it lies in its file. turn: its EXIF orientation (EXIF 2.32, 4.6.4 A), undone here."""
    box = marked.box
    corners = [(x / picture.width, y / picture.height) for x, y in ((box.x1, box.y1), (box.x2, box.y2))]
    undo = {
        1: lambda x, y: (x, y),
        2: lambda x, y: (1 - x, y),
        3: lambda x, y: (1 - x, 1 - y),
        4: lambda x, y: (x, 1 - y),
        5: lambda x, y: (y, x),
        6: lambda x, y: (y, 1 - x),
        7: lambda x, y: (1 - y, 1 - x),
        8: lambda x, y: (1 - y, x),
    }[turn]
    (x1, y1), (x2, y2) = (undo(x, y) for x, y in corners)
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
