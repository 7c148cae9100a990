"""`dinolabel models export`: detector, embedder, head, prompt and labels of a project in one folder that answers anywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, plan, project_option, words
from dinolabel.doctor import weights
from dinolabel.models import select as heads
from dinolabel.release import __version__
from dinolabel.settings import Settings

if TYPE_CHECKING:
    from dinolabel.backend.inference.serving_config import ServingConfig
    from dinolabel.vision.bundles.exported_model import ExportedModel

Out = Annotated[Path, typer.Argument(metavar="FOLDER", help="Is made; must not exist.")]
Head = Annotated[str | None, typer.Option("--head", help="Default: the head Label Studio shows; none yet: detection alone.")]

README = """# {title}

Made by dinolabel {made_by} on {at}. Finds {phrases}; names {names}. Label Studio's model version: `{version}`.

```python
from dinolabel import Pipeline

pipeline = Pipeline.load("{folder}")
for found in pipeline("photo.jpg"):
    print(found.label, found.confidence, found.score, found.box)
```

```sh
dinolabel detect photo.jpg --model {folder}
dinolabel app --model {folder}
dinolabel serve --model {folder} --port 9090
curl -F image=@photo.jpg http://127.0.0.1:9090/v1/detect
```

`dinolabel.json` holds the format, the labels and the thresholds; `detector/`, `embedder/` and `bundle/` hold safetensors and
JSON only, or the files of the face models, whose digests are checked: nothing in here is run when it is loaded. The licences of
the weights are those of their makers.
"""


def export(out: Out, project: options.Project = None, head: Head = None) -> None:
    """Pack what a project answers with into one folder: for a service, another machine, or a colleague.

    Example: dinolabel models export cats-model --project 1
    """
    settings = running_settings.settings()
    number = project_option.resolve_number(settings, project)
    plan.Plan(
        "Export the model",
        (("packs", f"detector (the project's own, where one answers), embedder, head and labels of project {number}"), ("into", str(out))),
    ).show()
    with console.step("Loading weights and reading the project") as came_out:
        studio = factory.studio(settings)
        shown = studio.projects.get(number)
        recipe = _recipe(settings, number, shown.label_config, head)
        settings = _with_embedder_of_head(settings, recipe)
        package = _package(settings, recipe)
        came_out(f"Project {number}: {words.join_words(recipe.config.labels)}")
    made = _save(settings, out, recipe, package, title=shown.title)
    size = sum(each.stat().st_size for each in made.rglob("*") if each.is_file())
    console.out.print(f"Exported {made} ({words.size(size)}), model version {recipe.version}.")
    console.out.print(console.soft(f"Try it: dinolabel detect PICTURES --model {out}, or app or serve with the same"))


def _recipe(settings: Settings, project: int, label_config: str, head: str | None) -> ServingConfig:
    store = factory.store(settings)
    name = str(project)
    chosen = store.current(name) or store.desired(name)
    if head is not None:
        chosen = heads.resolve_head(store, name, head).id
    return factory.serving_configs(settings, factory.pipeline(settings)).build(project, label_config, chosen)


def _with_embedder_of_head(settings: Settings, recipe: ServingConfig) -> Settings:
    """The same with the embedder that the head finds by itself, where it does."""
    plug = recipe.bundle.embedder_plug if recipe.bundle else ""
    return settings.model_copy(update={"embedder": plug, "embedder_weights": plug}) if plug else settings


def _package(settings: Settings, recipe: ServingConfig) -> ExportedModel:
    from dinolabel.vision import plugins
    from dinolabel.vision.bundles.exported_model import ExportedModel

    return ExportedModel(
        labels=dict(recipe.config.prompt_map),
        thresholds=recipe.student.thresholds if recipe.student else recipe.thresholds,
        names=recipe.names,
        colours=recipe.config.colours,
        detector="student" if recipe.student else plugins.name_for(settings.detector, settings.detector_weights),
        embedder=plugins.name_for(settings.embedder, settings.embedder_weights),
        input_size=None if recipe.student else settings.input_size,
        version=recipe.version,
        weights={
            each.kind: name
            for each, name in zip(weights.find(settings), weights.pair(settings), strict=True)
            if each.needs == "none" and not (recipe.student and each.kind == "detector")
        },
        about={
            "project": recipe.project,
            "head": recipe.bundle_id,
            "student": recipe.student_id,
            "made_by": __version__,
            "made_at": _now(),
        },
    )


def _save(settings: Settings, out: Path, recipe: ServingConfig, package: ExportedModel, *, title: str) -> Path:
    from dinolabel.vision.bundles.exported_model import save
    from dinolabel.vision.loading.weights import obtain
    from dinolabel.vision.plugins import locate

    where = {"models_dir": settings.models_dir}
    detector = recipe.student.folder if recipe.student else _weights_of_detector(settings)
    embedder = obtain(locate("embedder", settings.embedder, settings.embedder_weights, **where)) if recipe.bundle else None
    facts = {
        "title": title, "made_by": __version__, "at": _now()[:10], "version": recipe.version, "folder": out.name,
        "phrases": words.join_words(list(package.labels)), "names": words.join_words(sorted(set(package.names.values()))) or "nobody yet",
    }  # fmt: skip
    return save(
        out,
        package,
        detector=detector,
        embedder=embedder.path if embedder else None,
        bundle=recipe.bundle,
        readme=README.format(**facts),
    )


def _weights_of_detector(settings: Settings) -> Path | None:
    from dinolabel.vision.loading.weights import obtain
    from dinolabel.vision.plugins import locate

    return obtain(locate("detector", settings.detector, settings.detector_weights, models_dir=settings.models_dir)).path


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
