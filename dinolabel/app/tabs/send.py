"""Send what was found to Label Studio, for a person to correct there: a task with the picture, a prediction with the boxes.

It adds, and changes nothing that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from dinolabel.studio.client import LabelStudio, Project
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.validation import validate_prediction
from dinolabel.studio.regions.writing import to_prediction, to_result
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.model_version import model_version
from dinolabel.vision.errors import RequestError
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.types import Detection, Image, Thresholds

log = structlog.get_logger(__name__)


class Sender:
    """studio: where to; chosen by the settings, never by a request. config_of: what a project wants."""

    def __init__(
        self, studio: LabelStudio, config_of: Callable[[Project], LabelConfig] = lambda project: LabelConfig.parse(project.label_config)
    ) -> None:
        self._studio, self._config_of = studio, config_of

    def projects(self) -> list[tuple[str, int]]:
        """(words, id) of every project the token may see, newest first. Raises StudioError."""
        return [(f"{each.title} · {each.id}", each.id) for each in reversed(self._studio.projects.list())]

    def send(
        self, path: str, image: Image, detections: Sequence[Detection], *, project: int, pipeline: Pipeline, thresholds: Thresholds,
        bundle: Bundle | None = None,
    ) -> str:  # fmt: skip
        """Upload the picture as a new task of the project and store the boxes as its prediction; the answer is the task's address.

        Raises StudioError, LabelConfigError, and RequestError when none of the boxes has a label in that project.
        """
        there = self._studio.projects.get(project)
        config = self._config_of(there)
        if detections and not any(config.label_for(each) for each in detections):
            phrases = ", ".join(sorted({each.phrase for each in detections}))
            raise RequestError(
                f"Project {project} has no label for {phrases}.",
                hint=f"It looks for: {', '.join(config.prompt_map)}. Use these words, or add predicted_values to a label there.",
            )
        version = model_version(
            detector=pipeline.detector,
            prompt_map=config.prompt_map,
            thresholds=thresholds,
            live_labels=config.labels,
            policy=pipeline.policy_for(bundle),
            bundle=bundle,
            embedder_name=pipeline.embedder.name if pipeline.embedder and not (bundle and bundle.goes_along) else None,
        )
        (task,) = self._studio.tasks.upload_images(project, [Path(path)])
        result = to_result(detections, config, width=image.width, height=image.height, task=task, version=version)
        made = to_prediction(task, result, version)
        if said := validate_prediction(there.label_config, made):
            raise RequestError(f"Label Studio would not store it: {said[0]}")
        self._studio.predictions.create(made)  # an import of one would count every task of the project anew
        log.info("sent_to_studio", project=project, task=task, boxes=len(result))
        return f"{self._studio.url}/projects/{project}/data?task={task}"
