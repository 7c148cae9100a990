"""What `dinolabel doctor` looks at in one project: its label config, what is shown, our connection, its pictures.

Changes nothing in Label Studio; downloads a few pictures into the cache.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from dinolabel import factory, running_settings
from dinolabel.cli import words
from dinolabel.doctor import pictures, webhook, weights
from dinolabel.doctor.machine import Check, Finding
from dinolabel.local import up_state
from dinolabel.projects import connect
from dinolabel.settings import Settings
from dinolabel.vision import plugins
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.backend.project_registry import ProjectRecord
    from dinolabel.studio.client import LabelStudio, Project
    from dinolabel.studio.label_configs.label_config import LabelConfig

LIVE = "Settings, Annotation, Live Predictions"


def of(settings: Settings, project: int | None) -> list[Check]:
    """One check for each project: the one named, else all that are attached."""
    if factory.studio_if_set(settings) is None:
        return []
    numbers = [project] if project is not None else [each.project for each in factory.projects(settings).all()]
    return [_check(each) for each in numbers]


def _check(number: int) -> Check:
    def check(settings: Settings) -> Iterator[Finding]:
        studio = factory.studio(settings)
        project = studio.projects.get(number)
        entry = factory.projects(settings).get(number)
        yield Finding("ok", f"project {number}", f"{project.title}, {words.count_noun(project.tasks, 'task')}")
        config = yield from _label_config(settings, project)
        yield from _attached(settings, entry, number)
        yield from _shown_predictions(studio, project, entry)
        yield from webhook.way_back(settings, studio, number)
        if config is not None:
            yield from pictures.pictures(settings, list(studio.tasks.list(number)), config)
            yield from _prediction(project, config)

    check.__name__ = f"project {number}"
    return check


def _label_config(settings: Settings, project: Project) -> Generator[Finding, None, LabelConfig | None]:
    from dinolabel.studio.label_configs.lint import lint_config

    try:
        config = factory.label_config(settings, project)
    except RequestError as error:
        yield Finding("bad", "label config", str(error), error.hint)
        return None
    bare = bool(config.learnt and not config.generic)
    for line in config.explain():
        yield Finding("warn" if bare and line.startswith("No label has") else "ok", "label config", line)
    if config.embedder:
        try:
            plugins.check_choice(config.embedder)
        except RequestError as error:
            yield Finding("bad", "embedder", str(error), error.hint)
    elif weights.suits_faces(settings, config.prompt_map):
        told = "it looks for human faces, and the embedder that was made for them is installed and not used"
        yield Finding("warn", "embedder", told, f"dinolabel attach --project {project.id} --embedder faces")
    for doubt, advice in lint_config(config):
        yield Finding("warn", "label config", doubt, advice)
    for line in config.unheeded:
        yield Finding("warn", "label config", line, "Nothing to do if that is meant: boxes are found without it.")
    return config


def _attached(settings: Settings, entry: ProjectRecord | None, number: int) -> Iterator[Finding]:
    if entry is None:
        yield Finding("warn", "attached", "no: nothing is pushed to it", f"Join it: dinolabel attach --project {number}")
    elif entry.weights != weights.pair(settings):
        fix = _cure(settings, entry, number)
        yield Finding(
            "warn", "attached", f"with {words.join_words(entry.weights)}; the settings name {words.join_words(weights.pair(settings))}", fix
        )
    else:
        paused = ", paused" if entry.paused else ""
        yield Finding("ok", "attached", f"since {entry.attached_at[:10]} with {words.join_words(entry.weights)}{paused}")


def _cure(settings: Settings, entry: ProjectRecord, number: int) -> str:
    """What to do about a project with other weights: never what would break the one that runs."""
    beside = running_settings.find(settings.data_dir)
    if beside is not None and entry.weights == tuple(beside.settings.get(each) for each in running_settings.PLUGS.values()):
        return f"Nothing to do: `{beside.name}` runs with the project's. Leave --weights and the settings of weights away here."
    owner = up_state.find(settings.data_dir)
    if owner is not None and owner.project == number:
        return "Stop `dinolabel up` and start it again with --weights as the project has them."
    return f"Start `dinolabel serve` with the project's, or move the project to these: dinolabel attach --project {number}"


def _shown_predictions(studio: LabelStudio, project: Project, entry: ProjectRecord | None) -> Iterator[Finding]:
    if not project.show_predictions:
        yield Finding(
            "bad", "shown", "predictions are switched off in this project", f"Switch them on: {LIVE}, Use predictions to prelabel tasks."
        )
    now, ours = project.model_version, entry.versions if entry else ()
    counts = studio.projects.model_versions(project.id)
    if not now:
        yield Finding(
            "warn" if counts else "ok",
            "shown",
            "no version is chosen: people see no boxes",
            "`dinolabel serve` chooses one once all tasks have boxes.",
        )
    elif now == connect.TITLE:
        yield Finding("ok", "shown", "what our backend answers, live: it must be up, until every task has stored boxes")
    elif now in ours:
        yield Finding("ok", "shown", f"{now}, stored on {words.count_noun(counts.get(now, 0), 'task')}: shown with the backend down too")
    else:
        yield Finding("warn", "shown", f"{now}, which is not ours and is left alone", f"To show ours, empty it: {LIVE}.")


def _prediction(project: Project, config: LabelConfig) -> Iterator[Finding]:
    """One prediction of ours, judged by Label Studio's own SDK: it drops what it does not like without a word."""
    from dinolabel.studio.regions.validation import validate_prediction
    from dinolabel.studio.regions.writing import to_prediction, to_result
    from dinolabel.vision.types import Box, Detection

    detections = [Detection(Box(10, 10, 50, 50), phrase, 0.5) for phrase in config.prompt_map]
    result = to_result(detections, config, width=100, height=100, task=0, version=connect.TITLE)
    found = validate_prediction(project.label_config, to_prediction(0, result, connect.TITLE))
    if found:
        yield Finding("bad", "prediction", f"Label Studio would drop ours: {found[0]}", "Report this, with the label config.")
    else:
        yield Finding("ok", "prediction", "Label Studio's SDK accepts ours for this label config")
