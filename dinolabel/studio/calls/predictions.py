"""Predictions: the bulk import that loses nothing silently, one alone, those of a task, deleting one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import structlog

from dinolabel.studio.calls.projects import LONG_SECONDS
from dinolabel.studio.calls.tasks import TaskIds, TaskRow, TasksClient
from dinolabel.studio.errors import StudioRefused
from dinolabel.studio.http_client import ApiClient

log = structlog.get_logger(__name__)

CHUNK = 1000
"""Predictions per request. Each request counts anew every task of the project that has a prediction or an annotation, whatever it
holds: 0.85 ms of Label Studio's CPU for each such task, and 1.8 ms for each prediction sent (measured at 1,000 and 5,000 tasks)."""

ATTEMPTS = 3
"""How often a chunk is sent when tasks keep vanishing under our hands."""

Prediction = Mapping[str, Any]


class PredictionsClient:
    """Predictions of tasks."""

    def __init__(self, api: ApiClient, tasks: TasksClient) -> None:
        self.api = api
        self._tasks = tasks

    def import_many(self, project: int, predictions: Sequence[Prediction]) -> int:
        """Store predictions ({"task", "result", "score", "model_version"}); returns how many were stored.

        Tasks deleted meanwhile are passed over and logged. Raises StudioRefused, after everything else is stored, when Label Studio dropped
        some without a word, which it does with predictions that do not fit the label config; ``error.tasks`` are theirs.
        """
        stored = expected = 0
        dropped: TaskIds = []
        for start in range(0, len(predictions), CHUNK):
            chunk = predictions[start : start + CHUNK]
            created, present = self._import_chunk(project, chunk)
            stored, expected = stored + created, expected + len(present)
            if created < len(present):
                dropped += self._missing(project, present)
        if stored < expected:
            raise StudioRefused(
                f"Label Studio stored {stored} of {expected} predictions and dropped the others (tasks {', '.join(map(str, dropped))}).",
                hint="They do not fit the label config: was a label or the control removed or renamed? The next round uses the new config.",
                tasks=dropped,
            )
        return stored

    def create(self, prediction: Prediction) -> int:
        """Store one; its id. 0.04 s, however large the project is. Nothing is judged here: see dinolabel.studio.regions.validation.

        Raises StudioRefused with status 400 when there is no such task.
        """
        return int(self.api.json("POST", "/api/predictions/", json=dict(prediction))["id"])

    def list(self, task: int) -> list[dict[str, Any]]:
        """Every stored prediction of a task, oldest first."""
        found = self.api.json("GET", "/api/predictions/", params={"task": task})
        return sorted((dict(each) for each in found), key=lambda each: int(each["id"]))

    def delete(self, prediction: int) -> None:
        self.api.json("DELETE", f"/api/predictions/{prediction}/")

    def set_result(self, prediction: int, result: Sequence[Mapping[str, Any]], *, task: int, score: float | None = None) -> None:
        """Put other regions into a stored prediction of a task; annotations that began from it keep pointing at it.

        score: another one, too. The task goes along since Label Studio, where it validates predictions, finds the label config by it.
        """
        more = {} if score is None else {"score": score}
        self.api.json("PATCH", f"/api/predictions/{prediction}/", json={"task": task, "result": list(result), **more})

    def _import_chunk(self, project: int, chunk: Sequence[Prediction]) -> tuple[int, Sequence[Prediction]]:
        """How many were created, and those sent whose task exists. One unknown task refuses a whole request (measured)."""
        for _ in range(ATTEMPTS - 1):
            try:
                return self._post(project, chunk), chunk
            except StudioRefused as error:
                present = {row.id for row in self._rows(project, chunk)} if error.status == 400 else set()
                left = [each for each in chunk if int(each["task"]) in present]
                if error.status != 400 or len(left) == len(chunk):
                    raise
            log.warning("tasks_gone", project=project, tasks=sorted({int(each["task"]) for each in chunk} - present))
            chunk = left
            if not chunk:
                return 0, []
        return self._post(project, chunk), chunk

    def _post(self, project: int, chunk: Sequence[Prediction]) -> int:
        reply = self.api.json("POST", f"/api/projects/{project}/import/predictions", json=list(chunk), timeout=LONG_SECONDS)
        return int(reply["created"])

    def _missing(self, project: int, sent: Sequence[Prediction]) -> TaskIds:
        """Tasks of a chunk that do not have the version sent to them. Sending again to find out would store the good ones twice."""
        versions = {row.id: row.versions for row in self._rows(project, sent)}
        return [int(each["task"]) for each in sent if each["model_version"] not in versions.get(int(each["task"]), frozenset())]

    def _rows(self, project: int, chunk: Sequence[Prediction]) -> Iterator[TaskRow]:
        return self._tasks.list(project, only=[int(each["task"]) for each in chunk])
