"""`dinolabel forget`: takes somebody out of everything we keep, and says what only people can take out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, project_lock, project_option, words
from dinolabel.cli.plan import Plan, confirm
from dinolabel.erasure import label_studio, local_data
from dinolabel.erasure.exports import crops, survey
from dinolabel.erasure.exports.shares import ExportShare
from dinolabel.erasure.registry import ErasureRegistry
from dinolabel.erasure.text_search import Mention
from dinolabel.projects import tabs
from dinolabel.settings import Settings
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio

UNREACHED = (
    "the pictures themselves, in Label Studio and wherever they came from",
    "the memory of a running `dinolabel serve` or `up`: start it again",
    "backups, Label Studio's own logs, and files that were copied away",
)


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who is to be forgotten, as the label says it.")],
    project: options.Heads = None,
    yes: options.Yes = False,
) -> None:
    """Forget somebody: crops, embeddings, every head that learnt them, receipts, exports, Label Studio's predictions and the label.

    In exports only files of ours that hold the name are touched; the plan counts them, and what stays is named. Older heads that knew
    them are gone for good, so nobody can go back to one. Annotations are people's: they stay, are listed, and are not exported or learnt
    from again. `dinolabel names add` lifts that. What was learnt from videos alone is forgotten alike.

    Example: dinolabel forget jason --project 3
    """
    settings = running_settings.settings()
    kept = project_option.resolve_name(settings, project)
    studio = factory.studio(settings) if kept.isdigit() else None
    names = _names(settings, studio, int(kept), name) if studio else [name]
    folders = crops.known_exports(factory.data_dir(settings), kept)
    if not studio and not folders and kept not in factory.store(settings).projects():
        raise RequestError(f"Nothing is kept under {kept!r}.", hint="`dinolabel heads list --project NAME` shows heads; see --project.")
    with console.step("Looking into the exports"):
        shares = survey.survey(folders, Mention(names))
    _plan(kept, names, shares, factory.data_dir(settings)).show()
    if not confirm(yes=yes, question=f"Forget {name}? This cannot be undone."):
        console.err.print("Nothing was done.")
        return
    if studio is None:
        _tell(_forget_here(settings, kept, names, folders))
        return
    with project_lock.wait_for_write_lock(factory.projects(settings), int(kept)):
        told = _forget(settings, studio, int(kept), names, folders)
    _tell(told)


def _names(settings: Settings, studio: LabelStudio, project: int, name: str) -> list[str]:
    """The name and what it was called before."""
    from dinolabel.studio.label_configs.label_names import find_label

    config = factory.label_config(settings, studio.projects.get(project))
    label = find_label(name, config.labels) or name
    return list(dict.fromkeys([label, name, *(before for before, today in config.aliases.items() if today == label)]))


def _forget_here(settings: Settings, project: str, names: list[str], folders: list[Path]) -> Mapping[str, str]:
    """Out of what `dinolabel bootstrap` made: there is no Label Studio."""
    mention = Mention(names)
    taken = local_data.take_out(settings, project, mention, folders)
    files, copies, left = local_data.sweep_out(settings, project, mention, [], folders)
    videos = sorted({str(row["video"]) for row in taken.rows if row.get("video")})
    shown = [f"the videos ({words.join_words(videos)}): the next `dinolabel bootstrap` learns from them again"] if videos else []
    return {
        **taken.rows_of_summary(),
        "files": f"{files} changed or removed, {copies} copies of pictures",
        "stays": "\n".join([*shown, *taken.kept, *_files(left), *UNREACHED]),
    }


def _forget(settings: Settings, studio: LabelStudio, number: int, names: list[str], folders: list[Path]) -> Mapping[str, str]:
    data_dir, mention, project = factory.data_dir(settings), Mention(names), str(number)
    ErasureRegistry(data_dir).add(number, names)  # first: whatever stops us, nobody is brought back
    taken = local_data.take_out(settings, project, mention, folders)
    reached = _there(settings, studio, number, mention)
    tab = studio.tabs.show_or_remove(number, tabs.FORGOTTEN, reached.annotations)
    jobs = factory.jobs(settings)
    told = jobs.forget(number, mention.within)
    logs = [jobs.log_of(each.id) for each in jobs.all() if each.project == number]
    _forget_in_registry(settings, number, mention)
    files, copies, left = local_data.sweep_out(settings, project, mention, logs, folders)
    return {
        **taken.rows_of_summary(),
        "predictions": f"{reached.predictions} rewritten under the generic label",
        "files": f"{files} changed or removed, {told} jobs, {copies} copies of pictures",
        "stays": "\n".join(_stays(reached, tab, taken, left)),
    }


def _forget_in_registry(settings: Settings, number: int, mention: Mention) -> None:
    registry = factory.projects(settings)
    entry = registry.get(number)
    if entry is not None and mention.within(entry.title):
        registry.update(number, title="")
    if entry is not None and any(map(mention.within, entry.colours)):
        registry.update(number, colours={label: each for label, each in entry.colours.items() if not mention.within(label)})
    if entry is not None and entry.roles is not None:
        registry.update(number, roles=entry.roles.without(lambda label: label in mention.names))


def _stays(reached: label_studio.ErasedPredictions, tab: str | None, taken: local_data.ErasureResult, left: list[Path]) -> list[str]:
    tasks = ", ".join(map(str, reached.annotations[:20])) + (" and more" if len(reached.annotations) > 20 else "")
    people = (
        [f"what people annotated in {words.count_noun(len(reached.annotations), 'task')} ({tasks}): {tab}"] if reached.annotations else []
    )
    return [*people, *taken.kept, *_files(left), *UNREACHED]


def _files(left: list[Path]) -> list[str]:
    return [f"the file {each}: remove it by hand" for each in left]


def _there(settings: Settings, studio: LabelStudio, number: int, mention: Mention) -> label_studio.ErasedPredictions:
    from dinolabel.studio.label_configs.rename import remove_label

    project = studio.projects.get(number)
    xml, config = project.label_config, factory.label_config(settings, project)
    with console.progress("Label Studio's predictions") as listener:
        reached = label_studio.clean(studio, number, config, mention, listener=listener)
    bare = xml
    for each in mention.names:
        bare = remove_label(bare, each)
    if bare != xml:
        studio.projects.set_label_config(number, bare)
    return reached


def _plan(project: str, names: list[str], shares: list[ExportShare], data_dir: Path) -> Plan:
    there = [
        ("rewrites", "Label Studio's predictions that say the name, and the label config"),
        ("leaves", "what people annotated: it is listed, and not used any more"),
    ]
    return Plan.of(
        f"Forget {words.join_words(names)} in project {project}",
        [("removes", f"embeddings, heads that learnt them, receipts, log lines, copies of pictures, in {data_dir}")],
        [("exports", f"{each.folder}: {each.sentence()}") for each in shares],
        there if project.isdigit() else [("leaves", "the videos")],
    )


def _tell(told: Mapping[str, str]) -> None:
    console.out.print(console.ok("Forgotten."))
    console.out.print(console.rows((key, text) for key, text in told.items() if key != "stays"))
    console.out.print(console.warn("Out of reach:"))
    for line in told["stays"].split("\n"):
        console.out.print(f"  {line}", soft_wrap=True)
    console.out.print(console.soft("`dinolabel export crops` and `dinolabel train` make a head without them."))
