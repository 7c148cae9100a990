"""A label config read off an export's own regions, for people who have the export file and no label config.

Knows regions only; which labels are prompts cannot be seen in them, so every label counts as a name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from studio.label_config import LabelConfig, is_unknown
from studio.shapes import kind_of, names_of
from vision.errors import LabelConfigError

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".avif")


def inferred(tasks: Iterable[Mapping[str, Any]], control: str | None = None) -> LabelConfig:
    """The control that most boxes belong to, or the one named, its labels sorted, and the data key that holds pictures.

    Raises LabelConfigError.
    """
    controls: Counter[tuple[str, str]] = Counter()
    labels: Counter[tuple[tuple[str, str], str]] = Counter()
    keys: Counter[str] = Counter()
    for task in tasks:
        keys.update(name for name, value in (task.get("data") or {}).items() if _is_picture(value))
        for each, given in _boxes(task):
            controls[each] += 1
            labels.update((each, name) for name in given)
    if not controls or not keys:
        raise LabelConfigError(
            "The export has no rectangle or no picture to read a label config off.", hint="Name the label config with --label-config."
        )
    chosen = next((each for each, _ in controls.most_common() if control in (None, each[0])), None)
    if chosen is None:
        there = ", ".join(sorted(repr(each[0]) for each in controls))
        raise LabelConfigError(f"The export has no boxes of {control!r}.", hint=f"There are boxes of {there}.")
    names = tuple(sorted(name for each, name in labels if each == chosen))
    learnt = tuple(name for name in names if not is_unknown(name))
    return LabelConfig(chosen[0], chosen[1], keys.most_common(1)[0][0], names, {}, learnt, ())


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


def _is_picture(value: Any) -> bool:
    return isinstance(value, str) and value.split("#")[0].lower().endswith(PICTURES)
