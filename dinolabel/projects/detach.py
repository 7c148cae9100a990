"""Leaves a project as it was found: our predictions, backend, webhook and note go, what was shown before is shown again.

Safe to repeat after a crash: the note in the registry goes last.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dinolabel import factory
from dinolabel.cli import console, project_lock, words
from dinolabel.cli.plan import Plan, confirm
from dinolabel.local import up_state
from dinolabel.projects import connect
from dinolabel.settings import Settings
from dinolabel.studio.calls.tabs import DISAGREEMENTS
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.backend.project_registry import ProjectRecord
    from dinolabel.studio.client import LabelStudio, Project


def detach_project(settings: Settings, studio: LabelStudio, number: int, *, yes: bool) -> None:
    """Say what will go and what stays, ask, do it. Raises RequestError when the project is not attached."""
    from dinolabel.backend import desired_version
    from dinolabel.backend.reconciler.lease import owner_of

    up_state.check_free(settings.data_dir, number)
    registry = factory.projects(settings)
    entry = registry.get(number)
    if entry is None:
        raise RequestError(f"Project {number} is not attached.", hint="`dinolabel doctor` lists the projects that are.")
    project = studio.projects.get(number)
    _plan(settings, project, entry, _ours(studio, entry)).show()
    if not confirm(yes=yes):
        console.err.print("Nothing was done.")
        return
    with project_lock.wait_for_write_lock(registry, number):
        shown = restore(studio, entry)
        studio.leases.drop(number, owner_of(registry.path.parent))
        plain = desired_version.describe_verdicts(project.description, replace(entry, describe=False), factory.store(settings))
        if plain != project.description:
            studio.projects.set_description(number, plain)
        registry.remove(number)
    console.out.print(console.ok("Left"), f"project {number}, {project.title}. Shown now: {shown or 'no predictions'}.")


def restore(studio: LabelStudio, entry: ProjectRecord) -> str:
    """Undo in Label Studio what we did there; the model_version that is shown afterwards. Keep the project's writer lock meanwhile."""
    shown = studio.projects.get(entry.project).model_version or ""
    studio.tabs.remove(entry.project, DISAGREEMENTS[0])
    connect.disconnect(studio, entry.project)  # Label Studio empties model_version when a backend goes, so it goes first
    if shown in ("", connect.TITLE, *entry.versions):
        shown = str(entry.before.get("model_version") or "")
    shown = _show(studio, entry.project, shown)
    for version in _ours(studio, entry):
        studio.projects.delete_version(entry.project, version)
    return shown


def _show(studio: LabelStudio, project: int, version: str) -> str:
    """Show a version again, or nothing when it is not there any more."""
    from dinolabel.studio.errors import StudioRefused

    try:
        studio.projects.set_model_version(project, version)
    except StudioRefused:
        console.err.print(console.warn(f"{version} was shown before and is gone; nothing is shown now."))
        studio.projects.set_model_version(project, "")
        return ""
    return version


def _ours(studio: LabelStudio, entry: ProjectRecord) -> dict[str, int]:
    return {version: count for version, count in studio.projects.model_versions(entry.project).items() if version in entry.versions}


def _plan(settings: Settings, project: Project, entry: ProjectRecord, ours: dict[str, int]) -> Plan:
    goes = [("deletes", f"{words.count_noun(count, 'prediction')} of {version}") for version, count in ours.items()]
    if ours:
        goes.append(("careful", "annotations made from them stay, but Label Studio forgets what they came from: train before you leave"))
    goes += [("removes", "our ML backend, webhook and tab of disagreements from the project, if they are there")]
    before = str(entry.before.get("model_version") or "")
    shown = [("shows again", before or "no predictions, as before")]
    stays = [
        ("leaves alone", "the label config, every annotation, others' predictions"),
        ("leaves alone", f"trained heads in {settings.data_dir / 'bundles' / str(entry.project)}"),
    ]
    return Plan.of(f"Leave project {project.id}, {project.title}", goes, shown, stays)
