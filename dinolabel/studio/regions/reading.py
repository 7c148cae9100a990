"""Reads a result of Label Studio: the boxes of our control, and the marks in the picture that are none or cannot be used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.region import NOMINAL, Percent, Quad, Region
from dinolabel.studio.regions.shapes import Entry, hull, kind_of, label_tag_of, names_of, number
from dinolabel.studio.regions.unread import Unread
from dinolabel.vision.types import Box

FAR = 1_000_000  # percent or pixels: beyond it no picture lies

OTHER_CONTROL = "box of another control"
SMALL = ("outside", "under a pixel")
"""Kinds of boxes of ours that have no place in the picture."""


@dataclass(frozen=True, slots=True)
class ResultReading:
    """What a result says. boxes: regions of our control, each beside the entry it was read from. unread: marks that were not used.

    others: the entries of those marks, as far as they are of this picture. names: of unread regions with several names, by id.
    """

    boxes: tuple[tuple[Region, Entry], ...]
    unread: tuple[Unread, ...]
    others: tuple[Entry, ...] = ()
    names: Mapping[str, tuple[str, ...]] | None = None


class _UnusableMark(Exception):
    """Why a box cannot be used: kind and reason."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind, self.why = kind, why


def read(result: Any, config: LabelConfig, *, size: tuple[int, int] | None = None) -> ResultReading:
    """Every mark of a result, used or not. size: width and height of the upright image, where known; else each region's own, else that of
    another region of the result, else NOMINAL."""
    reader = _ResultReader(result, config, size)
    boxes: list[tuple[Region, Entry]] = []
    unread = [Unread("", "damaged", "an entry that is no region")] * reader.damaged
    others: list[Entry] = []
    names: dict[str, tuple[str, ...]] = {}
    for identity, entry, found in reader:
        several = reader.several_names(entry)
        if isinstance(found, Region) and not several:
            boxes.append((found, entry))
            continue
        others.append(entry)
        if isinstance(found, Region):
            names[identity] = several
            unread.append(Unread(identity, "two names", f"a conflict: one box with the names {' and '.join(several)}"))
        else:
            unread.append(Unread(identity, found.kind, found.why))
    return ResultReading(tuple(boxes), tuple(unread), tuple(others), names)


def regions(result: Any, config: LabelConfig, *, size: tuple[int, int] | None = None) -> list[Region]:
    """The rectangles of our control in a result, without a label where they have several; `read` says what else marks a place."""
    return [found for _, _, found in _ResultReader(result, config, size) if isinstance(found, Region)]


def size_of(result: Any) -> tuple[int, int] | None:
    """Width and height of the picture as the first region says that knows them."""
    entries = (each for each in result if isinstance(each, Mapping)) if isinstance(result, list | tuple) else ()
    return next(filter(None, map(_size, entries)), None)


def overlap(one: Entry, other: Entry) -> float:
    """IoU of the upright hulls of two entries of one picture, whatever they mark, 0..1; 0 when one of them marks no place."""
    hulls = [hull(each) if kind_of(each) else None for each in (one, other)]
    boxes = [Box(*each) if each is not None and each[0] < each[2] and each[1] < each[3] else None for each in hulls]
    return boxes[0].iou(boxes[1]) if boxes[0] is not None and boxes[1] is not None else 0.0


