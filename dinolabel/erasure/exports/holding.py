"""Where an export of other formats than crops holds a name: in a box or a picture's address, or only in its lists of classes.

Texts are read piece by piece, so a large export costs no memory.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree.ElementTree import ParseError

import yaml
from ijson import JSONError

from dinolabel.erasure.text_search import Mention
from dinolabel.exporters.output import file_list
from dinolabel.exporters.unlisted_files import CARD, OLD_CARD
from dinolabel.vision.storage.json_text import parse_json
from dinolabel.vision.storage.spreadsheet import from_cell

_CARDS = (CARD, OLD_CARD)
Clean = Callable[[str, Mention], str]
_DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, ParseError, csv.Error, yaml.YAMLError, JSONError)


def in_boxes(folder: Path, export: str, paths: Iterable[str], mention: Mention, unread: list[str]) -> bool:
    """Whether the name is a label of a box, or stands in a picture's name or address or beside a box. paths: files of the export.

    unread: gets those of them that cannot be read, which says that somebody changed them.
    """
    found = False
    for path in paths:
        found = found or mention.within(_given_name(path))
        if file_list.inside(folder, path) is None or found:
            continue
        try:
            found = any(map(mention.within, _SAID.get(export, _nothing)(folder, path, mention))) or found
        except _DAMAGED:
            unread.append(path)
    return found


def in_lists(folder: Path, export: str, paths: Iterable[str], mention: Mention) -> list[str]:
    """Files of the export that only list the name as a class, or count its boxes; `without` writes them anew."""
    found = []
    for path in paths:
        if (_clean(export, path) is None and not _is_table(export, path)) or file_list.inside(folder, path) is None:
            continue
        try:
            found += [path] if _lists_it(folder / path, export, path, mention) else []
        except _DAMAGED:
            continue  # changed by somebody: a text that holds the name is found among what is left
    return found


def without(folder: Path, export: str, path: str, mention: Mention, to: Path) -> None:
    """Write a file of `in_lists` to `to` without the name. Classes keep their numbers: the place of one is taken by `forgotten-NUMBER`."""
    clean = _clean(export, path)
    if clean is not None:
        to.write_bytes(clean((folder / path).read_bytes().decode(), mention).encode())
    else:
        _table_without(folder / path, mention, to)


def report_without(report: Any, mention: Mention) -> Any:
    """Counts and failures of an export without the name."""
    if not isinstance(report, dict):
        return report
    cleaned = dict(report)
    for key, listed in report.items():
        if isinstance(listed, dict):
            cleaned[key] = {name: each for name, each in listed.items() if not mention.within(name)}
        if isinstance(listed, list | tuple):
            cleaned[key] = [each for each in listed if not any(map(mention.within, _strings(each)))]
    return cleaned


def _given_name(path: str) -> str:
    """What a picture gave to a file's name: not our own folders, nor the number before it."""
    name = re.sub(r"^\d+-", "", PurePosixPath(path).name)
    return name if re.fullmatch(r"(?i).+\.(jpe?g|png|bmp|webp|gif|tiff?|avif|heic|txt|xml|xmp)", name) and name not in _OURS else ""


_OURS = frozenset({"train.txt", "val.txt", "trainval.txt", "classes.txt", "labelmap.txt", "label_config.xml"})


# What is said of boxes and pictures, format by format


def _nothing(_folder: Path, _path: str, _mention: Mention) -> Iterator[str]:
    yield from ()


def _coco(folder: Path, path: str, mention: Mention) -> Iterator[str]:
    import ijson

    if not path.endswith(".json") or path in _CARDS:
        return
    file = folder / path
    with file.open("rb") as source:
        names = {each["id"]: str(each["name"]) for each in ijson.items(source, "categories.item")}
    with file.open("rb") as source:
        for each in ijson.items(source, "images.item"):
            yield from _strings([each.get("file_name"), each.get("dinolabel")])
    with file.open("rb") as source:
        for each in ijson.items(source, "annotations.item"):
            yield names.get(each.get("category_id"), "")
            attributes = each.get("attributes") or {}
            yield from _strings([attributes.get(key) for key in ("given_label", "annotator")])


