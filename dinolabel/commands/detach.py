"""`dinolabel detach`: leaves a project as it was found."""

from __future__ import annotations

from dinolabel import build, choice, leaving, neighbour, options


def command(project: options.Project = None, yes: options.Yes = False) -> None:
    """Leave a project: our webhooks, predictions and backend go, and what was shown before is shown again.

    Says first what will go. Annotations, the label config, others' predictions and trained heads stay.

    Example: dinolabel detach --project 12
    """
    settings = neighbour.settings()
    leaving.detach(settings, build.studio(settings), choice.resolve_number(settings, project), yes=yes)
