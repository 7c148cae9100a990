"""Predictions: the bulk import that loses nothing silently, those of a task, deleting one.

Knows the calls; which predictions should be there is reconcile's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from studio.calls.projects import LONG_SECONDS
from studio.calls.tasks import Tasks
from studio.errors import StudioRefused
from studio.wire import Wire

log = structlog.get_logger(__name__)

CHUNK = 200
"""Predictions per request: a chunk is stored in a tenth of a second (measured), and a lost connection costs little."""

Prediction = Mapping[str, Any]


class Predictions:
    wire: Wire

    def import_predictions(self, project: int, predictions: Sequence[Prediction]) -> int:
        """Store predictions ({"task", "result", "score", "model_version"}); returns how many were stored.

        Tasks deleted meanwhile are passed over and logged. Raises StudioRefused, after everything else is stored, when Label Studio dropped
        some without a word, which it does with predictions that do not fit the label config; ``error.tasks`` are theirs.
        """
        stored = expected = 0
        dropped: list[int] = []
        for start in range(0, len(predictions), CHUNK):
            chunk = predictions[start : start + CHUNK]
            created, present = self._import_chunk(project, chunk)
            stored, expected = stored + created, expected + len(present)
            if created < len(present):
                dropped += self._dropped(project, present)
        if stored < expected:
            raise StudioRefused(
                f"Label Studio stored {stored} of {expected} predictions and dropped the others (tasks {', '.join(map(str, dropped))}).",
                hint="They do not fit the label config: was a label or the control removed or renamed? The next round uses the new config.",
                tasks=dropped,
            )
        return stored

    def predictions(self, task: int) -> list[dict[str, Any]]:
        """Every stored prediction of a task, oldest first."""
        found = self.wire.json("GET", "/api/predictions/", params={"task": task})
        return sorted((dict(each) for each in found), key=lambda each: int(each["id"]))

    def delete_prediction(self, prediction: int) -> None:
        self.wire.json("DELETE", f"/api/predictions/{prediction}/")

    def _import_chunk(self, project: int, chunk: Sequence[Prediction]) -> tuple[int, list[Prediction]]:
        """How many were created, and those sent whose task exists. One unknown task refuses a whole request (measured): then halves."""
        try:
            reply = self.wire.json("POST", f"/api/projects/{project}/import/predictions", json=list(chunk), timeout=LONG_SECONDS)
        except StudioRefused as error:
            if error.status != 400:
                raise
            if len(chunk) == 1:
                self._pass_over(project, int(chunk[0]["task"]), error)
                return 0, []
        else:
            return int(reply["created"]), list(chunk)
        middle = len(chunk) // 2
        first, second = self._import_chunk(project, chunk[:middle]), self._import_chunk(project, chunk[middle:])
        return first[0] + second[0], first[1] + second[1]

    def _pass_over(self, project: int, task: int, refusal: StudioRefused) -> None:
        """Only a task that is gone may be passed over; any other refusal is somebody's mistake."""
        try:
            where = self.wire.json("GET", f"/api/tasks/{task}/").get("project")
        except StudioRefused as error:
            if error.status != 404:
                raise
            where = None
        if where == project:
            raise refusal
        log.warning("task_gone", project=project, task=task)

    def _dropped(self, project: int, sent: Sequence[Prediction]) -> list[int]:
        """Tasks of a chunk that do not have the version sent to them. Sending again to find out would store the good ones twice."""
        listing = {row.id: row.versions for row in Tasks.tasks(self, project)}  # type: ignore[arg-type]
        return [int(each["task"]) for each in sent if each["model_version"] not in listing.get(int(each["task"]), frozenset())]
