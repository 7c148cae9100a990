"""Opens the wall of a project: its crops and their embeddings, the journal, and the sync to Label Studio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dinolabel.vision.errors import MediaError, RequestError
from dinolabel.wall.crops import CropImages, WallCrop, WallTask, embed_tasks, read_task
from dinolabel.wall.journal import Journal
from dinolabel.wall.names import NameList
from dinolabel.wall.server import WallServices
from dinolabel.wall.studio_sync import StudioSync
from dinolabel.wall.thumbnails import ThumbnailCache
from dinolabel.wall.wall import Wall

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio
    from dinolabel.studio.label_configs.label_config import LabelConfig
    from dinolabel.studio.media.resolver import MediaResolver
    from dinolabel.vision.pipeline import Pipeline
    from dinolabel.vision.types import Box, Image

Progress = Callable[[str, int, int], None]
"""What is done (words), how many, of how many; 0 where that is not known."""


@dataclass(frozen=True)
class WallSources:
    """What a wall is made from. config: reads the project's label config as it is now. folder: where its answers are kept."""

    studio: LabelStudio
    project: int
    config: Callable[[], LabelConfig]
    media: MediaResolver
    pipeline: Pipeline
    folder: Path


@dataclass(frozen=True)
class ProjectCrops:
    """What of a project can hang on a wall. version: of the predictions that Label Studio shows."""

    tasks: dict[int, WallTask]
    crops: list[WallCrop]
    wall: Wall
    images: CropImages
    config: LabelConfig
    version: str
    failed: dict[int, str]

    def load(self, at: int) -> tuple[Image, Box]:
        """A crop's picture and its box on it. Raises MediaError."""
        crop = self.crops[at]
        image = self.images.open(self.tasks[crop.task])
        return image, self.images.box_on(crop, image)


def read_project(sources: WallSources, progress: Progress, below: float | None = None) -> ProjectCrops:
    """Every crop of a project with its embedding, from the caches where they have it. Raises RequestError where it has no box.

    below: boxes from this score on that Label Studio does not show count, too.
    """
    number, config = sources.project, sources.config()
    version = sources.studio.projects.get(number).model_version or ""
    tasks = {}
    for body in sources.studio.projects.task_bodies(number):
        task = read_task(body, config, version)
        tasks[task.id] = task
        progress("Reading", len(tasks), 0)
    if not any(each.crops for each in tasks.values()):
        hint = f"Let the detector look first: dinolabel preannotate --project {number}"
        raise RequestError(f"Project {number} has no boxes yet.", hint=hint)
    images = CropImages(sources.media, sources.pipeline, config)
    if below is not None:
        for task in tasks.values():
            with suppress(MediaError):  # said of it when its crops are embedded
                tasks[task.id] = replace(task, crops=(*task.crops, *images.unsure(task, below)))
    crops, rows, failed = embed_tasks(tasks.values(), images, lambda done: progress("Looking", done, len(tasks)))
    if not crops:
        raise RequestError("No picture of the project can be read.", hint=next(iter(failed.values()), ""))
    wall = Wall(crops, rows, Journal(sources.folder / "answers.jsonl"), frozenset(config.generic))
    return ProjectCrops(tasks, crops, wall, images, config, version, failed)


@contextmanager
def open_wall(sources: WallSources, progress: Progress) -> Iterator[WallServices]:
    """The wall of a project, whose answers reach Label Studio while the block runs and, at its end, before it is left."""
    found, studio, number = read_project(sources, progress), sources.studio, sources.project
    sync = StudioSync(studio, number, found.config, found.version, found.wall.journal)

    def take_config(config: LabelConfig) -> None:
        sync.config = config

    names = NameList(studio, number, sources.config, take_config)
    sync.start()
    sync.put(dict.fromkeys(task for task, _ in found.wall.states()))  # what an earlier end, or a new model version, left undone
    try:
        yield WallServices(
            found.wall,
            sync,
            names,
            ThumbnailCache(sources.pipeline.policy),
            found.load,
            title=studio.projects.get(number).title,
            who=f"wall ({studio.users.whoami()['email']})",  # there is no login here, so the token's owner
            task_url=f"{studio.url}/projects/{number}/data?task={{task}}",
            failed=found.failed,
        )
    finally:
        sync.stop()
