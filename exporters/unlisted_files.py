"""Recognises the files of an export that was made before exports kept lists of them: each is compared with what we would write.

A file that cannot be told from somebody's own is not recognised: a picture without a digest in the index, a text of another form.
"""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dinolabel.exporters.output import file_list
from dinolabel.exporters.output.crop_manifest import MANIFEST, METADATA, TABLES
from dinolabel.exporters.pipeline.records import COLUMNS
from dinolabel.exporters.safe_names import folder_names
from dinolabel.vision.file_digest import sha256_of_file
from dinolabel.vision.storage.json_text import parse_json

CARD, OLD_CARD = "dinolabel.report", "dinolabel.json"
"""Format, version, classes and report of an export, as JSON. It has no suffix that a reader of data sets looks for; before it had."""
CROPS, FILMS = "crops", "films"
REPORT = "report.json"
DROPPED = "dropped.jsonl"
_YOLO_LINE = re.compile(r"(\d+( -?\d+\.\d{8}){4}(( -?\d+\.\d{8}){4})?\n)*")
_EARLIER_COLUMNS = tuple(each for each in COLUMNS if each not in ("state", "unread"))
_HEADS = {"coco": '{"info": {"description": "exported by dinolabel"', "yolo": "# exported by dinolabel, format "}


def export_of(folder: Path) -> str | None:
    """Which export lies in a folder without a list, by its card or its manifest; None for anything else."""
    if file_list.inside(folder, MANIFEST) is not None:
        first = next(rows(folder / MANIFEST), {})
        return FILMS if "video" in first else CROPS
    card = _card(folder)
    name = card.get("format") if isinstance(card, dict) else None
    return name if isinstance(name, str) and (name in _OWN) else None


def recognise_files(folder: Path, export: str) -> Iterator[str]:
    """Relative paths of the files that are ours for certain; nothing is followed out of the folder."""
    if export in (CROPS, FILMS):
        yield from _crops(folder)
        return
    yield from (name for name in (CARD, OLD_CARD) if _is_card(_json(folder, name)))
    own = _OWN.get(export)
    for path in file_list.files(folder) if own else ():
        if path not in (CARD, OLD_CARD) and file_list.inside(folder, path) is not None and own is not None and own(folder, path):
            yield path
    if export == "coco":
        yield from _coco_pictures(folder)


def _crops(folder: Path) -> Iterator[str]:
    """What the manifest's rows say, the lists themselves, and the contact sheets of their labels."""
    report = _json(folder, REPORT)
    named = [MANIFEST, METADATA, *TABLES, DROPPED, *([REPORT] if isinstance(report, dict) and "approved" in report else [])]
    labels: dict[str, None] = {}
    for row in rows(folder / MANIFEST):
        named.append(str(row.get("crop")))
        if row.get("label"):
            labels[str(row["label"])] = None
    for row in rows(folder / DROPPED):
        named.append(str(row.get("dropped")))
        if row.get("label"):
            labels[str(row["label"])] = None
    sheets = [re.compile(rf"{re.escape(name)}(-\d+)?\.jpg") for name in folder_names(labels).values()]
    drawn = (each.name for each in (folder / "sheets").glob("*.jpg"))
    named += [f"sheets/{name}" for name in drawn if any(each.fullmatch(name) for each in sheets)]
    yield from (each for each in dict.fromkeys(named) if file_list.inside(folder, each) is not None)


def _coco_pictures(folder: Path) -> Iterator[str]:
    """Copies whose bytes are the original's, which the index knows the digest of."""
    for index in sorted((folder / "annotations").glob("instances*.json")):
        if not _coco(folder, f"annotations/{index.name}"):
            continue
        side = index.stem.removeprefix("instances").removeprefix("_")
        for image in parse_json(index.read_text(encoding="utf-8"))["images"]:
            path = "/".join(filter(None, ("images", side, str(image["file_name"]))))
            found = file_list.inside(folder, path)
            if found is not None and sha256_of_file(found) == image["dinolabel"]["sha256"]:
                yield path


def _coco(folder: Path, path: str) -> bool:
    if not re.fullmatch(r"annotations/instances(_train|_val)?\.json", path):
        return False
    text = _text(folder, path)
    if not text.startswith(_HEADS["coco"]):
        return False
    try:
        value = parse_json(text)
        return text == coco_text(value)
    except (ValueError, KeyError, TypeError):
        return False


def coco_text(value: Any) -> str:
    """A COCO file as dinolabel.exporters.formats.coco writes it: a line per picture and box."""
    images, annotations = (",".join(f"\n{json.dumps(each)}" for each in value[key]) for key in ("images", "annotations"))
    head = f'{{"info": {json.dumps(value["info"])},\n"licenses": [],\n"categories": {json.dumps(value["categories"])},\n"images": ['
    return f'{head}{images}],\n"annotations": [{annotations}]}}\n'


