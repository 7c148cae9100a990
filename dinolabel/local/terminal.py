"""What `dinolabel up` shows once everything runs: where to go, how to log in, which keys do what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.panel import Panel
from rich.table import Table

from dinolabel.cli import console
from dinolabel.projects.hotkeys import NEXT, SUBMIT

if TYPE_CHECKING:
    from dinolabel.studio.calls.projects import Project

MANY = 9


@dataclass(frozen=True, slots=True)
class Ways:
    """Addresses. page, board: of the labelling page and of the backend's. page_link, board_link: log the browser in there, once."""

    page: str
    page_link: str
    board: str
    board_link: str


def show(project: Project, used: Mapping[str, str], ways: Ways, username: str, password: str) -> None:
    """Printed on stdout, because it is what one came for. used: the person's keys (hotkeys.keys_in_use)."""
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(style="key", no_wrap=True)
    grid.add_column()
    for key, meaning in keys(project.label_config, used):
        grid.add_row(key, meaning)
    console.out.print()
    console.out.print(Panel(grid, title="keys", title_align="left", border_style="soft", expand=False, padding=(0, 2)))
    label = [("open", console.link(ways.page_link)), ("", console.soft("label here; logs you in; works once, for ten minutes"))]
    watch = [("watch", console.link(ways.board_link)), ("", console.soft("how far it is, what it has learnt; logs you in, once, too"))]
    console.out.print(console.rows([*label, *watch]), soft_wrap=True)
    console.out.print(console.rows([("later", ways.page), ("user", username), ("password", password)]), soft_wrap=True)
    console.out.print()
    hints = [
        ("another name?", "in another terminal: dinolabel names add maria"),
        ("done?", "Ctrl-C stops everything here; nothing is lost"),
    ]
    console.out.print(console.rows([(question, console.soft(answer)) for question, answer in hints]))


def keys(xml: str, used: Mapping[str, str]) -> list[tuple[str, str]]:
    """(key, what it does), in the order a person needs them."""
    from dinolabel.studio.label_configs.label_config import LabelConfig, hotkeys

    config, known = LabelConfig.parse(xml), hotkeys(xml)
    rows = [(used[NEXT], "next box")]
    rows += [(known[name], name) for name in config.learnt[:MANY] if name in known]
    if len(config.learnt) > MANY:
        rows.append(("…", f"{len(config.learnt) - MANY} more: `dinolabel names list`"))
    rows += [(known[name], f"{name}: somebody or something without a name") for name in config.generic if name in known]
    return [*rows, ("backspace", "no such thing: delete the box"), (used[SUBMIT], "submit, on to the next picture")]