class _ResultReader:
    """The entries of one result, those of `Labels` apart that only name a shape beside them: Label Studio writes two entries then."""

    def __init__(self, result: Any, config: LabelConfig, size: tuple[int, int] | None) -> None:
        # Without a list it says nothing, and not "nothing here": a script may leave `null`, Label Studio's editor sends [].
        listed = result if isinstance(result, list | tuple) else (result or None,)
        entries = [each for each in listed if isinstance(each, Mapping) and str(each.get("to_name")) not in config.elsewhere]
        self.config, self.size = config, size
        self.damaged = sum(not isinstance(each, Mapping) for each in listed)
        marks = [each for each in entries if kind_of(each)]
        drawn = {str(each.get("id")) for each in marks if label_tag_of(each)}
        self.naming = [each for each in entries if each.get("type") == "labels" and str(each.get("id")) in drawn]
        alone = [each for each in marks if not any(each is one for one in self.naming)]
        self.shapes = list(self._without_echoes(alone))
        own = [each for each in self.shapes if self._is_ours(each)]
        self.fallback = size_of(own) or size_of(self.shapes)

    def __iter__(self) -> Iterator[tuple[str, Entry, Region | _UnusableMark]]:
        """Each mark with an id that no box before it has, and what it is."""
        counts: dict[str, int] = {}
        for entry in self.shapes:
            plain = str(entry.get("id"))
            identity = f"{plain}~{counts[plain] + 1}" if plain in counts else plain
            try:
                found = self.region(entry, identity)
            except _UnusableMark as error:
                yield plain, entry, error
                continue
            counts[plain] = counts.get(plain, 0) + 1
            yield identity, entry, found

    def several_names(self, entry: Entry) -> tuple[str, ...]:
        """All that were given, where they are more than one: a generic one says nothing beside another."""
        said = list(dict.fromkeys(map(self.config.current_name, self._names(entry))))
        others = [each for each in said if each not in self.config.generic]
        meant = others or said
        return tuple(meant) if len(meant) > 1 else ()

    def region(self, entry: Entry, identity: str) -> Region:
        """Raises _UnusableMark."""
        kind, value = kind_of(entry), entry.get("value")
        if kind != "box":
            raise _UnusableMark(str(kind), f"{_article(str(kind))} of {entry.get('from_name')!r}: only boxes are read")
        if not self._is_ours(entry):
            raise _UnusableMark(OTHER_CONTROL, f"a box of {entry.get('from_name')!r}, where boxes of {self.config.control!r} are read")
        if not isinstance(value, Mapping):
            raise _UnusableMark("damaged", "a box without a value")
        known = self.size or _size(entry) or self.fallback
        percent = _percent(value)
        box, quad = _to_pixels(percent, known or NOMINAL)
        names = self._names(entry)
        label = _label(names, self.config)
        unlisted = next(iter(names), None) if not any(self.config.current_name(each) in self.config.labels for each in names) else None
        origin, score = entry.get("origin"), number(entry.get("score"))
        frame = known or NOMINAL
        return Region(
            identity, label, box, percent.rotation, origin and str(origin), score, *frame, quad, None if known else percent, unlisted
        )

    def _is_ours(self, entry: Entry) -> bool:
        return entry.get("from_name") == self.config.control or any(
            each.get("id") == entry.get("id") and each.get("from_name") == self.config.control for each in self.naming
        )

    def _names(self, entry: Entry) -> list[str]:
        beside = [each for each in self.naming if each.get("id") == entry.get("id") and each.get("from_name") == self.config.control]
        own = names_of(entry) if entry.get("from_name") == self.config.control else []
        return [*own, *(name for each in beside for name in names_of(each))]

    def _without_echoes(self, marks: Sequence[Entry]) -> Iterator[Entry]:
        """All but rectangles that say once more, under another control, where a box of ours is."""
        ours = [each for each in marks if self._is_ours(each) and kind_of(each) == "box"]
        for each in marks:
            if self._is_ours(each) or kind_of(each) != "box" or not any(_same_mark(each, own) for own in ours):
                yield each


def _same_mark(one: Entry, other: Entry) -> bool:
    first, second = one.get("value"), other.get("value")
    if one.get("id") is None or one.get("id") != other.get("id") or not (isinstance(first, Mapping) and isinstance(second, Mapping)):
        return False
    return all(number(first.get(name)) == number(second.get(name)) for name in ("x", "y", "width", "height"))


def _size(entry: Entry) -> tuple[int, int] | None:
    width, height = (number(entry.get(name)) for name in ("original_width", "original_height"))
    return (int(width), int(height)) if width and height and 1 <= width <= FAR and 1 <= height <= FAR else None


def _percent(value: Entry) -> Percent:
    numbers = [number(value.get(name)) for name in ("x", "y", "width", "height")]
    turn = 0.0 if value.get("rotation") in (None, "") else number(value["rotation"])
    if turn is None or any(each is None for each in numbers):
        raise _UnusableMark("no numbers", "a box whose place is no four numbers")
    x, y, width, height = (float(each or 0) for each in numbers)
    if max(map(abs, (x, y, width, height))) > FAR:
        raise _UnusableMark("outside", "a box far outside the picture")
    return Percent(x, y, width, height, turn)


def _to_pixels(percent: Percent, frame: tuple[int, int]) -> tuple[Box, Quad | None]:
    """Pixels of the upright hull, clipped, and the corners when turned. Raises _UnusableMark for what has no place in the picture."""
    (x1, y1, x2, y2), quad = percent.on(*frame)
    backwards = percent.width < 0 or percent.height < 0
    if x2 - x1 < 1 or y2 - y1 < 1:
        raise _UnusableMark("under a pixel", "a box under a pixel wide or high")
    box = Box(x1, y1, x2, y2).clip(*frame)
    if backwards and (box is None or box.area < 0.99 * (x2 - x1) * (y2 - y1)):
        raise _UnusableMark("backwards", "a box of negative width or height that does not lie in the picture when it is turned over")
    if box is None:
        raise _UnusableMark("outside", "a box with less than a pixel inside the picture")
    return box, quad


def _label(names: Iterable[str], config: LabelConfig) -> str | None:
    """The one label that is meant: a learnt one beats generic ones; two names, or none that the config has, mean nothing."""
    live = [name for name in dict.fromkeys(map(config.current_name, names)) if name in config.labels]
    others = [name for name in live if name not in config.generic]
    chosen = others or live
    return chosen[0] if len(chosen) == 1 else None


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
