"""Who is in a film, as people and programs read it: rows, JSON, CSV, and a picture of who is seen when."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from dinolabel.vision.images.annotation import font_file
from dinolabel.vision.images.colours import colour_of
from dinolabel.vision.storage.spreadsheet import to_cell
from dinolabel.vision.types import Named
from dinolabel.vision.video.detect_frames import VideoRun
from dinolabel.vision.video.vote import ObservedTrack

FORMAT = 1
COLUMNS = ("frame", "seconds", "track", "label", "phrase", "confidence", "x1", "y1", "x2", "y2")
WIDTH, LEFT, ROW, BAR = 1200, 190, 34, 20  # pixels of the timeline picture
MOST_ROWS = 40
PAPER, INK, SOFT, LINE = "#ffffff", "#16181d", "#5b6472", "#e2e6ec"


@dataclass(frozen=True, slots=True)
class TrackSummary:
    """A track that counts. label: the voted name, else the generic label. confidence: of the name, None without one.

    guess: the best name when the vote was not sure. first, last: frames, inclusive; begins, ends: their seconds.
    spans: seconds from and to of each time it is on the screen.
    """

    track: int
    label: str
    phrase: str
    score: float
    confidence: float | None
    guess: str | None
    looks: int
    agreement: float
    first: int
    last: int
    begins: float
    ends: float
    spans: tuple[tuple[float, float], ...]

    @property
    def caption(self) -> str:
        return self.label if self.confidence is None else f"{self.label} {self.confidence:.2f}"

    def row(self) -> dict[str, Any]:
        """JSON, rounded."""
        confidence = None if self.confidence is None else round(self.confidence, 4)
        return {
            "track": self.track, "label": self.label, "phrase": self.phrase, "score": round(self.score, 4), "confidence": confidence,
            "guess": self.guess, "looks": self.looks, "agreement": round(self.agreement, 4),
            "first": {"frame": self.first, "seconds": round(self.begins, 3)}, "last": {"frame": self.last, "seconds": round(self.ends, 3)},
            "spans": [[round(each, 3) for each in span] for span in self.spans],
        }  # fmt: skip


def summarise_tracks(watch: VideoRun, labels: Mapping[str, str] | None = None) -> dict[int, TrackSummary]:
    """Track -> who, in the order of their first frame. labels: phrase -> label, where a phrase is not its own label."""
    found = sorted(watch.confirmed_tracks().items(), key=lambda pair: (pair[1].first, pair[0]))
    return {number: _person(number, seen, watch, labels or {}) for number, seen in found}


def to_json(
    watch: VideoRun, who: Mapping[int, TrackSummary], *, labels: Mapping[str, str] | None = None, name: str | None = None
) -> dict[str, Any]:
    """What is in the JSON beside the film. name: how it calls the film; None: as the file is called."""
    video, request = watch.video, watch.request
    asked = request.thresholds
    return {
        "format": FORMAT,
        "film": {"file": name or video.path.name, "width": video.width, "height": video.height, "frames": watch.spill.frames,
                 "seconds": round(video.seconds, 3), "cut_short": is_truncated(watch)},
        "prompt": {phrase: (labels or {}).get(phrase, phrase) for phrase in request.prompt.phrases},
        "head": request.bundle.digest[:12] if request.bundle else None,
        "thresholds": {"box": asked.box, "text": asked.text, "nms_iou": asked.nms_iou},
        "every": watch.every,
        "passes": watch.passes,
        "tracks": [each.row() for each in who.values()],
    }  # fmt: skip


def is_truncated(watch: VideoRun) -> bool:
    """Whether the file says of itself that it lasts clearly longer than it does."""
    return watch.video.declared is not None and watch.video.declared > watch.video.seconds + max(1.0, 0.02 * watch.video.declared)


def write_json(
    watch: VideoRun, who: Mapping[int, TrackSummary], target: Path, *, labels: Mapping[str, str] | None = None, name: str | None = None
) -> None:
    """As document says it."""
    target.write_text(json.dumps(to_json(watch, who, labels=labels, name=name), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_csv(watch: VideoRun, who: Mapping[int, TrackSummary], target: Path) -> None:
    """COLUMNS, a line per track and frame it is in; seconds from the first frame, corners in pixels."""
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(_lines(watch, who))


def timeline(who: Sequence[TrackSummary], seconds: float, target: Path, colours: Mapping[str, str] | None = None) -> None:
    """Write a PNG: a row per label, those who are seen longest first, a bar wherever one of its tracks is on the screen.

    colours: as colour_of takes them.
    """
    rows: dict[str, list[TrackSummary]] = {}
    for each in who:
        rows.setdefault(each.label, []).append(each)
    longest = sorted(rows.items(), key=lambda pair: (-sum(end - begin for each in pair[1] for begin, end in each.spans), pair[0]))[
        :MOST_ROWS
    ]
    height = 20 + ROW * max(1, len(longest)) + 34
    sheet = PIL.Image.new("RGB", (WIDTH, height), PAPER)
    pen = PIL.ImageDraw.Draw(sheet)
    scale = (WIDTH - LEFT - 24) / max(seconds, 1e-6)
    _axis(pen, seconds, scale, height - 30)
    for at, (label, tracks) in enumerate(longest):
        spans = [span for each in tracks for span in each.spans]
        _bars(pen, label, spans, scale, 14 + at * ROW, colour_of(label, colours))
    if not longest:
        pen.text((LEFT, 16), "Nobody was found.", fill=SOFT, font=_font("Nobody"))
    sheet.save(target)


def _person(number: int, seen: ObservedTrack, watch: VideoRun, labels: Mapping[str, str]) -> TrackSummary:
    answer, phrase, times = seen.vote.answer, seen.track.phrase, watch.video.times
    names = watch.request.names
    named = answer if isinstance(answer, Named) and (names is None or answer.label in names) else None
    end = len(times) - 1
    return TrackSummary(
        track=number,
        label=(names or {}).get(named.label, named.label) if named else labels.get(phrase, phrase),
        phrase=phrase,
        score=seen.track.best,
        confidence=named.confidence if named else None,
        guess=None if isinstance(answer, Named) else answer.nearest,
        looks=seen.vote.looks,
        agreement=seen.vote.agreement,
        first=seen.first,
        last=seen.last,
        begins=times[min(seen.first, end)],
        ends=times[min(seen.last, end)],
        spans=tuple((times[min(first, end)], times[min(last, end)]) for first, last in seen.spans),
    )


def _lines(watch: VideoRun, who: Mapping[int, TrackSummary]) -> Iterator[tuple[Any, ...]]:
    times = watch.video.times
    for number, rows in enumerate(watch.rows()):
        for track, box in sorted(rows, key=lambda pair: pair[0]):
            if (person := who.get(track)) is not None:
                confidence = "" if person.confidence is None else f"{person.confidence:.4f}"
                corners = (f"{each:.1f}" for each in box.xyxy)
                seconds, words = f"{times[min(number, len(times) - 1)]:.3f}", map(to_cell, (person.label, person.phrase))
                yield number, seconds, track, *words, confidence, *corners


def _axis(pen: PIL.ImageDraw.ImageDraw, seconds: float, scale: float, bottom: int) -> None:
    step = next((each for each in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600) if each * scale >= 70), 7200)
    for tick in range(0, int(seconds) + 1, step):
        x = LEFT + tick * scale
        pen.line((x, 8, x, bottom), fill=LINE)
        pen.text((x, bottom + 6), f"{tick // 60}:{tick % 60:02d}", fill=SOFT, font=_font("0"), anchor="ma")


def _bars(
    pen: PIL.ImageDraw.ImageDraw, label: str, spans: Sequence[tuple[float, float]], scale: float, top: int, colour: str
) -> None:  # fmt: skip
    words = label if len(label) <= 20 else f"{label[:19]}…"
    pen.text((LEFT - 12, top + BAR / 2), words, fill=INK, font=_font(words), anchor="rm")
    for begins, ends in spans:
        x1 = LEFT + begins * scale
        pen.rounded_rectangle((x1, top, max(x1 + 3, LEFT + ends * scale), top + BAR), radius=4, fill=colour)


def _font(text: str) -> PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont:
    path = font_file(text)
    return PIL.ImageFont.truetype(path, 15) if path else PIL.ImageFont.load_default(15)
