"""`dinolabel doctor`: looks at everything that can be wrong and says what to do about it."""

from __future__ import annotations

from collections.abc import Iterable

import typer
from rich.table import Table
from rich.text import Text

from dinolabel import running_settings
from dinolabel.cli import console, options
from dinolabel.doctor import label_studio, machine, weights
from dinolabel.doctor import project as project_checks
from dinolabel.doctor.machine import Finding

ABOUT_WIDTH = 12
SIGNS = {"ok": console.ok("✓"), "warn": console.warn("!"), "bad": console.bad("✗")}


def command(project: options.Project = None, weights_name: options.WeightsName = None) -> None:
    """Check settings, weights, device, Label Studio and each project; one line each, with the fix.

    Changes nothing. Takes some seconds, because it loads torch and fetches a few pictures. Exit code 0 when nothing is broken, else 1.

    Example: dinolabel doctor --project 1
    """
    settings = running_settings.settings(**weights.flags(weights_name))
    found = list(_print_each(machine.run(settings, (*machine.EVERYWHERE, label_studio.label_studio))))
    found += _print_each(machine.run(settings, project_checks.of(settings, project)))
    broken = sum(each.level == "bad" for each in found)
    careful = sum(each.level == "warn" for each in found)
    console.out.print()
    console.out.print(_summary(broken, careful))
    if broken:
        raise typer.Exit(1)


def _print_each(findings: Iterable[Finding]) -> Iterable[Finding]:
    """Print each as it comes; the subject once for several lines."""
    before = ""
    for each in findings:
        about = "" if each.about == before else each.about
        before = each.about
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=1)
        grid.add_column(width=ABOUT_WIDTH, style="soft")
        grid.add_column(overflow="fold")
        grid.add_row(SIGNS[each.level], about, each.text)
        if each.fix:
            grid.add_row("", "", console.soft(f"→ {each.fix}"))
        console.out.print(grid)
        yield each


def _summary(broken: int, careful: int) -> Text:
    if broken:
        return console.line(console.bad(f"{broken} broken"), f", {careful} to look at" if careful else "")
    return console.line(console.ok("All fine"), f", {careful} to look at" if careful else "")