def _yolo(folder: Path, path: str, mention: Mention) -> Iterator[str]:
    if not path.startswith("labels/"):
        return
    theirs = _yolo_numbers(folder, mention)
    with (folder / path).open(encoding="utf-8", errors="replace") as lines:
        for line in lines if theirs else ():
            yield theirs.get(line.split(" ", 1)[0], "")


def _yolo_numbers(folder: Path, mention: Mention) -> dict[str, str]:
    try:
        names = yaml.safe_load((folder / "data.yaml").read_text(encoding="utf-8"))["names"]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return {}
    numbered = names.items() if isinstance(names, dict) else enumerate(names)
    return {str(number): str(name) for number, name in numbered if mention.within(str(name))}


def _voc(folder: Path, path: str, mention: Mention) -> Iterator[str]:
    if path.endswith(".xml"):
        root = _xml(folder / path)
        yield from (each.text or "" for place in ("object/name", "source/image", "filename") for each in root.iterfind(place))


def _xmp(folder: Path, path: str, mention: Mention) -> Iterator[str]:
    if path.endswith(".xmp"):
        for each in _xml(folder / path).iter():
            yield each.text or ""
            yield from (value for key, value in each.attrib.items() if key.endswith("}Name"))


def _xml(path: Path) -> Any:
    import defusedxml.ElementTree

    return defusedxml.ElementTree.parse(path, forbid_dtd=True).getroot()


def _csv(folder: Path, path: str, mention: Mention) -> Iterator[str]:
    if path.endswith(".csv"):
        with (folder / path).open(encoding="utf-8", errors="replace", newline="") as file:
            for row in csv.DictReader(file):
                cells = [row.get(key) for key in ("label", "given_label", "image", "file", "group", "annotator")]
                yield from map(from_cell, _strings(cells))


def _parquet(folder: Path, path: str, mention: Mention) -> Iterator[str]:
    import pyarrow.parquet as pq

    if path.endswith(".parquet"):
        for batch in pq.ParquetFile(folder / path).iter_batches(256, columns=["image.path", "address", "group", "objects"]):
            for row in batch.to_pylist():
                yield from _row(row, ())


def _hf(folder: Path, path: str, mention: Mention) -> Iterator[str]:
    import pyarrow as pa

    if path.endswith(".arrow"):
        names = _class_names(folder / path)
        with pa.ipc.open_stream(folder / path) as table:
            for batch in table:
                for row in batch.select(["address", "group", "objects"]).to_pylist():
                    yield from _row(row, names)


