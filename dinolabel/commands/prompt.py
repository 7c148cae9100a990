"""`dinolabel prompt`: what a project looks for; add to it, turn its thresholds, let people type while they annotate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, project_option
from dinolabel.doctor import weights
from dinolabel.projects import connect
from dinolabel.settings import Settings
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio

HELP = "What a project looks for: add, threshold, typing.\n\nExample: dinolabel prompt add dog --project 1"
app = typer.Typer(no_args_is_help=True, help=HELP)


@app.command("add")
def add(
    words: Annotated[str, typer.Argument(help='What to look for as well: dog; or label=words: "dog=dog face, puppy".')],
    project: options.Project = None,
) -> None:
    """Look for something more, under the label of that name or a new one; what somebody typed on one picture becomes the project's.

    Every picture gets new boxes from `dinolabel serve`; finished ones stay as they are.

    Example: dinolabel prompt add "dog=dog face, puppy" --project 1
    """
    from dinolabel.studio.label_configs.edit import add_prompt, add_prompt_beside
    from dinolabel.studio.label_configs.label_config import LabelConfig

    studio, number = _where(project)
    settings = _settings(number)
    shown, registry = studio.projects.get(number), factory.projects(settings)
    before = factory.label_config(settings, shown)
    roles, xml = registry.roles(number), shown.label_config
    if roles is not None and roles.names_labels:
        roles = add_prompt_beside(roles, before, words)
    else:
        xml = add_prompt(xml, words)
    after = LabelConfig.parse(xml, roles=roles)
    new = [each for each in after.prompt_map if each not in before.prompt_map]
    weights.check_prompt(settings, new)
    if roles is not None and roles.names_labels:
        registry.update(number, roles=roles)
    else:
        studio.projects.set_label_config(number, xml)
    for about, line in weights.prompt_lines(new):
        console.err.print(console.warn(about), line, soft_wrap=True)
    for phrase, label in after.prompt_map.items():
        console.out.print(f"looks for “{phrase}” →", console.name(label))


@app.command("threshold")
def threshold(
    box: Annotated[float | None, typer.Option(help="Least score of a box, 0 to 1.")] = None,
    text: Annotated[float | None, typer.Option(help="Least mean score of the phrase it matched, 0 to 1.")] = None,
    project: options.Project = None,
) -> None:
    """Set the project's own thresholds in its label config, or beside it where `attach` was told what its labels are for.

    Costs no forward pass: candidates are cached.

    Example: dinolabel prompt threshold --box 0.4 --project 1
    """
    from dinolabel.studio.label_configs.edit import set_thresholds
    from dinolabel.studio.label_configs.label_config import LabelConfig

    if box is None and text is None:
        raise RequestError("No threshold was given.", hint="Add --box 0.4 or --text 0.25.")
    studio, number = _where(project)
    settings = _settings(number)
    xml, registry = studio.projects.get(number).label_config, factory.projects(settings)
    roles = registry.roles(number)
    if roles is not None:
        roles = roles.with_thresholds(box=box, text=text)
        registry.update(number, roles=roles)
    else:
        xml = set_thresholds(xml, box=box, text=text)
        studio.projects.set_label_config(number, xml)
    config = LabelConfig.parse(xml, roles=roles)
    console.out.print(f"box threshold {_format_threshold(config.box_threshold)}, text threshold {_format_threshold(config.text_threshold)}")


@app.command("typing")
def typing(project: options.Project = None) -> None:
    """Let people type what to look for on the picture before them: adds a text field and a threshold above the picture.

    Boxes appear on that one picture, as suggestions to accept; nothing else changes. Needs a backend that Label Studio reaches
    (`up`, or --serve-url of init and attach). To take it away, remove the two tags from the label config.

    Example: dinolabel prompt typing --project 1
    """
    from dinolabel.studio.label_configs.edit import add_prompt_field, has_prompt_field

    studio, number = _where(project)
    xml = studio.projects.get(number).label_config
    if not has_prompt_field(xml):
        studio.projects.set_label_config(number, add_prompt_field(xml))
    ours = [each for each in studio.backends.list(number) if each.title == connect.TITLE]
    for each in ours:
        studio.backends.set_interactive(each.id)
    console.out.print(console.ok("People can type"), f"in project {number}, from their next page load on.")
    if not ours:
        console.err.print(console.warn("No backend of ours is connected there, so nobody answers: add --serve-url to `dinolabel attach`."))


def _where(project: int | None) -> tuple[LabelStudio, int]:
    settings = running_settings.settings()
    return factory.studio(settings), project_option.resolve_number(settings, project)


def _settings(number: int) -> Settings:
    """With the detector that the project was attached with."""
    settings = running_settings.settings()
    entry = factory.projects(settings).get(number)
    return settings if entry is None else settings.model_copy(update={"detector_weights": entry.weights[0]})


def _format_threshold(value: float | None) -> str:
    return "as the settings say" if value is None else f"{value:g}"
