"""`dinolabel names`: the names a project learns; add one while people work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from dinolabel import build, choice, console, options, words
from dinolabel.forgetting.forgotten import Forgotten
from dinolabel.settings import Settings
from vision.errors import RequestError

HELP = "Names a project learns: add, list, rename, alias.\n\nExample: dinolabel names add maria --project 1"
app = typer.Typer(no_args_is_help=True, help=HELP)


@app.command("add")
def add(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="One or several names.")],
    project: options.Project = None,
    hotkey: Annotated[str | None, typer.Option(help="Its key. Default: the next free one. For one name only.")] = None,
) -> None:
    """Add names to learn, each on a fixed hotkey; the rest of the label config stays as it is, letter by letter.

    People may go on working: they see the name when they reload the page or open the next task.

    Example: dinolabel names add maria --project 1
    """
    from studio.label_config import LabelConfig, hotkeys, with_name

    settings = Settings.load()
    studio, number = build.studio(settings), choice.chosen(settings, project)
    xml = studio.project(number).label_config
    wanted = words.names(names, labels=LabelConfig.parse(xml).labels)
    if hotkey is not None and len(wanted) > 1:
        raise RequestError("One --hotkey cannot serve several names.", hint="Add them one by one, or let the next free keys be taken.")
    for name in wanted:
        xml = with_name(xml, name, hotkey)
    studio.set_label_config(number, xml)
    back = [each for each in wanted if Forgotten(build.data_dir(settings)).lift(number, each)]
    keys = hotkeys(xml)
    for name in wanted:
        console.out.print(console.line(console.name(name), " is on key ", console.key(keys.get(name, "?")), "."))
    for name in back:
        console.out.print(console.warn(f"{name} had been forgotten:"), "what people annotated under it counts again from now on.")
    console.out.print(
        console.soft("Whoever has a task open sees it after reloading the page. It is learnt once boxes of that name are approved.")
    )


@app.command("list")
def list_names(project: options.Project = None) -> None:
    """Every label of the project: what is looked for, what is learnt, on which key.

    Example: dinolabel names list --project 1
    """
    from studio.label_config import LabelConfig, hotkeys

    settings = Settings.load()
    number = choice.chosen(settings, project)
    xml = build.studio(settings).project(number).label_config
    config, keys = LabelConfig.parse(xml), hotkeys(xml)
    table = console.table("key", "label", "what it is")
    for label in config.labels:
        table.add_row(
            console.key(keys.get(label, "")),
            label,
            _what(config.kind_of(label), [p for p, own in config.prompt_map.items() if own == label]),
        )
    console.out.print(table)


@app.command("rename")
def rename(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The name now.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The name from now on; where it is there already, the two become one.")],
    project: options.Project = None,
) -> None:
    """Give a name another name, on the same hotkey. Boxes that people named before count under the new one, now and after each training.

    Their annotations stay as they are: the label config remembers the earlier name.

    Example: dinolabel names rename jon john --project 1
    """
    from studio.renaming import renamed

    _change(project, lambda xml: renamed(xml, old, new))
    console.out.print(console.name(old), "is", console.name(new), "now.", console.soft("The head that serves says so at once."))


@app.command("alias")
def alias(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name that is learnt.")],
    other: Annotated[str, typer.Argument(metavar="ALIAS", help="What else it was called: `Jon` for john.")],
    project: options.Project = None,
) -> None:
    """Let boxes of another name count as this one; a label of that name goes.

    Example: dinolabel names alias john Jon --project 1
    """
    from studio.renaming import also

    _change(project, lambda xml: also(xml, name, other))
    console.out.print(console.line("Boxes named ", console.name(other), " count as ", console.name(name), "."))


def _change(project: int | None, edit: Callable[[str], str]) -> None:
    settings = Settings.load()
    studio, number = build.studio(settings), choice.chosen(settings, project)
    studio.set_label_config(number, edit(studio.project(number).label_config))


def _what(kind: str, phrases: list[str]) -> str:
    looked_for = f"looked for as {words.listed([f'“{each}”' for each in phrases])}" if phrases else ""
    learnt = {"named": "learnt from approved boxes", "unknown": "teaches what is none of the names"}.get(kind, "")
    return ", ".join(filter(None, (looked_for, learnt)))
