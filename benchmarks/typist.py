"""A person at Label Studio's editor in a real browser: presses keys, clicks boxes, drags; and counts what they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dinolabel.demo.review import GOOD_ENOUGH_IOU
from dinolabel.vision.types import Box

NEXT, DELETE, SUBMIT = "n", "Backspace", "Space"
HAND_MS = 120
"""Between two presses: nobody is faster for long, and the editor's own state has settled by then."""
PATIENCE_MS = 180_000

READY = """() => { const a = window.Htx?.annotationStore?.selected; if (!a || Htx.isLoading) return null;
  const image = a.objects?.find(each => each.type === 'image');
  return image?.stageWidth > 1 && image.naturalWidth > 1 ? String(Htx.task.id) : null }"""
LOOK = """() => { const a = Htx.annotationStore.selected;
  return { result: a.serializeAnnotation(), order: a.regionStore.regions.map(each => each.cleanId || each.id),
           selected: a.regionStore.regions.find(each => each.inSelection)?.cleanId ?? null } }"""
FRAME = """() => { const image = Htx.annotationStore.selected.objects.find(each => each.type === 'image');
  const at = document.querySelector('.konvajs-content').getBoundingClientRect();
  return [at.x + image.zoomingPositionX, at.y + image.zoomingPositionY,
          image.stageWidth * image.zoomScale / image.naturalWidth, image.stageHeight * image.zoomScale / image.naturalHeight] }"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the editor holds now. result: regions as they would be submitted. order: ids as `n` walks them. selected: an id or None."""

    result: list[dict[str, Any]]
    order: list[str]
    selected: str | None


@dataclass(slots=True)
class Counted:
    """What hands did. keys: presses, without submits. clicks: on a box. drags: mouse down, move, up."""

    keys: int = 0
    clicks: int = 0
    drags: int = 0
    submits: int = 0

    @property
    def actions(self) -> int:
        return self.keys + self.clicks + self.drags


