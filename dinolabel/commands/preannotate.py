"""`dinolabel preannotate`: fills a project with boxes once, without a server."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel import factory, logging_setup, running_settings
from dinolabel.cli import console, failures, options, project_option, words
from dinolabel.cli.failures import TaskFailure
from dinolabel.cli.plan import Plan, confirm
from dinolabel.doctor import weights
from dinolabel.settings import Settings
from dinolabel.vision.errors import DinolabelError

if TYPE_CHECKING:
    from rich.progress import Progress

    from dinolabel.backend.project_registry import ProjectRecord
    from dinolabel.backend.project_status import StatusBoard
    from dinolabel.backend.reconciler.reconciler import Reconciler, ReconcileResult
    from dinolabel.studio.client import LabelStudio
    from dinolabel.vision.pipeline import Pipeline

VISIT_SECONDS = 20.0


AGAIN = "Run it again: it goes on where it ended."


class NotFilled(DinolabelError):
    """Some tasks have no boxes."""

    hint = "Mend what is named for each reason, then run it again: tasks that have boxes are left alone."


def command(
    project: options.Project = None,
    yes: options.Yes = False,
    preview: Annotated[
        bool | None, typer.Option("--preview/--no-preview", help="Look at 20 pictures first. Default: when you are asked.")
    ] = None,
    weights_name: options.WeightsName = None,
    patience: Annotated[float, typer.Option(help="Seconds to go on trying pictures that cannot be had.")] = 120.0,
) -> None:
    """Fill a project with boxes (and names, once trained), then show them: first a look at 20 pictures, then all of it.

    No server is needed. Ctrl-C pauses: tasks that have boxes already are left alone, so running it again goes on where it ended.

    Example: dinolabel preannotate --project 1
    """
    from dinolabel.backend.project_status import StatusBoard

    settings = running_settings.settings(**weights.flags(weights_name))
    log = logging_setup.into(factory.data_dir(settings, "logs"), "preannotate")
    number = project_option.resolve_number(settings, project)
    entry = project_option.attached(settings, number)
    settings = settings.model_copy(update={"detector_weights": entry.weights[0], "embedder_weights": entry.weights[1]})
    studio = factory.studio(settings)
    _plan(settings, studio, entry).show()
    with console.step(f"Loading {words.join_words(entry.weights)}") as came_out:
        pipeline = factory.pipeline(settings, deferred=True)
        came_out(f"{words.join_words(entry.weights)} on {pipeline.detector.device}")
    if preview or (preview is None and not yes):
        _look(settings, studio, pipeline, number)
    if not confirm(yes=yes):
        console.err.print("Nothing was sent.")
        return
    board = StatusBoard()
    try:
        outcome = fill(factory.reconciler(settings, pipeline, board), board, number, patience=patience)
    except KeyboardInterrupt:
        status = board.get(number)
        console.err.print(console.warn("Paused"), f"at {status.done} of {words.count_noun(status.total, 'task')}. Run it again to go on.")
        raise typer.Exit(130) from None
    _print_outcome(board, number, outcome, log)


def fill(reconciler: Reconciler, board: StatusBoard, project: int, *, patience: float) -> ReconcileResult:
    """Visit the project until it is in step, or until `patience` seconds went by without progress. Raises StudioError."""
    over, pushed_at = threading.Event(), time.monotonic()
    with console.bar() as bar, console.say_regularly(lambda: _sentence(board, project)):
        watcher = threading.Thread(target=_watch, args=(board, project, bar, over), daemon=True)
        watcher.start()
        try:
            while True:
                outcome = reconciler.reconcile(project, seconds=VISIT_SECONDS)
                now = time.monotonic()
                pushed_at = now if outcome.pushed else pushed_at
                left = pushed_at + patience - now
                if outcome.requeue_after is None or left <= 0 or (outcome.complete and not board.get(project).failed):
                    return outcome
                time.sleep(min(outcome.requeue_after, left))
        finally:
            over.set()
            watcher.join()


def _sentence(board: StatusBoard, project: int) -> str:
    status = board.get(project)
    return f"{status.note or 'Boxes'}: {status.done:,} of {words.count_noun(status.total, 'task')}" if status.total else status.note


def _watch(board: StatusBoard, project: int, bar: Progress, over: threading.Event) -> None:
    """Keep the bar at what the board says."""
    line, last = bar.add_task("Boxes", total=None), False
    while not last:
        last = over.wait(0.2)
        status = board.get(project)
        bar.update(line, completed=status.done, total=status.total or None, description=status.note or "Boxes")


def _look(settings: Settings, studio: LabelStudio, pipeline: Pipeline, number: int) -> None:
    """Twenty pictures on one sheet, and what the rest would take."""
    from dinolabel.projects.preview import preview_project

    store, project = factory.store(settings), studio.projects.get(number)
    recipe = factory.serving_configs(settings, pipeline).build(number, project.label_config, store.desired(str(number)))
    caches = [factory.data_dir(settings) / "cache.sqlite", factory.data_dir(settings, "media")]
    with console.step("Looking at some pictures") as came_out:
        seen = preview_project(studio, factory.media(settings), pipeline, recipe, caches)
        came_out(f"{words.count_noun(seen.boxes, 'box', 'boxes')} in {words.count_noun(len(seen.images), 'picture')}")
    page = seen.save(
        factory.data_dir(settings, "previews", str(number)),
        title=f"{project.title}: {len(seen.images)} of {seen.missing} pictures, as {recipe.version} sees them",
        link=f"{studio.url}/projects/{number}/data?task={{task}}",
    )
    errors = [f"task {each.task}: {each.error}" for each in seen.images if each.error]
    rows = [("preview", str(page)), ("to fill", words.count_noun(seen.missing, "task")), ("takes", f"about {words.duration(seen.seconds)}")]
    rows += [("disk", f"about {words.size(seen.disk)} of cache")] + [("cannot", each) for each in errors[:3]]
    console.out.print(console.rows([(left, right) for left, right in rows]))


def _print_outcome(board: StatusBoard, number: int, outcome: ReconcileResult, log: Path) -> None:
    status = board.get(number)
    if outcome.failed:
        raise _failed(outcome, f"{words.count_noun(len(outcome.failed), 'task')} of {status.total:,} got no boxes", log)
    if not outcome.complete or status.failed:
        raise NotFilled(outcome.note or f"Only {status.done} of {status.total} tasks have boxes.", hint=outcome.hint or AGAIN)
    console.out.print(console.ok("Filled"), f"project {number}: {words.count_noun(status.done, 'task')} under {status.wanted}.")
    for line in filter(None, (outcome.note, outcome.hint)):
        console.out.print(console.soft(line))
    console.out.print(f"Shown now: {status.shown or 'no predictions'}.")


def _failed(outcome: ReconcileResult, told: str, log: Path) -> NotFilled:
    """Say the reasons one by one; the error says whether trying again can help."""
    found = [TaskFailure(task, each.kind, each.reason, each.hint, passing=each.passing) for task, each in outcome.failed]
    for said, hint in failures.lines(found):
        console.err.print(console.bad("failed"), f" {said}", soft_wrap=True)
        console.err.print(console.soft(f"        {hint}"), soft_wrap=True)
    console.err.print(console.soft(f"All of them: {log}"), soft_wrap=True)
    passing = sum(each.passing for each in found)
    if passing == len(found):
        return NotFilled(f"{told}, for reasons that may pass.", hint=AGAIN)
    if passing:
        return NotFilled(f"{told}; {passing:,} of them for a reason that may pass.")
    return NotFilled(f"{told}, and will get none until that is mended.")


def _plan(settings: Settings, studio: LabelStudio, entry: ProjectRecord) -> Plan:
    from dinolabel.vision.proposals.vocabulary import refuse_unknown

    project = studio.projects.get(entry.project)
    phrases = factory.label_config(settings, project).prompt.phrases
    unknown = weights.unknown_phrases(settings, phrases)
    if len(unknown) == len(phrases):
        refuse_unknown(unknown)
    return Plan.of(
        f"Fill project {entry.project}, {project.title}",
        [("predicts", f"the unfinished of {words.count_noun(project.tasks, 'task')} that lack boxes of this version")],
        [("then", "shows them, if nothing or something of ours is shown now")],
        [("leaves alone", "every annotation, others' predictions")],
        [("careful", f"the detector knows no word of “{each}”: it will find nothing by that") for each in unknown],
        weights.prompt_lines(each for each in phrases if each not in unknown),
        weights.plan_lines(settings),
    )
