"""The table of jobs, in SQLite: what waits, what runs, how it ended. It is the queue, and it outlives the server."""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import structlog

from dinolabel.backend.errors import JobTableUnavailable
from dinolabel.vision.storage.atomic_files import set_aside
from dinolabel.vision.storage.json_text import parse_json

log = structlog.get_logger(__name__)

QUEUED, RUNNING, DONE, FAILED, CANCELLED, LOST = "queued", "running", "done", "failed", "cancelled", "lost"
ACTIVE = (QUEUED, RUNNING)

LOCK_SECONDS = 30.0
"""For another process that writes."""
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
    """path: a SQLite file; several threads and processes may. A damaged one is set aside as `….damaged` and begun anew, with a warning."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f"{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # of two processes that find it damaged, one sets it aside
            try:
                self._check()
            except (sqlite3.DatabaseError, ValueError, TypeError, LookupError) as error:
                aside = set_aside(path)
                hint = "A new one is begun: what waited is forgotten, and trainings that are due are asked for again."
                log.warning("job_table_damaged", path=str(path), aside=str(aside), error=str(error), hint=hint)
                self._check()

    def add(self, job: Job) -> None:
        with self._open() as connection:
            _insert(connection, job)

    def add_if_idle(self, job: Job) -> Job:
        """Add it unless its project has one that is queued or running, in one transaction; the one that the project has now."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")  # closing without COMMIT takes it back
            condition = f"project = ? AND state IN ({','.join('?' * len(ACTIVE))})"
            row = connection.execute(f"SELECT * FROM jobs WHERE {condition} ORDER BY rowid", (job.project, *ACTIVE)).fetchone()
            if row is None:
                _insert(connection, job)
            connection.execute("COMMIT")
        return job if row is None else _job(row)

    def take(self, now: float) -> Job | None:
        """Mark the job that has waited longest as running since `now` (seconds since the epoch), in one transaction: however many
        processes take, each job goes to one of them. None when nothing waits."""
        waiting = "SELECT id FROM jobs WHERE state = ? ORDER BY rowid LIMIT 1"  # in the order of asking, whatever the clock did meanwhile
        with self._open() as connection:
            update = f"UPDATE jobs SET state = ?, started_at = ? WHERE id = ({waiting}) RETURNING *"
            rows = connection.execute(update, (RUNNING, now, QUEUED)).fetchall()
        return _job(rows[0]) if rows else None

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

    def _check(self) -> None:
        """Make the table where there is none, and read all of it, so that damage shows here and not in the middle of the work."""
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(SCHEMA)
            if (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(found)
            for row in connection.execute("SELECT * FROM jobs"):
                _job(row)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=LOCK_SECONDS, isolation_level=None)) as connection:
                connection.row_factory = sqlite3.Row
                yield connection
        except sqlite3.OperationalError as error:  # locked, full, not to be opened: nothing is wrong with what is in it
            raise JobTableUnavailable(f"The table of jobs cannot be used: {error}.") from error


def _insert(connection: sqlite3.Connection, job: Job) -> None:
    names = [each.name for each in fields(Job)]
    marks = ",".join("?" * len(names))
    connection.execute(f"INSERT INTO jobs ({','.join(names)}) VALUES ({marks})", [_stored(getattr(job, name)) for name in names])


def _stored(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, tuple | list | Mapping) else value


def _job(row: sqlite3.Row) -> Job:
    values = {each.name: row[each.name] for each in fields(Job)}
    commands = tuple(tuple(each) for each in parse_json(values["commands"]))
    verdict = None if values["verdict"] is None else parse_json(values["verdict"])
    return Job(**(values | {"commands": commands, "verdict": verdict}))
