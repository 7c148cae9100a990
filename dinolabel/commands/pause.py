"""`dinolabel pause`: nothing is pushed to a project and nothing is switched, until it goes on."""

from __future__ import annotations

from typing import Annotated

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, project_option


def command(
    project: options.Project = None,
    off: Annotated[bool, typer.Option("--off", help="Go on.")] = False,
) -> None:
    """Leave a project as it is for now; it is still answered when Label Studio asks. `--off` goes on where it ended.

    Example: dinolabel pause --project 1
    """
    settings = running_settings.settings()
    number = project_option.resolve_number(settings, project)
    project_option.attached(settings, number)
    factory.projects(settings).update(number, paused=not off)
    console.out.print(f"Project {number} {'goes on' if off else 'is paused'}; a running backend notices within a second.")
