"""`dinolabel detect`: boxes, and names once trained, for a picture, a folder of them or a film; no Label Studio needed."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from dinolabel import build, console, exits, films, options, weights, words
from dinolabel.plan import Plan
from dinolabel.settings import Settings
from vision.errors import RequestError

if TYPE_CHECKING:
    from rich.table import Table

    from dinolabel.looking import Seen
    from vision.bundle import Bundle
    from vision.pipeline import Pipeline
    from vision.types import Detection, Image

MOST_ROWS = 40
WORTH_SAYING = 30.0  # seconds
RESULTS = "detections.json"


def command(
    path: Annotated[Path, typer.Argument(help="A picture, a folder of pictures, or a film.")],
    prompt: Annotated[list[str], typer.Option("--prompt", help=options.PROMPT_HELP)],
    project: options.Heads = None,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Name it with the head in this folder.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write annotated pictures and detections.json here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    box_threshold: Annotated[float | None, typer.Option(help="Least score of a box, 0 to 1.")] = None,
    text_threshold: Annotated[float | None, typer.Option(help="Least mean score of the words it matched, 0 to 1.")] = None,
    weights_name: options.WeightsName = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Of a film: frames from one look of the detector to the next.")] = films.EVERY,
) -> None:
    """Find things in pictures or in a film by words, and name them with a trained head.

    The JSON holds `images`, each with file, width, height and `found`: label, phrase, score, confidence (null without a name),
    guess (of a head that does not know), box (x1, y1, x2, y2 in pixels), because (the approved crops most like it), and `suppressed`,
    the count of boxes left out because people keep deleting their like; and `failed`, each with file, error and hint.
    A picture that fails is listed and costs nothing else; when all fail the exit code is 3.

    A film's JSON holds `tracks`: each with label, phrase, confidence (null without a name), looks, agreement, first and last. A name needs
    three looks of which 60 % agree. With --out: the film with boxes and its sound, tracks as JSON and CSV, and a timeline picture.

    Example: dinolabel detect photos/ --prompt "cat face" --out found/
    """
    from dinolabel import looking

    if project is not None and bundle is not None:
        raise RequestError("Two heads were named.", hint="Give --project or --bundle, not both.")
    settings = _settings(project, weights_name, box_threshold=box_threshold, text_threshold=text_threshold, device=device)
    errand = Errand(path, words.prompt_map(prompt), settings, _head(settings, project, bundle), out)
    if films.is_film(path):
        _film(errand, every=every, as_json=as_json)
        return
    paths = looking.pictures(path, out=out)
    _plan(errand, paths).show()
    seen, annotated = _look(errand, paths, _loaded(errand))
    document = _document(errand, seen, annotated)
    text = json.dumps(document, indent=1, ensure_ascii=False)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / RESULTS).write_text(text + "\n", encoding="utf-8")
    if as_json:
        typer.echo(text)
    else:
        _print(errand, seen)
    _end(errand, seen)


@dataclass(frozen=True)
class Errand:
    """What to do, made out of the options. labels: phrase -> label. head: gives names, or None for boxes only."""

    root: Path
    labels: Mapping[str, str]
    settings: Settings
    head: Bundle | None
    out: Path | None


def _settings(project: str | None, weights_name: str | None, **flags: Any) -> Settings:
    """Flags first, then the weights the project was made with, then the settings."""
    settings = Settings.load(**flags, **weights.flags(weights_name))
    known = project is not None and project.isdigit() and weights_name is None
    entry = build.projects(settings).get(int(str(project))) if known else None
    if entry is None:
        return settings
    return settings.model_copy(update={"detector_weights": entry.weights[0], "embedder_weights": entry.weights[1]})


def _head(settings: Settings, project: str | None, folder: Path | None) -> Bundle | None:
    if folder is not None:
        from vision.bundle import Bundle

        return Bundle.load(folder)
    if project is None:
        return None
    store = build.store(settings)
    wanted = store.wanted(project)
    if wanted is None:
        hint = "Train one with `dinolabel train`, or leave --project away for boxes only."
        raise RequestError(f"Project {project} has no head yet.", hint=hint)
    return store.get(project, wanted)


def _plan(errand: Errand, paths: Sequence[Path]) -> Plan:
    settings, head = errand.settings, errand.head
    each = weights.seconds_a_picture(settings)
    return Plan.of(
        f"Look for {words.listed(list(errand.labels))} in {words.counted(len(paths), 'picture')}",
        [("reads", str(errand.root))],
        [("names", f"{words.listed(head.labels)} (head {head.digest[:12]})")] if head else [],
        weights.plan_lines(settings, names=head is not None),
        [("device", settings.device)],
        [("writes", f"annotated pictures and {RESULTS} into {errand.out}")] if errand.out else [],
        [("takes", f"about {words.duration(each * len(paths))}; pictures seen before cost nothing")] if each else [],
    )


def _film(errand: Errand, *, every: int, as_json: bool) -> None:
    settings = errand.settings
    lines = films.plan_lines(errand.root, every=every, seconds_a_picture=weights.seconds_a_picture(settings), out=errand.out)
    names = weights.plan_lines(settings, names=errand.head is not None)
    Plan.of(f"Look for {words.listed(list(errand.labels))} in {errand.root.name}", lines, names).show()
    limits = build.thresholds(settings)
    films.watch(
        errand.root, errand.labels, _loaded(errand), head=errand.head, thresholds=limits, every=every, out=errand.out, as_json=as_json
    )


def _loaded(errand: Errand) -> Pipeline:
    with console.step("Loading the models") as came_out:
        pipeline = build.pipeline(errand.settings, names=errand.head is not None)
        came_out(f"Loaded {pipeline.detector.name}" + (f" and {pipeline.embedder.name}" if pipeline.embedder else ""))
    if errand.head is not None and pipeline.embedder is not None:
        errand.head.check(pipeline.embedder.digest, pipeline.policy)
    return pipeline


def _look(errand: Errand, paths: Sequence[Path], pipeline: Pipeline) -> tuple[list[Seen], dict[Path, Path]]:
    """What was seen, and where each annotated copy went."""
    from dinolabel import looking
    from vision.types import Prompt

    prompt, seen, annotated = Prompt.of(errand.labels), [], {}
    began = time.monotonic()
    with console.bar() as bar:
        line = bar.add_task("Pictures", total=len(paths))

        def ask(images: Sequence[Image]) -> list[list[Detection]]:
            return pipeline.run(images, prompt, errand.head, labels=errand.labels)

        for each in looking.look(paths, ask, at_once=pipeline.batch_size):
            seen.append(each)
            if errand.out is not None and each.error is None:
                annotated[each.path] = looking.annotate(each, errand.root, errand.out, errand.labels)
            bar.advance(line)
            if len(seen) == pipeline.batch_size:
                _say_how_long((time.monotonic() - began) / len(seen) * (len(paths) - len(seen)))
    return seen, annotated


def _say_how_long(seconds: float) -> None:
    """Where no progress bar can: one line, when it is worth one."""
    if seconds > WORTH_SAYING and not console.err.is_terminal:
        console.err.print(f"About {words.duration(seconds)} to go.")


def _document(errand: Errand, seen: Sequence[Seen], annotated: Mapping[Path, Path]) -> dict[str, Any]:
    from dinolabel import looking

    settings, head, root = errand.settings, errand.head, errand.root
    return {
        "format": looking.FORMAT,
        "prompt": dict(errand.labels),
        "weights": {"detector": settings.detector_weights, "embedder": settings.embedder_weights if head else None},
        "head": head.digest[:12] if head else None,
        "thresholds": {"box": settings.box_threshold, "text": settings.text_threshold, "nms_iou": settings.nms_iou},
        "images": [looking.entry(each, root, errand.labels, annotated=annotated.get(each.path)) for each in seen if each.error is None],
        "failed": [looking.failure(each, root) for each in seen if each.error is not None],
    }


def _end(errand: Errand, seen: Sequence[Seen]) -> None:
    """The sums and the failures, on stderr. Raises typer.Exit with the error's code when every picture failed."""
    errors = [each.error for each in seen if each.error is not None]
    for error in errors:
        console.complain(error)
    found = sum(len(each.found) for each in seen)
    told = [f"{words.counted(found, 'box', 'boxes')} in {words.counted(len(seen) - len(errors), 'picture')}"]
    hidden = sum(each.suppressed for each in seen)
    told += [f"{words.counted(hidden, 'box', 'boxes')} not shown, the like of which people keep deleting"] if hidden else []
    told += [f"[bad]{words.counted(len(errors), 'picture')} failed[/]"] if errors else []
    told += [f"written to {escape(str(errand.out))}"] if errand.out else []
    console.err.print("; ".join(told) + ".", soft_wrap=True)
    if errors and len(errors) == len(seen):
        raise typer.Exit(exits.code(errors[0]))


