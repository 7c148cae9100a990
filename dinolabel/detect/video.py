"""`dinolabel detect film.mp4`: one film from the command line, with a bar, who was in it, and the files beside it."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import typer

from dinolabel.cli import console, words

if TYPE_CHECKING:
    from dinolabel.detect.inputs import Input
    from dinolabel.detect.run import DetectRun
    from dinolabel.vision.pipeline import Pipeline
    from dinolabel.vision.video.job import AnnotatedVideo

EVERY = 15
SAY_EVERY = 30.0  # seconds, where no bar can be shown


def plan_lines(path: Path, *, every: int, seconds_a_picture: float | None, out: Path | None) -> list[tuple[str, str]]:
    """What it will do and how long it takes. Raises MediaError."""
    from dinolabel.vision.decoding.video_frames import open_video

    film = open_video(path)
    passes = -(-len(film.times) // every)
    lines = [("film", f"{words.duration(film.seconds)}, {film.width} x {film.height}, {len(film.times):,} frames")]
    lines += [("looks", f"at every {every}th frame or twice a second; tracks are followed in between")]
    lines += [("writes", f"the film with boxes, tracks as JSON and CSV, and a timeline into {out}")] if out else []
    if seconds_a_picture:
        lines.append(("takes", f"about {words.duration(seconds_a_picture * passes)} and the time of decoding"))
    return lines


def annotate_video(path: Path, named: Input, job: DetectRun, pipeline: Pipeline) -> dict[str, Any]:
    """Watch it, and keep the files when the run has a folder for them. path: the film's file. Returns what the JSON beside it says.

    Raises MediaError, ModelError.
    """
    from dinolabel import factory
    from dinolabel.vision.types import Prompt
    from dinolabel.vision.video.detect_frames import VideoRequest
    from dinolabel.vision.video.job import AnnotatedVideo, VideoOutput

    model = job.model
    request = VideoRequest(
        Prompt.of(model.labels), factory.thresholds(model.settings), job.every, model.head, names=model.names, colours=model.colours
    )
    place = PurePosixPath(named.copy)
    with tempfile.TemporaryDirectory(prefix="dinolabel-film-") as nowhere:
        out = (job.out or Path(nowhere)) / place.parent
        output = VideoOutput(out, job.out is not None, named.name, place.name)
        film = AnnotatedVideo(path, output, request, pipeline, labels=model.labels)
        _run(film)
        assert film.answer is not None
        return film.answer.document


def tell(document: Mapping[str, Any], out: Path | None, *, as_json: bool) -> None:
    """Print who was in it: JSON or a table; the sums, on stderr. out: where the files are, or None."""
    typer.echo(json.dumps(document, indent=1, ensure_ascii=False)) if as_json else _print(document)
    _end(document, out)


def _run(film: AnnotatedVideo) -> None:
    said = time.monotonic()
    with console.bar() as bar:
        line = bar.add_task("Watching", total=None)
        for each in film.steps():
            told = f"{each.stage.capitalize()} · {each.rate:.1f} frames/s"
            bar.update(line, completed=each.done, total=each.of, description=told)
            if not console.err.is_terminal and time.monotonic() - said > SAY_EVERY:
                said = time.monotonic()
                console.err.print(f"{told}, {each.done} of {each.of}; about {words.duration(each.left)} to go.")


def _print(document: Mapping[str, Any]) -> None:
    if not document["tracks"]:
        return
    table = console.table("track", "label", "from", "to", "confidence", "looks", "best guess", right=("track", "confidence", "looks"))
    for each in document["tracks"]:
        confidence = "–" if each["confidence"] is None else f"{each['confidence']:.2f}"
        span = (_clock(each["first"]["seconds"]), _clock(each["last"]["seconds"]))
        table.add_row(str(each["track"]), each["label"], *span, confidence, str(each["looks"]), each["guess"] or "–")
    console.out.print(table)


def _end(document: Mapping[str, Any], out: Path | None) -> None:
    names = sorted({each["label"] for each in document["tracks"] if each["confidence"] is not None})
    told = [
        f"{document['film']['file']}: {words.count_noun(len(document['tracks']), 'track')}"
        + (f", named: {', '.join(names)}" if names else "")
    ]
    told += ["the film was cut short: this is what there is of it"] if document["film"]["cut_short"] else []
    told += [f"written to {out}"] if out else []
    console.err.print("; ".join(told) + ".", soft_wrap=True)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:04.1f}"
