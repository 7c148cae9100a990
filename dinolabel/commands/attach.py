"""`dinolabel attach`: joins a project that exists, and leaves it again without a trace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, words
from dinolabel.cli.plan import Plan, confirm
from dinolabel.doctor import picture_trial, pictures, weights
from dinolabel.local import up_state
from dinolabel.projects import connect
from dinolabel.projects.detach import detach_project
from dinolabel.settings import Settings
from dinolabel.vision.errors import DinolabelError, MediaRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinolabel.backend.project_registry import ProjectRecord
    from dinolabel.doctor.picture_trial import PictureTrial
    from dinolabel.studio.client import LabelStudio, Project, TaskRow
    from dinolabel.studio.label_configs.label_config import LabelConfig
    from dinolabel.studio.label_roles import LabelRoles


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """What Label Studio holds of a project before anything is done. rows: its tasks. versions: of stored predictions, with how many."""

    project: Project
    config: LabelConfig
    rows: tuple[TaskRow, ...]
    unfinished: int
    versions: dict[str, int]
    backends: tuple[str, ...]


def command(
    project: Annotated[int, typer.Option("--project", help="Label Studio's project number: /projects/N in its address.")],
    detach: Annotated[bool, typer.Option("--detach", help="Leave the project and put everything back.")] = False,
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", help='What finds a label\'s boxes, where its label config does not say: "Cat=cat face".')
    ] = None,
    learn: Annotated[list[str] | None, typer.Option("--learn", help="Labels to learn. Default: those that are not looked for.")] = None,
    yes: options.Yes = False,
    weights_name: options.WeightsName = None,
    embedder: options.EmbedderName = None,
    serve_url: options.ServeUrl = None,
) -> None:
    """Join a project that exists: its label config says what to look for and what to learn, or you do, with --prompt and --learn.

    Reads one picture of each place first, and refuses a project of which none can be read. Says what it read and what it would change;
    changes neither the label config nor others' predictions: what you say beside it is kept in our data folder.

    Example: dinolabel attach --project 12 --prompt "Cat=cat face" --learn Tom,Felix
    """
    settings = running_settings.settings(**weights.flags(weights_name))
    up_state.check_free(settings.data_dir, project)
    studio = factory.studio(settings)
    if detach:
        detach_project(settings, studio, project, yes=yes)
    else:
        _join(settings, studio, project, serve_url, _roles(settings, studio.projects.get(project), prompt or [], learn, embedder), yes=yes)


def _roles(
    settings: Settings, project: Project, prompt: Sequence[str], learn: Sequence[str] | None, embedder: str | None
) -> LabelRoles | None:
    """What was said just now, else what was said when it was joined before. Raises LabelConfigError for labels it does not have,
    UnknownPlug and RequestError for an embedder that cannot be chosen."""
    weights.embedder_flags(embedder)
    from dinolabel.studio.label_configs.label_config import LabelConfig
    from dinolabel.studio.label_roles import LabelRoles

    labels, before = LabelConfig.parse(project.label_config).labels, factory.projects(settings).roles(project.id)
    said = LabelRoles.of(words.prompt_map(prompt) if prompt else {}, None if learn is None else words.names(learn), labels)
    roles = said or before
    if said is not None and before is not None:
        roles = said.with_thresholds(box=before.box_threshold, text=before.text_threshold)
    if embedder is None:
        return replace(roles, embedder=before.embedder) if roles and before else roles
    return replace(roles or LabelRoles(), embedder=embedder)


def look(studio: LabelStudio, number: int, roles: LabelRoles | None = None) -> ProjectFacts:
    """Ask Label Studio about a project. Raises LabelConfigError when its config gives us nothing to do."""
    from dinolabel.studio.label_configs.label_config import LabelConfig

    project = studio.projects.get(number)
    rows = tuple(studio.tasks.list(number))
    unfinished = sum(1 for row in rows if not row.annotated)
    backends = tuple(each.title for each in studio.backends.list(number))
    config = LabelConfig.parse(project.label_config, roles=roles)
    return ProjectFacts(project, config, rows, unfinished, studio.projects.model_versions(number), backends)


def _join(settings: Settings, studio: LabelStudio, number: int, serve_url: str | None, roles: LabelRoles | None, *, yes: bool) -> None:
    registry, seen = factory.projects(settings), look(studio, number, roles)
    before = registry.get(number)
    weights.check_prompt(settings, roles.prompt if roles else ())
    _join_plan(settings, seen, _tried(settings, seen), before, serve_url).show()
    if not confirm(yes=yes):
        console.err.print("Nothing was done.")
        return
    shown = {"model_version": seen.project.model_version}
    registry.add(number, weights=weights.pair(settings), title=seen.project.title, before=shown, roles=roles)
    if serve_url:
        connect.connect(studio, number, serve_url, secret=settings.secret.get_secret_value() if settings.secret else None)
    console.out.print(console.ok("Joined"), f"project {number}, {seen.project.title}.")
    console.out.print(
        console.soft(f"`dinolabel serve` fills it and keeps it in step; `dinolabel preannotate --project {number}` fills it once.")
    )
    console.out.print(console.soft(f"`dinolabel detach --project {number}` puts everything back."))


def _tried(settings: Settings, seen: ProjectFacts) -> PictureTrial:
    """Whether its pictures can be read. Raises the error of a project of which none can."""
    found = picture_trial.judge(seen.rows, seen.config, factory.media(settings))
    if not found.nothing_readable:
        return found
    tried = found.tried[0] if found.tried else None
    error: DinolabelError = tried.error if tried and tried.error else MediaRefused(found.never[0].why, hint=found.never[0].hint)
    task = tried.task if tried else found.never[0].tasks[0]
    more = len(found.tried) + len(found.never) - 1
    rest = f" {words.count_noun(more, 'other reason')} beside: see `dinolabel doctor --project {seen.project.id}`." if more else ""
    of = f"any of {words.count_noun(found.total, 'task')}" if found.total > 1 else "the only task"
    raise type(error)(f"Nothing was done: the picture of {of} cannot be read; task {task}: {error}{rest}", hint=error.hint)


def _join_plan(settings: Settings, seen: ProjectFacts, found: PictureTrial, before: ProjectRecord | None, serve_url: str | None) -> Plan:
    entry = before.versions if before else ()
    others = {version: count for version, count in seen.versions.items() if version not in entry}
    unfinished = f"{words.count_noun(seen.unfinished, 'unfinished task')} of {len(seen.rows):,}"
    changes = [("adds", f"predictions of ours for {unfinished}, under a version of their own")]
    changes.append(("adds", "a tab “Disagreements” once people give a box different names, by `dinolabel serve`"))
    if serve_url:
        changes.append(("adds", f"the ML backend {serve_url} and one webhook"))
    kept = [("leaves alone", "the label config and every annotation")]
    if others:
        kept.append(("leaves alone", f"predictions that are not ours: {_counts(others)}"))
    again = [("already", f"joined on {before.attached_at[:10]} with {words.join_words(before.weights)}")] if before else []
    title = f"Join project {seen.project.id}, {seen.project.title}"
    return Plan.of(
        title,
        reads(seen.config),
        _pictures(found),
        again,
        changes,
        _prediction_rows(seen, entry),
        kept,
        weights.plan_lines(settings),
        _time(settings, seen),
    )


def reads(config: LabelConfig) -> list[tuple[str, str]]:
    """What the label config told us."""
    lines = [("looks for", f"“{phrase}” → {label}") for phrase, label in config.prompt_map.items()]
    lines.append(("learns", words.join_words(config.learnt) or "no names: every label is looked for"))
    if both := [each for each in config.learnt if each in config.generic]:
        lines.append(("careful", f"{words.join_words(both)} is both looked for and learnt: no box of it stays without a name"))
    if config.learnt and not config.generic:
        lines.append(
            (
                "careful",
                "no label has predicted_values, so each label's own name is looked for, and learnt, too; "
                f'say which is for what: --prompt "{config.labels[0]}=…" --learn …, or in the label config as `dinolabel doctor` shows',
            )
        )
    lines += [("careful", each) for each in config.unheeded]
    if config.embedder:
        lines.append(("embedder", f"{config.embedder}, which tells its names apart"))
    for what, value in (("box threshold", config.box_threshold), ("text threshold", config.text_threshold)):
        if value is not None:
            lines.append((what, f"{value:g}, from the label config"))
    return lines


def _pictures(found: PictureTrial) -> list[tuple[str, str]]:
    """What trying them came to."""
    if not found.total:
        return [("pictures", "none yet, so none was tried")]
    lines = [("pictures", pictures.place_sentence(each)) for each in found.tried if each.error is None]
    lines += [("careful", f"{pictures.place_sentence(each)}. {each.error.hint}") for each in found.tried if each.error is not None]
    for never in found.never[: pictures.REASONS]:
        lines.append(("careful", f"{pictures.unreadable_sentence(never, found.total)}. {never.hint}"))
    return lines


def _prediction_rows(seen: ProjectFacts, ours: tuple[str, ...]) -> list[tuple[str, str]]:
    """Which predictions people see now, and whether ours will take their place (design: only over nothing, our title or our own)."""
    now = seen.project.model_version
    if not now:
        return [("shown now", "no predictions"), ("then", "ours, once every unfinished task has them")]
    if now in (connect.TITLE, *ours):
        return [("shown now", f"{now} (ours)"), ("then", "ours, once every unfinished task has them")]
    if now in seen.backends:
        return [("shown now", f"what the ML backend {now} answers"), ("then", _STAYS)]
    return [("shown now", f"{now} ({words.count_noun(seen.versions.get(now, 0), 'prediction')}, not ours)"), ("then", _STAYS)]


_STAYS = "the same: it is somebody's choice. To show ours, empty it in Label Studio: Settings, Annotation, Live Predictions"


def _time(settings: Settings, seen: ProjectFacts) -> list[tuple[str, str]]:
    each = weights.seconds_a_picture(settings)
    if each is None or not seen.unfinished:
        return []
    return [
        (
            "takes",
            f"about {words.duration(each * seen.unfinished)} of work for `dinolabel serve` on this CPU; joining itself takes a moment",
        )
    ]


def _counts(versions: dict[str, int]) -> str:
    return words.join_words([f"{version} ({count:,})" for version, count in versions.items()])
