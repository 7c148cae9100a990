"""The models behind the page: loaded or not yet, one pass at a time, and the picture's pipeline with or without tiles."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import structlog

from dinolabel.app.common.fair_queue import FairSemaphore
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.exported_model import ExportedModel
from dinolabel.vision.errors import DinolabelError, ModelError
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.proposals.tiling import TiledDetector

log = structlog.get_logger(__name__)


class ModelHandle:
    """load: gives the pipeline, or raises why there is none (WeightsMissing …); asked again by `load`, once a person mended it."""

    def __init__(self, load: Callable[[], Pipeline]) -> None:
        self.passes = FairSemaphore()
        self._load = load
        self._pipeline: Pipeline | None = None
        self._tiled: Pipeline | None = None
        self._lock = threading.Lock()
        self.problem: DinolabelError | None = ModelError("The models are not loaded yet.", hint="Wait a moment.")

    @classmethod
    def of(cls, pipeline: Pipeline) -> ModelHandle:
        """Of a pipeline that is ready."""
        sight = cls(lambda: pipeline)
        sight.load()
        return sight

    def load(self) -> bool:
        """Load the models unless they are; whether they are there now. What was wrong is in `problem`."""
        with self._lock:
            if self._pipeline is None:
                try:
                    pipeline = self._load()
                except DinolabelError as error:
                    log.warning("models_not_loaded", error=type(error).__name__, message=str(error))
                    self.problem = error
                    return False
                self._tiled = _with_tiles(pipeline)
                self._pipeline, self.problem = pipeline, None
        return True

    @property
    def package(self) -> ExportedModel | None:
        """Words and names of an exported model, when it is one that answers."""
        return self._pipeline.package if self._pipeline else None

    @property
    def own(self) -> Bundle | None:
        """The head that an exported model brought along."""
        return self._pipeline.bundle if self._pipeline else None

    @property
    def labels(self) -> Mapping[str, str]:
        """phrase -> label of an exported model; empty where phrases are their own labels."""
        return self.package.labels if self.package else {}

    def pipeline(self, *, tiles: bool = False) -> Pipeline:
        """Raises ModelError (or what loading raised) when there is none."""
        pipeline = self._tiled if tiles else self._pipeline
        if pipeline is None:
            raise self.problem or ModelError("The models are not loaded.")
        return pipeline


def _with_tiles(pipeline: Pipeline) -> Pipeline:
    return Pipeline(
        TiledDetector(pipeline.detector),
        pipeline.embedder,
        thresholds=pipeline.thresholds,
        policy=pipeline.policy,
        cache=pipeline.cache,
        batch_size=1,
    )
