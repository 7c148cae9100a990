"""`dinolabel names`: the names a project learns; add one while people work."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, project_option, words
from dinolabel.cli.plan import confirm
from dinolabel.cli.signals import handle_signals
from dinolabel.erasure.registry import ErasureRegistry
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio

WALL_PORT = 7870
FAILED_SHOWN = 5
HELP = "Names a project learns: add, list, rename, remove; a wall to name by groups.\n\nExample: dinolabel names add maria --project 1"
app = typer.Typer(no_args_is_help=True, help=HELP)


@app.command("add")
def add(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="One or several names; a comma separates them, too.")],
    project: options.Project = None,
    hotkey: Annotated[str | None, typer.Option(help="Its key. Default: the next free one. For one name only.")] = None,
    yes: options.Yes = False,
) -> None:
    """Add names to learn, each on a fixed hotkey; the rest of the label config stays as it is, letter by letter.

    People may go on working: they see the name when they reload the page or open the next task. A name that differs from a label only in
    case or in how it is written (jason beside Jason) is another person, so it is asked about.

    Example: dinolabel names add maria --project 1
    """
    from dinolabel.studio.label_configs.label_config import add_name, hotkeys, is_unknown
    from dinolabel.studio.label_configs.label_names import look_alikes

    settings = running_settings.settings()
    studio, number = factory.studio(settings), project_option.resolve_number(settings, project)
    shown = studio.projects.get(number)
    xml, config, wanted = shown.label_config, factory.label_config(settings, shown), words.names(names, look_alikes=True)
    if not wanted:
        raise RequestError("No name was given.", hint="Example: dinolabel names add maria")
    if len(wanted) > len(names):
        console.err.print(
            f"Adds {words.count_noun(len(wanted), 'name')}: {words.join_words(wanted)}; a comma separates names.", soft_wrap=True
        )
    if hotkey is not None and len(wanted) > 1:
        raise RequestError("One --hotkey cannot serve several names.", hint="Add them one by one, or let the next free keys be taken.")
    # Labels that are there, and that `attach --learn` did not name.
    unused = [name for name in config.labels if name in wanted and not is_unknown(name) and name not in (*config.generic, *config.learnt)]
    for name in wanted:
        xml = xml if name in unused else add_name(xml, name, hotkey)
    for at, name in enumerate(wanted):
        if (alike := look_alikes(name, [*config.labels, *config.aliases, *wanted[:at]])) and not _another(name, alike, yes=yes):
            console.err.print("Nothing was done.")
            return
    if xml != shown.label_config:
        studio.projects.set_label_config(number, xml)
    factory.projects(settings).learn(number, wanted)
    back = [each for each in wanted if ErasureRegistry(factory.data_dir(settings)).lift(number, each)]
    keys = hotkeys(xml)
    for name in wanted:
        console.out.print(console.line(console.name(name), " is on key ", console.key(keys.get(name, "?")), "."))
    for name in back:
        console.out.print(console.warn(f"{name} had been forgotten:"), "what people annotated under it counts again from now on.")
    console.out.print(
        console.soft("Whoever has a task open sees it after reloading the page. It is learnt once boxes of that name are approved.")
    )


@app.command("wall")
def wall(
    project: options.Project = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = WALL_PORT,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Name boxes by groups of what looks alike, in the browser: a key names a group, a page of suggestions its rest. Ctrl-C ends it.

    Names are approved as if given in the editor; their pictures do not count as looked at until somebody submits them there.

    Example: dinolabel names wall --project 1
    """
    from dinolabel.wall.opening import open_wall
    from dinolabel.wall.server import create_app, serve

    settings = running_settings.settings()
    number = project_option.resolve_number(settings, project)
    sources = factory.wall_sources(settings, number)
    with handle_signals(), ExitStack() as stack:
        with console.bar() as bar:
            line = bar.add_task("Reading", total=None)
            services = stack.enter_context(
                open_wall(sources, lambda doing, done, total: bar.update(line, description=doing, completed=done, total=total or None))
            )
        server = serve(create_app(services), "127.0.0.1", port)
        stack.callback(server.close)
        address = f"http://127.0.0.1:{server.effective_port}/"
        for task, why in list(services.failed.items())[:FAILED_SHOWN]:
            console.err.print(f"Task {task} is not on the wall: {why}", soft_wrap=True)
        console.out.print(console.name(address))
        console.err.print(console.soft("Ctrl-C ends it; answers are kept."))
        if browser and console.err.is_terminal:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):
            server.run()


