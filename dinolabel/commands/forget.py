"""`dinolabel forget`: takes somebody out of everything we keep, and says what only people can take out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.markup import escape

from dinolabel import build, choice, console, options, words
from dinolabel.forgetting import crops, heads, sweep, there
from dinolabel.forgetting.forgotten import Forgotten
from dinolabel.forgetting.mention import Mention
from dinolabel.plan import Plan, agreed
from dinolabel.settings import Settings
from vision.types import Box, CropPolicy, Embeddings

if TYPE_CHECKING:
    from dinolabel.forgetting.crops import Removed
    from studio.client import Studio
    from vision.store import Store

UNREACHED = (
    "the pictures themselves, in Label Studio and wherever they came from",
    "the memory of a running `dinolabel serve` or `up`: start it again",
    "backups, Label Studio's own logs, and files that were copied away",
)


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who is to be forgotten, as the label says it.")],
    project: options.Project = None,
    yes: options.Yes = False,
) -> None:
    """Forget somebody: crops, embeddings, every head that learnt them, receipts, exports, Label Studio's predictions and the label.

    Older heads that knew them are gone for good, so nobody can go back to one. Annotations are people's: they stay, are listed, and
    are not exported or learnt from again. `dinolabel names add` lifts that.

    Example: dinolabel forget jason --project 3
    """
    settings = Settings.load()
    studio, number = build.studio(settings), choice.chosen(settings, project)
    names = _names(studio, number, name)
    folders = crops.known(build.data_dir(settings), str(number))
    _plan(number, names, folders, build.data_dir(settings)).show()
    if not agreed(yes=yes, question=f"Forget {name}? This cannot be undone."):
        console.err.print("Nothing was done.")
        return
    with build.projects(settings).writer(number):
        told = _forget(settings, studio, number, names, folders)
    _tell(told)


def _names(studio: Studio, project: int, name: str) -> list[str]:
    """The name and what it was called before."""
    from studio.label_config import LabelConfig

    config = LabelConfig.parse(studio.project(project).label_config)
    return [name, *(before for before, today in config.aliases.items() if today == name)]


def _forget(settings: Settings, studio: Studio, number: int, names: list[str], folders: list[Path]) -> Mapping[str, str]:
    data_dir, mention, store = build.data_dir(settings), Mention(names), build.store(settings)
    Forgotten(data_dir).add(number, names)  # first: whatever stops us, nobody is brought back
    theirs, distance = heads.vectors(store, str(number), mention)
    removed = crops.clean(folders, mention)
    keys = _keys(settings, store, str(number), removed)
    exact = _cached(settings, keys)
    known = exact if not len(theirs) else theirs if exact.shape[1:] != theirs.shape[1:] else np.concatenate([theirs, exact])
    gone = heads.holding(store, str(number), mention, removed.objects, known)
    store.forget(str(number), gone)
    like = exact if len(exact) else theirs  # a head may keep the first columns only
    embeddings = build.cache(settings).forget(keys, like, distance=distance)
    reached = _there(studio, number, mention)
    jobs = build.jobs(settings)
    told = jobs.forget(number, mention.within)
    logs = [jobs.log_of(each.id) for each in jobs.all() if each.project == number]
    places = [data_dir / "bundles" / str(number), *folders, *(each for each in logs if each.exists())]
    files = sweep.sweep((each for each in places if each.exists()), mention)
    copies = sweep.drop_copies(data_dir, str(number))
    if (entry := build.projects(settings).get(number)) is not None and mention.within(entry.title):
        build.projects(settings).update(number, title="")
    left = sweep.left(data_dir, str(number), mention)
    return {
        "heads": f"{', '.join(gone) or 'none'}" + (f"; now serving: {store.wanted(str(number)) or 'none, boxes only'}" if gone else ""),
        "crops": f"{len(removed.rows)} removed" + (f", and whole exports: {', '.join(removed.folders)}" if removed.folders else ""),
        "embeddings": f"{embeddings} removed from the cache",
        "predictions": f"{reached.predictions} rewritten under the generic label",
        "files": f"{files} changed or removed, {told} jobs, {copies} copies of pictures",
        "stays": "; ".join(_stays(reached, left)),
    }


def _stays(reached: there.Reached, left: list[Path]) -> list[str]:
    tasks = ", ".join(map(str, reached.annotations[:20])) + (" and more" if len(reached.annotations) > 20 else "")
    people = [f"what people annotated in {words.counted(len(reached.annotations), 'task')} ({tasks})"] if reached.annotations else []
    files = [f"the file {each}: remove it by hand" for each in left]
    return [*people, *files, *UNREACHED]


def _there(studio: Studio, number: int, mention: Mention) -> there.Reached:
    from studio.label_config import LabelConfig
    from studio.renaming import without

    xml = studio.project(number).label_config
    with console.bar() as bar:
        line = bar.add_task("Label Studio's predictions", total=None)
        reached = there.clean(
            studio, number, LabelConfig.parse(xml), mention, progress=lambda done, total: bar.update(line, completed=done, total=total)
        )
    bare = xml
    for each in mention.names:
        bare = without(bare, each)
    if bare != xml:
        studio.set_label_config(number, bare)
    return reached


def _keys(settings: Settings, store: Store, project: str, removed: Removed) -> list[str]:
    """Cache keys of the removed crops, for every embedder that a head of the project was trained with."""
    from vision.cache import embedding_key

    digests = {store.get(project, entry.id).embedder_digest for entry in store.history(project)}
    keys = []
    for row in removed.rows:
        image = row["image"] if row["frame"] is None else f"{row['image']}#{row['frame']}"
        keys += [embedding_key(image, Box(*row["box"]), CropPolicy(**row["policy"]), digest) for digest in digests]
    return keys


def _cached(settings: Settings, keys: list[str]) -> Embeddings:
    """(N, D) what the cache has under these keys."""
    found = list(build.cache(settings).get_embeddings(keys).values()) if keys else []
    width = len(found[0]) if found else 0
    return np.stack([each for each in found if len(each) == width]) if found else np.zeros((0, 0), np.float32)


def _plan(number: int, names: list[str], folders: list[Path], data_dir: Path) -> Plan:
    return Plan.of(
        f"Forget {words.listed(names)} in project {number}",
        [("removes", "crops and rows of exports, embeddings, heads that learnt them, receipts, log lines, copies of pictures")],
        [("in", str(data_dir)), *(("in", str(each)) for each in folders if not each.is_relative_to(data_dir))],
        [("rewrites", "Label Studio's predictions that say the name, and the label config")],
        [("leaves", "what people annotated: it is listed, and not used any more")],
    )


def _tell(told: Mapping[str, str]) -> None:
    console.out.print("[ok]Forgotten.[/]")
    console.out.print(console.rows((key, escape(text)) for key, text in told.items() if key != "stays"))
    console.out.print("[warn]Out of reach:[/]")
    for line in told["stays"].split("; "):
        console.out.print(f"  {escape(line)}", soft_wrap=True)
    console.out.print("[soft]`dinolabel export crops` and `dinolabel train` make a head without them.[/]")
