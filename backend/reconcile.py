"""The heart: compares what should be with what Label Studio holds, and does the difference.

What should be: every unfinished task has one prediction of the wanted version, that version is on show, and a training ran if enough
approvals are newer than the last. Idempotent, and resumed by simply running it again. Knows nothing of how it was woken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from dinolabel.backend import wishes
from dinolabel.backend.attempts import Attempt, Attempts
from dinolabel.backend.board import Board
from dinolabel.backend.errors import UNFORESEEN, WeightsDiffer
from dinolabel.backend.filling import ConfigChanged, Filling
from dinolabel.backend.lease import LeaseHeld, Writing, owner_of
from dinolabel.backend.predict import Predictor
from dinolabel.backend.projects import Entry, ProjectBusy, Projects
from dinolabel.backend.recipe import Recipe, Recipes
from dinolabel.backend.sweep import Sweep
from dinolabel.backend.switch import Ended, Switch, may_replace
from dinolabel.backend.trigger import Trigger
from dinolabel.studio import validate
from dinolabel.studio.errors import StudioRefused
from dinolabel.vision.errors import BundleMismatch, DinolabelError

if TYPE_CHECKING:
    from dinolabel.studio.client import Project, Studio
    from dinolabel.vision.store import Store

log = structlog.get_logger(__name__)

BUDGET_SECONDS = 20.0
"""One visit to a project: then others have their turn, trainings are looked after, and the next visit goes on where this one ended."""

STAND_BY_SECONDS = 30.0
"""How often a backend that may not write looks whether it may."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One visit. state: as in board.Status. again_in: seconds after which another visit can do more; None: when something happens.

    failed: tasks that could not be done so far, by id, with what went wrong.
    """

    project: int
    state: str
    note: str = ""
    hint: str = ""
    pushed: int = 0
    again_in: float | None = None
    failed: tuple[tuple[int, Attempt], ...] = ()

    @property
    def complete(self) -> bool:
        return self.state == "in step"


class Reconciler:
    """weights: of the running pipeline, as named in the settings."""

    def __init__(
        self,
        studio: Studio | None,
        predictor: Predictor,
        recipes: Recipes,
        store: Store,
        projects: Projects,
        board: Board,
        trigger: Trigger | None,
        *,
        weights: tuple[str, str],
        grace_seconds: float = 300.0,
        checkpoint: Callable[[str], None] = lambda step: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._studio, self._predictor, self._recipes, self._store = studio, predictor, recipes, store
        self._projects, self._board, self._trigger, self._weights = projects, board, trigger, weights
        self._checkpoint, self._stopped = checkpoint, stopped
        self._attempts = Attempts()
        self._writing = None if studio is None else Writing(studio, owner_of(projects.path.parent))
        if studio is not None:
            validate.prepare()
        self.label_configs: dict[int, str] = {}
        self._sweep = None if studio is None else Sweep(studio, projects, grace_seconds)

    def reconcile(self, project: int, *, seconds: float = BUDGET_SECONDS) -> Outcome:
        """One visit to one project. Raises StudioUnreachable and StudioDenied, which concern them all; the rest is in the outcome."""
        entry = self._projects.get(project)
        if entry is None:
            self._board.forget(project)
            return Outcome(project, "gone", "This project is not attached.", "Run `dinolabel attach --project N`.")
        if entry.paused:
            return self._told(Outcome(project, "paused", "Paused: nothing is pushed and nothing is switched."))
        try:
            if entry.weights != self._weights:
                raise other_weights(entry, self._weights)
            if self._studio is None:
                return self._without_studio(project)
            with self._projects.writer(project):
                assert self._writing is not None
                self._writing.hold(project)
                return self._told(self._visit(self._studio, entry, seconds))
        except ConfigChanged:
            return self._told(Outcome(project, "filling", "The label config was changed meanwhile; made anew for it.", again_in=0.0))
        except LeaseHeld as error:
            return self._told(Outcome(project, "standing by", str(error), error.hint, again_in=STAND_BY_SECONDS))
        except ProjectBusy as error:
            return self._told(Outcome(project, "waiting", str(error), error.hint, again_in=5.0))
        except StudioRefused as error:
            if error.status == 404:
                hint = "If it was deleted on purpose: `dinolabel detach --project N`."
                return self._told(Outcome(project, "gone", "Label Studio has no such project (any more).", hint))
            return self._told(Outcome(project, "refused", str(error), error.hint))

    def failed(self, project: int, error: DinolabelError, state: str = "failed") -> Outcome:
        """What to tell of a visit that an error ended."""
        return self._told(Outcome(project, state, str(error), error.hint))

    def surprised(self, project: int) -> Outcome:
        """What to tell of a visit that a bug ended; the log has the rest."""
        return self._told(Outcome(project, "failed", UNFORESEEN[0], UNFORESEEN[1]))

    def _without_studio(self, project: int) -> Outcome:
        """No token: Label Studio asks, so all there is to switch is what we answer."""
        entry = self._projects.get(project)
        wanted = None if entry is None else wishes.wanted(entry, self._store)
        if self._store.current(str(project)) != wanted:
            self._store.set_current(str(project), wanted)
        note = "No token is set: boxes are given when Label Studio asks for them, and nothing is pushed."
        return self._told(Outcome(project, "in step", note, "Set DINOLABEL_STUDIO_URL and DINOLABEL_STUDIO_TOKEN."))

    def _visit(self, studio: Studio, entry: Entry, seconds: float) -> Outcome:
        project = studio.project(entry.project)
        shown = project.model_version or ""
        self.label_configs[project.id] = project.label_config
        wanted = self._recipes.of(project.id, project.label_config, wishes.wanted(entry, self._store))
        self._board.set(project.id, title=project.title, shown=shown, wanted=wanted.version, bundle=self._store.current(str(project.id)))
        filling = Filling(
            studio,
            self._predictor,
            self._attempts,
            wanted=wanted,
            bridge=self._bridge(project, entry, wanted),
            stopped=self._stopped,
            told=lambda done, total, rate: self._board.set(project.id, state="filling", done=done, total=total, rate=rate),
        )
        told = partial(self._tell_shown, project.id)
        ended = Switch(studio, self._store, self._projects, checkpoint=self._checkpoint, told=told).run(filling, shown, seconds)
        self._board.suppress(project.id, filling.suppressed)
        outcome = replace(self._outcome(ended, wanted, shows=project.show_predictions), failed=self._failed(ended, wanted))
        if ended.complete and ended.shown == wanted.version and self._sweep is not None:
            swept_in = self._sweep.run(project.id, ended.census.rows)
            outcome = replace(outcome, again_in=soonest(outcome.again_in, swept_in))
        self._describe(studio, entry, project)
        return self._look(self._asked(outcome, entry), wanted, ended)

    def _asked(self, outcome: Outcome, entry: Entry) -> Outcome:
        """Say that a new head waits for a yes."""
        waiting = wishes.waiting(entry, self._store)
        if waiting is None or not outcome.complete:
            return outcome
        note = f"A new head, {waiting}, waits for your yes. {outcome.note}".strip()
        return replace(outcome, note=note, hint=f"`dinolabel publish --project {entry.project}` shows it. {outcome.hint}".strip())

    def _describe(self, studio: Studio, entry: Entry, project: Project) -> None:
        described = wishes.described(project.description, entry, self._store)
        if described != project.description:
            studio.set_description(project.id, described)

    def _bridge(self, project: Project, entry: Entry, wanted: Recipe) -> Recipe | None:
        """What gives boxes under the version on show, for tasks that arrive during a switch."""
        shown = project.model_version or ""
        if shown == wanted.version or not entry.owns(shown):
            return None
        try:
            current = self._recipes.of(project.id, project.label_config, self._store.current(str(project.id)))
        except BundleMismatch:
            return None
        return replace(current, version=shown)

    def _outcome(self, ended: Ended, wanted: Recipe, *, shows: bool) -> Outcome:
        census, project = ended.census, wanted.project
        failed = self._failed(ended, wanted)
        progress = {"done": census.done, "total": len(census.unfinished), "failed": len(failed)}
        self._board.set(project, shown=ended.shown, bundle=self._store.current(str(project)), **progress)
        again_in = min((attempt.seconds_left for _, attempt in failed if not attempt.final), default=None)
        note = (
            f"{len(failed)} of {len(census.unfinished)} tasks cannot be done; task {failed[0][0]}: {failed[0][1].reason}" if failed else ""
        )
        if not ended.complete and census.due:
            return Outcome(project, "filling", note, pushed=ended.pushed, again_in=0.0)
        if not ended.complete:
            hint = "They are tried again before the switch; then it goes on without them."
            return Outcome(project, "waiting", note, hint, pushed=ended.pushed, again_in=again_in)
        entry = self._projects.get(project)
        if entry is not None and not may_replace(entry, ended.shown):
            note = f"Label Studio shows {ended.shown!r}, which is not ours, so it is left; our predictions are stored beside it."
            hint = f"To show them, choose {wanted.version} in the project's settings under Annotation, Live Predictions."
            return Outcome(project, "in step", note, hint, pushed=ended.pushed, again_in=again_in)
        if not shows:
            note = "Label Studio is set not to show predictions in this project. " + note
            hint = "Switch them on in the project's settings under Annotation: Use predictions to prelabel tasks."
            return Outcome(project, "in step", note.strip(), hint, pushed=ended.pushed, again_in=again_in)
        return Outcome(project, "in step", note, pushed=ended.pushed, again_in=again_in)

    def _failed(self, ended: Ended, wanted: Recipe) -> tuple[tuple[int, Attempt], ...]:
        return tuple((each.id, self._attempts.of(wanted.project, each.id, wanted.version)) for each in ended.census.failed)

    def _look(self, outcome: Outcome, wanted: Recipe, ended: Ended) -> Outcome:
        if self._trigger is None:
            return outcome
        look = self._trigger.look(wanted.project, wanted.config, ended.census.rows)
        answers = self._trigger.answers.summary(wanted.project, wanted.config, ended.census.rows)
        self._board.set(wanted.project, approvals=look.approvals, answers=answers)
        return replace(outcome, again_in=soonest(outcome.again_in, look.again_in))

    def _tell_shown(self, project: int, shown: str) -> None:
        self._board.set(project, shown=shown)

    def _told(self, outcome: Outcome) -> Outcome:
        before = self._board.get(outcome.project)
        self._board.set(outcome.project, state=outcome.state, note=outcome.note, hint=outcome.hint)
        if (before.state, before.note) != (outcome.state, outcome.note):
            log.info("project_" + outcome.state.replace(" ", "_"), project=outcome.project, note=outcome.note or None)
        return outcome


def other_weights(entry: Entry, running: tuple[str, str]) -> WeightsDiffer:
    """What to say when a project was attached with other weights than those that run."""
    return WeightsDiffer(
        f"This project was attached with the weights {' and '.join(entry.weights)}, but {' and '.join(running)} are running.",
        hint="Start the backend with DINOLABEL_DETECTOR_WEIGHTS and DINOLABEL_EMBEDDER_WEIGHTS as they were, "
        "or run `dinolabel attach --project N` to move the project to the running ones.",
    )


def soonest(*seconds: float | None) -> float | None:
    return min((each for each in seconds if each is not None), default=None)
