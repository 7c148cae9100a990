"""`dinolabel publish`: whether new heads are shown by themselves, and the yes to one that waits."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, project_option
from dinolabel.vision.errors import RequestError


class Mode(StrEnum):
    """auto: what passes the gate is shown. ask: it waits for `dinolabel publish`."""

    AUTO = "auto"
    ASK = "ask"


def command(
    project: options.Project = None,
    mode: Annotated[Mode | None, typer.Option(help="From now on: show what passes the gate, or ask first.")] = None,
    describe: Annotated[
        bool | None, typer.Option("--describe/--no-describe", help="Tell the gate's verdicts in the project's description.")
    ] = None,
) -> None:
    """Show the newest head that passed the gate, where people are asked first; or choose whether they are.

    Example: dinolabel publish --mode ask --project 1
    """
    from dinolabel.backend import desired_version

    settings = running_settings.settings()
    number = project_option.resolve_number(settings, project)
    registry, store = factory.projects(settings), factory.store(settings)
    entry = registry.get(number)
    if entry is None:
        raise RequestError(f"Project {number} is not attached.", hint=f"Join it first: dinolabel attach --project {number}")
    if mode is None and describe is None:
        waiting = desired_version.awaiting_approval(entry, store)
        if waiting is None:
            console.out.print("No head waits for a yes.", console.soft("`dinolabel models list` shows what there is."))
            return
        registry.update(number, agreed=waiting)
        console.out.print(console.ok("Agreed"), f"to {waiting}: it is shown as soon as every task has its boxes.")
        return
    changes: dict[str, object] = {} if describe is None else {"describe": describe}
    if mode is not None:  # what is shown stays shown
        changes |= {"publish": mode.value, "agreed": store.current(str(number)) if mode is Mode.ASK else None}
    changed = registry.update(number, **changes)
    told = "in its description" if changed.describe else "on the backend's page"
    console.out.print(f"Project {number}: publish = {changed.publish}; verdicts are told {told}.")
