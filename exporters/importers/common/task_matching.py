"""Which task of a project an arriving picture is: by what an export of ours remembers, else by name and content, never by name alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import structlog

from dinolabel.exporters.importers.common.records import ImportedImage
from dinolabel.exporters.pipeline.records import original_name
from dinolabel.studio.media.picture_key import address_at, value_at
from dinolabel.studio.media.url import brief
from dinolabel.vision.errors import MediaError
from dinolabel.vision.file_digest import sha256_of_file

log = structlog.get_logger(__name__)


class TaskListing(Protocol):
    """What is asked of a task's row in the project's listing."""

    @property
    def id(self) -> int: ...
    @property
    def data(self) -> Any: ...
    @property
    def annotated(self) -> bool: ...
    @property
    def cancelled(self) -> bool: ...


@dataclass
class TaskMatches:
    """done: in a task that somebody answered already; left alone. found: a task that waits. new: no task yet. lost: no task and no file."""

    done: list[tuple[ImportedImage, int]] = field(default_factory=list)
    found: list[tuple[ImportedImage, int]] = field(default_factory=list)
    new: list[ImportedImage] = field(default_factory=list)
    lost: list[ImportedImage] = field(default_factory=list)
    twice: list[ImportedImage] = field(default_factory=list)


def match_tasks(
    arriving: Iterable[ImportedImage], rows: Iterable[TaskListing], *, data_key: str, resolve: Callable[[str], Path]
) -> TaskMatches:
    """resolve: from a task's picture address to its file; raises MediaError. A picture that arrives twice is taken once, with all boxes."""
    every, tasks, found = list(arriving), _TaskIndex(rows, data_key, resolve), TaskMatches()
    own = [tasks.by_number(each) for each in every]  # all of these first: another picture of equal content takes none of them
    seen: dict[tuple[str, int | None], int] = {}
    for each, numbered in zip(every, own, strict=True):
        task = numbered or tasks.by_content(each)
        # what an export of ours calls two tasks are two, though their pictures are equal
        names = {(digest, each.task) for digest in tasks.digests(each)} if task is None and each.file is not None else set()
        if task is not None:
            (found.done if task.annotated or task.cancelled else found.found).append((each, task.id))
        elif each.file is None:
            found.lost.append(each)
        elif (at := next((seen[name] for name in sorted(names, key=str) if name in seen), None)) is not None:
            found.twice.append(each)
            if (each.width, each.height) == (found.new[at].width, found.new[at].height):
                found.new[at] = found.new[at].merge(each)
        else:
            seen |= dict.fromkeys(names, len(found.new))
            found.new.append(each)
    return found


class _TaskIndex:
    """The project's tasks, each to be taken once."""

    def __init__(self, rows: Iterable[TaskListing], data_key: str, resolve: Callable[[str], Path]) -> None:
        self._key, self._resolve = data_key, resolve
        self._rows = {row.id: row for row in rows}
        self._by_name: dict[str, list[TaskListing]] = {}
        self._digests: dict[int, str | None] = {}
        self._known: dict[int, frozenset[str]] = {}
        self._taken: set[int] = set()
        for row in self._rows.values():
            if isinstance(address := value_at(row.data, data_key), str):
                self._by_name.setdefault(_key(original_name(address)), []).append(row)

    def by_number(self, each: ImportedImage) -> TaskListing | None:
        """The task of its number, where the content agrees that the export remembers; without one, the address decides."""
        row = self._rows.get(each.task) if each.task is not None else None
        if row is None or row.id in self._taken or not isinstance(value_at(row.data, self._key), str):
            return None
        there = self._digest(row) if each.sha256 else None
        same = there == each.sha256 if there is not None else each.address == brief(value_at(row.data, self._key))
        return self._take(row) if same else None

    def by_content(self, each: ImportedImage) -> TaskListing | None:
        """One of equal content, among those whose name may be its own. A name without a letter or digit may be anybody's."""
        names = {_key(each.name), *([_key(original_name(each.address))] if each.address else []), ""}
        candidates = [row for name in sorted(names, reverse=True) for row in self._by_name.get(name, []) if row.id not in self._taken]
        digests = self.digests(each) if candidates else frozenset[str]()
        found = next((row for row in candidates if self._digest(row) in digests), None)
        return None if found is None else self._take(found)

    def digests(self, each: ImportedImage) -> frozenset[str]:
        """Each picture is read once."""
        if id(each) not in self._known:
            self._known[id(each)] = each.digests
        return self._known[id(each)]

    def _take(self, row: TaskListing) -> TaskListing:
        self._taken.add(row.id)
        return row

    def _digest(self, row: TaskListing) -> str | None:
        if row.id not in self._digests:
            try:
                self._digests[row.id] = sha256_of_file(self._resolve(address_at(row.data, self._key)))
            except (MediaError, OSError) as error:
                log.warning("picture_failed", task=row.id, why=str(error))
                self._digests[row.id] = None
        return self._digests[row.id]


def _key(name: str) -> str:
    """Label Studio changes the names of uploads: blanks, signs, accents, length. What is left says where to look; content decides.

    Empty where nothing is left of it.
    """
    stem = name.rpartition(".")[0] if "." in name else name
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKD", stem)).casefold()[:24]
