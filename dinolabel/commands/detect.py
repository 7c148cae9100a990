"""`dinolabel detect`: boxes, and names once trained, for a picture, a folder of them or a film; no Label Studio needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dinolabel import build, console, exits, films, findings, neighbour, options, weights, words
from dinolabel.plan import Plan
from dinolabel.settings import Settings
from vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.detecting import Errand
    from exporters.journal import Journal
    from vision.bundle import Bundle
    from vision.pipeline import Pipeline


def command(
    path: Annotated[Path, typer.Argument(help="A picture, a folder of pictures, or a film.")],
    prompt: Annotated[list[str], typer.Option("--prompt", help=options.PROMPT_HELP)],
    project: options.Heads = None,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Name it with the head in this folder.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for annotated pictures and JSON, or a .parquet file.")] = None,
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
    the count of boxes left out because people keep deleting their like, and `remarks`, how it was read where that is not plain (a TIFF's
    page, depth that was stretched); and `failed`, each with file, error and hint.
    A picture that fails is listed and costs nothing else; when all fail the exit code is 3.

    With --out a run that was stopped or killed goes on where it was when the same command is typed again. `--out boxes.parquet` gives a
    table for pandas or DuckDB: a row per box, one without a box for a picture that has none, one with `error` for one that failed.

    A film's JSON holds `tracks`: each with label, phrase, confidence (null without a name), looks, agreement, first and last. A name needs
    three looks of which 60 % agree. With --out: the film with boxes and its sound, tracks as JSON and CSV, and a timeline picture.

    Example: dinolabel detect photos/ --prompt "cat face" --out found/
    """
    from dinolabel import looking
    from dinolabel.detecting import Errand

    if project is not None and bundle is not None:
        raise RequestError("Two heads were named.", hint="Give --project or --bundle, not both.")
    settings = _settings(project, weights_name, box_threshold=box_threshold, text_threshold=text_threshold, device=device)
    errand = Errand(path, words.prompt_map(prompt), settings, _head(settings, project, bundle), out)
    weights.check_prompt(settings, errand.labels)
    if films.is_film(path):
        _film(errand, every=every, as_json=as_json)
    else:
        _pictures(errand, looking.pictures(path, out=out), as_json=as_json)


def _settings(project: str | None, weights_name: str | None, **flags: Any) -> Settings:
    """Flags first, then the weights the project was made with, then the settings."""
    settings = neighbour.settings(**flags, **weights.flags(weights_name))
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
        weights.prompt_lines(errand.labels),
        weights.plan_lines(settings, names=head is not None),
        [("device", settings.device)],
        [("writes", f"annotated pictures and {findings.RESULTS} into {errand.folder}")] if errand.folder else [],
        [("writes", f"{errand.table}, a row per box")] if errand.table else [],
        [("takes", f"about {words.duration(each * len(paths))}; pictures seen before cost nothing")] if each else [],
    )


def _film(errand: Errand, *, every: int, as_json: bool) -> None:
    if errand.table is not None:
        raise RequestError("The tracks of a film go into a folder.", hint="Name a folder after --out.")
    settings = errand.settings
    lines = films.plan_lines(errand.root, every=every, seconds_a_picture=weights.seconds_a_picture(settings), out=errand.out)
    names = weights.prompt_lines(errand.labels) + weights.plan_lines(settings, names=errand.head is not None)
    Plan.of(f"Look for {words.listed(list(errand.labels))} in {errand.root.name}", lines, names).show()
    limits = build.thresholds(settings)
    films.watch(
        errand.root, errand.labels, _loaded(errand), head=errand.head, thresholds=limits, every=every, out=errand.out, as_json=as_json
    )


def _loaded(errand: Errand) -> Pipeline:
    with console.step("Loading the models") as came_out:
        pipeline = build.pipeline(errand.settings, names=errand.head is not None)
        came_out(f"Loaded {pipeline.detector.name}" + (f" and {pipeline.embedder.name}" if pipeline.embedder else ""))
    if errand.head is not None:
        pipeline.check(errand.head)
    return pipeline


def _pictures(errand: Errand, paths: Sequence[Path], *, as_json: bool) -> None:
    from dinolabel import detecting

    _plan(errand, paths).show()
    pipeline = _loaded(errand)
    with detecting.kept(errand, pipeline) as seen:
        first = detecting.look(errand, paths, pipeline, seen)
        facts = _facts(errand)
        if errand.table is not None:
            from dinolabel import boxtable

            boxtable.write(errand.table, facts, seen)
        elif errand.folder is not None:
            findings.write(errand.folder / findings.RESULTS, findings.document(facts, seen))
        sums = _print(errand, facts, seen, as_json=as_json)
    if sums.mostly_empty:
        weights.warn_of_limits(pipeline.detector.weights)
    if first is not None and sums.failed == sums.pictures:
        raise typer.Exit(exits.code(first))


def _facts(errand: Errand) -> dict[str, Any]:
    from dinolabel import looking

    settings, head = errand.settings, errand.head
    return {
        "format": looking.FORMAT,
        "prompt": dict(errand.labels),
        "weights": {"detector": settings.detector_weights, "embedder": settings.embedder_weights if head else None},
        "head": head.digest[:12] if head else None,
        "thresholds": {"box": settings.box_threshold, "text": settings.text_threshold, "nms_iou": settings.nms_iou},
    }


def _print(errand: Errand, facts: dict[str, Any], seen: Journal, *, as_json: bool) -> findings.Sums:
    """JSON or a table; the sums, on stderr."""
    sums = findings.Sums.of(seen)
    if as_json:
        for piece in findings.document(facts, seen):
            typer.echo(piece, nl=False)
    elif sums.boxes:
        console.out.print(findings.table(seen, sums))
    for remark in sums.remarked():
        console.err.print(f"{remark}.", soft_wrap=True)
    told = [*sums.told(), *([f"written to {errand.out}"] if errand.out else [])]
    console.err.print(console.line(console.joined(told), "."), soft_wrap=True)
    return sums
