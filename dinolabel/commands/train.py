"""`dinolabel train`: a head from an export of crops; judged, and published when it deserves it."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, project_option, words
from dinolabel.cli.plan import Plan
from dinolabel.doctor import weights
from dinolabel.settings import Settings

if TYPE_CHECKING:
    from dinolabel.training.train import TrainingResult


def command(
    project: options.Heads = None,
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", help="Folder of `dinolabel export crops` or `bootstrap`. Default: exports/PROJECT in the data folder."),
    ] = None,
    weights_name: Annotated[str | None, typer.Option("--weights", help="Hub id or folder of the embedder, `nano`, or `faces`.")] = None,
    embedder: options.EmbedderName = None,
    force: Annotated[bool, typer.Option("--force", help="Publish whatever the gate or a pin says.")] = False,
    finetune: Annotated[
        int | None,
        typer.Option(
            "--finetune", min=0, metavar="BLOCKS", help="Tune so many of the embedder's last blocks first. 0: undo that. Default: as it is."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Learn the names of approved boxes; publish the head when it is good enough.

    --finetune 2 is for names that the head cannot tell apart however many boxes there are: minutes instead of seconds, and every box of the
    project is embedded again. The tuned embedder lies in the head's folder, and later trainings go on with it.

    Example: dinolabel train --project 3
    """
    flags = {"embedder_weights": weights_name} | weights.embedder_flags(embedder)
    settings = running_settings.settings(**flags)
    name = project_option.resolve_name(settings, project)
    if weights_name is None and embedder is None and name.isdigit():
        settings = factory.with_project_weights(settings, int(name))
    folder = manifest or factory.data_dir(settings, "exports") / name
    if weights_name is None and embedder is None:
        settings = factory.with_chosen_embedder(settings, folder)
    _plan(settings, name, folder, force=force, finetune=finetune).show()
    verdict = learn(settings, name, folder, force=force, finetune=finetune)
    if as_json:
        console.out.print_json(json.dumps({**asdict(verdict), "receipt": str(verdict.receipt)}))
    else:
        tell(verdict)


def learn(settings: Settings, project: str, folder: Path, *, force: bool = False, finetune: int | None = None) -> TrainingResult:
    """Train from a folder of crops, with a progress bar. Raises TrainingError, WeightsMissing."""
    from dinolabel.training.train import TrainingOptions, train

    options = TrainingOptions(
        project, datetime.now(UTC).isoformat(timespec="seconds"), seed=settings.seed, generic_is_unknown=settings.generic_is_unknown,
        force=force, finetune=finetune, studio=settings.studio_url,
    )  # fmt: skip
    with console.progress("Loading") as listener:
        return train(
            folder,
            options,
            embedder=factory.embedder(settings),
            store=factory.store(settings),
            cache=factory.cache(settings),
            listener=listener,
        )


def _plan(settings: Settings, project: str, folder: Path, *, force: bool, finetune: int | None) -> Plan:
    crops = _crops(folder)
    embedder = weights.find(settings)[1]
    return Plan.of(
        f"Train a head for project {project}",
        [("from", f"{folder}" + (f" ({words.count_noun(crops, 'crop')})" if crops is not None else ""))],
        [("embedder", weights.described(embedder))],
        [("tunes", f"its last {words.count_noun(finetune, 'block')}, on the crops that are not held out")] if finetune else [],
        [("then", "publish it whatever the gate says" if force else "publish it if it is no worse than the head that serves now")],
        [("takes", "minutes" if finetune else "seconds; a tenth of a second more for each crop that has no embedding yet")],
    )


def _crops(folder: Path) -> int | None:
    try:
        with (folder / "manifest.jsonl").open("rb") as lines:
            return sum(1 for _ in lines)
    except OSError:
        return None  # train says in its own words what is wrong with the folder


def tell(verdict: TrainingResult) -> None:
    """The verdict, and what it rests on, on stdout."""
    console.out.print(*([console.ok("Published"), f"as {verdict.bundle_id}"] if verdict.published else [console.warn("Not published")]))
    console.out.print(verdict.reason, soft_wrap=True)
    scores = [(label, score) for label, score in verdict.metrics.get("per_label", {}).items() if score["objects"]]
    if scores:
        table = console.table("name", "judged on", "recall", "precision", right=("judged on", "recall", "precision"))
        for label, score in scores:
            table.add_row(label, str(score["objects"]), f"{score['recall']:.2f}", f"{score['precision']:.2f}")
        console.out.print(table)
    console.out.print(console.soft(f"receipt  {verdict.receipt.with_name('receipt.html')}"), soft_wrap=True)
