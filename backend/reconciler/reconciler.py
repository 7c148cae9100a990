"""Reconciler of one project: compares what should be with what Label Studio holds, and does the difference.

What should be: every unfinished task has one prediction of the wanted version, that version is on show, and a training ran if enough
approvals are newer than the last. Idempotent, and resumed by simply running it again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import structlog

from dinolabel.backend import desired_version
from dinolabel.backend.errors import UNFORESEEN, WeightsDiffer
from dinolabel.backend.inference.predictor import Predictor
from dinolabel.backend.inference.serving_config import ServingConfig, ServingConfigs
from dinolabel.backend.jobs.train_trigger import TrainTrigger
from dinolabel.backend.project_registry import ProjectBusy, ProjectRecord
from dinolabel.backend.project_status import ProjectPhase, ProjectState
from dinolabel.backend.reconciler.backfill import Backfill, ConfigChanged, Filled
from dinolabel.backend.reconciler.garbage_collector import PredictionGarbageCollector
from dinolabel.backend.reconciler.lease import LeaseHeldByOther, WriterLease, owner_of
from dinolabel.backend.reconciler.redecoding import Redecoding
from dinolabel.backend.reconciler.rollout import NowShown, Rollout, RolloutEvent, RolloutResult, may_replace
from dinolabel.backend.reconciler.uploader import UploadPace
from dinolabel.backend.reconciler.work_queue import Attempt, RetryBackoff
from dinolabel.studio.errors import StudioRefused
from dinolabel.studio.regions import validation
from dinolabel.vision.errors import BundleMismatch, DinolabelError

if TYPE_CHECKING:
    from dinolabel.backend.jobs.reviewed_answers import Summary
    from dinolabel.studio.client import LabelStudio, Project

log = structlog.get_logger(__name__)

VISIT_SECONDS = 20.0
"""One visit to a project: then others have their turn, trainings are looked after, and the next visit goes on where this one ended."""

STANDBY_SECONDS = 30.0
"""How often a backend that may not write looks whether it may."""

REDECODING = "Boxes of pictures that an earlier version decoded otherwise are made anew, once."


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """One visit. state: as in ProjectStatus. requeue_after: seconds after which another visit can do more; None: when something happens.

    failed: tasks that could not be done so far, by id, with what went wrong.
    """

    project: int
    state: ProjectPhase
    note: str = ""
    hint: str = ""
    pushed: int = 0
    requeue_after: float | None = None
    failed: tuple[tuple[int, Attempt], ...] = ()

    @property
    def complete(self) -> bool:
        return self.state == "synced"


@dataclass(frozen=True, slots=True)
class ReconcileOptions:
    """weights: of the running pipeline, as named in the settings. grace_seconds: after a switch, before old predictions go.

    stopping: set when the server ends. listener: hears each event of a visit, in its thread.
    """

    weights: tuple[str, str]
    grace_seconds: float = 300.0
    stopping: threading.Event = field(default_factory=threading.Event)
    listener: Callable[[RolloutEvent], object] | None = None


class Reconciler:
    """trigger None: no trainings by themselves."""

    def __init__(
        self,
        studio: LabelStudio | None,
        predictor: Predictor,
        recipes: ServingConfigs,
        state: ProjectState,
        trigger: TrainTrigger | None,
        options: ReconcileOptions,
    ) -> None:
        self._studio, self._predictor, self._recipes = studio, predictor, recipes
        self._store, self._projects, self._board, self._people = state.store, state.projects, state.board, state.people
        self._trigger, self._options, self._weights = trigger, options, options.weights
        self._attempts = RetryBackoff()
        self._writing = None if studio is None else WriterLease(studio, owner_of(state.projects.path.parent))
        if studio is not None:
            validation.prepare()
        self.label_configs: dict[int, str] = {}
        self._sweep = None if studio is None else PredictionGarbageCollector(studio, state.projects, options.grace_seconds, state.people)
        self._redecoding = None if studio is None else Redecoding(studio, predictor, state.projects)

    def reconcile(self, project: int, *, seconds: float = VISIT_SECONDS) -> ReconcileResult:
        """One visit to one project. Raises StudioUnreachable and StudioDenied, which concern them all; the rest is in the outcome."""
        entry = self._projects.get(project)
        if entry is None:
            self._board.remove(project)
            return ReconcileResult(project, "not_found", "This project is not attached.", "Run `dinolabel attach --project N`.")
        if entry.paused:
            return self._record(ReconcileResult(project, "paused", "Paused: nothing is pushed and nothing is switched."))
        try:
            if entry.weights != self._weights:
                raise weights_mismatch(entry, self._weights)
            if self._studio is None:
                return self._without_studio(project)
            with self._projects.write_lock(project):
                assert self._writing is not None
                self._writing.acquire(project)
                return self._record(self._visit(self._studio, entry, seconds))
        except ConfigChanged:
            return self._record(
                ReconcileResult(project, "backfilling", "The label config was changed meanwhile; made anew for it.", requeue_after=0.0)
            )
        except LeaseHeldByOther as error:
            return self._record(ReconcileResult(project, "standby", str(error), error.hint, requeue_after=STANDBY_SECONDS))
        except ProjectBusy as error:
            return self._record(ReconcileResult(project, "pending", str(error), error.hint, requeue_after=5.0))
        except StudioRefused as error:
            if error.status == 404:
                hint = "If it was deleted on purpose: `dinolabel detach --project N`."
                return self._record(ReconcileResult(project, "not_found", "Label Studio has no such project (any more).", hint))
            return self._record(ReconcileResult(project, "rejected", str(error), error.hint))

    def record_error(self, project: int, error: DinolabelError, state: ProjectPhase = "failed") -> ReconcileResult:
        """What to tell of a visit that an error ended."""
        return self._record(ReconcileResult(project, state, str(error), error.hint))

    def record_bug(self, project: int) -> ReconcileResult:
        """What to tell of a visit that a bug ended; the log has the rest."""
        return self._record(ReconcileResult(project, "failed", UNFORESEEN[0], UNFORESEEN[1]))

    def _without_studio(self, project: int) -> ReconcileResult:
        """No token: Label Studio asks, so all there is to switch is what we answer."""
        entry = self._projects.get(project)
        wanted = None if entry is None else desired_version.desired_bundle(entry, self._store)
        if self._store.current(str(project)) != wanted:
            self._store.set_current(str(project), wanted)
        self._store.students.follow(str(project), self._store.students.desired(str(project)))
        note = "No token is set: boxes are given when Label Studio asks for them, and nothing is pushed."
        return self._record(ReconcileResult(project, "synced", note, "Set DINOLABEL_STUDIO_URL and DINOLABEL_STUDIO_TOKEN."))

    def _visit(self, studio: LabelStudio, entry: ProjectRecord, seconds: float) -> ReconcileResult:
        project = studio.projects.get(entry.project)
        shown = project.model_version or ""
        self._people.note_count(project.id, project.annotations)
        self.label_configs[project.id] = project.label_config
        wanted = self._recipes.build(project.id, project.label_config, desired_version.desired_bundle(entry, self._store))
        self._projects.note_colours(project.id, wanted.config.colours)
        self._board.set(project.id, title=project.title, shown=shown, wanted=wanted.version, bundle=self._store.current(str(project.id)))
        filling = Backfill(
            studio,
            self._predictor,
            self._attempts,
            desired=wanted,
            bridge=self._serving_config(project, entry, wanted),
            pace=UploadPace(self._people, project.id, self._options.stopping.is_set),
        )
        ended = self._follow(project.id, Rollout(studio, self._store, self._projects).run(filling, shown, seconds))
        self._board.add_suppressed(project.id, filling.suppressed)
        outcome = replace(self._outcome(ended, wanted, shows=project.show_predictions), failed=self._failed(ended, wanted))
        if ended.complete and ended.shown == wanted.version and self._sweep is not None:
            swept_in = self._sweep.run(project.id, ended.census.rows)
            outcome = replace(outcome, requeue_after=soonest(outcome.requeue_after, swept_in))
        anew = self._redecoding if ended.complete else None
        if anew is not None and not anew.run(wanted, ended.census.rows, seconds, self._options.stopping.is_set):
            outcome = replace(outcome, state="backfilling", note=REDECODING, hint="", requeue_after=0.0)
        self._describe(studio, entry, project)
        return self._check_training(self._with_pending(outcome, entry), wanted, ended)

    def _with_pending(self, outcome: ReconcileResult, entry: ProjectRecord) -> ReconcileResult:
        """Say that a new head waits for a yes."""
        waiting = desired_version.awaiting_approval(entry, self._store)
        if waiting is None or not outcome.complete:
            return outcome
        note = f"A new head, {waiting}, waits for your yes. {outcome.note}".strip()
        return replace(outcome, note=note, hint=f"`dinolabel heads approve --project {entry.project}` shows it. {outcome.hint}".strip())

    def _describe(self, studio: LabelStudio, entry: ProjectRecord, project: Project) -> None:
        described = desired_version.describe_verdicts(project.description, entry, self._store)
        if described != project.description:
            studio.projects.set_description(project.id, described)

    def _serving_config(self, project: Project, entry: ProjectRecord, wanted: ServingConfig) -> ServingConfig | None:
        """What gives boxes under the version on show, for tasks that arrive during a switch."""
        shown = project.model_version or ""
        if shown == wanted.version or not entry.owns(shown):
            return None
        try:
            current = self._recipes.build(project.id, project.label_config, self._store.current(str(project.id)), current=True)
        except BundleMismatch:
            return None
        return replace(current, version=shown)

    def _outcome(self, ended: RolloutResult, wanted: ServingConfig, *, shows: bool) -> ReconcileResult:
        census, project = ended.census, wanted.project
        failed = self._failed(ended, wanted)
        progress = {"done": census.done, "total": len(census.unfinished), "failed": len(failed)}
        self._board.set(project, shown=ended.shown, bundle=self._store.current(str(project)), **progress)
        again_in = min((attempt.seconds_left for _, attempt in failed if not attempt.final), default=None)
        note = (
            f"{len(failed)} of {len(census.unfinished)} tasks cannot be done; task {failed[0][0]}: {failed[0][1].reason}" if failed else ""
        )
        if not ended.complete and census.due:
            return ReconcileResult(project, "backfilling", note, pushed=ended.pushed, requeue_after=0.0)
        if not ended.complete:
            hint = "They are tried again before the switch; then it goes on without them."
            return ReconcileResult(project, "pending", note, hint, pushed=ended.pushed, requeue_after=again_in)
        entry = self._projects.get(project)
        if entry is not None and not may_replace(entry, ended.shown):
            note = f"Label Studio shows {ended.shown!r}, which is not ours, so it is left; our predictions are stored beside it."
            hint = f"To show them, choose {wanted.version} in the project's settings under Annotation, Live Predictions."
            return ReconcileResult(project, "synced", note, hint, pushed=ended.pushed, requeue_after=again_in)
        if not shows:
            note = "Label Studio is set not to show predictions in this project. " + note
            hint = "Switch them on in the project's settings under Annotation: Use predictions to prelabel tasks."
            return ReconcileResult(project, "synced", note.strip(), hint, pushed=ended.pushed, requeue_after=again_in)
        return ReconcileResult(project, "synced", note, pushed=ended.pushed, requeue_after=again_in)

    def _failed(self, ended: RolloutResult, wanted: ServingConfig) -> tuple[tuple[int, Attempt], ...]:
        return tuple((each.id, self._attempts.attempt(wanted.project, each.id, wanted.version)) for each in ended.census.failed)

    def _check_training(self, outcome: ReconcileResult, wanted: ServingConfig, ended: RolloutResult) -> ReconcileResult:
        if self._trigger is None:
            return outcome
        look = self._trigger.check(wanted.project, wanted.config, ended.census.rows)
        answers = self._trigger.answers.summary(wanted.project, wanted.config, ended.census.rows)
        tab = self._disputed_tab(wanted.project, answers)
        self._board.set(wanted.project, approvals=look.approvals, answers=answers, newest_approval=look.newest, disputed_tab=tab)
        return replace(outcome, requeue_after=soonest(outcome.requeue_after, look.requeue_after))

    def _disputed_tab(self, project: int, answers: Summary) -> str | None:
        """The tab of what people disagree about; a Label Studio that refuses it costs the visit nothing."""
        assert self._trigger is not None
        try:
            return self._trigger.answers.show_disputed(project, answers.disputed)
        except StudioRefused as error:
            log.warning("no_tab_of_disagreements", project=project, reason=str(error))
            return None

    def _follow(self, project: int, events: Generator[RolloutEvent, None, RolloutResult]) -> RolloutResult:
        """Tell the board and the listener of each event; how far it came."""
        with closing(events):
            while True:
                try:
                    event = next(events)
                except StopIteration as end:
                    return cast("RolloutResult", end.value)
                if isinstance(event, Filled):
                    self._board.set(project, state="backfilling", done=event.done, total=event.total, rate=event.rate)
                elif isinstance(event, NowShown):
                    self._board.set(project, shown=event.version)
                if self._options.listener is not None:
                    self._options.listener(event)

    def _record(self, outcome: ReconcileResult) -> ReconcileResult:
        before = self._board.get(outcome.project)
        self._board.set(outcome.project, state=outcome.state, note=outcome.note, hint=outcome.hint)
        if (before.state, before.note) != (outcome.state, outcome.note):
            log.info("project_" + outcome.state, project=outcome.project, note=outcome.note or None)
        return outcome


def weights_mismatch(entry: ProjectRecord, running: tuple[str, str]) -> WeightsDiffer:
    """What to say when a project was attached with other weights than those that run."""
    return WeightsDiffer(
        f"This project was attached with the weights {' and '.join(entry.weights)}, but {' and '.join(running)} are running.",
        hint="Start the backend with DINOLABEL_DETECTOR_WEIGHTS and DINOLABEL_EMBEDDER_WEIGHTS as they were, "
        "or run `dinolabel attach --project N` to move the project to the running ones.",
    )


def soonest(*seconds: float | None) -> float | None:
    return min((each for each in seconds if each is not None), default=None)
