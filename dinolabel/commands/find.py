"""`dinolabel find`: all boxes like one box, nearest first, in a table and in a tab of the Data Manager."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, project_option, words
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.wall.crops import WallCrop
    from dinolabel.wall.wall import Wall

TAB = ("like", "Like one box")
PRINTED = 20


@dataclass(frozen=True)
class FoundTask:
    """A task with a box like the example. likeness: cosine of its nearest box. shown: Label Studio has that box; else it was too unsure."""

    task: int
    likeness: float
    label: str | None
    shown: bool


def command(
    task: Annotated[int, typer.Option(help="The task with the example.")],
    region: Annotated[str | None, typer.Option(help="The example's region; needless where the task has one box.")] = None,
    project: options.Project = None,
    count: Annotated[int, typer.Option(min=1, max=200, help="Tasks to find.")] = 50,
    below: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Look at boxes too unsure to show, too, from this score on.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Find all boxes like one box, nearest first: by what the embedder makes of them, from the caches, without a look at the pictures.

    Also in a tab of the Data Manager, named *Like one box*. `--below 0.1` considers what the words hardly matched.

    Example: dinolabel find --project 1 --task 12
    """
    from dinolabel.wall.opening import read_project

    settings = running_settings.settings()
    number = project_option.resolve_number(settings, project)
    sources = factory.wall_sources(settings, number)
    with console.bar() as bar:
        line = bar.add_task("Reading", total=None)
        hung = read_project(
            sources, lambda doing, done, total: bar.update(line, description=doing, completed=done, total=total or None), below
        )
    example = _example(hung.crops, task, region)
    found = _tasks(hung.wall, example.key)[:count]
    tab = sources.studio.tabs.show_tasks(number, *TAB, [each.task for each in found])
    if as_json:
        rows = [{"task": each.task, "likeness": round(each.likeness, 4), "label": each.label, "shown": each.shown} for each in found]
        console.out.print_json(json.dumps({"task": task, "region": example.region, "found": rows, "tab": tab}))
        return
    table = console.table("task", "likeness", "label", right=("likeness",))
    for each in found[:PRINTED]:
        table.add_row(str(each.task), f"{each.likeness:.2f}", each.label or ("" if each.shown else "not shown: too unsure"))
    console.out.print(table)
    console.out.print(f"{words.count_noun(len(found), 'task')} in Label Studio: {tab}", soft_wrap=True)


def _example(crops: list[WallCrop], task: int, region: str | None) -> WallCrop:
    there = [each for each in crops if each.task == task and each.region_of_studio]
    if not there:
        raise RequestError(f"Task {task} has no box that can be read.", hint="Take a task with a box, of this project.")
    wanted = [each for each in there if region is None or each.region == region]
    if len(wanted) != 1:
        raise RequestError(f"Task {task} has {words.count_noun(len(there), 'box', 'boxes')}.", hint=f"Add --region: {_choices(there)}")
    return wanted[0]


def _choices(crops: list[WallCrop]) -> str:
    return ", ".join(
        f"{each.region} ({each.label or 'no label'}, from the left {each.place[0]:.0%}, from above {each.place[1]:.0%})" for each in crops
    )


def _tasks(wall: Wall, example: tuple[int, str]) -> list[FoundTask]:
    best: dict[int, FoundTask] = {}
    for at, likeness in wall.find_like([example]):
        crop = wall.crops[at]
        if crop.task != example[0]:
            best.setdefault(crop.task, FoundTask(crop.task, likeness, crop.label, crop.region_of_studio))
    return list(best.values())
