"""Takes somebody out of exports: only where the name is, only files that are ours and unchanged; everything else is kept and named.

An export of another format than crops can be made again: where a box of theirs is in it, its files go; where only its lists of classes
hold the name, these are written anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from dinolabel.erasure.exports import crops, holding
from dinolabel.erasure.exports.shares import CHANGED, RUNNING, UNKNOWN, ExportShare
from dinolabel.erasure.text_search import Mention
from dinolabel.exporters import unlisted_files
from dinolabel.exporters.output import file_list
from dinolabel.exporters.output.file_list import FileListUnreadable
from dinolabel.exporters.output.staging import (
    JOURNAL,
    OURS,
    PARTIAL,
    PATHS,
    WHOLE,
    RequestedPaths,
    StagingFolder,
    stopped_places,
)
from dinolabel.vision.storage.atomic_files import atomic_file

NOTHING_KNOWN = "no export is recognised there any more"


def survey(folders: Iterable[Path], mention: Mention) -> list[ExportShare]:
    """What each folder, and each stopped export beside it, has of somebody; nothing is changed."""
    shares: list[ExportShare] = []
    for folder in folders:
        halfway = [_stopped_share(place, mention) for place in stopped_places(folder)]  # first: a stopped exchange is ended by it
        shares += [*_of_folder(folder, mention), *halfway]
    return shares


def take_out(share: ExportShare, mention: Mention) -> None:
    """Remove and rewrite what the survey found."""
    if share.export in crops.KINDS:
        crops.rewrite(share, mention)
    else:
        for path in share.rewrite:
            with atomic_file(share.folder / path) as half:
                holding.without(share.folder, share.export, path, mention, half)
    for path in share.remove:
        file_list.remove(share.folder, path)
    if share.export == "":  # the place of a stopped export
        file_list.prune(share.folder.parent, share.folder)
        return
    file_list.update(share.folder, changed=set(share.rewrite))
    if share.remove and not any(each not in file_list.LISTS for each in file_list.files(share.folder)):
        file_list.where(share.folder).unlink(missing_ok=True)
        file_list.prune(share.folder.parent, share.folder)


def holding_files(folders: Iterable[Path], mention: Mention) -> list[Path]:
    """Files in these folders that hold the name, in their text or in their name: after `take_out`, such that are not ours."""
    found = []
    for folder in folders:
        for path in file_list.files(folder) if folder.is_dir() else ():
            file = file_list.inside(folder, path)
            if mention.within(path) or (file is not None and mention.inside(file)):
                found.append(folder / path)
    return found


def _of_folder(folder: Path, mention: Mention) -> Iterator[ExportShare]:
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    try:
        export = file_list.export_of(folder) or unlisted_files.export_of(folder)
    except FileListUnreadable as error:
        yield ExportShare(folder, "", kept=[(file_list.where(folder).name, str(error).rstrip("."))])
        return
    if export is None:
        yield ExportShare(folder, "", kept=[(".", NOTHING_KNOWN)])
    elif export in crops.KINDS:
        yield crops.survey(folder, export, mention)
    else:
        yield _share(folder, export, mention)


def _share(folder: Path, export: str, mention: Mention) -> ExportShare:
    share = ExportShare(folder, export)
    listed = file_list.export_of(folder) is not None
    known = [each.path for each in file_list.entries(folder)] if listed else list(unlisted_files.recognise_files(folder, export))
    unread: list[str] = []
    inside = holding.in_boxes(folder, export, known, mention, unread)
    wanted = known if inside else holding.in_lists(folder, export, known, mention)
    share.kept = [] if inside else [(each, CHANGED) for each in unread]
    if not wanted:
        return share
    ours, changed = _split(folder, wanted, listed=listed)
    if wanted is known:
        share.remove = ours
    else:
        share.rewrite = ours
    share.kept += [(each, CHANGED) for each in changed]
    others = [each for each in file_list.files(folder) if each not in {*known, *file_list.LISTS} and not each.endswith("/")]
    if listed or wanted is not known:
        share.others = len(others)
    else:
        share.kept += [(each, UNKNOWN) for each in others]
    return share


def _split(folder: Path, wanted: list[str], *, listed: bool) -> tuple[list[str], list[str]]:
    """Files that are there as we wrote them, and those that somebody changed."""
    if not listed:
        return wanted, []
    asked = set(wanted)
    ours: list[str] = []
    changed: list[str] = []
    for each in file_list.entries(folder):
        if each.path in asked and file_list.inside(folder, each.path) is not None:
            (ours if file_list.is_unchanged(folder, each) else changed).append(each.path)
    return ours, changed


def _stopped_share(place: StagingFolder, mention: Mention) -> ExportShare:
    """A stopped export is made again from nothing: where it holds the name, what it wrote goes."""
    share = ExportShare(place.folder, "")
    lock = place.lock()
    if lock is None:
        share.kept = [("lock", RUNNING)]
        return share
    with lock:
        place.settle()
    paths = list(file_list.files(place.folder))
    texts = (place.folder / each for each in paths if not each.endswith("/") and file_list.inside(place.folder, each) is not None)
    if not any(mention.within(each) for each in paths) and not any(map(mention.inside, texts)) and PARTIAL not in place.folder.name:
        return share
    noted: RequestedPaths | set[str] = (
        RequestedPaths(place.folder / PATHS) if (place.folder / PATHS).is_file() else _checkpoint_paths(place.folder / JOURNAL)
    )
    for path in paths:
        if path.endswith("/"):
            continue
        filled = path.startswith(f"{WHOLE}/") and (PARTIAL in place.folder.name or path.removeprefix(f"{WHOLE}/") in noted)
        if path in OURS or filled or (path.startswith(".") and path.endswith(".half")):
            share.remove.append(path)
        else:
            share.kept.append((path, UNKNOWN))
    return share


def _checkpoint_paths(path: Path) -> set[str]:
    """Files that a stopped run of an earlier version noted: copies of pictures, and crops."""
    found: set[str] = set()
    for entry in unlisted_files.rows(path):
        value = entry.get("value")
        if isinstance(value, dict):
            found.update(str(row["crop"]) for row in value.get("rows", ()) if "crop" in row)
            found.update([str(value["placed"])] if value.get("placed") else [])
    return found
