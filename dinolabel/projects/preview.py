"""A look before a project is filled: twenty of its pictures with the boxes they would get, how long the rest takes, and how much disk."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dinolabel import pages
from dinolabel.vision.errors import DinolabelError

if TYPE_CHECKING:
    from dinolabel.backend.inference.serving_config import ServingConfig
    from dinolabel.studio.client import LabelStudio, TaskRow
    from dinolabel.studio.media.resolver import MediaResolver
    from dinolabel.vision.pipeline import Pipeline
    from dinolabel.vision.types import Detection, Image, Pixels

TEMPLATE = Path(__file__).with_name("preview.html")
COUNT, COLUMNS = 20, 5


@dataclass(frozen=True, slots=True)
class PreviewImage:
    """One picture. boxes: how many of each label. error: why there is none."""

    task: int
    boxes: Counter[str] = field(default_factory=Counter)
    cell: Pixels | None = field(default=None, repr=False)
    error: str = ""

    @property
    def caption(self) -> str:
        return self.error or ", ".join(f"{count} {label}" for label, count in self.boxes.most_common()) or "no box"


@dataclass(frozen=True, slots=True)
class Preview:
    """lacking: tasks that would get boxes. seconds: the rest takes about so long. disk: bytes the caches grow by about."""

    images: tuple[PreviewImage, ...]
    missing: int
    seconds: float
    disk: float

    @property
    def boxes(self) -> int:
        return sum(each.boxes.total() for each in self.images)

    def save(self, folder: Path, *, title: str, link: str) -> Path:
        """Write preview.png and preview.html; the page's path. link: of a task, its id is put in place of {task}."""
        from dinolabel.contact_sheet import sheet

        folder.mkdir(parents=True, exist_ok=True)
        cells = [each.cell for each in self.images if each.cell is not None]
        if cells:
            sheet(cells, columns=COLUMNS).save(folder / "preview.png", optimize=True)
        page = folder / "preview.html"
        page.write_text(pages.render(TEMPLATE, title=title, link=link, images=self.images, cells=len(cells)), encoding="utf-8")
        return page


def preview_project(
    studio: LabelStudio, media: MediaResolver, pipeline: Pipeline, recipe: ServingConfig, caches: Sequence[Path], *, count: int = COUNT
) -> Preview:
    """Find boxes in ``count`` pictures spread over those that lack them. caches: files and folders that grow. Raises StudioError."""
    rows = [each for each in studio.tasks.list(recipe.project) if not each.finished and recipe.version not in each.versions]
    chosen = [rows[at * len(rows) // min(count, len(rows))] for at in range(min(count, len(rows)))]
    before, begun = sum(map(_bytes, caches)), time.monotonic()
    shown, new = [], 0
    for row in chosen:
        made, fresh = _preview_image(row, media, pipeline, recipe)
        shown.append(made)
        new += fresh
    took, grown = time.monotonic() - begun, max(0, sum(map(_bytes, caches)) - before)
    rest = (len(rows) - len(chosen)) / max(1, len(chosen))
    return Preview(tuple(shown), len(rows), took * rest, grown * rest)


def _preview_image(row: TaskRow, media: MediaResolver, pipeline: Pipeline, recipe: ServingConfig) -> tuple[PreviewImage, bool]:
    """One picture, and whether the model had to look at it."""
    from dinolabel.vision.decoding.pictures import open_image
    from dinolabel.vision.images.annotation import draw

    config = recipe.config
    try:
        image: Image = open_image(media.resolve(config.picture_in(row.data), task=row.id))
        fresh = not pipeline.is_cached(image, config.prompt)
        found = pipeline.predict([image], config.prompt, recipe.bundle, recipe.thresholds, labels=config.prompt_map)[0]
        if recipe.bundle is None:
            pipeline.precompute_embeddings([(image, found)], chosen=config.embedder)
        cell = draw(image.pixels, found, config.label_for, colours=config.colours)
    except DinolabelError as error:
        return PreviewImage(row.id, error=str(error)), False
    return PreviewImage(row.id, Counter(label for each in found if (label := _label(each, recipe))), cell), fresh


def _label(detection: Detection, recipe: ServingConfig) -> str | None:
    return recipe.config.label_for(detection)


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*"))
