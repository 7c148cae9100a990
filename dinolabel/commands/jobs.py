"""`dinolabel jobs`: what the backend is working on, what it did, and how to stop it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, words

if TYPE_CHECKING:
    from dinolabel.backend.jobs.table import Job

SHOWN = 20
COLOURS = {"done": "ok", "running": "key", "queued": "soft", "failed": "bad", "lost": "bad", "cancelled": "warn"}

app = typer.Typer(no_args_is_help=True, help="Trainings of the backend: list, log, cancel.\n\nExample: dinolabel jobs list")
JobId = Annotated[str, typer.Argument(metavar="ID", help="As `jobs list` shows it.")]


@app.command("list")
def list_jobs() -> None:
    """The last jobs, newest first, with what became of them.

    Example: dinolabel jobs list
    """
    jobs = factory.jobs(running_settings.settings()).all()
    if not jobs:
        console.out.print("No job yet.", console.soft("Press Start training in Label Studio, or run `dinolabel train` by hand."))
        return
    table = console.table("job", "project", "state", "when", "took", "what it says", right=("project", "took"))
    for job in jobs[:SHOWN]:
        colour = COLOURS[job.state]
        table.add_row(job.id, str(job.project), console.style(job.state, colour), _when(job), _took(job), _news_of(job))
    console.out.print(table)


@app.command()
def log(job: JobId) -> None:
    """Everything a job printed, with the commands it ran as they can be typed by hand.

    Example: dinolabel jobs log 4f0c2a1b
    """
    path = factory.jobs(running_settings.settings()).log_of(job)
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else "It has not started yet.\n"
    console.out.out(text, end="", highlight=False)


@app.command()
def cancel(job: JobId) -> None:
    """Stop a job that is queued or running, with everything it started.

    Example: dinolabel jobs cancel 4f0c2a1b
    """
    ended = factory.jobs(running_settings.settings()).cancel(job)
    console.out.print(f"Job {ended.id} is {ended.state}.")


def _news_of(job: Job) -> str:
    return str(job.verdict.get("reason", "")) if job.verdict else job.progress or job.why


def _when(job: Job) -> str:
    return time.strftime("%d %b %H:%M", time.localtime(job.created_at))


def _took(job: Job) -> str:
    return words.duration((job.finished_at or time.time()) - job.started_at) if job.started_at else ""
