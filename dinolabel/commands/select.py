"""`dinolabel select`: the pictures to begin with, in a tab of the Data Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, project_option, words
from dinolabel.projects import tabs
from dinolabel.vision.errors import DinolabelError, RequestError

if TYPE_CHECKING:
    from dinolabel.backend.inference.serving_config import ServingConfig
    from dinolabel.studio.client import TaskRow
    from dinolabel.studio.media.resolver import MediaResolver
    from dinolabel.vision.pipeline import Pipeline
    from dinolabel.vision.types import Embeddings


Count = Annotated[int, typer.Option(min=1, max=200, help="How many.")]


def command(
    project: options.Project = None,
    count: Count = 100,
    diverse: Annotated[bool, typer.Option("--diverse", help="The most diverse ones.")] = False,
) -> None:
    """Put the most diverse of the open tasks into a tab: begin there, and a hundred pictures show what there is.

    Looks at what the boxes show, from the caches where it can. In the tab, press *Label All Tasks*.

    Example: dinolabel select --diverse --project 1
    """
    if not diverse:
        raise RequestError("Say by what to select.", hint="`--diverse`: the pictures that are least alike.")
    select_diverse(project, count)


def select_diverse(project: options.Project = None, count: Count = 100) -> None:
    """Put the most diverse of the open tasks into a tab."""
    from dinolabel.vision.images.farthest_first import farthest_first

    settings = running_settings.settings()
    number = project_option.resolve_number(settings, project)
    entry = project_option.attached(settings, number)
    settings = settings.model_copy(update={"detector_weights": entry.weights[0], "embedder_weights": entry.weights[1]})
    studio, store, pipeline = factory.studio(settings), factory.store(settings), factory.pipeline(settings, deferred=True)
    recipe = factory.serving_configs(settings, pipeline).build(number, studio.projects.get(number).label_config, store.desired(str(number)))
    rows = [each for each in studio.tasks.list(number) if not each.annotated and not each.cancelled]
    media, found = factory.media(settings), []
    with console.bar() as bar:
        line = bar.add_task("Looking", total=len(rows))
        for row in rows:
            if (vector := _vector(row, media, pipeline, recipe)) is not None:
                found.append((row.id, vector))
            bar.advance(line)
    if not found:
        raise RequestError("No open task has a box to go by.", hint=f"Fill the project first: dinolabel preannotate --project {number}")
    chosen = [found[at][0] for at in farthest_first(np.stack([vector for _, vector in found]), count)]
    address = tabs.show_varied(studio, number, chosen)
    console.out.print(console.line(console.ok(words.count_noun(len(chosen), "task")), f", the most varied of {len(found)}: {address}"))


def _vector(row: TaskRow, media: MediaResolver, pipeline: Pipeline, recipe: ServingConfig) -> Embeddings | None:
    """What its boxes show, on average; None when there is none or its picture cannot be had."""
    from dinolabel.vision.decoding.pictures import open_image

    config = recipe.config
    try:
        image = open_image(media.resolve(config.picture_in(row.data), task=row.id))
        (found,) = pipeline.predict([image], config.prompt, thresholds=recipe.thresholds, labels=config.prompt_map)
        boxes = [each.box for each in found]
        return np.asarray(pipeline.embed(image, boxes, chosen=config.embedder).mean(axis=0), np.float32) if boxes else None
    except DinolabelError:
        return None
