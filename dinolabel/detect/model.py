"""Model of one `dinolabel detect`: weights, words, thresholds and head, from the options, a project, or an exported folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dinolabel import factory, running_settings
from dinolabel.cli import options, words
from dinolabel.doctor import weights
from dinolabel.settings import Settings
from dinolabel.vision.errors import PromptMissing, RequestError, SettingsError
from dinolabel.vision.images.colours import assign_colours

if TYPE_CHECKING:
    from dinolabel.studio.label_configs.label_config import LabelConfig
    from dinolabel.vision.bundles.bundle import Bundle
    from dinolabel.vision.types import Thresholds

NO_HEAD = "Train one with `dinolabel train`, or leave --project away for boxes only."
ONE_HEAD = "Give --project or --bundle, not both; --model brings its own."


@dataclass(frozen=True)
class TypedOptions:
    """What was typed. prompt: as words.prompt_map reads it. project: a number, or what `dinolabel bootstrap` called its own.

    bundle: folder of a head. model: folder of `dinolabel models export`. weights: as --weights.
    embedder: as --embedder. box, text: least scores, 0..1, or None.
    """

    prompt: Sequence[str] = ()
    project: str | None = None
    bundle: Path | None = None
    model: Path | None = None
    weights: str | None = None
    embedder: str | None = None
    device: str | None = None
    box: float | None = None
    text: float | None = None


@dataclass(frozen=True)
class DetectModel:
    """settings: with the weights and thresholds that count. labels: phrase -> label. head: gives names; None for boxes only.

    names: what the head says -> label, as LabelledBox.of takes it. folder: an exported folder, which answers instead of the settings'
    weights; version: its model version. known_colours: label -> #rrggbb, as its project shows them.
    """

    settings: Settings
    labels: Mapping[str, str]
    head: Bundle | None = None
    names: Mapping[str, str] | None = None
    folder: Path | None = None
    version: str = ""
    known_colours: Mapping[str, str] = field(default_factory=dict)

    @property
    def colours(self) -> dict[str, str]:
        """Label -> #rrggbb of all that may be answered."""
        said = self.head.labels if self.head else ()
        return assign_colours(self.labels.values(), [(self.names or {}).get(each, each) for each in said], self.known_colours)


def choose_model(asked: TypedOptions) -> DetectModel:
    """Raises RequestError for options that exclude each other, PromptMissing without words, SettingsError, BundleMismatch, ModelError."""
    if sum(each is not None for each in (asked.project, asked.bundle, asked.model)) > 1:
        raise RequestError("Two heads were named.", hint=ONE_HEAD)
    if asked.model is not None:
        return _of_exported_folder(asked, asked.model)
    settings = _settings(asked)
    if asked.prompt or asked.project is None:
        labels = words.prompt_map(asked.prompt)
        return DetectModel(settings, labels, _head(settings, asked), known_colours=factory.project_colours(settings, asked.project or ""))
    return _of_project(settings, asked, asked.project)


def _of_exported_folder(asked: TypedOptions, folder: Path) -> DetectModel:
    from dinolabel.vision.bundles.exported_model import read

    options.refuse_both(folder, asked.weights, asked.embedder)
    folder = folder.expanduser()
    factory.check_packed(folder)
    package, bundle = read(folder)
    settings = _with_thresholds(Settings.load(device=asked.device), asked, package.thresholds)
    settings = settings.model_copy(update={"detector_weights": str(folder), "embedder_weights": str(folder)})
    labels = words.prompt_map(asked.prompt) if asked.prompt else package.labels
    return DetectModel(settings, labels, bundle, package.names, folder, package.version, package.colours)


def _with_thresholds(settings: Settings, asked: TypedOptions, usual: Thresholds) -> Settings:
    """The same with the thresholds that were typed, else the usual ones of the model or the project."""
    typed = Settings.load(box_threshold=asked.box, text_threshold=asked.text)  # says what is wrong with them
    box = usual.box if asked.box is None else typed.box_threshold
    text = usual.text if asked.text is None else typed.text_threshold
    return settings.model_copy(update={"box_threshold": box, "text_threshold": text, "nms_iou": usual.nms_iou})


def _settings(asked: TypedOptions) -> Settings:
    """Flags first, then the weights the project was made with, then the settings."""
    flags = {"box_threshold": asked.box, "text_threshold": asked.text, "device": asked.device}
    settings = running_settings.settings(**flags, **weights.flags(asked.weights, asked.embedder))
    known = asked.project is not None and asked.project.isdigit() and asked.weights is None
    entry = factory.projects(settings).get(int(str(asked.project))) if known else None
    if entry is None:
        return settings
    return settings.model_copy(update={"detector_weights": entry.weights[0], "embedder_weights": entry.weights[1]})


def _head(settings: Settings, asked: TypedOptions) -> Bundle | None:
    if asked.bundle is not None:
        from dinolabel.vision.bundles.bundle import Bundle
        from dinolabel.vision.bundles.exported_model import is_exported_model

        if is_exported_model(asked.bundle):
            raise RequestError(f"{asked.bundle} is an exported model, with more than a head.", hint=f"Give --model {asked.bundle}")
        return Bundle.load(asked.bundle)
    if asked.project is None:
        return None
    head = _head_of(settings, asked.project)
    if head is None:
        raise RequestError(f"Project {asked.project} has no head yet.", hint=NO_HEAD)
    return head


def _head_of(settings: Settings, project: str) -> Bundle | None:
    store = factory.store(settings)
    wanted = store.desired(project)
    return None if wanted is None else store.get(project, wanted)


def _of_project(settings: Settings, asked: TypedOptions, project: str) -> DetectModel:
    """Words, thresholds and names as the project's label config has them; its head where there is one."""
    from dinolabel.studio.label_configs.label_config import is_unknown
    from dinolabel.vision.types import Thresholds

    config, head = _label_config(settings, project), _head_of(settings, project)
    box = settings.box_threshold if config.box_threshold is None else config.box_threshold
    text = settings.text_threshold if config.text_threshold is None else config.text_threshold
    settings = _with_thresholds(settings, asked, Thresholds(box, text, settings.nms_iou))
    today = {name: config.current_name(name) for name in head.labels} if head else {}
    names = {name: label for name, label in today.items() if label in config.labels and not is_unknown(label)}
    return DetectModel(settings, config.prompt_map, head, names, known_colours=config.colours)


def _label_config(settings: Settings, project: str) -> LabelConfig:
    if not project.isdigit():
        raise PromptMissing(f"No --prompt was given, and {project} has none: it was learnt from videos.")
    try:
        studio = factory.studio(settings)
    except SettingsError as error:
        told = f"No --prompt was given, and there is no Label Studio to ask for that of project {project}."
        raise PromptMissing(told, hint=f'Add --prompt "human face", or connect to it: {error.hint}') from error
    return factory.label_config(settings, studio.projects.get(int(project)))
