"""Sync of the wall to Label Studio: an annotation where every box of a task is decided, else the prediction with the new names."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from dinolabel.studio.errors import StudioRefused
from dinolabel.studio.regions.notes import find_note, read_notes, write_notes
from dinolabel.studio.reviews.annotations import GROUPED, is_named_by_group
from dinolabel.vision.errors import StudioError
from dinolabel.wall.crops import read_task
from dinolabel.wall.journal import Answer, CropKey, CropState, Journal

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio
    from dinolabel.studio.label_configs.label_config import LabelConfig

log = structlog.get_logger(__name__)
Json = Mapping[str, Any]
WAS = "; before: "
AGAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """waiting: tasks that Label Studio does not know about yet. trouble: why, "" when all is well. left: task -> why it is left alone."""

    waiting: int
    trouble: str
    left: Mapping[int, str] = field(hash=False)


class StudioSync:
    """Tells Label Studio of answers, a task at a time, from a thread of its own; what could not be told is tried again.

    version: of the predictions on the wall. Answers are in the journal before they come here, so that nothing is lost when this ends.
    """

    def __init__(self, studio: LabelStudio, project: int, config: LabelConfig, version: str, journal: Journal) -> None:
        self._studio = studio
        self._project = project
        self._version = version
        self._journal = journal
        self.config = config
        self._tasks: deque[int] = deque()
        self._left: dict[int, str] = {}
        self._trouble = ""
        self._changed = threading.Condition()
        self._stopped = False
        self._busy = False
        self._thread = threading.Thread(target=self._run, name="wall-sync", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Tell what waits, for so long, and end."""
        self.wait(seconds)
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(seconds)

    def put(self, tasks: Iterable[int]) -> None:
        """Let Label Studio know of these tasks' answers."""
        with self._changed:
            waiting = set(self._tasks)
            self._tasks.extend(each for each in dict.fromkeys(tasks) if each not in waiting)
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Until Label Studio knows everything; False when that took longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._tasks and not self._busy, seconds)

    def status(self) -> SyncStatus:
        with self._changed:
            return SyncStatus(len(self._tasks) + self._busy, self._trouble, dict(self._left))

    def _run(self) -> None:
        while (task := self._next()) is not None:
            trouble = self._tell(task)
            with self._changed:
                self._busy = False
                self._trouble = trouble
                if trouble:
                    self._tasks.append(task)
                    self._changed.wait_for(lambda: self._stopped, AGAIN_SECONDS)
                self._changed.notify_all()

    def _next(self) -> int | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or bool(self._tasks))
            if self._stopped:
                return None
            self._busy = True
            return self._tasks.popleft()

    def _tell(self, task: int) -> str:
        """Why it could not be done now; "" when it is done or never can be."""
        try:
            left = self._write(task)
        except StudioRefused as error:
            if error.status is None or error.status >= 500 or error.status == 429:
                return str(error)
            left = "it is gone from Label Studio" if error.status == 404 else str(error)
        except StudioError as error:
            return str(error)
        if left:
            log.info("wall_task_left", project=self._project, task=task, why=left)
            self._left[task] = left
        else:
            self._left.pop(task, None)
        return ""

    def _write(self, task: int) -> str:
        body = self._studio.tasks.get(task)
        found = read_task(body, self.config, self._version)
        if found.begun:
            return found.begun
        own = [each for each in body.get("annotations") or () if is_named_by_group(each)]
        predictions = [each for each in body.get("predictions") or () if each.get("model_version") == self._version]
        if not predictions:
            return "its prediction is gone" if not own else ""
        prediction, states = predictions[-1], self._journal.states()
        decided = {each.key: state.decision for each in found.crops if (state := states.get(each.key)) and state.decision}
        whole = len(decided) == len(found.crops) and all(each.kind in ("name", "no object") for each in decided.values())
        result = annotation_result(task, prediction["result"], decided) if whole else []
        self._annotate(task, result, own, int(prediction["id"]))
        shown = prediction_result(task, prediction["result"], states)
        if shown != prediction["result"]:
            self._studio.predictions.set_result(int(prediction["id"]), shown, task=task)
        return ""

    def _annotate(self, task: int, result: Sequence[Json], own: Sequence[Json], prediction: int) -> None:
        """Let the task have one annotation of the wall's with this result; none when it is empty, which would say that nothing is there."""
        keep = [each for each in own if result and each["result"] == list(result)][:1]
        for each in own:
            if each not in keep:
                self._studio.annotations.delete(int(each["id"]))
        if result and not keep:
            made = self._studio.annotations.create(task, result, lead_time=None, parent_prediction=prediction)
            others = [each for each in self._studio.tasks.get(task).get("annotations") or () if each["id"] != made["id"]]
            if any(not is_named_by_group(each) for each in others):  # a person submitted in the same moment, and theirs counts
                self._studio.annotations.delete(int(made["id"]))


def annotation_result(task: int, result: Iterable[Json], decided: Mapping[CropKey, Answer]) -> list[dict[str, Any]]:
    """The regions of the wall's annotation: each named by people, with an origin and our mark; what is no object is left out."""
    made = []
    for region in result:
        answer = decided[task, str(region["id"])]
        if answer.kind == "name":
            origin = "prediction" if _label_before(region) == answer.name else "prediction-changed"
            made.append({**_named(region, answer.name, _note(answer)), "origin": origin})
    return made


def prediction_result(task: int, result: Iterable[Json], states: Mapping[CropKey, CropState]) -> list[dict[str, Any]]:
    """The regions of a prediction with the names that people gave on the wall; those that were taken back as they were before."""
    shown = []
    for region in result:
        state = states.get((task, str(region.get("id"))))
        answer = state.decision if state else None
        before = _label_before(region)
        if answer is not None and answer.kind == "name":
            shown.append(_named(region, answer.name, f"{_note(answer)}{WAS}{before}"))
        else:
            shown.append(dict(region) if find_note(region, GROUPED) is None else _named(region, before, ""))
    return shown


def _note(answer: Answer) -> str:
    page = f", page {answer.page}" if answer.page else ""
    return f"{GROUPED}: by {answer.who}, {answer.at}{page}"


def _label_before(region: Json) -> str:
    """The label that the model gave, whatever the wall has named it since."""
    note = find_note(region, GROUPED)
    return note.rpartition(WAS)[2] if note is not None else str(next(iter(region["value"].get("rectanglelabels") or ()), ""))


def _named(region: Json, label: str, note: str) -> dict[str, Any]:
    notes = [each for each in read_notes(region) if not each.startswith(GROUPED)]
    texts = write_notes([*notes, *([note] if note else [])])
    named = {**region, "value": {**region["value"], "rectanglelabels": [label] if label else []}}
    meta = region.get("meta") if isinstance(region.get("meta"), Mapping) else {}
    return {**named, "meta": {**(meta or {}), "text": texts}}
