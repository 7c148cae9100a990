"""kill -9 at random moments of what writes: nothing lost, nothing doubled, nothing half, and it goes on."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faults.lab import Lab, Row, measured
from dinolabel.backend.jobs.table import Job, JobTable
from dinolabel.backend.project_registry import ProjectRegistry
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.errors import DinolabelError
from dinolabel.vision.storage.cache import Cache
from tests.doubles.coloured_things import GREEN, RED, bundle

BACK_SECONDS = 10.0
COMMANDS = 5
"""Commands among which the kills of whole commands are shared out: export, train, preannotate, import, serve."""


def kills(lab: Lab, count: int, dice: random.Random) -> Iterator[Row]:
    """Two thirds of the kills hit the files themselves, in a loop that does nothing but write them; the others real commands."""
    each = max(1, count // (3 * COMMANDS))
    yield kill_writers(lab.stand.folder / "writes", count - each * COMMANDS, dice)
    before = lab.annotations()
    out = lab.stand.folder / "export"
    yield _of_command(lab, each, dice, "export", "export", "coco", "--project", str(lab.project), "--out", str(out))
    yield _of_training(lab, each, dice)
    yield _of_preannotate(lab, each, dice)
    yield _of_import(lab, each, dice, out)
    yield _of_serve(lab, each, dice)
    lost = before - lab.annotations()
    yield Row("annotations of people after all kills", "none is lost or changed", f"{before} before", max(0, lost), "0", lost <= 0)


def kill_writers(folder: Path, count: int, dice: random.Random) -> Row:
    """A child publishes, pins, notes verdicts, registers, caches and queues without a pause."""
    heads, damaged, lost, published = [bundle({"jason": RED, f"lacy{each}": GREEN}) for each in range(4)], [], 0, 0
    for number in range(count):
        child = os.fork()
        if child == 0:
            try:
                _write(folder, heads, number)
            finally:
                os._exit(9)
        time.sleep(dice.uniform(0.01, 0.25))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        try:
            now = _read(folder)
            lost, published = lost + max(0, published - now), now
        except (DinolabelError, ValueError, AssertionError) as error:
            damaged.append(f"{type(error).__name__}: {error}")
    seen = f"{count} kills, {published} publishes, {lost} lost, {len(damaged)} damaged {damaged[:1] or ''}"
    what = "kill -9 of publish, pin, verdict, registry, cache, job table"
    return Row(what, "a reader sees old or new, never half", seen, lost + len(damaged), "0", not damaged and lost == 0)


def _write(folder: Path, heads: list[Any], number: int) -> None:
    store, cache = BundleStore(folder / "bundles"), Cache(folder / "cache.sqlite", max_mb=64)
    registry, jobs = ProjectRegistry(folder / "projects.json"), JobTable(folder / "jobs.sqlite")
    registry.add(1, weights=("nano", "nano"), title="Cats")
    for turn in range(10**6):
        identity = store.publish("1", heads[turn % len(heads)], {"turn": turn})
        store.set_current("1", identity)
        store.pin("1", identity if turn % 2 else None)
        store.add_verdict("1", {"turn": turn, "reason": "r" * 200})
        registry.note_version(1, f"v{number}.{turn}")
        cache.put_embeddings({f"embedding:{number}.{turn}.{each}": np.full(64, each, np.float32) for each in range(50)})
        jobs.add_if_idle(Job("a", "train", 1, "queued", "why", (("true",),), None, time.time()))


def _read(folder: Path) -> int:
    """All of it, as another process would; how many publishes there are."""
    if not (folder / "bundles" / "1").is_dir():
        return 0
    store = BundleStore(folder / "bundles")
    history = store.history("1")
    whole = [each for each in (folder / "bundles" / "1").iterdir() if each.is_dir() and each.name[0].isdigit()]
    assert len(whole) == len(history), "a publish is half"
    for identity in {*(each.id for each in history), store.current("1"), store.pinned("1")} - {None}:
        store.get("1", str(identity))
    store.verdicts("1")
    ProjectRegistry(folder / "projects.json").all()
    JobTable(folder / "jobs.sqlite").all()
    Cache(folder / "cache.sqlite", max_mb=64).get_embeddings(["embedding:x"])
    return len(history)


def _of_command(lab: Lab, count: int, dice: random.Random, name: str, *arguments: str) -> Row:
    """Killed so often, then run to its end."""
    _strike(lab, count, dice, *arguments)
    code, said = lab.run(*arguments)
    seen = f"{count} kills, then exit {code}" + ("" if code == 0 else f": {said[-200:]}")
    return Row(f"kill -9 of {name}", "the same command goes on and ends well", seen, code, "0", code == 0)


def _strike(lab: Lab, count: int, dice: random.Random, *arguments: str) -> None:
    begun = time.monotonic()
    whole = lab.start(*arguments)
    whole.wait(300)
    usual = time.monotonic() - begun
    for _ in range(count):
        child = lab.start(*arguments)
        time.sleep(dice.uniform(0.3, 1.0) * usual)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _of_training(lab: Lab, count: int, dice: random.Random) -> Row:
    crops = lab.stand.folder / "data" / "exports" / str(lab.project)
    code, said = lab.run("export", "crops", "--project", str(lab.project), "--out", str(crops))
    if code:
        return Row("kill -9 of train", "", said[-200:], code, "0", False)
    found = _of_command(lab, count, dice, "train", "train", "--manifest", str(crops), "--project", str(lab.project))
    store = lab.stand.store()
    for each in store.history(str(lab.project)):
        store.get(str(lab.project), each.id)
    return found


def _of_preannotate(lab: Lab, count: int, dice: random.Random) -> Row:
    lab.change_version()
    found = _of_command(lab, count, dice, "preannotate", "preannotate", "--project", str(lab.project), "--yes")
    whole, version = lab.shown()
    seen = f"{found.seen}; each unfinished task has its prediction of {version}: {whole}; doubled: {lab.doubled()}"
    return Row(found.what, "each task filled once", seen, lab.doubled() + (not whole), "0", found.holds and whole and not lab.doubled())


def _of_import(lab: Lab, count: int, dice: random.Random, source: Path) -> Row:
    """The export of the same project comes back: what is there already is not doubled."""
    before = lab.annotations()
    found = _of_command(lab, count, dice, "import", "import", str(source), "--project", str(lab.project), "--yes")
    more = lab.annotations() - before
    return Row(found.what, "nothing twice", f"{found.seen}; {before} annotations before, {more} more", more, "0", found.holds and more == 0)


def _of_serve(lab: Lab, count: int, dice: random.Random) -> Row:
    """While it fills for a new threshold; then it is started again and left alone."""
    known = lab.shown()[1]
    lab.change_version()
    for _ in range(count):
        with lab.serving() as backend:
            time.sleep(dice.uniform(0.0, 2.0))
            backend.kill()
    with lab.serving():
        seconds = measured(lambda: lab.shown(known=known)[0], seconds=60)
        doubled = lab.doubled()
    seen = f"{count} kills; in step {'never' if seconds is None else f'{seconds:.1f} s'} after the last start; doubled: {doubled}"
    holds = seconds is not None and seconds <= BACK_SECONDS and doubled == 0
    return Row("kill -9 of serve while it fills", "goes on by itself", seen, seconds, f"<= {BACK_SECONDS:.0f} s", holds)
