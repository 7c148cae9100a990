"""`dinolabel detect film.mp4`: one film from the command line, with a bar, who was in it, and the files beside it.

Knows the console and the film; `commands/detect.py` has the options.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dinolabel import console, weights, words
from vision.errors import RequestError

if TYPE_CHECKING:
    from vision.bundle import Bundle
    from vision.films.film import Film
    from vision.pipeline import Pipeline
    from vision.types import Thresholds

EVERY = 15
SAY_EVERY = 30.0  # seconds, where no bar can be shown


def is_film(path: Path) -> bool:
    """By its name; what is really in it the decoder says."""
    from vision.frames import VIDEO_SUFFIXES

    return path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES


def plan_lines(path: Path, *, every: int, seconds_a_picture: float | None, out: Path | None) -> list[tuple[str, str]]:
    """What it will do and how long it takes. Raises MediaError."""
    from vision.frames import open_video

    film = open_video(path)
    passes = -(-len(film.times) // every)
    lines = [("film", f"{words.duration(film.seconds)}, {film.width} x {film.height}, {len(film.times):,} frames")]
    lines += [("looks", f"at every {every}th frame or twice a second; tracks are followed in between")]
    lines += [("writes", f"the film with boxes, tracks as JSON and CSV, and a timeline into {out}")] if out else []
    if seconds_a_picture:
        lines.append(("takes", f"about {words.duration(seconds_a_picture * passes)} and the time of decoding"))
    return lines


def watch(
    path: Path, labels: Mapping[str, str], pipeline: Pipeline, *, head: Bundle | None, thresholds: Thresholds, every: int, out: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Watch it, print who was in it, and keep the files when out is given. Raises MediaError, ModelError."""
    import tempfile

    from vision.films.film import Film
    from vision.films.watching import Errand
    from vision.types import Prompt

    if out is not None and out.exists() and out.resolve() == path.parent.resolve():
        raise RequestError(f"{out} holds the film itself.", hint="Name another folder after --out.")
    errand = Errand(Prompt.of(labels), thresholds, every, head)
    with tempfile.TemporaryDirectory(prefix="dinolabel-film-") as nowhere:
        film = Film(path, out or Path(nowhere), errand, pipeline, labels=labels, written=out is not None)
        _run(film)
        assert film.answer is not None
        document = film.answer.document
    typer.echo(json.dumps(document, indent=1, ensure_ascii=False)) if as_json else _print(document)
    _end(document, out)
    if not document["tracks"]:
        weights.warn_of_limits(pipeline.detector.weights)


def _run(film: Film) -> None:
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
    told = [words.counted(len(document["tracks"]), "track") + (f", named: {', '.join(names)}" if names else "")]
    told += ["the film was cut short: this is what there is of it"] if document["film"]["cut_short"] else []
    told += [f"written to {out}"] if out else []
    console.err.print("; ".join(told) + ".", soft_wrap=True)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:04.1f}"
