"""Boxes of single frames become tracks: matched where the detector looked, followed by optical flow in between.

Boxes are pixels of the full frame, xyxy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from dinolabel.vision.types import Detection
from dinolabel.vision.video.optical_flow import Boxes, Grey, track_flow

LEAST_IOU = 0.3
LEAST_VISIBLE = 0.35  # of a box inside the frame: below, it has left
SHOWN_MISSES = 1  # passes of the detector that may miss a track while it still is shown: optical flow bridges them
CALM = 2.0  # pixels of the grey frame from one frame to the next
Row = tuple[int, npt.NDArray[np.float64]]
"""Track and box in one frame."""


@dataclass
class _PendingFrame:
    """A frame whose rows may still change. passed: over, so far without rows."""

    grey: Grey
    rows: list[Row]
    passed: bool = False


@dataclass
class Track:
    """One thing, as long as it can be followed. hits: passes of the detector that saw it. missed: passes in a row that did not.

    pace: pixels of the grey frame a frame, when last followed; infinite where it is not known.
    """

    id: int
    box: npt.NDArray[np.float64]
    speed: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    phrases: Counter[str] = field(default_factory=Counter)
    best: float = 0.0
    hits: int = 0
    missed: int = 0
    lost_for: int = 0
    pace: float = float("inf")

    @property
    def phrase(self) -> str:
        """What it was taken for most often."""
        return self.phrases.most_common(1)[0][0]

    def join(self, other: Track) -> None:
        """Count what was seen of another: it is the same thing."""
        self.hits, self.best = self.hits + other.hits, max(self.best, other.best)
        self.phrases += other.phrases


class Tracker:
    """size: width and height of the frames, pixels. patience: frames followed for which a track is looked for after it was lost."""

    def __init__(self, size: tuple[int, int], *, patience: int) -> None:
        self._size = size
        self._patience = patience
        self._next = 1
        self._before: Grey | None = None
        self._kept: list[_PendingFrame] = []
        self._ended: list[Row] = []
        self.tracks: list[Track] = []

    def skip(self, grey: Grey) -> None:
        """Pass over the next frame: its boxes will be between those of the frames around it."""
        self._kept.append(_PendingFrame(grey, [], passed=True))

    def follow(self, grey: Grey) -> None:
        """Move on to the next frame, by optical flow. grey: (h, w) of the frame, at any size that stays the same."""
        if self._before is not None and self.tracks:
            scale = self._size[0] / grey.shape[1]
            there = track_flow(self._before, grey, np.array([each.box for each in self.tracks]) / scale)
            frames = 1 + self._mark_over()
            for track, box, sure in zip(self.tracks, there.boxes * scale, there.sure, strict=True):
                track.pace = float(np.abs(box - track.box).max()) / scale / frames if sure else float("inf")
                self._move(track, box if sure else None)
        self._before = grey
        self.tracks = [each for each in self.tracks if self._inside(each.box) and each.lost_for <= self._patience]
        self._kept.append(_PendingFrame(grey, [(each.id, each.box.copy()) for each in self.tracks if self._is_visible(each)]))

    @property
    def calm(self) -> bool:
        """Whether everything moves so little that a frame may be passed over."""
        return all(each.pace <= CALM for each in self.tracks)

    def match(self, detections: Sequence[Detection], *, least_score: float) -> list[tuple[Track, Detection]]:
        """Give each detection of this frame its track; those under least_score may keep a track alive and begin none.

        Call it after `track_flow` of the same frame. The answer: who was seen, and as what.
        """
        sure = [each for each in detections if each.score >= least_score]
        weak = [each for each in detections if each.score < least_score]
        pairs = self._match_pairs(self.tracks, sure)
        seen = {id(track) for track, _ in pairs}
        pairs += self._match_pairs([each for each in self.tracks if id(each) not in seen and each.hits > 1], weak)
        taken = {id(detection) for _, detection in pairs}
        for track, detection in pairs:
            self._correct(track, detection)
        unseen = {id(track) for track, _ in pairs}
        for track in self.tracks:
            track.missed = 0 if id(track) in unseen else track.missed + 1
        born = [(self._new_track(each), each) for each in sure if id(each) not in taken]
        return pairs + born

    def pop_settled(self) -> list[list[Row]]:
        """The rows of the frames since the last call, oldest first: call it after `match`, when they will not change any more."""
        _fill(self._ended, self._kept)
        rows = [each.rows for each in self._kept]
        self._kept, self._ended = [], rows[-1] if rows else self._ended
        return rows

    def cut(self) -> None:
        """The scene changed: nothing goes on."""
        self.tracks, self._ended = [], []

    def _move(self, track: Track, box: npt.NDArray[np.float64] | None) -> None:
        if box is None:
            track.box = track.box + np.tile(track.speed, 2)
            track.speed = track.speed * 0.9
            track.lost_for += 1
        else:
            step = _centre(box) - _centre(track.box)
            track.speed = 0.7 * track.speed + 0.3 * step
            track.box = box
            # Flow alone would hold on to the background where a thing stood: a pass that misses it counts.
            track.lost_for = 0 if not track.missed else track.lost_for + 1

    def _mark_over(self) -> int:
        """Frames passed over since the last one that was followed."""
        return next((at for at, each in enumerate(reversed(self._kept)) if not each.passed), len(self._kept))

    def _is_visible(self, track: Track) -> bool:
        return track.missed <= SHOWN_MISSES and track.lost_for <= self._patience // 2

    def _inside(self, box: npt.NDArray[np.float64]) -> bool:
        wide = min(box[2], self._size[0]) - max(box[0], 0)
        high = min(box[3], self._size[1]) - max(box[1], 0)
        area = (box[2] - box[0]) * (box[3] - box[1])
        return bool(wide > 1 and high > 1 and wide * high >= LEAST_VISIBLE * area)

    def _match_pairs(self, tracks: Sequence[Track], detections: Sequence[Detection]) -> list[tuple[Track, Detection]]:
        """The pairing with the largest sum of overlaps, of pairs that overlap enough (Kuhn-Munkres, by SciPy)."""
        if not tracks or not detections:
            return []
        from scipy.optimize import linear_sum_assignment  # half a CPU second, which who looks at pictures does not pay

        ious = overlaps(np.array([each.box for each in tracks]), np.array([each.box.xyxy for each in detections]))
        gain = np.where(ious >= LEAST_IOU, ious, 0.0)
        rows, columns = linear_sum_assignment(-gain)
        return [(tracks[row], detections[column]) for row, column in zip(rows, columns, strict=True) if gain[row, column] > 0]

    def _correct(self, track: Track, detection: Detection) -> None:
        """Take the detector's box, and spread what the flow had gone astray over the frames since the last pass."""
        box = np.array(detection.box.xyxy)
        astray = box - track.box
        count = len(self._kept)
        for at, kept in enumerate(self._kept):
            kept.rows[:] = [(number, each + astray * (at + 1) / count if number == track.id else each) for number, each in kept.rows]
        track.box, track.hits, track.lost_for = box, track.hits + 1, 0
        track.phrases[detection.phrase] += 1
        track.best = max(track.best, detection.score)
        if self._kept and track.id not in {number for number, _ in self._kept[-1].rows}:
            self._kept[-1].rows.append((track.id, box.copy()))

    def _new_track(self, detection: Detection) -> Track:
        """A new track, and where it must have been in the frames since the last pass: followed backwards."""
        track = Track(self._next, np.array(detection.box.xyxy), phrases=Counter({detection.phrase: 1}), best=detection.score, hits=1)
        self._next += 1
        self.tracks.append(track)
        if not self._kept:
            return track
        box = track.box
        self._kept[-1].rows.append((track.id, box.copy()))
        scale = self._size[0] / self._kept[-1].grey.shape[1]
        for later, kept in pairwise(reversed(self._kept)):
            there = track_flow(later.grey, kept.grey, box[None] / scale)
            box = there.boxes[0] * scale
            if not there.sure[0] or not self._inside(box) or _is_covered(box, kept.rows):
                break
            kept.rows.append((track.id, box.copy()))
        return track


