"""Which project a command means: the one that was named, else the only one there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinolabel import factory
from dinolabel.local import up_state
from dinolabel.settings import Settings
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.backend.project_registry import ProjectRecord


def resolve_name(settings: Settings, project: str | None) -> str:
    """The name that heads are kept under: a project's number, or what `dinolabel bootstrap` called its own.

    Raises RequestError that lists what there is when the choice is not clear.
    """
    if project is not None:
        return project
    own = [each for each in factory.store(settings).projects() if not each.isdigit()]
    if len(own) == 1 and not factory.projects(settings).all():
        return own[0]
    return str(resolve_number(settings, None))


def resolve_number(settings: Settings, project: int | None) -> int:
    """The project's id. Raises RequestError that lists what there is when the choice is not clear."""
    if project is not None:
        return project
    known = factory.projects(settings).all()
    if len(known) == 1:
        return known[0].project
    shown = up_state.find(settings.data_dir)
    if shown is not None and any(each.project == shown.project for each in known):
        return shown.project
    if not known:
        raise RequestError(
            "There is no project yet.",
            hint="Make one with `dinolabel up` or `dinolabel init`, or join one: `dinolabel attach --project N`.",
        )
    there = ", ".join(f"{each.project} ({each.title})" if each.title else str(each.project) for each in known)
    raise RequestError(f"Which project? There are {there}.", hint="Add --project N.")


def attached(settings: Settings, number: int) -> ProjectRecord:
    """What is noted of an attached project. Raises RequestError when it is not attached."""
    entry = factory.projects(settings).get(number)
    if entry is None:
        raise RequestError(f"Project {number} is not attached.", hint=f"Join it first: dinolabel attach --project {number}")
    return entry
