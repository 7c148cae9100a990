"""Whether the pictures of a project's tasks can be read: every address judged without asking anybody, one picture of each place fetched."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dinolabel.vision.errors import DinolabelError, MediaError, MediaUnavailable

if TYPE_CHECKING:
    from dinolabel.studio.client import TaskRow
    from dinolabel.studio.label_configs.label_config import LabelConfig
    from dinolabel.studio.media.resolver import MediaResolver

PLACES = 20
"""At most so many places are tried: the rest would be told by the backend, one by one."""
TASKS = 3
"""One damaged picture says nothing about its place: so many of a place's tasks are tried until one works."""
SECONDS = 6.0
"""For all places together; they are tried at once."""
NEARLY = 0.5
"""Seconds before the end from which a failure is the clock's."""


@dataclass(frozen=True, slots=True)
class UnreadableTasks:
    """Tasks whose picture can never be read with these settings, for one reason. tasks: their numbers, in the order of the listing."""

    why: str
    hint: str
    tasks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlaceTrial:
    """One place that pictures are at. tasks: how many. task: the one that was read, or failed first. error: why, None when it was read.

    size: width and height of the upright picture, pixels. slow: it failed because the time was over, which a second try may mend.
    """

    place: str
    tasks: int
    task: int
    error: DinolabelError | None = None
    size: tuple[int, int] = (0, 0)
    slow: bool = False


@dataclass(frozen=True, slots=True)
class PictureTrial:
    """total: all tasks. never: by reason, the commonest first. tried: by place. places: how many there are, tried or not."""

    total: int
    never: tuple[UnreadableTasks, ...]
    tried: tuple[PlaceTrial, ...]
    places: int

    @property
    def nothing_readable(self) -> bool:
        """Whether there are tasks and none that was tried can be read."""
        return self.total > 0 and not any(each.error is None or each.slow for each in self.tried)


def judge(rows: Sequence[TaskRow], config: LabelConfig, media: MediaResolver, *, seconds: float = SECONDS) -> PictureTrial:
    """Judge all addresses, then fetch a picture of each place, the first PLACES of them, within `seconds`. Pictures stay in the cache."""
    reasons: dict[tuple[str, str], list[int]] = defaultdict(list)
    places: dict[str, list[TaskRow]] = defaultdict(list)
    hints: dict[str, str] = {}
    for row in rows:
        try:
            url = config.picture_in(row.data)
            error = media.refusal(url, task=row.id)
        except MediaError as lacking:
            error = lacking
        if error is None:
            places[_place(url, media)].append(row)
        else:
            reasons[str(error), hints.setdefault(str(error), error.hint)].append(row.id)
    never = sorted((UnreadableTasks(why, hint, tuple(tasks)) for (why, hint), tasks in reasons.items()), key=lambda each: -len(each.tasks))
    chosen = dict(list(places.items())[:PLACES])
    return PictureTrial(len(rows), tuple(never), tuple(_try_places(chosen, config, media, seconds)), len(places))


def _place(url: str, media: MediaResolver) -> str:
    from dinolabel.studio.media import url as address

    url = url.strip()
    path = (
        address.label_studio_path(url, ())
        if address.scheme(url) is None
        else None
        if media.is_listed(url)
        else address.path_at_any_host(url)
    )
    if path is None:
        return address.place(url) or "files of this machine"
    cloud = address.parse_cloud(path)
    if cloud is not None:
        return address.place(cloud[0])
    return "Label Studio's local files" if path.startswith(address.LOCAL_FILES) else "Label Studio"


def _try_places(places: dict[str, list[TaskRow]], config: LabelConfig, media: MediaResolver, seconds: float) -> list[PlaceTrial]:
    """All at once, each in a thread that nobody waits for at the end: a look-up of a name can hang longer than any limit of ours."""
    found: dict[str, PlaceTrial] = {}
    end = time.monotonic() + seconds
    hurried = media.with_time_limit(seconds)

    def look(place: str, rows: list[TaskRow]) -> None:
        found[place] = _try_place(place, rows, config, hurried, end)

    threads = [threading.Thread(target=look, args=each, daemon=True) for each in places.items()]
    for each in threads:
        each.start()
    for each in threads:
        each.join(max(0.0, end - time.monotonic()) + 0.2)
    late = MediaUnavailable(f"No picture came within {seconds:g} s.", hint="Try again; or see whether this machine reaches it.")
    return [found.get(place) or PlaceTrial(place, len(rows), rows[0].id, late, slow=True) for place, rows in places.items()]


def _try_place(place: str, rows: list[TaskRow], config: LabelConfig, media: MediaResolver, end: float) -> PlaceTrial:
    from dinolabel.vision.decoding.pictures import open_image

    chosen = [rows[at * (len(rows) - 1) // max(1, TASKS - 1)] for at in range(TASKS)]
    failed: PlaceTrial | None = None
    for row in dict.fromkeys(chosen, None):
        try:
            image = open_image(media.resolve(config.picture_in(row.data), task=row.id))
        except DinolabelError as error:
            slow = time.monotonic() >= end - NEARLY
            failed = failed or PlaceTrial(place, len(rows), row.id, error, slow=slow)
            if slow:
                break
        else:
            return PlaceTrial(place, len(rows), row.id, size=(image.width, image.height))
    assert failed is not None, "a place has a task"
    return failed