@app.command("list")
def list_names(project: options.Project = None) -> None:
    """Every label of the project: what is looked for, what is learnt, on which key.

    Example: dinolabel names list --project 1
    """
    from dinolabel.studio.label_configs.label_config import hotkeys

    settings = running_settings.settings()
    number = project_option.resolve_number(settings, project)
    shown = factory.studio(settings).projects.get(number)
    config, keys = factory.label_config(settings, shown), hotkeys(shown.label_config)
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
    yes: options.Yes = False,
) -> None:
    """Give a name another name, on the same hotkey. Boxes that people named before count under the new one, now and after each training.

    Their annotations stay as they are: the label config remembers the earlier name. A new name that differs from a third one only in case
    or in how it is written is asked about.

    Example: dinolabel names rename jon john --project 1
    """
    from dinolabel.studio.label_configs.label_config import LabelConfig
    from dinolabel.studio.label_configs.label_names import find_label, look_alikes
    from dinolabel.studio.label_configs.rename import rename_label

    settings = running_settings.settings()
    studio, number = factory.studio(settings), project_option.resolve_number(settings, project)
    xml = studio.projects.get(number).label_config
    renamed, config = rename_label(xml, old, new), LabelConfig.parse(xml)
    own = find_label(old, config.labels)
    others = [each for each in (*config.labels, *config.aliases) if own not in (each, config.aliases.get(each))]
    if find_label(new, others) is None and (alike := look_alikes(new, others)) and not _another(new, alike, yes=yes):
        console.err.print("Nothing was done.")
        return
    studio.projects.set_label_config(number, renamed)
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
    from dinolabel.studio.label_configs.rename import add_alias

    _change(project, lambda xml: add_alias(xml, name, other))
    console.out.print(console.line("Boxes named ", console.name(other), " count as ", console.name(name), "."))


@app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name, or an earlier name, that no box has.")],
    project: options.Project = None,
) -> None:
    """Take a name without boxes out of the label config, or an earlier name out of what the label config remembers.

    Where people gave it to boxes, `names rename` gives these another name, and `dinolabel forget` takes the person out of everything.

    Example: dinolabel names remove mria --project 1
    """
    from dinolabel.studio.label_configs.label_names import find_label
    from dinolabel.studio.label_configs.rename import remove_label

    settings = running_settings.settings()
    studio, number = factory.studio(settings), project_option.resolve_number(settings, project)
    shown = studio.projects.get(number)
    config = factory.label_config(settings, shown)
    label = find_label(name, config.labels) or find_label(name, config.aliases)
    if label is None:
        raise RequestError(f"Project {number} has no name {name!r}.", hint=f"There are: {', '.join(config.learnt) or 'none'}.")
    if label in config.generic:
        raise RequestError(
            f"{label!r} is what the project looks for, no name.", hint="Change it in Label Studio's settings of the project."
        )
    spelt = [label, *(before for before, today in config.aliases.items() if today == label)]
    boxes, tasks = named_boxes(studio, number, spelt)
    if boxes:
        raise RequestError(
            f"{words.count_noun(boxes, 'box', 'boxes')} in {words.count_noun(tasks, 'task')} "
            f"{'is' if boxes == 1 else 'are'} named {label!r}.",
            hint=f"Give them another name: dinolabel names rename {label!r} NEW; or take the person out: dinolabel forget {label!r}.",
        )
    studio.projects.set_label_config(number, remove_label(shown.label_config, label))
    registry = factory.projects(settings)
    if (roles := registry.roles(number)) is not None:
        registry.update(number, roles=roles.renamed(config.current_name).without(lambda each: each == label))
    console.out.print(console.line(console.name(label), " is removed; no box had it."))


def named_boxes(studio: LabelStudio, number: int, spelt: Sequence[str]) -> tuple[int, int]:
    """Boxes that people gave one of these names, skipped answers included, and in how many tasks."""
    from dinolabel.projects.sources import CHUNK
    from dinolabel.studio.label_configs.label_names import find_label
    from dinolabel.studio.regions.writing import names_of

    ids = [row.id for row in studio.tasks.list(number) if row.annotated or row.cancelled]
    found: list[int] = []
    for start in range(0, len(ids), CHUNK):
        for task in studio.projects.export(number, tasks=ids[start : start + CHUNK]):
            regions = [region for each in task.get("annotations") or () for region in each.get("result") or ()]
            found += [task["id"] for region in regions for each in names_of(region) if find_label(each, spelt) is not None]
    return len(found), len(set(found))


def _another(name: str, alike: Sequence[str], *, yes: bool) -> bool:
    """Whether a name that can be mistaken for labels that are there is meant to be one of its own."""
    there = words.join_words([repr(each) for each in alike])
    try:
        return confirm(yes=yes, question=f"{name!r} differs from {there} only in how it is written. Is it somebody else?")
    except RequestError as error:
        message = f"{name!r} differs from {there} only in how it is written."
        raise RequestError(
            message, hint=f"For the same person: dinolabel names alias {alike[0]!r} {name!r}. For another one: --yes."
        ) from error


def _change(project: int | None, edit: Callable[[str], str]) -> None:
    settings = running_settings.settings()
    studio, number = factory.studio(settings), project_option.resolve_number(settings, project)
    studio.projects.set_label_config(number, edit(studio.projects.get(number).label_config))


def _what(kind: str, phrases: list[str]) -> str:
    looked_for = f"looked for as {words.join_words([f'“{each}”' for each in phrases])}" if phrases else ""
    learnt = {"named": "learnt from approved boxes", "unknown": "teaches what is none of the names"}.get(kind, "")
    return ", ".join(filter(None, (looked_for, learnt)))
