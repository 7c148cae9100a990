"""Predictions of pictures that an earlier version decoded to other pixels (turned, dark, another page), made anew: once for each project.

Their model version does not tell: it names what decides the answers, and the rules of decoding changed for a few pictures only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from dinolabel.backend.inference.predictor import Prediction, PredictionJob, Predictor
from dinolabel.backend.inference.serving_config import ServingConfig
from dinolabel.backend.project_registry import ProjectRegistry
from dinolabel.studio.errors import StudioRefused
from dinolabel.vision.decoding.pictures import RULES
from dinolabel.vision.errors import MediaError, MediaUnavailable

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio, TaskRow

log = structlog.get_logger(__name__)

CHUNK = 8  # pictures looked at between two looks at the clock


class Redecoding:
    """Goes through a project that was filled by other rules than RULES, and notes in its record when that is done."""

    def __init__(
        self, studio: LabelStudio, predictor: Predictor, projects: ProjectRegistry, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._studio, self._predictor, self._projects, self._clock = studio, predictor, projects, clock
        self._looked: dict[int, set[int]] = {}
        self._missed: set[int] = set()

    def run(self, wanted: ServingConfig, rows: Sequence[TaskRow], seconds: float, stopped: Callable[[], bool]) -> bool:
        """Whether nothing is left to do for now. What somebody has begun or answered is left: it came from the prediction as it is.

        A picture that cannot be had now is looked at again after the next start.
        """
        entry, project = self._projects.get(wanted.project), wanted.project
        if entry is None or entry.decoding == RULES or project in self._missed:
            return True
        looked, end = self._looked.setdefault(project, set()), self._clock() + seconds
        free = [each for each in rows if not (each.annotated or each.cancelled or each.drafted)]
        due = [each for each in free if wanted.version in each.versions and each.id not in looked]
        complete = True
        for start in range(0, len(due), CHUNK):
            if stopped() or (start and self._clock() > end):
                return False
            chunk = due[start : start + CHUNK]
            complete = self._look(wanted, chunk, stopped) and complete
            looked.update(each.id for each in chunk)
        if complete and not stopped():
            self._projects.update(project, decoding=RULES)
        elif not complete:
            self._missed.add(project)
        self._looked.pop(project, None)
        return True

    def _look(self, wanted: ServingConfig, rows: Sequence[TaskRow], stopped: Callable[[], bool]) -> bool:
        """Make those anew whose picture is decoded otherwise; whether all could be had."""
        changed, complete = [], True
        for row in rows:
            try:
                changed += [row] if self._predictor.open_image(wanted, row).decoding else []
            except MediaUnavailable:
                complete = False
            except MediaError:
                continue  # it has no prediction that could be of other pixels, or nobody sees it
        for made in self._predictor.predictions(PredictionJob(wanted, cancelled=stopped), changed):
            if isinstance(made, Prediction):
                self._replace(made, wanted.version)
        return complete

    def _replace(self, made: Prediction, version: str) -> None:
        try:
            for stored in self._studio.predictions.list(made.task):
                if stored.get("model_version") == version and stored.get("result") != made.stored["result"]:
                    self._studio.predictions.set_result(
                        int(stored["id"]), made.stored["result"], task=made.task, score=made.stored["score"]
                    )
                    log.info("decoded_anew", task=made.task, version=version)
        except StudioRefused as error:
            if error.status != 404:  # else deleted meanwhile, by whoever may
                raise