def _row(row: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    yield from _strings([row["address"], row["group"], (row.get("image") or {}).get("path")])
    boxes = row["objects"] or ()
    if isinstance(boxes, Mapping):  # lists of equal length
        boxes = [dict(zip(boxes, values, strict=True)) for values in zip(*boxes.values(), strict=True)]
    for each in boxes:
        label = each.get("label")
        yield from _strings([names[label] if isinstance(label, int) and label < len(names) else label])
        yield from _strings([each.get(key) for key in ("given_label", "annotator")])


def _labelstudio(folder: Path, path: str, mention: Mention) -> Iterator[str]:
    import ijson

    if not (path.startswith("tasks-") and path.endswith(".json")):
        return
    with (folder / path).open("rb") as source:
        for task in ijson.items(source, "item"):
            yield from _strings([task.get("data"), ((task.get("meta") or {}).get("dinolabel") or {}).get("annotators")])
            for answer in (*(task.get("annotations") or ()), *(task.get("predictions") or ())):
                for region in answer.get("result") or ():
                    yield from _strings([region.get("value"), (region.get("meta") or {}).get("text")])


_SAID: dict[str, Callable[[Path, str, Mention], Iterator[str]]] = {
    "coco": _coco, "csv": _csv, "hf": _hf, "labelstudio": _labelstudio, "parquet": _parquet, "voc": _voc, "xmp": _xmp, "yolo": _yolo,
}  # fmt: skip


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


# Lists of classes


def _clean(export: str, path: str) -> Clean | None:
    if path in _CARDS:
        return _card
    if export == "coco" and path.startswith("annotations/"):
        return _categories
    if export == "yolo" and path == "data.yaml":
        return _data_yaml
    if path in ("classes.txt", "labelmap.txt"):
        return _lines
    if export == "labelstudio" and path == "label_config.xml":
        return _label_config
    return _features if export == "hf" and path.endswith("dataset_info.json") else None


def _is_table(export: str, path: str) -> bool:
    return export == "hf" and path.endswith(".arrow")


def _lists_it(file: Path, export: str, path: str, mention: Mention) -> bool:
    if _is_table(export, path):
        return any(map(mention.within, _class_names(file)))
    clean = _clean(export, path)
    assert clean is not None, "the caller asked"
    text = file.read_bytes().decode(errors="replace")
    return mention.within(text) and clean(text, mention) != text


def _replace_names(names: Iterable[Any], mention: Mention) -> list[Any]:
    return [f"forgotten-{at}" if mention.within(str(each)) else each for at, each in enumerate(names)]


def _card(text: str, mention: Mention) -> str:
    card = parse_json(text)
    cleaned = {**card, "classes": _replace_names(card.get("classes", ()), mention), "report": report_without(card.get("report"), mention)}
    return json.dumps(cleaned, indent=2, ensure_ascii=False) + "\n"


def _categories(text: str, mention: Mention) -> str:
    """Only the line with the categories changes; nothing else is parsed."""
    found = re.search(r'^"categories": (\[.*\]),$', text, re.MULTILINE)
    if found is None:
        return text
    kept = [each for each in parse_json(found[1]) if not mention.within(str(each["name"]))]
    return text[: found.start(1)] + json.dumps(kept) + text[found.end(1) :]


def _data_yaml(text: str, mention: Mention) -> str:
    def line(found: re.Match[str]) -> str:
        return f"{found[1]}{json.dumps(f'forgotten-{found[2]}')}" if mention.within(str(yaml.safe_load(found[3]))) else found[0]

    return re.sub(r"^(  (\d+): )(.*)$", line, text, flags=re.MULTILINE)


def _lines(text: str, mention: Mention) -> str:
    return "".join(f"forgotten-{at}\n" if mention.within(each) else each for at, each in enumerate(text.splitlines(keepends=True)))


def _label_config(text: str, mention: Mention) -> str:
    from dinolabel.studio.label_configs.rename import remove_label
    from dinolabel.vision.errors import LabelConfigError

    try:
        for name in mention.names:
            text = remove_label(text, name)
    except LabelConfigError:
        return "<View/>\n"  # it was the only label
    return text


def _features(text: str, mention: Mention) -> str:
    return json.dumps(_rename_classes(parse_json(text), mention), indent=2)


def _rename_classes(value: Any, mention: Mention) -> Any:
    """Features as `datasets` writes them, without the name among the `names` of a ClassLabel."""
    if isinstance(value, dict):
        lists = {key: _replace_names(each, mention) for key, each in value.items() if key == "names" and isinstance(each, list)}
        return {key: lists.get(key) or _rename_classes(each, mention) for key, each in value.items()}
    return [_rename_classes(each, mention) for each in value] if isinstance(value, list) else value


def _class_names(path: Path) -> tuple[str, ...]:
    import pyarrow as pa

    with pa.ipc.open_stream(path) as table:
        features = parse_json((table.schema.metadata or {}).get(b"huggingface", b"{}"))
    return tuple(_names(features))


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from each if key == "names" and isinstance(each, list) else _names(each)
    elif isinstance(value, list):
        for each in value:
            yield from _names(each)


def _table_without(path: Path, mention: Mention, to: Path) -> None:
    import pyarrow as pa

    with pa.ipc.open_stream(path) as table:
        metadata = dict(table.schema.metadata)
        metadata[b"huggingface"] = json.dumps(_rename_classes(parse_json(metadata[b"huggingface"]), mention)).encode()
        schema = table.schema.with_metadata(metadata)
        with pa.OSFile(str(to), "wb") as sink, pa.ipc.new_stream(sink, schema) as written:
            for batch in table:
                written.write_batch(batch)
