"""`dinolabel detach`: leaves a project as it was found."""

from __future__ import annotations

from dinolabel import factory, running_settings
from dinolabel.cli import options, project_option
from dinolabel.projects.detach import detach_project


def command(project: options.Project = None, yes: options.Yes = False) -> None:
    """Leave a project: our webhooks, predictions and backend go, and what was shown before is shown again.

    Says first what will go. Annotations, the label config, others' predictions and trained heads stay.

    Example: dinolabel detach --project 12
    """
    settings = running_settings.settings()
    detach_project(settings, factory.studio(settings), project_option.resolve_number(settings, project), yes=yes)
