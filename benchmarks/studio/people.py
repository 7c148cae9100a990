"""What a person at work feels of us: somebody submits once a second while a project is filled, filled with another version, and swept.

Label Studio's CPU is read from /proc; what it spends on that person alone is measured before and taken off.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from benchmarks.studio import switching
from benchmarks.studio.stand import WEIGHTS, Stand, until
from dinolabel.backend.project_status import PeopleAtWork
from dinolabel.backend.reconciler.garbage_collector import PredictionGarbageCollector

EVERY = 1.0  # seconds from one submit to the next, where Label Studio answers in time
ANSWERED = 20  # tasks that they answer again and again, so that the others stay to be filled
ALONE_SECONDS, SWEPT_SECONDS, MOST_SECONDS = 30.0, 120.0, 7200.0


@dataclass
class WorkingSpell:
    """What somebody met while something went on. submits: seconds of each. seconds: of it all. cpu: Label Studio's, seconds."""

    submits: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu: float = 0.0


def measure(stand: Stand, pictures: Sequence[Path]) -> dict[str, float]:
    """Seconds, and shares of one core that Label Studio spent on us."""
    project = stand.project(f"people at work on {len(pictures)}", pictures, paused=True)
    rows = [each.id for each in stand.studio.tasks.list(project)][:ANSWERED]
    with _submitting(stand, rows) as alone:
        time.sleep(ALONE_SECONDS)
    each = alone.cpu / max(1, len(alone.submits))
    found = {"alone_slowest_submit": max(alone.submits)}
    stand.connect(project)

    def filled(begin: Callable[[], object], before: str) -> str:
        begin()
        return until(lambda: _in_step(stand, project, before), "the filling", seconds=MOST_SECONDS, every=2.0)

    with _submitting(stand, rows) as fill:
        shown = filled(lambda: stand.projects().update(project, paused=False), "")
    found |= _told("fill", fill, each)
    with _submitting(stand, rows) as again:
        filled(lambda: stand.store().publish(str(project), switching.heads()[0]), shown)
    found |= _told("switch", again, each)
    stand.projects().update(project, paused=True)
    with _submitting(stand, rows) as spell:
        gone = _sweep(stand, project, shown)
    return found | _told("sweep", spell, each) | {"swept_predictions": gone}


def _sweep(stand: Stand, project: int, version: str) -> int:
    """Visits of the collector to a version that is neither on show nor the one before; predictions that went."""
    registry, people = stand.projects("sweeper"), PeopleAtWork()
    registry.add(project, weights=WEIGHTS, title="swept", before={"model_version": ""})
    registry.update(project, versions=(version, "later-1", "later-2"))
    before, end = stand.stored(project, version), time.monotonic() + SWEPT_SECONDS
    collector = PredictionGarbageCollector(stand.studio, registry, 0.0, people)
    while time.monotonic() < end:
        people.note(project)
        pause = collector.run(project, list(stand.studio.tasks.list(project)))
        if pause is None:
            break
        time.sleep(pause)
    return before - stand.stored(project, version)


def _in_step(stand: Stand, project: int, before: str) -> str | None:
    shown = stand.studio.projects.get(project).model_version
    return shown if shown not in ("", None, before) and stand.state(project).get("state") == "in step" else None


def _told(what: str, spell: WorkingSpell, each: float) -> dict[str, float]:
    ours = max(0.0, spell.cpu - each * len(spell.submits))
    print(f"{what}: {spell.seconds:.0f} s, {len(spell.submits)} submits, slowest {max(spell.submits):.2f} s", flush=True)
    return {
        f"{what}_seconds": spell.seconds,
        f"{what}_slowest_submit": max(spell.submits),
        f"{what}_busy_share": ours / spell.seconds,
    }


@contextmanager
def _submitting(stand: Stand, rows: Sequence[int]) -> Iterator[WorkingSpell]:
    """Somebody submits all the while."""
    spell, over = WorkingSpell(), threading.Event()
    failed: list[BaseException] = []

    def submit() -> None:
        try:
            for task in cycle(rows):
                begun = time.perf_counter()
                stand.studio.annotations.create(task, [], lead_time=1.0)
                spell.submits.append(time.perf_counter() - begun)
                if over.wait(max(0.0, EVERY - spell.submits[-1])):
                    return
        except Exception as error:  # noqa: BLE001 - raised below, in the thread that waits
            failed.append(error)

    person = threading.Thread(target=submit)
    begun, spent = time.perf_counter(), _cpu(stand)
    person.start()
    try:
        yield spell
    finally:
        over.set()
        person.join()
        spell.seconds, spell.cpu = time.perf_counter() - begun, _cpu(stand) - spent
    if failed:
        raise failed[0]


def _cpu(stand: Stand) -> float:
    """Seconds of Label Studio's process, which is told from others by its data folder."""
    spent = 0.0
    for place in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if place.name.isdigit() and str(stand.folder / "studio").encode() in (place / "cmdline").read_bytes():
                spent += sum(map(int, (place / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]))
    return spent / os.sysconf("SC_CLK_TCK")
