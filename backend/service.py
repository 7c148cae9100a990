"""What the backend can be asked to do, as plain calls: answer, note, train, tell. Routes call it, and so do commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import structlog

from dinolabel.backend import desired_version
from dinolabel.backend.answers import NOT_YET, PredictAnswer, StoredAnswer
from dinolabel.backend.errors import ProjectUnknown
from dinolabel.backend.http.detect_endpoint import DetectEndpoint
from dinolabel.backend.inference.inference_queue import MOST_REQUESTS, MOST_WAITING, InferenceQueue
from dinolabel.backend.inference.interactive import InteractivePrompts
from dinolabel.backend.inference.predictor import BackgroundPredictor, Deadlines, Failure, Prediction, Predictor
from dinolabel.backend.inference.serving_config import ServingConfig, ServingConfigs
from dinolabel.backend.jobs.runner import JobRunner
from dinolabel.backend.jobs.table import Job
from dinolabel.backend.jobs.train_trigger import QUIET_SECONDS, TrainTrigger
from dinolabel.backend.observability.metrics import Metrics
from dinolabel.backend.observability.snapshot import Snapshot
from dinolabel.backend.payloads import PredictRequest, SetupRequest, WebhookEvent
from dinolabel.backend.project_status import ProjectState
from dinolabel.backend.reconciler.loop import ReconcileLoop
from dinolabel.backend.reconciler.reconciler import ReconcileOptions, Reconciler, ReconcileResult, weights_mismatch
from dinolabel.backend.reconciler.rollout import RolloutEvent
from dinolabel.studio.errors import StudioDenied
from dinolabel.studio.label_configs.edit import add_prompt, add_prompt_beside, set_thresholds
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.label_configs.prompt_field import TypedPrompt
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio
    from dinolabel.studio.media.resolver import MediaResolver
    from dinolabel.vision.pipeline import Pipeline

log = structlog.get_logger(__name__)

MOST_LIVE = 1000
"""Projects remembered that nobody attached and that Label Studio asks about all the same: so they can be trained."""
WORK = ("TASKS_CREATED", "TASKS_DELETED", "PROJECT_UPDATED")
"""Events after which there may be something to do, besides those of annotations. Those of predictions are our own writes' echo."""


@dataclass(frozen=True, slots=True)
class RunningModels:
    """What is on, for /health and the page: names people know the weights by, where they run and how precisely. engine: how the
    detector computes, where it can in several ways (DINOLABEL_ENGINE); else empty."""

    detector: str
    embedder: str
    device: str
    precision: str
    engine: str = ""

    @classmethod
    def of(cls, pipeline: Pipeline) -> RunningModels:
        detector, embedder = pipeline.detector, pipeline.embedder
        known = embedder.weights if embedder else "none"
        return cls(detector.weights, known, detector.device, detector.precision, getattr(detector, "engine", ""))


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """weights: detector's and embedder's, as named in the settings. train_after: approvals that start a training; 0: none does.

    judged_pictures: with how many pictures a name can be judged, for the page; None when it is not said. most_requests: at the models.
    release: ours.
    """

    weights: tuple[str, str]
    poll_seconds: float = 60.0
    train_after: int = 20
    judged_pictures: int | None = None
    grace_seconds: float = 300.0
    quiet_seconds: float = QUIET_SECONDS
    deadlines: Deadlines = field(default_factory=Deadlines)
    most_requests: int = MOST_REQUESTS
    release: str = ""
    listener: Callable[[RolloutEvent], object] | None = None


