"""What is used of a project's pictures is not always what a file holds: a TIFF's first page, dark values stretched. Some are looked at."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dinolabel.vision.errors import DinolabelError

if TYPE_CHECKING:
    from dinolabel.studio.client import TaskRow
    from dinolabel.studio.label_configs.label_config import LabelConfig
    from dinolabel.studio.media.resolver import MediaResolver

SECONDS = 5.0
"""For all of them together: the rest is told by the backend's log, one by one."""
MOST = 100
PAGED = (".tif", ".tiff")
NEVER = (".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp")
"""Endings of pictures that have eight bits and one page."""


@dataclass(frozen=True, slots=True)
class PictureRemark:
    """text: what was done, of the first of these. tasks: their numbers. Numbers in it may differ from picture to picture."""

    text: str
    tasks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RemarkSurvey:
    """looked: pictures that were opened. total: those that may have a remark, by their name."""

    remarks: tuple[PictureRemark, ...]
    looked: int
    total: int


def survey(rows: Sequence[TaskRow], config: LabelConfig, media: MediaResolver, *, seconds: float = SECONDS) -> RemarkSurvey:
    """Open the TIFFs among the tasks' pictures, then others that may be deep, spread over all, within `seconds`."""
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    candidates, end, looked = _candidates(rows, config, media), time.monotonic() + seconds, 0
    for row in candidates[:MOST]:
        left = end - time.monotonic()
        if left <= 0:
            break
        looked += 1
        for said in _remarks(row, config, media.with_time_limit(left)):
            found[re.sub(r"[-+\d.e]*\d", "#", said)].append((row.id, said))
    remarks = (PictureRemark(each[0][1], tuple(task for task, _ in each)) for each in found.values())
    return RemarkSurvey(tuple(remarks), looked, len(candidates))


def _candidates(rows: Sequence[TaskRow], config: LabelConfig, media: MediaResolver) -> list[TaskRow]:
    paged: list[TaskRow] = []
    others: list[TaskRow] = []
    for row in rows:
        ending = _ending(row, config, media)
        if ending is not None and ending not in NEVER:
            (paged if ending in PAGED else others).append(row)
    left = max(0, MOST - len(paged))
    step = max(1, len(others) // left) if left else 1
    return [*paged, *others[::step], *(row for at, row in enumerate(others) if at % step)]


def _ending(row: TaskRow, config: LabelConfig, media: MediaResolver) -> str | None:
    """Lower case, `` where the address tells none; None for a picture that can never be read."""
    from dinolabel.studio.media import url as address

    try:
        url = config.picture_in(row.data)
        if media.refusal(url, task=row.id) is not None:
            return None
        if address.is_inline(url):
            return "." + url[5:40].partition(";")[0].rpartition("/")[2].lower()
        name = (address.parts(url) or [""])[-1]
    except DinolabelError:
        return None
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""


def _remarks(row: TaskRow, config: LabelConfig, media: MediaResolver) -> list[str]:
    from dinolabel.vision.decoding.pictures import open_image

    try:
        image = open_image(media.resolve(config.picture_in(row.data), task=row.id))
        if image.decoding:  # only then its pixels may be stretched
            _ = image.pixels
    except DinolabelError:
        return []  # told by whoever tries the places
    return list(image.remarks)
