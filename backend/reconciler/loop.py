"""Reconcile loop: the one thread that visits projects, at start, when something happened, and every poll_seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from dinolabel.backend import desired_version
from dinolabel.backend.project_status import ProjectState
from dinolabel.backend.reconciler.work_queue import WorkQueue
from dinolabel.studio.errors import StudioBusy, StudioDenied, StudioUnreachable
from dinolabel.vision.errors import DinolabelError, SettingsError

if TYPE_CHECKING:
    from dinolabel.backend.project_registry import ProjectRecord
    from dinolabel.backend.reconciler.reconciler import Reconciler, ReconcileResult

log = structlog.get_logger(__name__)

FIRST_BACKOFF = 1.0
LOOK_SECONDS = 1.0
"""How soon another process's publish, pin or attach is noticed: two small files are looked at, no network."""
GATHER_SECONDS = 0.3
"""Events come in bunches (an annotation sends two or three); one visit serves them all."""

DesiredState = dict[int, tuple[tuple[str | None, str | None], bool, bool, tuple[str, str]]]


class ReconcileLoop:
    """poll_seconds: how often every project is visited though nothing was heard of it. stopping: shared with whoever works in a visit."""

    def __init__(
        self,
        reconciler: Reconciler,
        state: ProjectState,
        *,
        poll_seconds: float,
        stopping: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reconciler = reconciler
        self._projects, self._store, self._board, self._people = state.projects, state.store, state.board, state.people
        self._poll, self._clock = poll_seconds, clock
        self._agenda = WorkQueue()
        self._wished: DesiredState = {}
        self._backoff = self._not_before = 0.0
        self._woken = threading.Event()
        self._over = stopping or threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconcile", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Ends after the chunk at hand."""
        self._over.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def enqueue(self, project: int | None = None) -> None:
        """Visit a project (or all) soon. Returns at once; anybody may call it."""
        self._agenda.add(project)
        self._woken.set()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                pause = self.run_once()
            except DinolabelError as error:
                log.error("round_failed", error=type(error).__name__, reason=str(error))
                pause = self._poll
            except Exception:  # the outermost loop of the worker: whatever it was, the next round is tried
                log.exception("round_failed")
                pause = self._poll
            self._wait(pause)

    def run_once(self) -> float:
        """Visit whoever is due; the seconds until somebody is again."""
        self._wished = self._desired_state()
        for gone in self._agenda.retain([each.project for each in self._projects.all()]):
            self._board.remove(gone)
        if (left := self._not_before - self._clock()) > 0:  # whatever woke us: Label Studio asked to be left alone
            return left
        for project in self._agenda.ready(self._clock()):
            if self._over.is_set():
                break
            if not self._visit(project):
                return self._wait_for_studio()
        now = self._clock()
        return max(0.0, self._agenda.next_ready_at(now + self._poll) - now)

    def _visit(self, project: int) -> bool:
        """False when Label Studio is not there, which concerns all projects alike."""
        begun = self._clock()
        # Planned before the visit, so that a wake-up during it is not lost.
        self._agenda.add_after(project, begun + self._poll)
        try:
            outcome = self._reconciler.reconcile(project)
        except StudioUnreachable as error:
            self._reconciler.record_error(project, error, "unreachable")
            if not self._backoff:
                log.warning("studio_down", project=project, reason=str(error))
            if isinstance(error, StudioBusy):
                self._not_before = self._clock() + error.seconds
            return False
        except SettingsError:
            raise
        except DinolabelError as error:
            outcome = self._reconciler.record_error(project, error, "rejected" if isinstance(error, StudioDenied) else "failed")
        except Exception:  # one project's surprise must not keep the others waiting
            log.exception("visit_failed", project=project)
            outcome = self._reconciler.record_bug(project)
        if self._backoff and outcome.state not in ("failed", "rejected"):
            log.info("studio_up", project=project)
            self._backoff = 0.0
        self._plan_next(outcome, begun)
        return True

    def _plan_next(self, outcome: ReconcileResult, begun: float) -> None:
        now = self._clock()
        if not outcome.pushed:
            self._agenda.rest(outcome.project, begun, now, careful=self._people.are_at_work(outcome.project))
        if outcome.requeue_after is not None:
            self._agenda.add_earlier(outcome.project, now + outcome.requeue_after)

    def _wait_for_studio(self) -> float:
        self._backoff = min(max(FIRST_BACKOFF, 2 * self._backoff), self._poll)
        pause = max(self._backoff, self._not_before - self._clock())
        for each in self._agenda.projects():
            self._agenda.add_after(each, self._clock() + pause)
        return pause

    def _wait(self, seconds: float) -> None:
        """Until it is time, somebody wakes us, or another process has changed what is wanted."""
        end, before = self._clock() + seconds, self._wished
        while not self._over.is_set() and (left := end - self._clock()) > 0:
            if self._woken.wait(min(left, LOOK_SECONDS)):
                self._over.wait(GATHER_SECONDS)
                break
            now = self._desired_state()
            for project in {each for each, wish in now.items() if before.get(each) != wish}:
                self._agenda.add(project)
            if now != before:
                break
        self._woken.clear()

    def _desired(self, entry: ProjectRecord) -> tuple[str | None, str | None]:
        return desired_version.desired_bundle(entry, self._store), self._store.students.desired(str(entry.project))

    def _desired_state(self) -> DesiredState:
        """What files say should be, per project."""
        try:
            entries = self._projects.all()
            return {each.project: (self._desired(each), each.paused, each.describe, each.weights) for each in entries}
        except (DinolabelError, OSError):
            return {}