class Service:
    """studio None: no token, Label Studio asks and nothing is pushed."""

    def __init__(
        self,
        studio: LabelStudio | None,
        media: MediaResolver,
        pipeline: Pipeline,
        state: ProjectState,
        jobs: JobRunner,
        options: ServiceOptions,
    ) -> None:
        self.studio, self.jobs, self.options = studio, jobs, options
        self.store, self.projects, self.board, self._people = state.store, state.projects, state.board, state.people
        self.meters, self.running = Metrics(), RunningModels.of(pipeline)
        self.train_after, self.judged_pictures = options.train_after, options.judged_pictures
        self.model = pipeline.package if studio is None else None
        self.thresholds, self.known = pipeline.thresholds, pipeline.bundle.labels if pipeline.bundle else ()
        self._weights = options.weights
        self._recipes = ServingConfigs(pipeline, state.store, state.projects.roles)
        most = max(MOST_WAITING, 2 * pipeline.batch_size)  # a pass under way and one behind it
        self.queue = InferenceQueue(pipeline, most_images=most, most_requests=options.most_requests)
        self._live: set[int] = set()
        self._predictor = predictor = Predictor(media, self.queue, options.deadlines)
        self._measure(pipeline)
        self._later = BackgroundPredictor(predictor)
        self.typing = InteractivePrompts(predictor)
        self.detection = DetectEndpoint(self.queue, media, self._live_config)
        trigger = None
        if studio is not None:
            trigger = TrainTrigger(studio, state.store, jobs, train_after=options.train_after, quiet_seconds=options.quiet_seconds)
        visits = ReconcileOptions(options.weights, options.grace_seconds, listener=options.listener)
        self._reconciler = Reconciler(studio, predictor, self._recipes, state, trigger, visits)
        self._rounds = ReconcileLoop(self._reconciler, state, poll_seconds=options.poll_seconds, stopping=visits.stopping)
        jobs.on_end = self._job_ended

    def _measure(self, pipeline: Pipeline) -> None:
        pipeline.stage, self._predictor.on_answer = self.meters.stage, self.meters.boxes_answered
        build = {"version": self.options.release, **asdict(self.running)}
        self.meters.watch(Snapshot(self.queue, self.jobs, pipeline.cache, self.projects.path.parent, build))

    def start(self) -> None:
        """Begin to reconcile and to run jobs, in threads of this process."""
        self.jobs.start()
        self._rounds.start()

    def stop(self) -> bool:
        """End all of it, running jobs with their process groups included: what waits for the models is answered that it is not done.

        False when a pass of the models has not ended.
        """
        self._rounds.stop(0)
        self.jobs.stop(0)
        ended = self.queue.stop()
        self._later.stop()
        self._rounds.stop()
        self.jobs.stop()
        return ended

    def setup(self, asked: SetupRequest) -> str:
        """The model_version that predictions carry now. From memory and the store; touches no model, lock or network."""
        return self._serving_config(asked.project, asked.label_config).version

    def predict(self, asked: PredictRequest) -> PredictAnswer:
        """/predict's reply: one result per task, in order, `{}` for what is not ready. Raises LabelConfigError, ModelError."""
        if (typed := TypedPrompt.of(asked.context)) is not None:
            answer = self.typing.answer(typed, asked.project, lambda: self._serving_config(asked.project, asked.label_config), asked.tasks)
            return {"results": [answer] * len(asked.tasks), "model_version": answer["model_version"]}
        recipe = self._serving_config(asked.project, asked.label_config)
        with self.meters.predict_seconds.time():
            answers = self._predictor.predict(recipe, asked.tasks, fresh=asked.interactive)
        self.board.add_suppressed(asked.project, sum(each.suppressed for each in answers if isinstance(each, Prediction)))
        self._count_late(recipe, asked, answers)
        return {"results": [_result(recipe, each) for each in answers], "model_version": recipe.version}

    def set_prompt(self, project: int, words: str, *, box: float | None = None, text: float | None = None) -> None:
        """Make a typed prompt the project's: it looks for the words from now on. Raises StudioError, LabelConfigError.

        Where words were said beside its label config, that stays as it is: words and thresholds are kept beside it, too.
        """
        if self.studio is None:
            raise StudioDenied("Without a token of Label Studio no label config can be changed.")
        xml = self.studio.projects.get(project).label_config
        if (roles := self.projects.roles(project)) is not None and roles.names_labels:
            more = add_prompt_beside(roles, LabelConfig.parse(xml, roles=roles), words)
            self.projects.update(project, roles=more.with_thresholds(box=box, text=text))
        else:
            self.studio.projects.set_label_config(project, set_thresholds(add_prompt(xml, words), box=box, text=text))
        self.typing.forget(project, words)
        self._rounds.enqueue(project)

    def event(self, event: WebhookEvent) -> bool:
        """Note what happened and wake whoever looks after it; True when there may be work in it. Milliseconds."""
        if event.project is None:
            return False
        if not self._is_work(event):
            return False
        if event.action == "START_TRAINING":
            self.train(event.project, why="Start training in Label Studio")
            return True
        if event.action.startswith("ANNOTATION"):
            self._people.note(event.project)
        self._rounds.enqueue(event.project)
        return True

    def train(self, project: int, *, why: str) -> str:
        """Enqueue a training, whatever was counted; the id of its job, or of the one already on its way. Raises ProjectUnknown."""
        if not self._is_known(project):
            raise ProjectUnknown(f"Project {project} is not attached, and Label Studio never asked for its boxes.")
        return self.jobs.train(project, why=why, until=self.board.get(project).newest_approval)

    def reconcile(self, project: int, *, seconds: float = 20.0) -> ReconcileResult:
        """One visit, now, in the caller's thread. Raises StudioError."""
        return self._reconciler.reconcile(project, seconds=seconds)

    def wake(self, project: int | None = None) -> None:
        self._rounds.enqueue(project)

    def versions(self, project: int | None = None) -> list[str]:
        """model_versions we pushed, the one shown last at the end; of all projects when none is named."""
        entries = [each for each in self.projects.all() if project in (None, each.project)]
        return list(dict.fromkeys(version for entry in entries for version in entry.versions))

    def _serving_config(self, project: int, label_config: str) -> ServingConfig:
        """What is answered with now. Nobody switches a project we do not push to, so there it is what is wanted."""
        entry = self.projects.get(project)
        if entry is None and len(self._live) < MOST_LIVE:
            self._live.add(project)
        if entry is not None and entry.weights != self._weights:
            raise weights_mismatch(entry, self._weights)
        pushed = entry is not None and self.studio is not None
        asked = self.store.desired(str(project)) if entry is None else desired_version.desired_bundle(entry, self.store)
        bundle = self.store.current(str(project)) if pushed else asked
        return self._recipes.build(project, label_config, bundle, current=pushed)

    def _live_config(self, project: int) -> ServingConfig:
        """As Label Studio shows the project now. Raises RequestError without a Label Studio, StudioError when it cannot be asked."""
        known = self._reconciler.label_configs.get(project)
        if known is None and self.studio is None:
            raise RequestError("This backend is joined to no Label Studio, so it has no projects.", hint="Send a prompt instead.")
        return self._serving_config(project, known if known is not None else self.studio.projects.get(project).label_config)  # type: ignore[union-attr]

    def _count_late(self, recipe: ServingConfig, asked: PredictRequest, answers: Sequence[Prediction | Failure | None]) -> None:
        missing = [task for task, answer in zip(asked.tasks, answers, strict=True) if answer is None]
        failed = sum(isinstance(each, Failure) for each in answers)
        for outcome, count in (("late", len(missing)), ("failed", failed), ("ready", len(answers) - len(missing) - failed)):
            self.meters.predictions.labels(outcome).inc(count)
        if not missing:
            return
        log.info("predict_late", project=asked.project, missing=len(missing), tasks=len(answers))
        if self.studio is not None and self.projects.get(asked.project) is not None:
            self._rounds.enqueue(asked.project)
        else:
            self._later.submit(recipe, missing)

    def _is_known(self, project: int) -> bool:
        """Whether it is attached, or is answered live: Label Studio asked for its boxes, or it was trained before."""
        return project in self._live or self.projects.get(project) is not None or self.store.desired(str(project)) is not None

    def _is_work(self, event: WebhookEvent) -> bool:
        if event.project is None:
            return False
        if event.action == "START_TRAINING":
            return self._is_known(event.project)
        if self.projects.get(event.project) is None:
            return False
        if event.action == "PROJECT_UPDATED" and event.label_config is not None:
            # Our own PATCH of model_version comes back as this event: only a changed label config is work.
            return event.label_config != self._reconciler.label_configs.get(event.project)
        return event.action in WORK or event.action.startswith("ANNOTATION")

    def _job_ended(self, job: Job, cause: str) -> None:
        self.meters.job_ended(job, cause)
        self._rounds.enqueue(job.project)


def _result(recipe: ServingConfig, answer: Prediction | Failure | None) -> StoredAnswer:
    if not isinstance(answer, Prediction):
        return NOT_YET
    return {"result": answer.stored["result"], "score": answer.stored["score"], "model_version": recipe.version}
