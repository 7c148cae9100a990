"""`dinolabel auto-accept`: confident predictions become annotations, marked and undoable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, project_option, words
from dinolabel.cli.plan import Plan, confirm
from dinolabel.projects import accept
from dinolabel.settings import Settings
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.backend.project_registry import ProjectRecord
    from dinolabel.projects.accept import AutoAccepted
    from dinolabel.studio.client import LabelStudio


def command(
    above: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Least score of every box of a task.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what was accepted and nobody has touched since.")] = False,
    project: options.Project = None,
    yes: options.Yes = False,
) -> None:
    """Make annotations of the tasks whose boxes are all sure enough. Never touches a task a person has begun.

    They are unverified: marked in each box's notes, exported on demand, never taught, never used to judge a head.

    Example: dinolabel auto-accept --above 0.9 --project 1
    """
    settings = running_settings.settings()
    number = project_option.resolve_number(settings, project)
    studio = factory.studio(settings)
    if undo == (above is not None):
        raise RequestError("Say how sure a box must be, or --undo.", hint="dinolabel auto-accept --above 0.9")
    entry = project_option.attached(settings, number)
    if above is None:
        _undo(studio, number, yes=yes)
    else:
        _accept(settings, studio, entry, above, yes=yes)


def _accept(settings: Settings, studio: LabelStudio, entry: ProjectRecord, above: float, *, yes: bool) -> None:
    shown = studio.projects.get(entry.project).model_version
    if not entry.owns(shown):
        raise RequestError(f"Label Studio shows {shown or 'no predictions'}, which is not ours: there is nothing of ours to accept.")
    tasks = accept.candidates(list(studio.tasks.list(entry.project)), shown)
    Plan.of(
        f"Accept predictions of {shown} in project {entry.project}",
        [("looks at", words.count_noun(len(tasks), "task") + " nobody has submitted or skipped")],
        [("accepts", f"those whose boxes all score {above:g} or more; they leave the label stream")],
        [("marks", f"each box: “{accept.MARK}”; unverified: never taught, exported on demand")],
        [("undo", "`dinolabel auto-accept --undo`, for what nobody has touched")],
    ).show()
    if not confirm(yes=yes):
        console.err.print("Nothing was done.")
        return
    journal = factory.data_dir(settings, "accepted") / f"{entry.project}.jsonl"
    done: list[AutoAccepted] = []
    with console.bar() as bar:
        line = bar.add_task("Accepting", total=len(tasks))
        for each in accept.accept(studio, tasks, shown, above, journal):
            bar.advance(line)
            done += [each] if each else []
    console.out.print(console.ok("Accepted"), f"{len(done)} of {words.count_noun(len(tasks), 'task')}; the others are left to people.")


def _undo(studio: LabelStudio, number: int, *, yes: bool) -> None:
    tasks = studio.projects.export(number)
    count = sum(accept.is_ours(each) for task in tasks for each in task.get("annotations") or ())
    title = f"Take back {words.count_noun(count, 'accepted annotation')} in project {number}"
    Plan.of(title, [("deletes", "those that bear our mark and that nobody has changed; people's are left")]).show()
    if not count or not confirm(yes=yes):
        console.err.print("Nothing was done.")
        return
    console.out.print(console.ok("Taken back"), f"{words.count_noun(len(list(accept.undo(studio, tasks))), 'annotation')}.")
