"""Label Studio's editor on paper: the rules of its keys as measured (`n` walks, a delete leaves nothing selected), without a browser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.typist import Counted, Seen, corners_to_drag
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.writing import to_percent
from dinolabel.vision.types import Box


class PaperEditor:
    """keys: label -> key. size: width and height of the picture. covered: ids that no click meets: another box lies on them."""

    def __init__(self, config: LabelConfig, keys: dict[str, str], result: Sequence[dict[str, Any]], size: tuple[int, int]) -> None:
        self.config, self.labels, self.size = config, {key: label for label, key in keys.items()}, size
        self.result = [dict(each) for each in result]
        self.selected: str | None = None
        self.covered: set[str] = set()
        self.counted = Counted()

    def look(self) -> Seen:
        return Seen([dict(each) for each in self.result], [each["id"] for each in self.result], self.selected)

    def next_box(self) -> Seen:
        self.counted.keys += 1
        order = [each["id"] for each in self.result]
        place = order.index(self.selected) + 1 if self.selected in order else 0
        self.selected = order[place % len(order)]
        return self.look()

    def name(self, key: str, done: Callable[[Seen], bool]) -> Seen:
        self.counted.keys += 1
        (region,) = (each for each in self.result if each["id"] == self.selected)
        region["value"] = region["value"] | {"rectanglelabels": [self.labels[key]]}
        assert done(self.look())
        return self.look()

    def delete(self) -> Seen:
        self.counted.keys += 1
        self.result = [each for each in self.result if each["id"] != self.selected]
        self.selected = None
        return self.look()

    def click(self, box: Box, wanted: str, others: list[Box]) -> bool:
        self.counted.clicks += 1
        if wanted not in self.covered:
            self.selected = wanted
        return wanted not in self.covered

    def draw(self, key: str, box: Box, others: list[Box]) -> Seen:
        assert self.selected is None, "a label's key would rename the selected box"
        self.counted.keys += 1
        self.counted.drags += 1
        self.result.append(region(f"drawn{len(self.result)}", self.labels[key], box, self.config, self.size))
        return self.look()

    def resize(self, now: Box, wanted: Box) -> None:
        self.counted.drags += len(corners_to_drag(now, wanted))
        (there,) = (each for each in self.result if each["id"] == self.selected)
        there["value"] = there["value"] | to_percent(wanted, *self.size)


def region(identity: str, label: str, box: Box, config: LabelConfig, size: tuple[int, int]) -> dict[str, Any]:
    return {
        "id": identity, "from_name": config.control, "to_name": config.object_name, "type": "rectanglelabels", "score": 0.5,
        "original_width": size[0], "original_height": size[1],
        "value": {**to_percent(box, *size), "rotation": 0, "rectanglelabels": [label]},
    }  # fmt: skip
