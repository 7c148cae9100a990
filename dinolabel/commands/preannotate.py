"""`dinolabel preannotate`: fills a project with boxes once, without a server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel import build, choice, console, options, weights, words
from dinolabel.plan import Plan
from dinolabel.settings import Settings
from vision.errors import DinolabelError, RequestError

if TYPE_CHECKING:
    from backend.projects import Entry
    from backend.reconcile import Outcome
    from backend.service import Service

VISIT_SECONDS = 2.0


class NotFilled(DinolabelError):
    """Some tasks have no boxes."""

    hint = "Run it again: it goes on where it ended."


def command(
    project: options.Project = None,
    weights_name: options.WeightsName = None,
    patience: Annotated[float, typer.Option(help="Seconds to go on trying pictures that cannot be had.")] = 120.0,
) -> None:
    """Fill a project with boxes (and names, once trained), then show them. No server is needed; Ctrl-C is safe.

    Tasks that have boxes already are left alone, so running it again goes on where it ended.

    Example: dinolabel preannotate --project 1
    """
    settings = Settings.load(**weights.flags(weights_name))
    number = choice.chosen(settings, project)
    entry = _entry(settings, number)
    settings = settings.model_copy(update={"detector_weights": entry.weights[0], "embedder_weights": entry.weights[1], "train_after": 0})
    _plan(settings, entry).show()
    with console.step(f"Loading {words.listed(entry.weights)}") as came_out:
        service = build.service(settings)
        came_out(f"Loaded {words.listed(entry.weights)} on {service.running.device}")
    outcome = fill(service, number, patience=patience)
    status = service.board.get(number)
    if not outcome.complete:
        raise NotFilled(outcome.note or f"Only {status.done} of {status.total} tasks have boxes.", hint=outcome.hint or None)
    console.out.print(f"[ok]Filled[/] project {number}: {words.counted(status.done, 'task')} under {status.wanted}.")
    for line in filter(None, (outcome.note, outcome.hint)):
        console.out.print(f"[soft]{line}[/]")
    console.out.print(f"Shown now: {status.shown or 'no predictions'}.")


def fill(service: Service, project: int, *, patience: float) -> Outcome:
    """Visit the project until it is in step, or until `patience` seconds went by without progress. Raises StudioError."""
    with console.bar() as bar:
        line, pushed_at = bar.add_task("Boxes", total=None), time.monotonic()
        while True:
            outcome = service.reconcile(project, seconds=VISIT_SECONDS)
            status = service.board.get(project)
            bar.update(line, completed=status.done, total=status.total or None, description=outcome.note or "Boxes")
            now = time.monotonic()
            pushed_at = now if outcome.pushed else pushed_at
            left = pushed_at + patience - now
            if outcome.complete or outcome.again_in is None or left <= 0:
                return outcome
            time.sleep(min(outcome.again_in, left))


def _entry(settings: Settings, number: int) -> Entry:
    entry = build.projects(settings).get(number)
    if entry is None:
        raise RequestError(f"Project {number} is not attached.", hint=f"Join it first: dinolabel attach --project {number}")
    return entry


def _plan(settings: Settings, entry: Entry) -> Plan:
    studio = build.studio(settings)
    rows = [each for each in studio.tasks(entry.project) if not each.annotated]
    project = studio.project(entry.project)
    each = weights.seconds_a_picture(settings)
    return Plan.of(
        f"Fill project {entry.project}, {project.title}",
        [("predicts", f"{words.counted(len(rows), 'unfinished task')}; those that have boxes of this version already cost nothing")],
        [("then", "shows them, if nothing or something of ours is shown now")],
        [("leaves alone", "every annotation, others' predictions")],
        weights.plan_lines(settings),
        [("takes", f"about {words.duration(each * len(rows))}")] if each and rows else [],
    )
