"""`dinolabel students`: the detectors that a project trained for itself; which one answers, and back to the detector of the settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, project_option
from dinolabel.settings import Settings
from dinolabel.vision.errors import RequestError
from dinolabel.vision.storage.json_text import parse_json

if TYPE_CHECKING:
    from dinolabel.vision.students.store import StudentStore

HELP = "Detectors that `dinolabel distil` made: list, use, unpin, rollback, onnx.\n\nExample: dinolabel students list --project 1"
COMPARED = 10  # pictures of an ONNX file
app = typer.Typer(no_args_is_help=True, help=HELP)
StudentId = Annotated[str, typer.Argument(metavar="ID", help="As `students list` shows it, its first characters are enough; or `teacher`.")]


def _open(project: str | None) -> tuple[Settings, StudentStore, str]:
    settings = running_settings.settings()
    return settings, factory.store(settings).students, project_option.resolve_name(settings, project)


@app.command("list")
def list_students(project: options.Heads = None) -> None:
    """Every student of the project, newest first; those that were only offered too, and what became of the last trainings.

    Example: dinolabel students list --project 1
    """
    _, store, name = _open(project)
    entries, offers = store.heads(name), store.offers(name)
    if not entries and not offers:
        console.out.print("No student yet: the detector of the settings finds the boxes.")
        console.out.print(console.soft("Review some pictures, then run `dinolabel distil`."))
        return
    table = console.table("", "student", "made", "finds", "AP50", "the teacher's", right=("AP50", "the teacher's"))
    current, pinned = store.current(name), store.pinned(name)
    for entry in reversed(entries):
        marks = [word for word, which in (("shown", current), ("pinned", pinned)) if which == entry.id]
        table.add_row("●" if entry.id == current else " ", " ".join([entry.id, *marks]), *_row(entry.at, entry.labels, entry.metrics))
    for student_id in reversed(offers):
        made = store.read(offers[student_id])
        table.add_row(" ", f"{student_id} offered", *_row(made.created_at, made.labels, made.metrics))
    console.out.print(table)
    if pinned == store.TEACHER:
        console.out.print("Pinned: the detector of the settings answers.")
    for verdict in store.verdicts(name)[-3:]:
        console.out.print(console.soft(str(verdict.get("at", ""))), f" {verdict.get('reason', '')}", soft_wrap=True)


def _row(at: str, labels: tuple[str, ...], metrics: Mapping[str, Any]) -> tuple[str, ...]:
    judged = [f"{metrics[each]['ap50']:.3f}" if each in metrics else "not judged" for each in ("student", "teacher")]
    return (at[:16].replace("T", " "), ", ".join(labels), *judged)


@app.command("use")
def use(student: StudentId, project: options.Heads = None) -> None:
    """Let this student answer, also one that was only offered; `teacher`: none. It is held there until `students unpin`.

    Example: dinolabel students use teacher --project 1
    """
    settings, store, name = _open(project)
    if student == store.TEACHER:
        store.pin(name, store.TEACHER)
        console.out.print(f"Pinned: the detector of the settings answers. {_when(settings, store, name)}")
        return
    chosen = _resolve(store, name, student)
    store.pin(name, chosen)
    console.out.print(f"Pinned {chosen}. {_when(settings, store, name)}")


def _resolve(store: StudentStore, project: str, typed: str) -> str:
    """Its whole id; one that was only offered is published by it."""
    known = store.folders(project)
    chosen = _one_of(list(known), typed, project)
    if chosen not in {each.id for each in store.heads(project)}:
        store.publish(project, store.read(known[chosen]), _receipt(known[chosen]))
    return chosen


def _one_of(known: list[str], typed: str, project: str) -> str:
    found = [each for each in known if each.startswith(typed)]
    if len(found) != 1:
        told = "No student" if not found else "Several students"
        raise RequestError(f"{told} of {project} begin with {typed!r}.", hint=f"There are: {', '.join(known) or 'none'}.")
    return found[0]


def _receipt(folder: Path) -> dict[str, Any]:
    try:
        return dict(parse_json((folder / "receipt.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


@app.command("unpin")
def unpin(project: options.Heads = None) -> None:
    """Let the newest student answer again; without any, the detector of the settings.

    Example: dinolabel students unpin --project 1
    """
    settings, store, name = _open(project)
    store.pin(name, None)
    console.out.print(f"The newest student is {store.desired(name) or 'none yet'}. {_when(settings, store, name)}")


@app.command("rollback")
def rollback(project: options.Heads = None) -> None:
    """Go back to the student before the one that answers, or to the detector of the settings where there is none, and pin it.

    Example: dinolabel students rollback --project 1
    """
    settings, store, name = _open(project)
    ids, serving = [each.id for each in store.heads(name)], store.desired(name)
    if serving is None:
        raise RequestError(
            "No student answers now, so there is nothing to go back from.", hint="`dinolabel students list` shows what there is."
        )
    before = ids[ids.index(serving) - 1] if serving in ids[1:] else store.TEACHER
    store.pin(name, before)
    console.out.print(f"Back to {before}, pinned. {_when(settings, store, name)}")
    console.out.print(console.soft("`dinolabel students unpin` lets the newest serve again."))


@app.command("onnx")
def write_onnx(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Is made, or replaced.")],
    student: Annotated[
        str | None, typer.Option("--student", metavar="ID", help="Which one, offered ones too. Default: the one that answers.")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option("--pictures", help="Folder of pictures to compare with torch. Default: ten drawn ones.")
    ] = None,
    project: options.Heads = None,
) -> None:
    """Write a student as one ONNX file, for programs without torch; ten pictures must be answered alike (within 0.0001).

    Example: dinolabel students onnx cats.onnx --project 1
    """
    from dinolabel.vision.detectors import student as plug
    from dinolabel.vision.detectors.student import onnx_file

    _, store, name = _open(project)
    known = store.folders(name)
    chosen = store.desired(name) if student is None else _one_of(list(known), student, name)
    if chosen is None:
        raise RequestError(
            f"No student answers for {name}.", hint="Name one with --student; `dinolabel students list` shows what there is."
        )
    made = store.read(known[chosen])
    shown = [plug.square(each, made.side) for each in _pixels(pictures)]
    apart = onnx_file.write(plug.load_network(made.folder, made), made, out, pictures=shown)
    console.out.print(console.ok("Wrote"), f"{out}: {', '.join(made.labels)} at a score of {made.threshold:.2f} or more.", soft_wrap=True)
    console.out.print(console.soft(f"{len(shown)} pictures answered as by torch, within {apart:.1g}"))


def _pixels(folder: Path | None) -> list[Any]:
    """Of ten pictures that can be read. Raises RequestError when there is none."""
    from dinolabel.vision.decoding.pictures import open_image
    from dinolabel.vision.errors import MediaError
    from dinolabel.vision.loading.weights import NANO_FOLDER

    found = []
    for path in sorted((folder or NANO_FOLDER / "demo").glob("*")):
        try:
            found.append(open_image(path).pixels)
        except (MediaError, OSError):
            continue
        if len(found) == COMPARED:
            break
    if not found:
        raise RequestError(f"There is no picture in {folder} that can be read.", hint="Name a folder of pictures with --pictures.")
    return found


def _when(settings: Settings, store: StudentStore, project: str) -> str:
    if store.current(project) == store.desired(project):
        return "It is so already."
    return f"Label Studio shows it as soon as every task has its boxes (the backend looks every {settings.poll_seconds:g} s)."
