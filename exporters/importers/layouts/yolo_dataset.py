"""What a YOLO data set consists of: its classes and its pictures, as each of the tools that write such sets lays them out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dinolabel.exporters.importers.common.containment import DatasetFolder
from dinolabel.exporters.importers.common.records import ImportUnreadable, label_of, read_json, read_text
from dinolabel.vision.decoding import folder_walk
from dinolabel.vision.decoding.pictures import SUFFIXES
from dinolabel.vision.errors import first_line

SIDES = ("train", "val", "valid", "validation", "test")
LOOKED_AT = 200
"""Files that are looked into to tell what a folder is."""
LINES = 5
"""Lines of each of them."""
CLASS_LISTS = ("classes.txt", "notes.json", "obj.names", "predefined_classes.txt", "_darknet.labels")


@dataclass(frozen=True)
class YoloDataset:
    """labels: by class number. pictures: those that are here. gone: named and not here. beside: pictures come from the --media folder as a
    whole, so that one without a label file says nothing. keypoints: numbers after a box. upright: its author shows pictures upright."""

    inside: DatasetFolder
    labels: dict[int, str | None]
    pictures: list[Path]
    gone: list[str]
    missing: list[str]
    beside: bool
    keypoints: int
    upright: bool


def read_dataset(path: Path, media: Path | None) -> YoloDataset:
    """path: the folder, or its data.yaml, obj.data or class list. Raises ImportUnreadable."""
    file = path if path.is_file() else _description_file(path)
    if path.is_dir():
        _refuse_several(path, file)
    inside = DatasetFolder(path if path.is_dir() else file.parent, media)
    if file.suffix in (".yaml", ".yml"):
        content = _yaml(file)
        shape = content.get("kpt_shape")
        keypoints = _product(shape) if isinstance(shape, list) else 0
        base = _text(file, content.get("path") or "")
        return _with_sides(inside, file, _labels(file, content["names"]), _sides(file, content), base, keypoints)
    if file.suffix == ".data":
        lines = (line.partition("=") for line in read_text(file).splitlines() if "=" in line)
        pairs = {key.strip(): value.strip() for key, _, value in lines}
        names = inside.find(pairs.get("names", "obj.names"), file.parent)
        if names is None:
            raise ImportUnreadable(f"{file} names its classes in {pairs.get('names', 'obj.names')}, which is not in {inside.root}.")
        return _with_sides(inside, file, _list_entries(names), _sides(file, pairs), "", 0)
    labels, upright = _class_list(file)
    return _undivided(inside, labels, upright=upright)


def find_description(path: Path) -> Path | None:
    """The file that says that a folder, or it itself, is a YOLO data set; None where nothing does for certain."""
    try:
        file = path if path.is_file() else _description_file(path)
        if file.suffix in (".yaml", ".yml"):
            _yaml(file)
            return file
    except ImportUnreadable:
        return None
    if file.suffix == ".data":
        return file
    return file if file.name in CLASS_LISTS and any(map(has_label_lines, _texts(file.parent))) else None


def _texts(folder: Path) -> list[Path]:
    """The first text files of a folder that may be label files."""
    every = (each for each in folder_walk.files(folder) if each.suffix.lower() == ".txt" and each.name not in CLASS_LISTS)
    return list(itertools.islice(every, LOOKED_AT))


def has_label_lines(file: Path) -> bool:
    """Whether a text has a line as label files have them among its first ones."""
    try:
        return any(map(_is_label_line, read_text(file).splitlines()[:LINES]))
    except ImportUnreadable:
        return False


def _is_label_line(line: str) -> bool:
    try:
        numbers = [float(each) for each in line.split()]
    except ValueError:
        return False
    return len(numbers) >= 5 and all(map(math.isfinite, numbers))


def _description_file(folder: Path) -> Path:
    """The file that says what the folder holds: in it, else in a folder of it."""
    if not folder.is_dir():
        raise ImportUnreadable(f"There is no file or folder {folder}.")
    below = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    for place in (folder, *below):
        yamls = [place / "data.yaml", place / "dataset.yaml", *sorted((*place.glob("*.yaml"), *place.glob("*.yml")))]
        for each in (*yamls, *sorted(place.glob("*.data")), *(place / name for name in CLASS_LISTS)):
            if each.is_file() and not each.name.startswith(".") and (each.suffix not in (".yaml", ".yml") or _has_names(each)):
                return each
    raise ImportUnreadable(
        f"{folder} is no data.yaml of YOLO, and holds none: neither data.yaml with names nor obj.data, classes.txt or notes.json.",
        hint="Name the folder that holds data.yaml, or put classes.txt there: one class a line, in the order of their numbers.",
    )


def _refuse_several(folder: Path, chosen: Path) -> None:
    """Raises ImportUnreadable for several data sets side by side, and for sides whose lists give classes other numbers."""
    mine = _classes(chosen)
    for each in folder_walk.files(folder):
        if each.parent == chosen.parent or each.suffix != chosen.suffix or not _describes(each, chosen):
            continue
        theirs = _classes(each)
        several = chosen.parent != folder and chosen.name not in CLASS_LISTS
        if theirs is not None and mine is not None and (several or theirs != mine):
            names = " and ".join(one.relative_to(folder).as_posix() for one in (chosen, each))
            raise ImportUnreadable(
                f"{folder} holds several {'data sets' if several else 'lists of classes, with other numbers'}: {names}.",
                hint="Import the folder of each by itself.",
            )


def _describes(file: Path, chosen: Path) -> bool:
    return file.name in CLASS_LISTS if chosen.name in CLASS_LISTS else file.name == chosen.name


def _classes(file: Path) -> dict[int, str | None] | None:
    """Of a description, None where it says none that can be read."""
    try:
        if file.suffix in (".yaml", ".yml"):
            return _labels(file, _yaml(file)["names"])
        return _class_list(file)[0] if file.name in CLASS_LISTS else None
    except ImportUnreadable:
        return None


def _has_names(file: Path) -> bool:
    return file.name in ("data.yaml", "dataset.yaml") or "names" in read_text(file)


def _yaml(file: Path) -> dict[str, Any]:
    """Every scalar as it is written: a class called `no` or `1.0` is neither a truth nor a number."""
    try:
        content = yaml.load(read_text(file), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ImportUnreadable(f"{file} is no data.yaml of YOLO: {first_line(error)}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("names"), list | dict):
        raise ImportUnreadable(
            f"{file} is no data.yaml of YOLO: it has no names.", hint="Add names: the classes in the order of their numbers."
        )
    return content


def _labels(file: Path, names: list[Any] | dict[Any, Any]) -> dict[int, str | None]:
    try:
        numbered = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(number): label_of(_text(file, name)) for number, name in numbered}
    except (TypeError, ValueError, OverflowError) as error:
        raise ImportUnreadable(f"{file} is no data.yaml of YOLO: its names have no numbers: {first_line(error)}.") from error


def _text(file: Path, value: Any) -> str:
    """One name or path. A list in its place is none, and written out it may have no end: YAML's lists hold lists by reference."""
    if not isinstance(value, str):
        raise ImportUnreadable(f"{file} is no data.yaml of YOLO: it has a {type(value).__name__} where one name or path belongs.")
    return value