@dataclass(slots=True)
class Typist:
    """page: playwright's, logged in."""

    page: Any
    counted: Counted = field(default_factory=Counted)

    def open_stream(self, url: str, project: int) -> str:
        """Opens *Label All Tasks*; id of the task it shows."""
        self.page.goto(f"{url}/projects/{project}/data?labeling=1", wait_until="domcontentloaded", timeout=PATIENCE_MS)
        return self._arrived(before=None)

    def look(self) -> Seen:
        return Seen(**self.page.evaluate(LOOK))

    def next_box(self) -> Seen:
        return self._press(NEXT)

    def name(self, key: str, done: Callable[[Seen], bool]) -> Seen:
        """A label's key; done: that the editor has taken it."""
        return self._press(key, done)

    def delete(self) -> Seen:
        before = len(self.look().order)
        return self._press(DELETE, lambda seen: len(seen.order) < before)

    def click(self, box: Box, wanted: str, others: list[Box]) -> bool:
        """Click a box where no other one lies over it; False when the editor selects another one all the same."""
        x, y = _bare_spot(box, others)
        self.page.mouse.click(*self._screen(x, y))
        self.counted.clicks += 1
        self._pause()
        return self.look().selected == wanted

    def draw(self, key: str, box: Box, others: list[Box]) -> Seen:
        """A label's key, then a drag over the picture; nothing may be selected.

        From a corner that lies in no other box, where the editor would take that one; with Ctrl held where there is none.
        """
        before = len(self.look().order)
        self.page.keyboard.press(key)
        self.counted.keys += 1
        self._pause()
        start, end, free = bare_corner(box, others)
        if free:
            return self._drag(start, end, lambda seen: len(seen.order) > before)
        self.page.keyboard.down("Control")
        self.counted.keys += 1
        try:
            return self._drag(start, end, lambda seen: len(seen.order) > before)
        finally:
            self.page.keyboard.up("Control")

    def resize(self, now: Box, wanted: Box) -> None:
        """Drags corners of the box that is selected, the one furthest off first, until the box is good enough."""
        for corner in corners_to_drag(now, wanted):
            self._drag(*corner, lambda seen: True)

    def submit(self, before: str, *, last: bool) -> str | None:
        """The submit key; returns the next task, None after the last."""
        with self.page.expect_response(_stored, timeout=PATIENCE_MS):
            self.page.keyboard.press(SUBMIT)
        self.counted.submits += 1
        return None if last else self._arrived(before=before)

    def _arrived(self, *, before: str | None) -> str:
        """Waits until another task than `before` can be worked on; its id."""
        script = f"before => {{ const now = ({READY})(); return now !== before ? now : null }}"
        found = str(self.page.wait_for_function(script, arg=before, timeout=PATIENCE_MS).json_value())
        self._pause(3)
        return found

    def _press(self, key: str, done: Callable[[Seen], bool] = lambda seen: True) -> Seen:
        self.page.keyboard.press(key)
        self.counted.keys += 1
        self._pause()
        return self._until(done)

    def _drag(self, start: tuple[float, float], end: tuple[float, float], done: Callable[[Seen], bool]) -> Seen:
        mouse = self.page.mouse
        mouse.move(*self._screen(*start))
        mouse.down()
        mouse.move(*self._screen(*((a + b) / 2 for a, b in zip(start, end, strict=True))), steps=4)
        mouse.move(*self._screen(*end), steps=4)
        mouse.up()
        self.counted.drags += 1
        self._pause()
        return self._until(done)

    def _until(self, done: Callable[[Seen], bool]) -> Seen:
        for _ in range(PATIENCE_MS // 500):
            if done(seen := self.look()):
                return seen
            self.page.wait_for_timeout(500)
        raise TimeoutError(f"The editor did not follow: {self.look()}")

    def _screen(self, *point: float) -> tuple[float, float]:
        left, top, across, down = self.page.evaluate(FRAME)
        return left + point[0] * across, top + point[1] * down

    def _pause(self, times: int = 1) -> None:
        self.page.wait_for_timeout(HAND_MS * times)


def corners_to_drag(now: Box, wanted: Box) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """(from, to) of each drag it takes from one box to a good one, pixels of the picture: one or two."""
    first, last = ((now.x1, now.y1), (wanted.x1, wanted.y1)), ((now.x2, now.y2), (wanted.x2, wanted.y2))
    halfway = {
        "first": (first, Box(wanted.x1, wanted.y1, max(now.x2, wanted.x1 + 1), max(now.y2, wanted.y1 + 1))),
        "last": (last, Box(min(now.x1, wanted.x2 - 1), min(now.y1, wanted.y2 - 1), wanted.x2, wanted.y2)),
    }
    (drag, box), (other, _) = sorted(halfway.values(), key=lambda each: -each[1].iou(wanted))
    return [drag] if box.iou(wanted) >= GOOD_ENOUGH_IOU else [drag, other]


def bare_corner(box: Box, others: list[Box]) -> tuple[tuple[float, float], tuple[float, float], bool]:
    """The corner to begin a box at, the opposite one, and whether the first lies in no other box. Pixels of the picture."""
    corners = [(box.x1, box.y1), (box.x2, box.y2), (box.x2, box.y1), (box.x1, box.y2)]
    opposite = {corners[0]: corners[1], corners[1]: corners[0], corners[2]: corners[3], corners[3]: corners[2]}
    for x, y in corners:
        if not any(each.x1 <= x <= each.x2 and each.y1 <= y <= each.y2 for each in others):
            return (x, y), opposite[x, y], True
    return corners[0], corners[1], False


def _stored(response: Any) -> bool:
    """The annotation is in Label Studio."""
    return response.request.method == "POST" and "/annotations" in response.url and response.status == 201


def _bare_spot(box: Box, others: list[Box]) -> tuple[float, float]:
    """Where only this box lies, of a grid over it; its middle when there is no such place. Pixels of the picture."""
    steps = [0.5, 0.35, 0.65, 0.2, 0.8, 0.1, 0.9]
    for down in steps:
        for across in steps:
            x, y = box.x1 + across * box.width, box.y1 + down * box.height
            if not any(each.x1 <= x <= each.x2 and each.y1 <= y <= each.y2 for each in others):
                return x, y
    return (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2