def _yolo(folder: Path, path: str) -> bool:
    if path == "data.yaml":
        return _text(folder, path).startswith(_HEADS["yolo"])
    return bool(re.fullmatch(r"labels/(train|val|all)/\d+-[^/]+\.txt", path)) and _YOLO_LINE.fullmatch(_text(folder, path)) is not None


def _voc(folder: Path, path: str) -> bool:
    if re.fullmatch(r"ImageSets/Main/(train|val|trainval)\.txt", path):
        return all(re.fullmatch(r"\d+-.+", line) for line in _text(folder, path).splitlines())
    if not re.fullmatch(r"Annotations/[^/]+\.xml", path):
        return False
    root = _equals_rewritten(folder, path)
    return root is not None and root.tag == "annotation" and root.findtext("source/database") == "dinolabel"


def _xmp(folder: Path, path: str) -> bool:
    from dinolabel.exporters.formats.xmp import MWG, RDF, X, register

    register()
    root = _equals_rewritten(folder, path) if path.endswith(".xmp") else None
    return (
        root is not None and root.tag == f"{{{X}}}xmpmeta" and root.find(f"{{{RDF}}}RDF/{{{RDF}}}Description/{{{MWG}}}Regions") is not None
    )


def _equals_rewritten(folder: Path, path: str) -> ET.Element | None:
    """The root of an XML file that we would write letter by letter as it is."""
    import defusedxml.ElementTree

    found = file_list.inside(folder, path)
    try:
        content = found.read_bytes() if found else b""
        root: ET.Element = defusedxml.ElementTree.fromstring(content, forbid_dtd=True)
    except (OSError, ValueError, ET.ParseError):
        return None
    ET.indent(root)
    again = io.BytesIO()
    ET.ElementTree(root).write(again, encoding="utf-8", xml_declaration=True)
    return root if again.getvalue() == content else None


def _csv(folder: Path, path: str) -> bool:
    if path != "boxes.csv":
        return False
    found = file_list.inside(folder, path)
    assert found is not None, "the caller looked"
    with found.open(encoding="utf-8", errors="replace", newline="") as file:
        written = csv.reader(file)
        columns = tuple(next(written, ()))
        return columns in (COLUMNS, _EARLIER_COLUMNS) and all(len(row) == len(columns) for row in written)


def _parquet(folder: Path, path: str) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not re.fullmatch(r"data/(train|val|pictures)-\d{5}\.parquet", path):
        return False
    try:
        return b"dinolabel" in (pq.read_schema(folder / path).metadata or {})
    except (OSError, pa.ArrowInvalid):
        return False


def _hf(folder: Path, path: str) -> bool:
    """What `save_to_disk` writes, where the table has our columns."""
    if path == "dataset_dict.json":
        card = _json(folder, path)
        return isinstance(card, dict) and set(card.get("splits", ["?"])) <= {"train", "validation"}
    found = re.fullmatch(r"(train|validation)/(data-\d{5}-of-\d{5}\.arrow|dataset_info\.json|state\.json)", path)
    if not found:
        return False
    info = _json(folder, f"{found[1]}/dataset_info.json")
    features = info.get("features") if isinstance(info, dict) else None
    return isinstance(features, dict) and {"image", "task", "address", "sha256", "objects"} <= set(features)


def _labelstudio(folder: Path, path: str) -> bool:
    if path == "label_config.xml":
        from dinolabel.studio.label_configs.label_config import LabelConfig
        from dinolabel.vision.errors import LabelConfigError

        card = _card(folder)
        try:
            return isinstance(card, dict) and list(LabelConfig.parse(_text(folder, path)).labels) == card.get("classes")
        except LabelConfigError:
            return False
    if not re.fullmatch(r"tasks-\d{5}\.json", path):
        return False
    tasks = _json(folder, path)
    try:
        return isinstance(tasks, list) and all("dinolabel" in each["meta"] for each in tasks)
    except (KeyError, TypeError):
        return False


_OWN: dict[str, Callable[[Path, str], bool]] = {
    "coco": _coco, "csv": _csv, "hf": _hf, "labelstudio": _labelstudio, "parquet": _parquet, "voc": _voc, "xmp": _xmp, "yolo": _yolo,
}  # fmt: skip


def _card(folder: Path) -> Any:
    return next((value for name in (CARD, OLD_CARD) if (value := _json(folder, name)) is not None), None)


def _is_card(value: Any) -> bool:
    return isinstance(value, dict) and {"format", "version", "classes", "report"} <= set(value)


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a manifest, or lines of a journal, that can be read; a line that cannot is nobody's."""
    if file_list.inside(path.parent, path.name) is None:
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                row = parse_json(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                yield row


def _json(folder: Path, path: str) -> Any:
    try:
        return parse_json(_text(folder, path))
    except ValueError:
        return None


def _text(folder: Path, path: str) -> str:
    """The text of a file of the folder; empty where it is none, or not in UTF-8."""
    found = file_list.inside(folder, path)
    try:
        return found.read_text(encoding="utf-8") if found else ""
    except (OSError, UnicodeDecodeError):
        return ""
