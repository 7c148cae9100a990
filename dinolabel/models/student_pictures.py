"""What a student is taught from, of a project of Label Studio: its answered pictures as COCO, and the files of those nobody answered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dinolabel import factory
from dinolabel.projects import sources
from dinolabel.settings import Settings
from dinolabel.vision.errors import MediaError
from dinolabel.vision.progress import Listener, Progress

if TYPE_CHECKING:
    from dinolabel.studio.calls.tasks import TaskRow
    from dinolabel.studio.label_configs.label_config import LabelConfig

LEAST_OTHERS, OTHERS = 72, 2.0  # unanswered pictures that are looked at: so many, or so many times the answered ones


@dataclass(frozen=True)
class ProjectPictures:
    """folder: COCO with links to the pictures. others: files that nobody answered. phrases: phrase -> label. title: the project's."""

    folder: Path
    others: tuple[Path, ...]
    config: LabelConfig
    title: str

    @property
    def phrases(self) -> Mapping[str, str]:
        return self.config.prompt_map


def collect(settings: Settings, number: int, folder: Path, listener: Listener) -> ProjectPictures:
    """Raises StudioError, LabelConfigError, ExportRefused (no picture with an answer)."""
    from dinolabel.exporters import formats
    from dinolabel.exporters.options import ExportOptions

    studio = factory.studio(settings)
    source, project = sources.from_project(settings, number), studio.projects.get(number)
    report = formats.load("coco").export(
        source.tasks, source.config, folder, open_image=source.open, find=source.find,
        wish=ExportOptions(pictures="link", split=False), generic_is_unknown=settings.generic_is_unknown,
        progress=lambda done, total: listener(Progress("Reading answers", done, total)),
    )  # fmt: skip
    rows = [row for row in studio.tasks.list(number) if not row.annotated and not row.cancelled]
    rows.sort(key=lambda row: hashlib.sha256(str(row.id).encode()).digest())
    most = round(max(LEAST_OTHERS, OTHERS * report.images))
    return ProjectPictures(folder, tuple(_files(source, rows[:most], listener)), source.config, project.title)


def _files(source: sources.TaskSource, rows: Sequence[TaskRow], listener: Listener) -> Iterator[Path]:
    for done, row in enumerate(rows):
        listener(Progress("Finding unanswered pictures", done, len(rows)))
        try:
            yield source.find(source.config.picture_in(row.data))
        except MediaError:  # one more or less teaches nothing
            continue
