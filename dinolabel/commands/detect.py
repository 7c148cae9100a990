"""`dinolabel detect`: boxes, and names once trained, for pictures, folders of them, films and addresses; no Label Studio needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel.cli import options
from dinolabel.detect import video

if TYPE_CHECKING:
    from dinolabel.detect.inputs import Inputs
    from dinolabel.detect.run import DetectRun

PATHS_HELP = "Pictures, folders of pictures, films, patterns such as '*.jpg', http(s) addresses of hosts in DINOLABEL_MEDIA_HOSTS."
PROMPT_HELP = f"{options.PROMPT_HELP} Default: the words of --project or --model."


def command(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help=PATHS_HELP)],
    prompt: Annotated[list[str] | None, typer.Option("--prompt", help=PROMPT_HELP)] = None,
    project: options.Heads = None,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Name it with the head in this folder.")] = None,
    model: options.Model = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for annotated pictures and JSON, or a .parquet file.")] = None,
    coco: Annotated[Path | None, typer.Option("--coco", help="COCO file of the pictures: writes coco_results.json for COCOeval.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    box_threshold: Annotated[float | None, typer.Option(help="Least score of a box, 0 to 1.")] = None,
    text_threshold: Annotated[float | None, typer.Option(help="Least mean score of the words it matched, 0 to 1.")] = None,
    weights_name: options.WeightsName = None,
    embedder: options.EmbedderName = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Of a film: frames from one look of the detector to the next.")] = video.EVERY,
) -> None:
    """Find things in pictures or in films by words, and name them with a trained head.

    The JSON holds `images`, each with file, width, height and `found`: label, phrase, score, confidence (null without a name),
    guess (of a head that does not know), box (x1, y1, x2, y2 in pixels), because (the approved crops most like it), and `suppressed`,
    the count of boxes left out because people keep deleting their like, and `remarks`, how it was read where that is not plain (a TIFF's
    page, depth that was stretched); and `failed`, each with file, error and hint.
    A picture that fails is listed and costs nothing else; when all fail the exit code is 3.

    Several paths, folders and patterns may be mixed; what is named twice is looked at once. Names are relative to the innermost folder that
    holds all of it, so that nothing lies on anything else below --out. A picture at an address is fetched once and kept.

    With --out a run that was stopped or killed goes on where it was when the same command is typed again. `--out boxes.parquet` gives a
    table for pandas or DuckDB: a row per box, one without a box for a picture that has none, one with `error` for one that failed.

    `--coco instances_val.json` also writes coco_results.json into --out, with that file's ids: what COCOeval compares with it.

    A film's JSON holds `tracks`: each with label, phrase, confidence (null without a name), looks, agreement, first and last. A name needs
    three looks of which 60 % agree. With --out: the film with boxes and its sound, tracks as JSON and CSV, and a timeline picture.
    Films among other paths are listed under `films`. Of a folder the pictures are looked at; its films are named with a pattern.

    `--model FOLDER` answers with what `dinolabel models export` made: its words, thresholds and names, without any Label Studio.
    `--project N` alone takes words and thresholds from the project's label config.

    Example: dinolabel detect photos/ --prompt "cat face" --out found/
    """
    from dinolabel.detect import inputs, session
    from dinolabel.detect import model as detect_model

    asked = detect_model.TypedOptions(prompt or (), project, bundle, model, weights_name, embedder, device, box_threshold, text_threshold)
    chosen = detect_model.choose_model(asked)
    found = inputs.find(paths, out=out)
    _run(session.make_run(chosen, found.root, out, every=every), found, coco, as_json=as_json)


def _run(job: DetectRun, found: Inputs, coco: Path | None, *, as_json: bool) -> None:
    from dinolabel.detect import session

    alone = len(found.items) == 1 and bool(found.films)
    ids = session.read_coco(coco, job, found)
    code = session.film(job, found, as_json=as_json) if alone else session.several(job, found, as_json=as_json, coco=ids)
    if code:
        raise typer.Exit(code)
