"""`dinolabel hotkeys`: one key for the next box and one to submit, for whoever wants them; and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, words
from dinolabel.projects.hotkeys import NEXT, SUBMIT, check_keys, collisions, give, keys_in_use, take_back
from dinolabel.studio.errors import StudioDenied, StudioRefused
from dinolabel.vision.errors import RequestError, StudioError

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio, StudioUser

NAMES = {NEXT: "next box", SUBMIT: "submit"}


def command(
    next_box: Annotated[str | None, typer.Option("--next", help="Key that goes to the next box, for example n.")] = None,
    submit: Annotated[str | None, typer.Option("--submit", help="Key that submits, for example space.")] = None,
    user: Annotated[list[str] | None, typer.Option("--user", help="Whose keys, by e-mail. Repeatable. Default: the token's owner.")] = None,
    everybody: Annotated[bool, typer.Option("--everybody", help="Of all people of Label Studio's organization.")] = False,
    project: Annotated[
        int | None, typer.Option("--project", help="Refuse keys that this project's labels use. Default: all are looked at.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Put back the keys these people had before.")] = False,
) -> None:
    """Set or put back a person's keys in Label Studio's editor; without options, show them.

    Label Studio keeps keys per person: they hold in all of that person's projects, from their next page load on. `up` sets n and space
    on its own Label Studio. Digits for the names are fixed in each project's label config and need no setting.

    With --everybody they are set, shown or put back for all who have a login; one who cannot be changed is named, and the others go on.

    Example: dinolabel hotkeys --next n --submit space --user jo@example.org
    """
    settings = running_settings.settings()
    keys = check_keys({NEXT: next_box, SUBMIT: submit})
    if undo and keys:
        raise RequestError("--undo puts back what was; it takes no new keys.", hint="Leave out --next and --submit.")
    if everybody and user:
        raise RequestError("--everybody names everybody already.", hint="Leave out --user.")
    studio, data_dir = factory.studio(settings), factory.data_dir(settings)
    people = studio.users.list() if everybody else _people(studio, user or [])
    if keys:
        _look_for_collisions(studio, keys, project)
    _go_through(studio, people, keys, data_dir, undo=undo)
    if keys:
        back = f"dinolabel hotkeys --undo{' --everybody' if everybody else ''}"
        console.out.print(console.soft(f"They hold in all projects of these people, from the next page load on. Back: {back}"))


def _go_through(studio: LabelStudio, people: Sequence[StudioUser], keys: dict[str, str], data_dir: Path, *, undo: bool) -> None:
    """Set or put back, and show, the keys of each. Raises StudioError when it could be done for nobody."""
    refused: list[StudioError] = []
    for person in people:
        try:
            if undo:
                _tell_undone(person, *take_back(studio, person, data_dir))
            elif keys:
                give(studio, person, keys, data_dir)
            _show(studio, person)
        except (StudioRefused, StudioDenied) as error:
            refused.append(error)
            if len(refused) == len(people):
                raise
            console.err.print(console.warn(f"{person.email} is left as before:"), str(error), soft_wrap=True)


def _people(studio: LabelStudio, emails: list[str]) -> list[StudioUser]:
    """Those named, else the token's owner. Raises RequestError that lists whom there is."""
    there = {each.email.lower(): each for each in studio.users.list()}
    wanted = emails or [str(studio.users.whoami()["email"])]
    if missing := [each for each in wanted if each.strip().lower() not in there]:
        raise RequestError(f"Label Studio knows nobody called {missing[0]}.", hint=f"There are {words.join_words(sorted(there))}.")
    return [there[each.strip().lower()] for each in dict.fromkeys(wanted)]


def _look_for_collisions(studio: LabelStudio, keys: dict[str, str], number: int | None) -> None:
    """A label's key that is taken away: refused for the project that was named, told for the others."""
    from dinolabel.studio.label_configs.label_config import hotkeys
    from dinolabel.vision.errors import LabelConfigError

    for each in [studio.projects.get(number)] if number is not None else studio.projects.list():
        try:
            found = collisions(keys, hotkeys(each.label_config))
        except LabelConfigError:
            continue  # no boxes there
        if found and number is not None:
            raise RequestError(f"In project {each.id}, {found[0]}.", hint="Choose another key, or another hotkey for that label.")
        if found:
            console.err.print(console.warn(f"In project {each.id}, {each.title}, {found[0]}: it will not name a box there any more."))


def _tell_undone(person: StudioUser, back: list[str], left: list[str]) -> None:
    if not back and not left:
        console.err.print(console.soft(f"{person.email}: nothing of ours to put back."))
    if left:
        console.err.print(
            console.soft(f"{person.email}: {words.join_words([NAMES[each] for each in left])} was changed since and is left alone.")
        )


def _show(studio: LabelStudio, person: StudioUser) -> None:
    used = keys_in_use(studio.users.hotkeys(person.id))
    told = console.join([console.line(console.key(used[element]), f" {name}") for element, name in NAMES.items()], ", ")
    console.out.print(f"{person.email}:", told)
