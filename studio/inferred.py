"""A label config read off an export's own regions, for people who have the export file and no label config.

Knows regions only; which labels are prompts cannot be seen in them, so every label counts as a name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from studio.label_config import LabelConfig, is_unknown
from vision.errors import LabelConfigError

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".avif")


def inferred(tasks: Iterable[Mapping[str, Any]]) -> LabelConfig:
    """The control that most rectangles belong to, their labels sorted, the data key that holds pictures. Raises LabelConfigError."""
    controls: Counter[tuple[str, str]] = Counter()
    labels: Counter[tuple[tuple[str, str], str]] = Counter()
    keys: Counter[str] = Counter()
    for task in tasks:
        keys.update(name for name, value in (task.get("data") or {}).items() if _is_picture(value))
        for control, given in _rectangles(task):
            controls[control] += 1
            labels.update((control, name) for name in given)
    if not controls or not keys:
        raise LabelConfigError(
            "The export has no rectangle or no picture to read a label config off.", hint="Name the label config with --label-config."
        )
    control = controls.most_common(1)[0][0]
    names = tuple(sorted(name for each, name in labels if each == control))
    learnt = tuple(name for name in names if not is_unknown(name))
    return LabelConfig(control[0], control[1], keys.most_common(1)[0][0], names, {}, learnt, ())


def _rectangles(task: Mapping[str, Any]) -> Iterable[tuple[tuple[str, str], list[str]]]:
    for annotation in task.get("annotations") or []:
        for region in annotation.get("result") or []:
            if isinstance(region, Mapping) and region.get("type") == "rectanglelabels" and isinstance(region.get("value"), Mapping):
                names = region["value"].get("rectanglelabels") or []
                yield (str(region.get("from_name")), str(region.get("to_name"))), [each for each in names if isinstance(each, str)]


def _is_picture(value: Any) -> bool:
    return isinstance(value, str) and value.split("#")[0].lower().endswith(PICTURES)
