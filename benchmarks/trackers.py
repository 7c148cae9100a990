"""Our way of following against library trackers, on the same drawn films with the same passes of the detector.

    pip install --no-deps --target /tmp/trackers trackers norfair
    PYTHONPATH=/tmp/trackers:. python -m benchmarks.trackers --seeds 100 200 300 400 --seconds 6

A library tracker is told what each pass saw; between two passes its boxes stand on straight lines. Names are voted as ours are, by one
look a pass. Milliseconds are of the processor, a frame, all in: decoding, passes, looks and tracking, without painting.
"""

from __future__ import annotations

import argparse
import importlib
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import supervision as sv

from benchmarks.drawn_world import PROMPT, RATE, head_from_demo, write_film
from benchmarks.video import Rows, Tally, judge
from dinolabel.vision.decoding.video_frames import decode_packets, open_stream, upright
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.types import Box, Detection, Image, Named, Pixels, Prompt, Thresholds
from dinolabel.vision.video.buffer import SpillBuffer
from dinolabel.vision.video.detect_frames import PATIENCE, WEAK, VideoRequest, VideoRun
from dinolabel.vision.video.tracks import summarise_tracks
from dinolabel.vision.video.vote import Vote

NAMES = ("ByteTrackTracker", "OCSORTTracker", "SORTTracker")
Update = Callable[[Sequence[Detection]], list[int]]
"""What one pass saw -> the track of each, -1 for none."""


def of_trackers(name: str, *, every: int, least: float) -> Update:
    """One of the trackers package, set for passes that are `every` frames apart."""
    kind: Any = getattr(importlib.import_module("trackers"), name)
    asked: dict[str, Any] = {"lost_track_buffer": 30 * PATIENCE, "frame_rate": RATE / every, "minimum_consecutive_frames": 1}
    asked |= {"track_activation_threshold": least} if name != "OCSORTTracker" else {}
    asked |= {"high_conf_det_threshold": least} if name in ("ByteTrackTracker", "OCSORTTracker") else {}
    tracker = kind(**asked)

    def update(found: Sequence[Detection]) -> list[int]:
        boxes = np.array([each.box.xyxy for each in found], np.float32).reshape(-1, 4)
        scores = np.array([each.score for each in found], np.float32)
        seen = tracker.update(
            sv.Detections(boxes, confidence=scores, class_id=np.zeros(len(found), int), data={"at": np.arange(len(found))})
        )
        ids = dict(zip(seen.data.get("at", ()), seen.tracker_id if seen.tracker_id is not None else (), strict=True))
        return [int(ids.get(at, -1)) for at in range(len(found))]

    return update


def of_norfair(*, every: int, least: float) -> Update:
    norfair: Any = importlib.import_module("norfair")
    tracker = norfair.Tracker("iou", 0.7, hit_counter_max=round(RATE * PATIENCE), initialization_delay=0)

    def update(found: Sequence[Detection]) -> list[int]:
        given = [norfair.Detection(np.array(each.box.xyxy).reshape(2, 2)) for each in found if each.score >= least]
        tracker.update(given, period=every)
        ids = {id(each.last_detection): each.id for each in tracker.tracked_objects}
        sure = iter(given)
        return [int(ids.get(id(next(sure))) or -1) if each.score >= least else -1 for each in found]

    return update


def by_library(path: Path, request: VideoRequest, pipeline: Pipeline, update: Update) -> list[Rows]:
    votes: dict[int, Vote] = {}
    passes: list[tuple[int, dict[int, Box]]] = []
    bundle = request.bundle
    assert bundle is not None
    count = 0
    with open_stream(path) as (container, stream):
        for number, frame in enumerate(decode_packets(container, stream)):
            count += 1
            if number % request.every:
                continue
            image = _image(upright(frame), number)
            (found,) = pipeline.predict([image], request.prompt, thresholds=_low(request.thresholds))
            boxes = {track: each.box for track, each in zip(update(found), found, strict=True) if track >= 0}
            rows = pipeline.embed(image, list(boxes.values()), bundle)
            for track, answer in zip(boxes, bundle.answer(rows, list(boxes.values()), reasons=False), strict=True):
                votes.setdefault(track, Vote()).add(answer)
            passes.append((number, boxes))
    named = {track: answer.label for track, vote in votes.items() if isinstance(answer := vote.answer, Named)}
    return _straight([*passes, (count, passes[-1][1])], named)


def _straight(passes: Sequence[tuple[int, dict[int, Box]]], named: Mapping[int, str]) -> list[Rows]:
    """Rows of every frame: between two passes a box goes straight."""
    rows: list[Rows] = [[] for _ in range(passes[-1][0])]
    for (start, before), (end, after) in pairwise(passes):
        for track in before.keys() & after.keys():
            for number in range(start, end):
                share = (number - start) / (end - start)
                corners = [a + (b - a) * share for a, b in zip(before[track].xyxy, after[track].xyxy, strict=True)]
                rows[number].append((track, Box(*corners), named.get(track)))
    return rows


def _image(pixels: Pixels, number: int) -> Image:
    return Image("film", pixels.shape[1], pixels.shape[0], lambda: pixels, number)


def _low(asked: Thresholds) -> Thresholds:
    return Thresholds(asked.box * WEAK, asked.text * WEAK, asked.nms_iou)


def by_us(path: Path, request: VideoRequest, pipeline: Pipeline) -> list[Rows]:
    with SpillBuffer() as spill:
        watch = VideoRun(path, request, pipeline, spill)
        for _ in watch:
            pass
        who = summarise_tracks(watch)
        named = {track: None if each.confidence is None else each.label for track, each in who.items()}
        return [[(track, box, named[track]) for track, box in rows if track in who] for rows in watch.rows()]


def run(seeds: Sequence[int], seconds: float, every: int) -> dict[str, dict[str, float]]:
    cv2.setNumThreads(1)
    pipeline = Pipeline.load("nano")
    request = VideoRequest(Prompt.parse(PROMPT), pipeline.thresholds, every, head_from_demo(pipeline))
    least = request.thresholds.box
    makers: dict[str, Callable[[], Update]] = {name: partial(of_trackers, name, every=every, least=least) for name in NAMES}
    makers["norfair"] = partial(of_norfair, every=every, least=least)
    ways: dict[str, Callable[[Path], list[Rows]]] = {"ours": lambda path: by_us(path, request, pipeline)}
    for name, make in makers.items():
        ways[name] = lambda path, make=make: by_library(path, request, pipeline, make())  # type: ignore[misc]
    tallies = {way: Tally() for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            film = write_film(Path(folder) / f"{seed}.mp4", seed=seed, seconds=seconds)
            for way, follow in ways.items():
                began = time.process_time()
                rows = follow(film.path)
                tallies[way].seconds += time.process_time() - began
                tallies[way].frames += len(rows)
                judge(tallies[way], film, rows)
    return {way: told(each) for way, each in tallies.items()}


def told(tally: Tally) -> dict[str, float]:
    return {
        "identity_accuracy": round(tally.accuracy, 3), "found": round(tally.found / tally.true, 3), "track_switches": tally.switches,
        "extra_boxes_a_frame": round(tally.extra / tally.frames, 2), "ms_a_frame": round(1000 * tally.seconds / tally.frames, 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 200, 300, 400])
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--every", type=int, default=15)
    asked = parser.parse_args()
    print(json.dumps(run(asked.seeds, asked.seconds, asked.every), indent=1))


if __name__ == "__main__":
    main()
