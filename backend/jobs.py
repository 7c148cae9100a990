"""Work that takes minutes, off the requests' path: a persistent queue and one worker that runs commands a person could type.

Knows the commands by name only. Huey's SQLite storage deletes an entry before running it, so the table beside it is the truth:
at start, what the queue lost is put back, and what died with the last server is marked so that reconcile can ask again.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from redis.exceptions import RedisError

from backend import job_table
from backend.child import PROMPT, Child, end_orphan, last_line
from backend.errors import JobUnknown
from backend.job_queue import QuietConsumer, made
from backend.job_table import CANCELLED, DONE, FAILED, LOST, QUEUED, RUNNING, Job, JobTable
from vision.errors import SettingsError

log = structlog.get_logger(__name__)

TIME_LIMIT_SECONDS = 3600.0
LOOK_SECONDS = 0.5
THREAD_CAPS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Jobs:
    """folder: job table, queue and one log per job.

    queue: address of a Redis (redis://…); None keeps it in the folder. program: how our command line is started, for example
    [sys.executable, "-P", "-m", "dinolabel"]. environment: of the children; settings and token are in it. exports: folder of the manifests.
    verdicts: a project's verdicts so far, oldest first.
    """

    def __init__(
        self,
        folder: Path,
        *,
        program: Sequence[str],
        environment: Mapping[str, str],
        exports: Path,
        verdicts: Callable[[int], Sequence[Mapping[str, Any]]] = lambda project: (),
        threads: int = 2,
        time_limit: float = TIME_LIMIT_SECONDS,
        queue: str | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._exports, self._program = folder, exports, tuple(program)
        # Without a terminal rich would break lines at 80 columns, and the page shows the last line.
        self._environment = {**environment, **dict.fromkeys(THREAD_CAPS, str(threads)), "COLUMNS": "200"}
        self._verdicts, self._time_limit = verdicts, time_limit
        self._table = JobTable(folder / "jobs.sqlite")
        self._huey = made(folder, queue)
        self._enqueue = self._huey.task(name="run")(self._run)
        self._consumer: QuietConsumer | None = None
        self._stopping = threading.Event()
        self._asking = threading.Lock()
        self.on_end: Callable[[Job], None] = lambda job: None

    def start(self) -> None:
        """Put the table in order after whatever happened to the last server, then work.

        Raises SettingsError when another server works on this folder: each would take the other's jobs for lost.
        """
        self._lock = (self._folder / "worker.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            hint = "Stop the other one, or give this one another folder in DINOLABEL_DATA_DIR."
            raise SettingsError("Another backend is running with this data folder.", hint=hint) from error
        self._recovered()
        self._consumer = QuietConsumer(self._huey, workers=1, periodic=False, max_delay=1.0, check_worker_health=False)
        self._consumer.start()

    def stop(self) -> None:
        """End the running command with its whole group; it counts as lost, and what is queued waits for the next server."""
        self._stopping.set()
        if self._consumer is not None:
            self._consumer.stop()
            for _, worker in self._consumer.worker_threads:
                worker.join(15)
            self._lock.close()

    def train(self, project: int, *, why: str, until: str | None = None) -> str:
        """Enqueue export and training; the id of the job, or of the one that is queued or running for the project already.

        until: ISO time of the newest approval it is asked for; now, if not said.
        """
        manifest = str(self._exports / str(project))
        commands = (
            ("dinolabel", "export", "crops", "--project", str(project), "--out", manifest),
            ("dinolabel", "train", "--manifest", manifest, "--project", str(project)),
        )
        with self._asking:
            active = self.active(project)
            if active is not None:
                return active.id
            job = Job(secrets.token_hex(4), "train", project, QUEUED, why, commands, until or datetime.now(UTC).isoformat(), time.time())
            self._table.add(job)
        self._enqueue(job.id)
        log.info("job_queued", job=job.id, project=project, why=why)
        return job.id

    def active(self, project: int) -> Job | None:
        """The job that is queued or running for a project."""
        return self._table.latest(project, *job_table.ACTIVE)

    def seen_until(self, project: int) -> str | None:
        """Newest approval of the last training that came to an end of its own, whatever the end was."""
        job = self._table.latest(project, DONE, FAILED, CANCELLED)
        return job.until if job else None

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
        return self._table.rewrite(project, lambda text: _without(text, within) if within(text) else text)

    def cancel(self, job: str) -> Job:
        """End a job that is queued or running; one that has ended stays as it is. Raises JobUnknown."""
        self.get(job)
        self._table.change(job, only_if=job_table.ACTIVE, state=CANCELLED, finished_at=time.time(), progress="Cancelled.")
        log.info("job_cancelled", job=job)
        return self.get(job)

    def _run(self, job_id: str) -> None:
        """In the worker thread. The worker notices a cancellation in the table and ends the child itself."""
        started = self._table.change(job_id, only_if=(QUEUED,), state=RUNNING, started_at=time.time())
        if not started or self._stopping.is_set():
            self._table.change(job_id, only_if=(RUNNING,), state=QUEUED, started_at=None)
            return
        job = self.get(job_id)
        log.info("job_started", job=job.id, project=job.project)
        known = len(self._verdicts(job.project))
        state, progress = self._commands(job)
        fresh = list(self._verdicts(job.project))[known:]
        ending = {"finished_at": time.time(), "pid": None, "born": None, "verdict": fresh[-1] if fresh else None}
        self._table.change(job.id, only_if=(RUNNING,), state=state, progress=progress, **ending)
        self._table.change(job.id, only_if=(CANCELLED,), pid=None, born=None)
        job = self.get(job.id)
        log.info("job_ended", job=job.id, project=job.project, state=job.state, progress=job.progress)
        self.on_end(job)

    def _commands(self, job: Job) -> tuple[str, str]:
        """Run one after the other; the state the job ends in, and its last words."""
        path = self._folder / f"{job.id}.log"
        end = time.monotonic() + self._time_limit
        for step, command in enumerate(job.commands):
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{PROMPT}{shlex.join(command)}\n")
            try:
                child = Child([*self._program, *command[1:]], environment=self._environment, log=path)
            except OSError as error:
                return FAILED, f"The command could not be started: {error.strerror}."
            self._table.change(job.id, pid=child.pid, born=child.born, step=step)
            code, why = self._watch(job.id, child, path, end)
            if code != 0:
                return (LOST if self._stopping.is_set() else FAILED), why
        return DONE, last_line(path)

    def _watch(self, job: str, child: Child, path: Path, end: float) -> tuple[int | None, str]:
        """Wait for a child while its job is wanted and time is left; its exit code, or None when it was ended, and the last words."""
        while (code := child.wait(LOOK_SECONDS)) is None:
            self._table.change(job, only_if=(RUNNING,), progress=last_line(path))
            if self.get(job).state != RUNNING:
                child.end()
                return None, "Cancelled."
            if self._stopping.is_set():
                child.end()
                return None, "The server stopped."
            if time.monotonic() > end:
                child.end()
                return None, f"Ended after {self._time_limit:.0f} seconds, the time limit."
        # What a command leaves behind in its group ends with it.
        child.end()
        return code, last_line(path) or f"Exit code {code}."

    def _recovered(self) -> None:
        try:
            self._recover()
        except RedisError as error:
            self._lock.close()
            hint = "Start it, mend DINOLABEL_QUEUE, or leave that empty to keep the queue in the data folder."
            raise SettingsError(f"The Redis of DINOLABEL_QUEUE does not answer: {type(error).__name__}.", hint=hint) from error

    def _recover(self) -> None:
        """After a crash: children that outlived the last server are ended, its jobs marked; what is queued gets its entry back."""
        for job in self._table.of_state(RUNNING, CANCELLED):
            if job.pid is not None and job.born is not None and end_orphan(job.pid, job.born):
                log.warning("orphan_ended", job=job.id, project=job.project)
            ending = {"pid": None, "born": None, "finished_at": job.finished_at or time.time()}
            if not self._table.change(job.id, only_if=(RUNNING,), state=LOST, progress="The server went down.", **ending):
                self._table.change(job.id, pid=None, born=None)
        self._huey.flush()
        for job in self._table.of_state(QUEUED):
            self._enqueue(job.id)


def _without(text: str, within: Callable[[str], bool]) -> str:
    """A verdict keeps its plain facts; a sentence goes."""
    try:
        facts = json.loads(text)
    except ValueError:
        return ""
    if not isinstance(facts, dict):
        return ""
    return json.dumps({key: each for key, each in facts.items() if not within(json.dumps({key: each}, ensure_ascii=False))})