def _fill(ended: list[Row], kept: Sequence[_PendingFrame]) -> None:
    """Give the frames that were passed over their rows, on straight lines. ended: rows of the frame before these."""
    looked = [at for at, each in enumerate(kept) if not each.passed]
    for start, end in pairwise([-1, *looked]):
        before, after = dict(kept[start].rows if start >= 0 else ended), dict(kept[end].rows)
        for at in range(start + 1, end):
            share, there = (at - start) / (end - start), {number for number, _ in kept[at].rows}
            both = [number for number in before if number in after and number not in there]
            kept[at].rows += [(each, before[each] + (after[each] - before[each]) * share) for each in both]
    last = looked[-1] if looked else -1
    for each in kept[last + 1 :]:  # the film, or the scene, is over
        each.rows += kept[last].rows if last >= 0 else ended


def overlaps(ones: Boxes, others: Boxes) -> npt.NDArray[np.float64]:
    """(N, M) intersection over union of (N, 4) and (M, 4) boxes."""
    low = np.maximum(ones[:, None, :2], others[None, :, :2])
    high = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    inter = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(each[:, 2:] - each[:, :2], axis=1) for each in (ones, others)]
    return np.asarray(inter / np.maximum(areas[0][:, None] + areas[1][None] - inter, 1e-9))


def _is_covered(box: npt.NDArray[np.float64], rows: Sequence[Row]) -> bool:
    """Whether another track stands there already."""
    return bool(rows) and bool(overlaps(box[None], np.array([each for _, each in rows])).max() > 0.5)


def _centre(box: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return (box[:2] + box[2:]) / 2