def _print(errand: Errand, seen: Sequence[Seen]) -> None:
    """A row per box; for many, a row per picture."""
    rows = sum(len(each.found) for each in seen)
    if rows:
        console.out.print(_boxes(errand, seen) if rows <= MOST_ROWS else _counts(errand, seen))


def _boxes(errand: Errand, seen: Sequence[Seen]) -> Table:
    from dinolabel.looking import shown_path
    from vision.found import Found

    figures = ("score", "confidence", "x1", "y1", "x2", "y2")
    table = console.table("picture", "label", "phrase", *figures, right=figures)
    for each in seen:
        for detection in each.found:
            found = Found.of(detection, errand.labels)
            confidence = "–" if found.confidence is None else f"{found.confidence:.2f}"
            corners = [f"{corner:.0f}" for corner in found.box.xyxy]
            words_of = (escape(str(shown_path(each.path, errand.root))), escape(found.label), escape(found.phrase))
            table.add_row(*words_of, f"{found.score:.2f}", confidence, *corners)
    return table


def _counts(errand: Errand, seen: Sequence[Seen]) -> Table:
    from dinolabel.looking import shown_path
    from vision.found import Found

    table = console.table("picture", "boxes", "labels", right=("boxes",))
    for each in seen:
        counts = Counter(Found.of(detection, errand.labels).label for detection in each.found)
        told = ", ".join(f"{label} {count}" for label, count in sorted(counts.items())) or "–"
        table.add_row(escape(str(shown_path(each.path, errand.root))), str(len(each.found)), escape(told))
    return table
