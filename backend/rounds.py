"""Goes round the projects: at start, when woken, and every poll_seconds; the one thread that reconciles.

Knows when, not what: a visit is the reconciler's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from backend.board import Board
from backend.projects import Projects
from studio.errors import StudioDenied, StudioUnreachable
from vision.errors import DinolabelError, SettingsError

if TYPE_CHECKING:
    from backend.reconcile import Outcome, Reconciler
    from vision.store import Store

log = structlog.get_logger(__name__)

FIRST_BACKOFF = 1.0
LOOK_SECONDS = 1.0
"""How soon another process's publish, pin or attach is noticed: two small files are looked at, no network."""
GATHER_SECONDS = 0.3
"""Events come in bunches (an annotation sends two or three); one visit serves them all."""


class Rounds:
    """poll_seconds: how often every project is visited though nothing was heard of it."""

    def __init__(
        self,
        reconciler: Reconciler,
        projects: Projects,
        store: Store,
        board: Board,
        *,
        poll_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reconciler, self._projects, self._store, self._board = reconciler, projects, store, board
        self._poll, self._clock = poll_seconds, clock
        self._woken = threading.Event()
        self._over = threading.Event()
        self._due: dict[int, float] = {}
        self._lock = threading.Lock()
        self._backoff = 0.0
        self._wished: dict[int, tuple[str | None, bool, tuple[str, str]]] = {}
        self._thread = threading.Thread(target=self._run, name="reconcile", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Ends after the chunk at hand."""
        self._over.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    @property
    def stopping(self) -> bool:
        return self._over.is_set()

    def wake(self, project: int | None = None) -> None:
        """Visit a project (or all) soon. Returns at once; anybody may call it."""
        with self._lock:
            for each in [project] if project is not None else list(self._due):
                self._due[each] = 0.0
        self._woken.set()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                pause = self.once()
            except DinolabelError as error:
                log.error("round_failed", error=type(error).__name__, reason=str(error))
                pause = self._poll
            except Exception:  # the outermost loop of the worker: whatever it was, the next round is tried
                log.exception("round_failed")
                pause = self._poll
            self._rest(pause)

    def _rest(self, seconds: float) -> None:
        """Until it is time, somebody wakes us, or another process has changed what is wanted."""
        end, before = self._clock() + seconds, self._wished
        while not self._over.is_set() and (left := end - self._clock()) > 0:
            if self._woken.wait(min(left, LOOK_SECONDS)):
                self._over.wait(GATHER_SECONDS)
                break
            now = self._wishes()
            for project in {each for each, wish in now.items() if before.get(each) != wish}:
                self._plan(project, 0.0)
            if now != before:
                break
        self._woken.clear()

    def _wishes(self) -> dict[int, tuple[str | None, bool, tuple[str, str]]]:
        """What files say should be, per project."""
        try:
            entries = self._projects.all()
            return {each.project: (self._store.wanted(str(each.project)), each.paused, each.weights) for each in entries}
        except (DinolabelError, OSError):
            return {}

    def once(self) -> float:
        """Visit whoever is due; the seconds until somebody is again."""
        self._wished = self._wishes()
        attached = [each.project for each in self._projects.all()]
        now = self._clock()
        with self._lock:
            for gone in self._due.keys() - set(attached):
                del self._due[gone]
                self._board.forget(gone)
            due = [each for each in attached if self._due.get(each, 0.0) <= now]
        for project in due:
            if self._over.is_set():
                break
            # Noted before the visit, so that a wake-up during it is not lost.
            self._plan(project, now + self._poll)
            if not self._visit(project):
                return self._wait_for_studio(attached)
        with self._lock:
            return max(0.0, min([*self._due.values(), now + self._poll]) - self._clock())

    def _visit(self, project: int) -> bool:
        """False when Label Studio is not there, which concerns all projects alike."""
        try:
            outcome = self._reconciler.reconcile(project)
        except (StudioUnreachable, StudioDenied) as error:
            self._reconciler.failed(project, error, "unreachable")
            if isinstance(error, StudioDenied):
                return True
            if not self._backoff:
                log.warning("studio_down", project=project, reason=str(error))
            return False
        except SettingsError:
            raise
        except DinolabelError as error:
            outcome = self._reconciler.failed(project, error)
        except Exception:  # one project's surprise must not keep the others waiting
            log.exception("visit_failed", project=project)
            self._board.set(
                project, state="failed", note="Something went wrong here that we did not foresee.", hint="See the backend's log."
            )
            return True
        if self._backoff:
            log.info("studio_up", project=project)
            self._backoff = 0.0
        self._plan_again(outcome)
        return True

    def _wait_for_studio(self, attached: list[int]) -> float:
        self._backoff = min(max(FIRST_BACKOFF, 2 * self._backoff), self._poll)
        for each in attached:
            self._plan(each, self._clock() + self._backoff)
        return self._backoff

    def _plan_again(self, outcome: Outcome) -> None:
        if outcome.again_in is not None:
            with self._lock:
                soon = self._clock() + outcome.again_in
                self._due[outcome.project] = min(self._due.get(outcome.project, soon), soon)

    def _plan(self, project: int, at: float) -> None:
        with self._lock:
            self._due[project] = at