def _sides(file: Path, content: Mapping[str, Any]) -> dict[str, list[str]]:
    found = {side: content.get(side) for side in SIDES}
    return {
        side: [_text(file, each) for each in (value if isinstance(value, list) else [value])]
        for side, value in found.items()
        if value and value not in ("null", "~")
    }


def _product(shape: list[Any]) -> int:
    try:
        points, numbers = (int(each) for each in shape)
    except (TypeError, ValueError, OverflowError):
        return 0
    return points * numbers


def _list_entries(file: Path) -> dict[int, str | None]:
    lines = [line.strip() for line in read_text(file).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return {number: label_of(name) for number, name in enumerate(lines) if name}


def _class_list(file: Path) -> tuple[dict[int, str | None], bool]:
    """Classes by number, and whether Label Studio wrote them."""
    notes = file.parent / "notes.json"
    content = read_json(notes) if notes.is_file() else {}
    info = content.get("info") if isinstance(content, Mapping) else None
    upright = isinstance(info, Mapping) and str(info.get("contributor") or "").strip().casefold() == "label studio"
    if file.suffix != ".json":
        return _list_entries(file), upright
    try:
        return {int(each["id"]): label_of(each["name"]) for each in content["categories"]}, upright
    except (KeyError, TypeError, ValueError) as error:
        raise ImportUnreadable(f"{file} lists no classes: {type(error).__name__} {error}.") from error


def _with_sides(
    inside: DatasetFolder, file: Path, labels: dict[int, str | None], sides: dict[str, list[str]], base: str, keypoints: int
) -> YoloDataset:
    """The pictures that the sides name, folders and lists; the whole data set when there are no sides."""
    if not sides:
        return _undivided(inside, labels, keypoints=keypoints)
    own = file.parent / base
    bases = [own, file.parent] if inside.holds(own) else [file.parent, *([found] if (found := inside.find(base)) else [])]
    pictures, gone, missing = list[Path](), list[str](), list[str]()
    for side, names in sides.items():
        for name in names:
            place = inside.find(name, *bases)
            if place is None:
                outside = any((each / name).exists() for each in (own, file.parent))
                missing.append(f"{side}: {name} {'lies outside of' if outside else 'is not in'} {inside.root}")
                continue
            here, away = _pictures(place, inside, bases)
            pictures += here
            gone += away
    if not pictures and inside.media is not None:
        return _undivided(inside, labels, keypoints=keypoints)
    return YoloDataset(inside, labels, list(dict.fromkeys(pictures)), gone, missing, False, keypoints, False)


def _pictures(place: Path, inside: DatasetFolder, bases: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """Of a folder, of a list of paths, or the one picture."""
    if place.is_dir():
        return inside.pictures(place), []
    if place.suffix.lower() in SUFFIXES:
        return [place], []
    here, gone = list[Path](), list[str]()
    for line in _lines(place):
        found = inside.find(line, place.parent, *bases)
        if found is not None and found.is_file() and found.suffix.lower() in SUFFIXES:
            here.append(found)
        else:
            gone.append(line)
    return here, gone


def _lines(file: Path) -> Iterator[str]:
    yield from (line.strip() for line in read_text(file).splitlines() if line.strip())


def _undivided(inside: DatasetFolder, labels: dict[int, str | None], *, keypoints: int = 0, upright: bool = False) -> YoloDataset:
    beside = inside.media is not None
    return YoloDataset(inside, labels, inside.pictures(inside.media or inside.root), [], [], beside, keypoints, upright)
