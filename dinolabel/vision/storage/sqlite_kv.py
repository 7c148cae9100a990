"""Bytes by key in a SQLite file: checked when read, bounded in size, shared by processes.

Never raises: what it cannot answer is a miss, what it cannot keep is forgotten.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import structlog

from dinolabel.vision.storage.atomic_files import set_aside

log = structlog.get_logger(__name__)

BUSY_SECONDS = 30.0
TOUCH_SECONDS = 600.0  # an entry's time of use is renewed at most this often, so that reading hardly ever writes
KEYS_PER_QUERY = 500  # below SQLite's oldest limit of 999 parameters
SHRINK_TO = 0.9  # share of the bound that is left after making room, so that not every write has to
ROW_BYTES = 200  # what SQLite needs for a row beside its value: key twice (table and index), checksum, time, slack
FORMAT = 1  # the file's user_version; 0 is a file from before it was written, of the same tables
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS entries (
  key TEXT PRIMARY KEY, value BLOB NOT NULL, checksum BLOB NOT NULL, used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_by_use ON entries (used);
CREATE TABLE IF NOT EXISTS total (bytes INTEGER NOT NULL);
INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM total);
CREATE TRIGGER IF NOT EXISTS entry_added AFTER INSERT ON entries
  BEGIN UPDATE total SET bytes = bytes + length(new.value) + {ROW_BYTES}; END;
CREATE TRIGGER IF NOT EXISTS entry_gone AFTER DELETE ON entries
  BEGIN UPDATE total SET bytes = bytes - length(old.value) - {ROW_BYTES}; END;
"""
Answer = TypeVar("Answer")


class SqliteKV:
    """path: the SQLite file (its folder is made). max_bytes: above it the least recently used go. clock: seconds, for `used`."""

    def __init__(self, path: Path, *, max_bytes: int, clock: Callable[[], float]) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._complained = False
        self._connection = self._open()

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The values that are there and whole."""
        now = self._clock()
        nothing: list[tuple[str, bytes, bytes, float]] = []
        rows = self._query(lambda connection: _read(connection, keys), nothing)
        whole = [(key, value, used) for key, value, checksum, used in rows if checksum == _checksum(key, value)]
        if len(whole) < len(rows):
            log.warning("cache_entries_damaged", path=str(self._path), entries=len(rows) - len(whole))
        stale = [(now, key) for key, _, used in whole if abs(now - used) > TOUCH_SECONDS]
        if stale:
            self._write(lambda connection: connection.executemany("UPDATE entries SET used = ? WHERE key = ?", stale))
        return {key: value for key, value, _ in whole}

    def put(self, values: Mapping[str, bytes]) -> None:
        """Keep all of the values, or none when the disk is full."""
        now = self._clock()
        rows = [(key, value, _checksum(key, value), now) for key, value in values.items()]

        def store(connection: sqlite3.Connection) -> None:
            # Delete and insert: REPLACE fires no delete trigger, and the total would drift.
            connection.executemany("DELETE FROM entries WHERE key = ?", [(key,) for key in values])
            connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?)", rows)
            _make_room(connection, self._max_bytes)

        if rows:
            self._write(store)

    def forget(self, wanted: Callable[[str, bytes], bool]) -> int:
        """Remove entries, their bytes in the file too; how many. Raises sqlite3.Error when another process is in the way."""
        with self._lock:
            if self._connection is None:
                return 0
            found = [(key,) for key, value in self._connection.execute("SELECT key, value FROM entries") if wanted(key, value)]
            self._connection.execute("PRAGMA secure_delete=ON")
            _transaction(self._connection, lambda each: each.executemany("DELETE FROM entries WHERE key = ?", found))
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return len(found)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        self._query(lambda connection: _transaction(connection, work), None)

    def _query(self, work: Callable[[sqlite3.Connection], Answer], otherwise: Answer) -> Answer:
        with self._lock:
            if self._connection is None:
                return otherwise
            try:
                return work(self._connection)
            except (sqlite3.Error, OSError) as error:
                self._log_failure(error)
                return otherwise

    def _log_failure(self, error: Exception) -> None:
        if not self._complained:
            log.warning("cache_out_of_order", path=str(self._path), error=str(error), hint="Work goes on without it, slower.")
        self._complained = True

    def _open(self) -> sqlite3.Connection | None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                return _connect(self._path)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                log.warning("cache_damaged", path=str(self._path), error=str(error), hint="It is set aside and begun anew.")
                set_aside(self._path)
                return _connect(self._path)
        except (sqlite3.Error, OSError) as error:
            self._log_failure(error)
            return None


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        # The lock first: of two processes that open a new file at once, the second waits here instead of failing at WAL.
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            connection.execute("PRAGMA journal_mode=WAL")
        (stored,) = connection.execute("PRAGMA user_version").fetchone()
        if stored not in (0, FORMAT):
            raise sqlite3.DatabaseError(f"its format is {stored}, not {FORMAT}")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA journal_size_limit=16000000")
        _transaction(connection, lambda each: [each.execute(statement) for statement in _statements(SCHEMA)])
        if stored != FORMAT:
            connection.execute(f"PRAGMA user_version={FORMAT}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _statements(script: str) -> list[str]:
    """executescript would commit the transaction it runs in, so the script is run one statement at a time."""
    found, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found


def _transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], object]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        work(connection)
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after a full disk; asking again would hide the first error.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _read(connection: sqlite3.Connection, keys: Sequence[str]) -> list[tuple[str, bytes, bytes, float]]:
    rows = []
    for start in range(0, len(keys), KEYS_PER_QUERY):
        part = keys[start : start + KEYS_PER_QUERY]
        marks = ",".join("?" * len(part))
        rows += connection.execute(f"SELECT key, value, checksum, used FROM entries WHERE key IN ({marks})", part).fetchall()
    return rows


def _make_room(connection: sqlite3.Connection, max_bytes: int) -> None:
    (total,) = connection.execute("SELECT bytes FROM total").fetchone()
    if total <= max_bytes:
        return
    excess, doomed = total - max_bytes * SHRINK_TO, []
    for key, size in connection.execute("SELECT key, length(value) FROM entries ORDER BY used, key"):
        if excess <= 0:
            break
        doomed.append((key,))
        excess -= size + ROW_BYTES
    connection.executemany("DELETE FROM entries WHERE key = ?", doomed)
    log.info("cache_made_room", entries=len(doomed))


def _checksum(key: str, value: bytes) -> bytes:
    return hashlib.blake2b(key.encode() + b"\0" + value, digest_size=8).digest()
