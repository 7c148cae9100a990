"""The table of jobs: what was asked, what is running, how it ended; it outlives the queue and the server.

Knows nothing of processes or of what the commands do.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

QUEUED, RUNNING, DONE, FAILED, CANCELLED, LOST = "queued", "running", "done", "failed", "cancelled", "lost"
ACTIVE = (QUEUED, RUNNING)

SCHEMA = """CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, project INTEGER NOT NULL, state TEXT NOT NULL, why TEXT NOT NULL, commands TEXT NOT NULL,
  until TEXT, created_at REAL NOT NULL, started_at REAL, finished_at REAL, progress TEXT NOT NULL, step INTEGER NOT NULL,
  verdict TEXT, pid INTEGER, born REAL)"""


@dataclass(frozen=True, slots=True)
class Job:
    """state: queued, running, done, failed, cancelled, or lost (the server or the machine went down under it).

    why: what asked for it, in words. commands: argument lists as a person would type them. until: newest approval it was asked for.
    created_at, started_at, finished_at: seconds since the epoch. progress: last line of its output. step: which command runs, from 0.
    verdict: what the training decided. pid, born: of the child that runs it, and when that was born, so that no stranger is ended.
    """

    id: str
    kind: str
    project: int
    state: str
    why: str
    commands: tuple[tuple[str, ...], ...]
    until: str | None
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    progress: str = ""
    step: int = 0
    verdict: Mapping[str, Any] | None = None
    pid: int | None = None
    born: float | None = None

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


class JobTable:
    """path: a SQLite file; several threads and processes may."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(SCHEMA)

    def add(self, job: Job) -> None:
        names = [each.name for each in fields(Job)]
        with self._open() as connection:
            marks = ",".join("?" * len(names))
            connection.execute(f"INSERT INTO jobs ({','.join(names)}) VALUES ({marks})", [_stored(getattr(job, name)) for name in names])

    def change(self, job: str, *, only_if: Sequence[str] = (), **values: Any) -> bool:
        """Set columns; with only_if, no job of another state is touched. True when it was changed."""
        columns = ",".join(f"{name} = ?" for name in values)
        condition = f" AND state IN ({','.join('?' * len(only_if))})" if only_if else ""
        with self._open() as connection:
            cursor = connection.execute(
                f"UPDATE jobs SET {columns} WHERE id = ?{condition}", [*map(_stored, values.values()), job, *only_if]
            )
            return cursor.rowcount > 0

    def get(self, job: str) -> Job | None:
        return next(iter(self._select("WHERE id = ?", (job,))), None)

    def all(self, *, limit: int = 100) -> list[Job]:
        """Newest first."""
        return self._select("ORDER BY created_at DESC, rowid DESC LIMIT ?", (limit,))

    def of_state(self, *states: str) -> list[Job]:
        """Oldest first."""
        return self._select(f"WHERE state IN ({','.join('?' * len(states))}) ORDER BY created_at, rowid", states)

    def latest(self, project: int, *states: str) -> Job | None:
        condition = f"WHERE project = ? AND state IN ({','.join('?' * len(states))}) ORDER BY created_at DESC, rowid DESC LIMIT 1"
        return next(iter(self._select(condition, (project, *states))), None)

    def _select(self, condition: str, values: Sequence[Any]) -> list[Job]:
        with self._open() as connection:
            return [_job(row) for row in connection.execute(f"SELECT * FROM jobs {condition}", values)]

    def rewrite(self, project: int, change: Callable[[str], str]) -> int:
        """Put the texts of a project's jobs (why, progress, verdict as JSON) through `change`, old bytes gone too; jobs changed."""
        changed = 0
        with self._open() as connection:
            connection.execute("PRAGMA secure_delete=ON")
            for row in connection.execute("SELECT id, why, progress, verdict FROM jobs WHERE project = ?", (project,)).fetchall():
                old = (row["why"], row["progress"], row["verdict"])
                new = tuple(each and change(each) for each in old)
                if new != old:
                    connection.execute("UPDATE jobs SET why = ?, progress = ?, verdict = ? WHERE id = ?", (*new, row["id"]))
                    changed += 1
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return changed

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            yield connection
        finally:
            connection.close()


def _stored(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, tuple | list | Mapping) else value


def _job(row: sqlite3.Row) -> Job:
    values = {each.name: row[each.name] for each in fields(Job)}
    commands = tuple(tuple(each) for each in json.loads(values["commands"]))
    verdict = None if values["verdict"] is None else json.loads(values["verdict"])
    return Job(**(values | {"commands": commands, "verdict": verdict}))
