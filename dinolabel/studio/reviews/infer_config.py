"""A label config read off an export's own regions, for people who have the export file and no label config."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dinolabel.studio.label_configs.label_config import LabelConfig, is_unknown
from dinolabel.studio.media import url as address
from dinolabel.studio.regions.shapes import kind_of, names_of
from dinolabel.studio.reviews.task_json import find_fault
from dinolabel.vision.errors import LabelConfigError, MediaRefused

PICTURES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2")
ASK = "Name the label config with --label-config."


def infer_config(tasks: Iterable[Mapping[str, Any]], control: str | None = None) -> LabelConfig:
    """The control that most boxes belong to, or the one named, its labels sorted, and the one data key that holds pictures.

    Raises LabelConfigError where there is none, or where several keys hold pictures: only the label config says which one people saw.
    """
    controls: Counter[tuple[str, str]] = Counter()
    labels: Counter[tuple[tuple[str, str], str]] = Counter()
    keys: dict[int, Counter[str]] = defaultdict(Counter)
    for task in tasks:
        if find_fault(task) is not None:  # whoever reads the decisions says so
            continue
        for name, value in _texts(task.get("data") or {}):
            if (rank := _rank(value)) is not None:
                keys[rank][name] += 1
        for each, given in _boxes(task):
            controls[each] += 1
            labels.update((each, name) for name in given)
    if not controls:
        raise LabelConfigError("The export has no rectangle to read a label config off.", hint=ASK)
    if not keys:
        raise LabelConfigError("The tasks of the export have no address of a picture.", hint=ASK)
    chosen = next((each for each, _ in controls.most_common() if control in (None, each[0])), None)
    if chosen is None:
        there = ", ".join(sorted(repr(each[0]) for each in controls))
        raise LabelConfigError(f"The export has no boxes of {control!r}.", hint=f"There are boxes of {there}.")
    names = tuple(sorted(name for each, name in labels if each == chosen))
    learnt = tuple(name for name in names if not is_unknown(name))
    return LabelConfig(chosen[0], chosen[1], _only(keys[min(keys)]), names, {}, learnt, ())


def _only(keys: Counter[str]) -> str:
    if len(keys) > 1:
        told = ", ".join(f"{name!r} ({count:,})" for name, count in sorted(keys.items()))
        raise LabelConfigError(f"The tasks have pictures under several keys: {told}. Which one people saw is not in the export.", hint=ASK)
    return next(iter(keys))


def _boxes(task: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """The control and the names of each box. Of a `Rectangle` that `Labels` names in an entry of its own, that is the labels' control."""
    for annotation in task.get("annotations") or []:
        result = annotation.get("result") if isinstance(annotation, Mapping) else None
        entries = [each for each in result if isinstance(each, Mapping)] if isinstance(result, list) else []
        drawn = {str(each.get("id")) for each in entries if each.get("type") == "rectangle"}
        for each in entries:
            beside = each.get("type") == "labels" and (str(each.get("id")) in drawn or kind_of(each) == "box")
            if beside or (each.get("type") == "rectanglelabels" and isinstance(each.get("value"), Mapping)):
                yield (str(each.get("from_name")), str(each.get("to_name"))), names_of(each)


def _texts(data: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Key, or path such as `data.image`, and text of everything in a task's data. Lists hold several pictures, which is not read."""
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _texts(value, f"{above}{name}.")
        elif isinstance(value, str):
            yield f"{above}{name}", value.strip()


def _rank(value: str) -> int | None:
    """How surely a text is a picture's address, 0 most: an address of a picture file, a bare file name (often written down beside it), an
    address that does not say what it is of; None for other texts. What follows the path (`?X-Amz-Signature=…`) does not count."""
    if address.is_inline(value):
        return 0 if value[5:].lower().startswith("image/") else None
    leads = address.scheme(value) is not None or value.startswith("/")
    try:
        name = (address.parts(value) or [""])[-1].lower()
    except MediaRefused:  # brackets that are no IPv6 address
        return None
    if name.endswith(PICTURES):
        return 0 if leads or "/" in value or "\\" in value else 1
    return 2 if leads and " " not in value else None
