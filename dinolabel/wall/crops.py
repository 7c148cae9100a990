"""Crops of a project's wall: every box that a prediction or a person has in its tasks, with its embedding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from dinolabel.studio.regions.reading import read
from dinolabel.studio.reviews.annotations import is_made_by_button, is_named_by_group
from dinolabel.studio.reviews.verdicts import scale_box
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.errors import DinolabelError, MediaError
from dinolabel.vision.types import Box, Embeddings, Image
from dinolabel.wall.journal import CropKey, Place

if TYPE_CHECKING:
    from dinolabel.studio.label_configs.label_config import LabelConfig
    from dinolabel.studio.media.resolver import MediaResolver
    from dinolabel.vision.pipeline import Pipeline

log = structlog.get_logger(__name__)
Json = Mapping[str, Any]
SAME_OBJECT = 0.5


@dataclass(frozen=True, slots=True)
class WallCrop:
    """A box on the wall. label: as Label Studio shows it. box: pixels of the upright picture of width x height.

    score: of the prediction, None for a person's box. taken: a person submitted this box in the editor, so the wall changes nothing of it.
    region_of_studio: whether Label Studio has it; else it is a candidate that was too unsure to be shown.
    """

    task: int
    region: str
    label: str | None
    box: Box
    width: int
    height: int
    score: float | None
    taken: bool
    region_of_studio: bool = True

    @property
    def key(self) -> CropKey:
        return self.task, self.region

    @property
    def place(self) -> Place:
        """Its box as shares of the picture."""
        return self.box.x1 / self.width, self.box.y1 / self.height, self.box.x2 / self.width, self.box.y2 / self.height


@dataclass(frozen=True, slots=True)
class WallTask:
    """A task with its crops. begun: why the wall may not write to it; "" where it may."""

    id: int
    data: Json = field(hash=False)
    crops: tuple[WallCrop, ...]
    begun: str = ""


def read_task(task: Json, config: LabelConfig, version: str) -> WallTask:
    """The crops of a task's JSON (`dinolabel.studio`'s `task_bodies`): of people's annotations, else of the version's prediction."""
    annotations = [each for each in task.get("annotations") or () if not each.get("was_cancelled")]
    own = [each for each in annotations if is_named_by_group(each)]
    people = [each for each in annotations if not is_named_by_group(each) and not is_made_by_button(each, task)]
    predictions = [each for each in task.get("predictions") or () if each.get("model_version") == version]
    number = int(task["id"])
    if people:
        crops = tuple(crop for each in people for crop in _crops(number, each.get("result"), config, taken=True))
        return WallTask(number, task.get("data") or {}, crops, "a person submitted it")
    source = predictions[-1:] or own[-1:]
    crops = tuple(crop for each in source for crop in _crops(number, each.get("result"), config, taken=False))
    return WallTask(number, task.get("data") or {}, crops, _begun(task, annotations, own))


def _begun(task: Json, annotations: Sequence[Json], own: Sequence[Json]) -> str:
    if any(each.get("was_cancelled") for each in task.get("annotations") or ()):
        return "a person skipped it"
    if len(annotations) > len(own):
        return "it was accepted by a button"
    drafts = [each for each in task.get("drafts") or () if isinstance(each, Mapping)]
    return "a person has a draft of it" if any(not is_named_by_group(each) for each in drafts) else ""


def _crops(task: int, result: Any, config: LabelConfig, *, taken: bool) -> Iterator[WallCrop]:
    for region, entry in read(result, config).boxes:
        if region.percent is None:  # else nobody wrote the picture's size down, so its box has no pixels yet
            identity = str(entry.get("id") or region.id)
            yield WallCrop(task, identity, region.label, region.box, region.width, region.height, region.score, taken)


class CropImages:
    """Opens the pictures behind crops and embeds them, from the caches where it can."""

    def __init__(self, media: MediaResolver, pipeline: Pipeline, config: LabelConfig) -> None:
        self._media = media
        self._pipeline = pipeline
        self._config = config

    def open(self, task: WallTask) -> Image:
        """Raises MediaError."""
        return open_image(self._media.resolve(self._config.picture_in(task.data), task=task.id))

    def embed(self, task: WallTask) -> Embeddings:
        """(N, D) unit rows, one per crop of the task. Raises MediaError, also when a box lies outside its picture."""
        image = self.open(task)
        return self._pipeline.embed(image, [self.box_on(each, image) for each in task.crops], chosen=self._config.embedder)

    def unsure(self, task: WallTask, below: float) -> tuple[WallCrop, ...]:
        """Boxes of at least that score that Label Studio does not show, where none of the task's lies. Raises MediaError."""
        image = self.open(task)
        (found,) = self._pipeline.candidates([image], self._config.prompt)
        known = [self.box_on(each, image) for each in task.crops]
        made = []
        for number, each in enumerate(sorted(found, key=lambda one: -one.score)):
            if each.score >= below and all(each.box.iou(box) < SAME_OBJECT for box in known):
                known.append(each.box)
                made.append(WallCrop(task.id, f"candidate {number}", None, each.box, image.width, image.height, each.score, False, False))
        return tuple(made)

    def box_on(self, crop: WallCrop, image: Image) -> Box:
        """The crop's box on the picture as it is now: boxes are shares of it, whatever size was written beside them."""
        moved = scale_box(crop.box, image.width / crop.width, image.height / crop.height).clip(image.width, image.height)
        if moved is None:
            raise MediaError(f"A box of task {crop.task} lies outside its picture.", hint="Open the task and draw it again.")
        return moved.quantise()


def embed_tasks(
    tasks: Iterable[WallTask], images: CropImages, progress: Callable[[int], None] = lambda done: None
) -> tuple[list[WallCrop], Embeddings, dict[int, str]]:
    """All crops that can be seen, their (N, D) unit rows, and why the others cannot: task -> words. One bad picture costs only its own."""
    crops: list[WallCrop] = []
    rows: list[Embeddings] = []
    failed: dict[int, str] = {}
    for done, task in enumerate(tasks, 1):
        if task.crops:
            try:
                rows.append(images.embed(task))
                crops += task.crops
            except DinolabelError as error:
                log.warning("wall_picture_failed", task=task.id, error=type(error).__name__, why=str(error))
                failed[task.id] = str(error)
        progress(done)
    return crops, np.concatenate(rows) if rows else np.zeros((0, 1), np.float32), failed
