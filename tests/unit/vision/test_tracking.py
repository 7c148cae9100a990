"""Tracks between passes of the detector: which frames are followed, and what stands in those that are passed over."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.types import Box, Detection, Prompt, Thresholds
from dinolabel.vision.video import tracker as tracking
from dinolabel.vision.video.buffer import SpillBuffer
from dinolabel.vision.video.detect_frames import VideoRequest, VideoRun
from dinolabel.vision.video.optical_flow import Boxes, Grey, track_flow
from dinolabel.vision.video.tracker import Tracker
from tests.doubles.drawn_films import Disc, DiscDetector, film, frame, ground
from tests.doubles.scripted_models import RED, ColourEmbedder

SIZE = (320, 240)
BACK = ground(*SIZE)


def grey(x: float) -> Grey:
    """A disc at (x, 120)."""
    return np.ascontiguousarray(frame(BACK, [Disc(RED, lambda _: (x, 120))], 0)[..., 1])


def started(x: float) -> Tracker:
    tracker = Tracker(SIZE, patience=10)
    tracker.follow(grey(x))
    tracker.match([Detection(Box(x - 18, 102, x + 18, 138), "cat", 0.9)], least_score=0.3)
    tracker.pop_settled()
    return tracker


def test_a_frame_that_is_passed_over_stands_between_its_neighbours() -> None:
    tracker = started(100)
    tracker.skip(grey(102))
    tracker.follow(grey(104))
    tracker.skip(grey(104))
    between, after, ended = tracker.pop_settled()
    lefts = [rows[0][1][0] for rows in (between, after, ended)]
    assert lefts == pytest.approx([84, 86, 86], abs=0.4)
    assert [len(rows) for rows in (between, after, ended)] == [1, 1, 1]


def test_calm_is_what_is_known_to_move_little() -> None:
    tracker = started(100)
    assert not tracker.calm, "it may run"
    tracker.follow(grey(101))
    assert tracker.calm
    tracker.skip(grey(104))
    tracker.follow(grey(107))
    assert not tracker.calm


@pytest.mark.parametrize(("speed", "least", "most"), [(0.5, 30, 40), (3.0, 57, 60)])
def test_slow_things_are_followed_on_every_second_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speed: float, least: int, most: int
) -> None:
    asked: Counter[str] = Counter()

    def counted(before: Grey, now: Grey, boxes: Boxes):  # type: ignore[no-untyped-def]
        asked["flow"] += 1
        return track_flow(before, now, boxes)

    monkeypatch.setattr(tracking, "track_flow", counted)
    path = film(tmp_path / "walk.mp4", [Disc(RED, lambda n: (40 + speed * n, 120))], frames=61)
    request = VideoRequest(Prompt(("cat",)), Thresholds(0.3, 0.2), 15)
    with SpillBuffer() as spill:
        watch = VideoRun(path, request, Pipeline(DiscDetector(RED), ColourEmbedder()), spill)
        for _ in watch:
            pass
        rows = list(spill)
    assert least <= asked["flow"] <= most
    for number, found in enumerate(rows):
        ((_, box),) = found
        x = 40 + speed * number
        assert box.iou(Box(x - 18, 102, x + 18, 138)) > 0.8, number
