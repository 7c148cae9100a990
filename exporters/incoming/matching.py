"""Which task of a project an arriving picture is: by what an export of ours remembers, else by name and content, never by name alone.

Knows task rows and pictures; changes nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import structlog

from exporters.incoming.arriving import Arriving
from exporters.pictures import original_name
from studio.picture_key import address_at, value_at
from vision.errors import MediaError

log = structlog.get_logger(__name__)


class Row(Protocol):
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
class Matching:
    """done: in a task that somebody answered already; left alone. found: a task that waits. new: no task yet. lost: no task and no file."""

    done: list[tuple[Arriving, int]] = field(default_factory=list)
    found: list[tuple[Arriving, int]] = field(default_factory=list)
    new: list[Arriving] = field(default_factory=list)
    lost: list[Arriving] = field(default_factory=list)
    twice: list[Arriving] = field(default_factory=list)


def match(arriving: Iterable[Arriving], rows: Iterable[Row], *, data_key: str, resolve: Callable[[str], Path]) -> Matching:
    """resolve: from a task's picture address to its file; raises MediaError. A picture that arrives twice is taken once."""
    by_id = {row.id: row for row in rows}
    by_name: dict[str, list[Row]] = {}
    for row in by_id.values():
        if isinstance(address := value_at(row.data, data_key), str):
            by_name.setdefault(_key(original_name(address)), []).append(row)
    found, taken, seen = Matching(), set[int](), set[str]()
    for each in arriving:
        task = _task(each, by_id, by_name, data_key, resolve, taken)
        if task is not None:
            taken.add(task.id)
            (found.done if task.annotated or task.cancelled else found.found).append((each, task.id))
        elif each.file is None:
            found.lost.append(each)
        elif seen & each.digests:
            found.twice.append(each)
        else:
            seen |= each.digests
            found.new.append(each)
    return found


def _task(
    each: Arriving,
    by_id: dict[int, Row],
    by_name: dict[str, list[Row]],
    data_key: str,
    resolve: Callable[[str], Path],
    taken: set[int],
) -> Row | None:
    own = by_id.get(each.task) if each.task is not None else None
    if own is not None and own.id not in taken and each.address is not None and value_at(own.data, data_key) == each.address:
        return own
    names = {_key(each.name), *([_key(original_name(each.address))] if each.address else [])}
    candidates = [*([own] if own is not None else []), *(row for name in sorted(names) for row in by_name.get(name, []))]
    digests = each.digests if candidates else frozenset[str]()
    return next((row for row in candidates if row.id not in taken and _digest(row, data_key, resolve) in digests), None)


def _key(name: str) -> str:
    """Label Studio changes the names of uploads: blanks, signs, length. What is left of one says where to look; content decides."""
    return re.sub(r"[\W_]", "", name.rpartition(".")[0] or name).casefold()[:24]


def _digest(row: Row, data_key: str, resolve: Callable[[str], Path]) -> str | None:
    try:
        return hashlib.sha256(resolve(address_at(row.data, data_key)).read_bytes()).hexdigest()
    except MediaError as error:
        log.warning("picture_failed", task=row.id, why=str(error))
        return None
