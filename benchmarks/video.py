"""`make video-bench`: our way through a film against the ancestor's (the detector on every frame), on drawn films with known tracks.

    python -m benchmarks.video --films 6 --seconds 8 --out video.json

Both ways use the same detector, embedder and head, and end in the same thing: an annotated frame for every frame. They take turns, film
by film, in one process. Art and models are the embedded ones; the identities' designs never met the embedder's training (dinolabel/nano).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2

from benchmarks.drawn_world import NAMES, PROMPT, RATE, SIZE, Drawn, head_from_demo, write_film
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.proposals.labelled_box import LabelledBox
from dinolabel.vision.types import Box, Image, Named, Prompt
from dinolabel.vision.video.buffer import SpillBuffer
from dinolabel.vision.video.detect_frames import VideoRequest, VideoRun
from dinolabel.vision.video.tracks import summarise_tracks
from dinolabel.vision.video.writer import paint

LEAST_IOU = 0.5
Rows = list[tuple[int, Box, str | None]]
"""Of one frame: track (or -1), box, name or None."""


@dataclass
class Tally:
    """seconds: of the processor. right, true: objects' frames with the right name (or rightly none), of all frames they are in."""

    seconds: float = 0.0
    frames: int = 0
    passes: int = 0
    right: int = 0
    true: int = 0
    found: int = 0
    extra: int = 0
    switches: int = 0
    by_name: dict[str, list[int]] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        return self.right / max(1, self.true)


def ancestor(path: Path, request: VideoRequest, pipeline: Pipeline) -> Iterator[Rows]:
    """Each frame for itself: detect, cut, embed, name, paint."""
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            pixels = frame.to_ndarray(format="rgb24")
            image = Image("film", pixels.shape[1], pixels.shape[0], lambda kept=pixels: kept, number)  # type: ignore[misc]
            (detections,) = pipeline.predict([image], request.prompt, request.bundle, request.thresholds)
            found = [LabelledBox.of(each) for each in detections]
            paint(pixels, [(each.box, each.label, each.label) for each in found])
            yield [(-1, each.box, each.label if isinstance(detection.answer, Named) else None)
                   for each, detection in zip(found, detections, strict=True)]  # fmt: skip


def ours(path: Path, request: VideoRequest, pipeline: Pipeline) -> tuple[list[Rows], int]:
    """Watch, vote, and paint every frame in a second walk through the film."""
    with SpillBuffer() as spill:
        watch = VideoRun(path, request, pipeline, spill)
        for _ in watch:
            pass
        who = summarise_tracks(watch)
        rows: list[Rows] = []
        with av.open(str(path)) as container:
            for frame, boxes in zip(container.decode(video=0), watch.rows(), strict=True):
                shown = [(box, who[track]) for track, box in boxes if track in who]
                paint(frame.to_ndarray(format="rgb24"), [(box, each.label, each.caption) for box, each in shown])
                rows.append([(each.track, box, None if each.confidence is None else each.label) for box, each in shown])
        return rows, watch.passes


def judge(tally: Tally, film: Drawn, answers: Sequence[Rows]) -> None:
    """Match each frame's boxes with the truth, best overlap first, and count."""
    last: dict[int, int] = {}
    for truth, rows in zip(film.frames, answers, strict=True):
        pairs = [(box.iou(true.box), at, index) for at, (_, box, _) in enumerate(rows) for index, true in enumerate(truth)]
        pairs.sort(reverse=True)
        taken: dict[int, int] = {}
        for iou, at, index in pairs:
            if iou >= LEAST_IOU and at not in taken.values() and index not in taken:
                taken[index] = at
        tally.found, tally.extra = tally.found + len(taken), tally.extra + len(rows) - len(taken)
        for index, true in enumerate(truth):
            name = rows[taken[index]][2] if index in taken else None
            right = index in taken and name == true.name
            tally.true, tally.right = tally.true + 1, tally.right + right
            counts = tally.by_name.setdefault(true.name or "stranger", [0, 0])
            counts[0], counts[1] = counts[0] + right, counts[1] + 1
            if index in taken and (track := rows[taken[index]][0]) >= 0:
                tally.switches += last.get(true.who, track) != track
                last[true.who] = track


def run(films: int, seconds: float, *, every: int, seed: int, size: tuple[int, int] = SIZE, rate: int = RATE) -> dict[str, Any]:
    cv2.setNumThreads(1)
    pipeline = Pipeline.load("nano")
    bundle = head_from_demo(pipeline)
    request = VideoRequest(Prompt.parse(PROMPT), pipeline.thresholds, every, bundle)
    mine, theirs = Tally(), Tally()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(films):
            film = write_film(Path(folder) / f"{number}.mp4", seed=seed + number, seconds=seconds, size=size, rate=rate)
            for which in (0, 1) if number % 2 else (1, 0):
                began = time.process_time()
                if which:
                    rows, passes = ours(film.path, request, pipeline)
                else:
                    rows = list(ancestor(film.path, request, pipeline))
                    passes = len(rows)
                tally = mine if which else theirs
                tally.seconds += time.process_time() - began
                tally.frames, tally.passes = tally.frames + len(rows), tally.passes + passes
                judge(tally, film, rows)
    return report(mine, theirs, films=films, seconds=seconds, every=every)


def report(mine: Tally, theirs: Tally, *, films: int, seconds: float, every: int) -> dict[str, Any]:
    tracks_of = {"tracks_per_film": 4, "names": sorted(NAMES)}
    return {
        "speed_ratio": round(theirs.seconds / mine.seconds, 2),
        "identity_accuracy": round(mine.accuracy, 4),
        "ancestor_identity_accuracy": round(theirs.accuracy, 4),
        "track_switches": mine.switches,
        "frames_per_cpu_second": round(mine.frames / mine.seconds, 1),
        "ancestor_frames_per_cpu_second": round(theirs.frames / theirs.seconds, 1),
        "passes": mine.passes,
        "ancestor_passes": theirs.passes,
        "found": round(mine.found / max(1, mine.true), 4),
        "ancestor_found": round(theirs.found / max(1, theirs.true), 4),
        "extra_boxes_a_frame": round(mine.extra / max(1, mine.frames), 3),
        "ancestor_extra_boxes_a_frame": round(theirs.extra / max(1, theirs.frames), 3),
        "by_name": {name: round(right / of, 4) for name, (right, of) in sorted(mine.by_name.items())},
        "ancestor_by_name": {name: round(right / of, 4) for name, (right, of) in sorted(theirs.by_name.items())},
        "films": films, "seconds_a_film": seconds, "every": every, **tracks_of,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--every", type=int, default=15)
    parser.add_argument("--seed", type=int, default=5_000_000)
    parser.add_argument("--out", type=Path, default=Path("video.json"))
    asked = parser.parse_args()
    figures = run(asked.films, asked.seconds, every=asked.every, seed=asked.seed)
    asked.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
