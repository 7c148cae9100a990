"""A film as the page shows it: thumbnails of what was uploaded, and a row a track whose bars take the player there."""

from __future__ import annotations

import base64
import csv
import html
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import PIL.Image

from dinolabel.vision.decoding.video_frames import open_frame, open_video
from dinolabel.vision.errors import MediaError
from dinolabel.vision.images.colours import colour_of
from dinolabel.vision.types import Pixels
from dinolabel.vision.video.job import VideoFiles
from dinolabel.vision.video.tracks import TrackSummary

FRAMES, FRAME_HEIGHT, FACE = 6, 72, 56  # thumbnails of a film; pixels
MOST_FACES = 40  # each costs decoding from the key frame before it
PLAYED = frozenset({".mp4", ".m4v", ".webm", ".mov"})
"""Endings of films that browsers play."""
SEEK = """() => document.addEventListener('click', ({ target }) => {
  const at = target.closest?.('[data-seek]'), player = document.querySelector('#film-found video');
  if (!at || !player) return;
  player.currentTime = Number(at.dataset.seek);
  player.play();
  player.scrollIntoView({ block: 'nearest', behavior: 'smooth' });
})"""


def strip(path: str) -> str:
    """HTML of a few frames, evenly spread. Raises MediaError for what is no film."""
    count = len(open_video(Path(path)).times)
    numbers = sorted({round(place * (count - 1) / max(1, FRAMES - 1)) for place in range(FRAMES)})
    frames = "".join(_image(open_frame(Path(path), number).pixels, FRAME_HEIGHT * 4, FRAME_HEIGHT) for number in numbers)
    return f'<div class="strip">{frames}</div>'


def track_rows(answer: VideoFiles, faces: Mapping[int, Pixels], colours: Mapping[str, str] | None = None) -> str:
    """HTML of a row a track, in the order of coming in. faces: track -> pixels of it. colours: label -> #rrggbb."""
    seconds = max(float(answer.document["film"]["seconds"]), 1e-6)
    rows = (_row(each, seconds, faces.get(each.track), colour_of(each.label, colours)) for each in answer.people)
    return f'<div class="tracks">{"".join(rows)}</div>'


def faces(path: Path, answer: VideoFiles) -> dict[int, Pixels]:
    """Track -> its crop in the middle, for the first MOST_FACES tracks; those that cannot be decoded again are left out."""
    found: dict[int, Pixels] = {}
    tracks = [each.track for each in answer.people[:MOST_FACES]]
    for track, (frame, corners) in _middles(answer.table, tracks, every=int(answer.document["every"])).items():
        try:
            pixels = open_frame(path, frame).pixels
        except MediaError:
            continue
        x1, y1, x2, y2 = (max(0, round(each)) for each in corners)
        if (crop := pixels[y1:y2, x1:x2]).size:
            found[track] = crop
    return found


def _middles(table: Path, tracks: Sequence[int], *, every: int) -> dict[int, tuple[int, tuple[float, ...]]]:
    """Track -> (frame, corners) nearest to its middle, from the CSV that was written; rather where the detector looked than where its box
    was only followed to."""
    rows: dict[int, list[tuple[int, tuple[float, ...]]]] = {each: [] for each in tracks}
    with table.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if (track := int(line["track"])) in rows:
                rows[track].append((int(line["frame"]), tuple(float(line[each]) for each in ("x1", "y1", "x2", "y2"))))
    found = {}
    for track, seen in rows.items():
        if seen:
            middle = (seen[0][0] + seen[-1][0]) / 2
            found[track] = min(seen, key=lambda one: (one[0] % every != 0, abs(one[0] - middle)))
    return dict(sorted(found.items(), key=lambda pair: pair[1][0]))


def _row(track: TrackSummary, seconds: float, face: Pixels | None, colour: str) -> str:
    picture = _image(face, FACE, FACE) if face is not None else '<span class="noface"></span>'
    sure = f"{track.confidence:.2f}" if track.confidence is not None else (f"perhaps {html.escape(track.guess)}" if track.guess else "")
    when = f"{clock(track.begins)} to {clock(track.ends)}"
    return (
        f'<button type="button" data-seek="{track.begins:.2f}" title="Play from {clock(track.begins)}">{picture}'
        f"<span class=who><b>{html.escape(track.label)}</b> <small>{sure}</small><br><small>track {track.track} · {when}</small></span>"
        f"<span class=lane>{''.join(_bars(track, seconds, colour))}</span></button>"
    )


def _bars(track: TrackSummary, seconds: float, colour: str) -> Iterator[str]:
    for begins, ends in track.spans:
        left, width = 100 * begins / seconds, max(0.8, 100 * (ends - begins) / seconds)
        place = f"left:{min(left, 99.2):.2f}%;width:{min(width, 100 - min(left, 99.2)):.2f}%;background:{colour}"
        yield f'<i data-seek="{begins:.2f}" style="{place}" title="Play from {clock(begins)}"></i>'


def _image(pixels: Pixels, width: int, height: int) -> str:
    picture = PIL.Image.fromarray(pixels)
    picture.thumbnail((width, height))
    written = io.BytesIO()
    picture.save(written, format="JPEG", quality=80)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode()}">'


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
