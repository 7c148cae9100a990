"""Runner of jobs, work that takes minutes, off the requests' path: one worker thread that runs what waits in the table, as commands a
person could type.

Nothing but the table says what waits and what runs, so a kill at any moment loses nothing: at start,
what had not begun waits again, and what died with the last server is marked so that reconcile can ask again.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import shlex
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import structlog

from dinolabel.backend.errors import JobTableUnavailable, JobUnknown
from dinolabel.backend.jobs import table as job_table
from dinolabel.backend.jobs.process import PROMPT, ChildProcess, last_line, terminate_orphan
from dinolabel.backend.jobs.table import CANCELLED, DONE, FAILED, LOST, QUEUED, RUNNING, Job, JobTable
from dinolabel.vision.errors import SettingsError
from dinolabel.vision.storage.json_text import parse_json

log = structlog.get_logger(__name__)

TIME_LIMIT_SECONDS = 3600.0
TABLE_ERRORS = (sqlite3.Error, JobTableUnavailable)
LOOK_SECONDS = 0.5
POLL_SECONDS = 2.0
"""How soon a job that another process added is found, and how soon a table that could not be written is tried again."""
QUEUE_FILES = ("huey.sqlite", "huey.sqlite-wal", "huey.sqlite-shm")
"""Of earlier versions: ids that are in the table, too."""
CANCELLED_WORDS, STOPPED_WORDS = "Cancelled.", "The server stopped."
THREAD_CAPS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class JobLimits:
    """Of one job: CPU threads of each library, and seconds after which it is ended."""

    threads: int = 2
    seconds: float = TIME_LIMIT_SECONDS


class JobRunner:
    """folder: job table and one log per job.

    program: how our command line is started, for example [sys.executable, "-P", "-m", "dinolabel"]. environment: of the children; settings
    and token are in it. exports: folder of the manifests. verdicts: a project's verdicts so far, oldest first.
    """

    def __init__(
        self,
        folder: Path,
        *,
        program: Sequence[str],
        environment: Mapping[str, str],
        exports: Path,
        verdicts: Callable[[int], Sequence[Mapping[str, Any]]] = lambda project: (),
        limits: JobLimits = JobLimits(),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._exports, self._program = folder, exports, tuple(program)
        # Without a terminal rich would break lines at 80 columns, and the page shows the last line.
        self._environment = {**environment, **dict.fromkeys(THREAD_CAPS, str(limits.threads)), "COLUMNS": "200"}
        self._verdicts, self._time_limit = verdicts, limits.seconds
        self._table = JobTable(folder / "jobs.sqlite")
        self._stopping, self._wake = threading.Event(), threading.Event()
        self._worker = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._lock: IO[str] | None = None
        self._table_fails = False
        self.on_end: Callable[[Job, str], None] = lambda job, cause: None

    def start(self) -> None:
        """Put the table in order after whatever happened to the last server, then work.

        Raises SettingsError when another server works on this folder: each would take the other's jobs for lost.
        """
        lock = (self._folder / "worker.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            hint = "Stop the other one, or give this one another folder in DINOLABEL_DATA_DIR."
            raise SettingsError("Another backend is running with this data folder.", hint=hint) from error
        self._lock = lock
        for name in QUEUE_FILES:
            with suppress(OSError):
                (self._folder / name).unlink()
        self._recover()
        self._worker.start()

    def stop(self, seconds: float = 15.0) -> None:
        """End the running command with its whole group; it counts as lost, and what is queued waits for the next server.

        seconds: to wait for that.
        """
        self._stopping.set()
        self._wake.set()
        if self._worker.is_alive():
            self._worker.join(seconds)
        if self._lock is not None and (seconds or not self._worker.is_alive()):
            self._lock.close()

    def train(self, project: int, *, why: str, until: str | None = None) -> str:
        """Enqueue export and training; the id of the job, or of the one that is queued or running for the project already.

        until: ISO time of the newest approval it is asked for, by Label Studio's clock: ours is never compared with it. None: not known.
        """
        manifest = str(self._exports / str(project))
        commands = (
            ("dinolabel", "export", "crops", "--project", str(project), "--out", manifest),
            ("dinolabel", "train", "--manifest", manifest, "--project", str(project)),
        )
        job = Job(secrets.token_hex(4), "train", project, QUEUED, why, commands, until, time.time())
        active = self._table.add_if_idle(job)
        if active.id == job.id:
            self._wake.set()
            log.info("job_queued", job=job.id, project=project, why=why)
        return active.id

    def active(self, project: int) -> Job | None:
        """The job that is queued or running for a project."""
        return self._table.latest(project, *job_table.ACTIVE)

    def seen_until(self, project: int) -> str | None:
        """Newest approval of the last training that came to an end of its own, whatever the end was."""
        job = self._table.latest(project, DONE, FAILED, CANCELLED)
        return job.until if job else None

    def trouble(self) -> str:
        """What keeps jobs from being run, for who watches over the server; "" when nothing does."""
        if self._worker.ident is not None and not self._worker.is_alive():
            return "the thread that runs jobs has ended."
        try:
            self._table.all(limit=1)
        except TABLE_ERRORS as error:
            return f"it cannot be read: {error}"
        return "the table cannot be written." if self._table_fails else ""

    def all(self) -> list[Job]:
        """Newest first."""
        return self._table.all()

    def get(self, job: str) -> Job:
        """Raises JobUnknown."""
        found = self._table.get(job)
        if found is None:
            raise JobUnknown("There is no job of that id.")
        return found

    def log_of(self, job: str) -> Path:
        return self._folder / f"{self.get(job).id}.log"

    def forget(self, project: int, within: Callable[[str], bool]) -> int:
        """Take out of a project's jobs what they say about somebody; how many said it. within: whether a text does."""
        return self._table.rewrite(project, lambda text: _redact(text, within) if within(text) else text)

    def cancel(self, job: str) -> Job:
        """End a job that is queued or running; one that has ended stays as it is. Raises JobUnknown."""
        self.get(job)
        self._table.change(job, only_if=job_table.ACTIVE, state=CANCELLED, finished_at=time.time(), progress=CANCELLED_WORDS)
        log.info("job_cancelled", job=job)
        return self.get(job)

    def _work(self) -> None:
        """The worker thread: one job after the other."""
        while not self._stopping.is_set():
            self._wake.clear()  # before looking, so that what is added after the look wakes it
            try:
                job = self._table.take(time.time())
                if job is not None:
                    self._run(job)
                    continue
                self._table_fails = False
            except TABLE_ERRORS as error:
                self._complain(error)
            except Exception:  # the outermost loop of the worker: whatever it was, the next job is run
                log.exception("job_worker_failed")
            self._wake.wait(POLL_SECONDS)

    def _run(self, job: Job) -> None:
        """In the worker thread. The worker notices a cancellation in the table and ends the child itself."""
        if self._stopping.is_set():
            self._table.change(job.id, only_if=(RUNNING,), state=QUEUED, started_at=None)
            return
        log.info("job_started", job=job.id, project=job.project)
        verdict = None
        try:
            known = len(self._verdicts(job.project))
            state, progress, cause = self._commands(job)
            fresh = self._verdicts(job.project)[known:]
            verdict = fresh[-1] if fresh else None
        except TABLE_ERRORS as error:
            self._complain(error)
            state, progress, cause = LOST, f"The table of jobs failed: {error}.", "table"
        except Exception as error:  # whatever it was, the job has to end, or its project is never trained again
            log.exception("job_failed", job=job.id, project=job.project)
            state, progress, cause = FAILED, f"Ended by {type(error).__name__}; the log of the backend says more.", "internal"
        if self._end(job, state, progress, verdict):
            job = self.get(job.id)
            log.info("job_ended", job=job.id, project=job.project, state=job.state, progress=job.progress)
            self.on_end(job, cause)

    def _end(self, job: Job, state: str, progress: str, verdict: Mapping[str, Any] | None) -> bool:
        """Write how it ended, as soon as the table can be written. False when the server stopped before: the next one calls it lost."""
        ending = {"finished_at": time.time(), "pid": None, "born": None, "verdict": verdict}
        while True:
            try:
                self._table.change(job.id, only_if=(RUNNING,), state=state, progress=progress, **ending)
                self._table.change(job.id, only_if=(CANCELLED,), pid=None, born=None)
                return True
            except TABLE_ERRORS as error:
                self._complain(error)
            if self._stopping.wait(POLL_SECONDS):
                return False

    def _commands(self, job: Job) -> tuple[str, str, str]:
        """Run one after the other; the state the job ends in, its last words, and in one word what ended it early ("" for nothing)."""
        path = self._folder / f"{job.id}.log"
        end = time.monotonic() + self._time_limit
        for step, command in enumerate(job.commands):
            try:
                with path.open("a", encoding="utf-8") as file:
                    file.write(f"{PROMPT}{shlex.join(command)}\n")
                child = ChildProcess([*self._program, *command[1:]], environment=self._environment, log=path)
            except OSError as error:
                return FAILED, f"The command could not be started: {error.strerror}.", "not_started"
            try:
                self._table.change(job.id, pid=child.pid, born=child.born, step=step)
                code, why = self._watch(job.id, child, path, end)
            finally:
                child.terminate()  # with whatever it leaves behind in its group
            if code != 0:
                state = LOST if self._stopping.is_set() else FAILED
                return state, why or _last_words(code, last_line(path)), _cause(code, why)
        return DONE, last_line(path), ""

    def _watch(self, job: str, child: ChildProcess, path: Path, end: float) -> tuple[int | None, str]:
        """Wait for a child while its job is wanted and time is left; its exit code and "", or None and why it has to end."""
        while (code := child.wait(LOOK_SECONDS)) is None:
            if not self._wanted(job, last_line(path)):
                return None, CANCELLED_WORDS
            if self._stopping.is_set():
                return None, STOPPED_WORDS
            if time.monotonic() > end:
                return None, f"Ended after {self._time_limit:.0f} seconds, the time limit."
        return code, ""

    def _wanted(self, job: str, progress: str) -> bool:
        """Note the progress; False when somebody cancelled the job. That the table fails for a while is no reason to end it."""
        try:
            self._table.change(job, only_if=(RUNNING,), progress=progress)
            return self.get(job).state == RUNNING
        except TABLE_ERRORS as error:
            self._complain(error)
            return True

    def _complain(self, error: Exception) -> None:
        """Once until it works again."""
        if not self._table_fails:
            log.warning("job_table_fails", error=str(error), hint="Look at the disk's room and rights. Jobs wait meanwhile.")
        self._table_fails = True

    def _recover(self) -> None:
        """After a crash: children that outlived the last server are ended; its job is lost, or waits again if no command had begun."""
        for job in self._table.of_state(RUNNING, CANCELLED):
            if job.pid is not None and job.born is not None and terminate_orphan(job.pid, job.born):
                log.warning("orphan_ended", job=job.id, project=job.project)
            gone = {"state": LOST, "progress": "The server went down.", "finished_at": time.time()}
            state = {"state": QUEUED, "started_at": None} if job.pid is None else gone
            self._table.change(job.id, only_if=(RUNNING,), pid=None, born=None, **state)
            self._table.change(job.id, only_if=(CANCELLED,), pid=None, born=None)


def _cause(code: int | None, why: str) -> str:
    """In one word, for the metrics: how it was ended, the signal, or the exit code (docs/reference.md)."""
    if code is None:
        return "cancelled" if why == CANCELLED_WORDS else "server_stopped" if why == STOPPED_WORDS else "time_limit"
    if code >= 0:
        return f"exit_{code}"
    return signal.Signals(-code).name if -code in signal.valid_signals() else f"signal_{-code}"


def _last_words(code: int | None, said: str) -> str:
    """Of a child that failed: what it said last, and what ended it where that was a signal."""
    if code is None or code >= 0:
        return said or f"Exit code {code}."
    name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
    memory = ", as the system does when memory runs out" if -code == signal.SIGKILL else ""
    return f"Killed by {name}{memory}." + (f" Last it said: {said}" if said else "")


def _redact(text: str, within: Callable[[str], bool]) -> str:
    """A verdict keeps its plain facts; a sentence goes."""
    try:
        facts = parse_json(text)
    except ValueError:
        return ""
    if not isinstance(facts, dict):
        return ""
    return json.dumps({key: each for key, each in facts.items() if not within(json.dumps({key: each}, ensure_ascii=False))})
