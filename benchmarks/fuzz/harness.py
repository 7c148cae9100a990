"""Harness: a reader and its inputs in a process of its own, watched for crashes, hangs, memory and files that it leaves behind."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dinolabel.vision.errors import DinolabelError

Read = Callable[[bytes], object]
Mutate = Callable[[bytes, random.Random, list[bytes]], bytes]
HANG_SECONDS = 5.0
CHUNK = 400
"""Inputs a process: what a reader keeps for itself is let go in between."""


@dataclass(frozen=True)
class Target:
    """make: given an empty folder, the good inputs and the reader of one. share: of all inputs, in relation to the others'."""

    name: str
    make: Callable[[Path], tuple[Sequence[bytes], Read]]
    mutate: Mutate
    share: float = 1.0


@dataclass
class Outcome:
    """named: errors of ours. unnamed: whatever else came out, by kind and place. stray: files that were left. peak_mb: of memory."""

    name: str
    results: int = 0
    named: int = 0
    hangs: int = 0
    stray: int = 0
    peak_mb: int = 0
    slowest: float = 0.0
    unnamed: Counter[str] = field(default_factory=Counter)

    @property
    def inputs(self) -> int:
        return self.results + self.named + self.hangs + sum(self.unnamed.values())


def run(target: Target, count: int, *, seed: int, until: float, keep: Path) -> Outcome:
    """So many inputs, or fewer when the time (monotonic) is over. keep: where inputs are written that something unforeseen came of."""
    outcome, start = Outcome(target.name), 0
    while start < count and time.monotonic() < until:
        start = _chunk(target, outcome, range(start, min(start + CHUNK, count)), seed, keep)
    return outcome


def _chunk(target: Target, outcome: Outcome, numbers: range, seed: int, keep: Path) -> int:
    """In a child; the number to go on with: after one that hangs or takes the process down, behind that one."""
    context = multiprocessing.get_context("fork")
    at, told = context.Value("l", -1), context.Array("d", len(TOLD))
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        work = _Work(target, numbers, seed, Path(folder), keep)
        child = context.Process(target=_child, args=(work, at, told))
        child.start()
        killed = _watch(child, at)
        if at.value < 0:
            raise RuntimeError(f"The good inputs of {target.name} could not be made or read.")
        _add(outcome, dict(zip(TOLD, told, strict=True)), work.odd)
        if child.exitcode == 0:
            return numbers.stop
        why = "hang" if killed else f"the process ended with {child.exitcode}"
        if killed:
            outcome.hangs += 1
        else:
            outcome.unnamed[why] += 1
        _keep(keep, f"{target.name}: {why}", work.current.read_bytes())
        return int(at.value) + 1


@dataclass(frozen=True)
class _Work:
    """What a child is given. odd: a line for each unforeseen error. current: the input at hand."""

    target: Target
    numbers: range
    seed: int
    folder: Path
    keep: Path

    @property
    def odd(self) -> Path:
        return self.folder / "odd"

    @property
    def current(self) -> Path:
        return self.folder / "current"


def _watch(child: Any, at: Any) -> bool:
    """Wait for its end; True when it hung on an input and was killed."""
    last, since = at.value, time.monotonic()
    while child.is_alive():
        child.join(0.2)
        if at.value != last:
            last, since = at.value, time.monotonic()
        # Making the seeds and importing comes before the first input.
        elif time.monotonic() - since > (HANG_SECONDS if last > -1 else 60 * HANG_SECONDS):
            child.kill()
            child.join()
            return True
    return False


def _child(work: _Work, at: Any, told: Any) -> None:
    try:
        _read_all(work, at, told)
    except BaseException:  # noqa: BLE001 - of the harness itself
        os._exit(1)
    os._exit(0)  # it was forked from a thread, whose end Python would wait for


def _read_all(work: _Work, at: Any, told: Any) -> None:
    # What the libraries say of each damaged input would be gigabytes.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    for name in ("work", "tmp"):
        (work.folder / name).mkdir()
    os.chdir(work.folder / "work")
    tempfile.tempdir = str(work.folder / "tmp")
    seeds, read = work.target.make(work.folder / "made")
    for each in seeds:
        with suppress(DinolabelError):
            read(each)  # good input is read, or refused by name
    before = _files(work.folder)
    for number in work.numbers:
        data = _mutated(work.target, seeds, number, work.seed)
        work.current.write_bytes(data)
        begun = time.monotonic()
        at.value = number
        told[0 if _try(work, read, data) else 1] += 1
        told[3] = max(told[3], time.monotonic() - begun)
        told[4] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    told[2] = len(_files(work.folder) - before - {work.current, work.odd})


def _try(work: _Work, read: Read, data: bytes) -> bool:
    """Whether there was a result; a named error, or an unforeseen one that is noted, is none."""
    try:
        read(data)
    except DinolabelError:
        return False
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        places = [each for each in traceback.extract_tb(error.__traceback__) if "/benchmarks/" not in each.filename]
        ours = next((each for each in reversed(places) if "site-packages" not in each.filename), places[-1] if places else None)
        kind = f"{type(error).__name__} in {Path(ours.filename).name}:{ours.name}" if ours else type(error).__name__
        with work.odd.open("a", encoding="utf-8") as file:
            file.write(f"{kind}\n")
        _keep(work.keep, f"{work.target.name}: {kind}", data)
        return False
    return True


def _mutated(target: Target, seeds: Sequence[bytes], number: int, seed: int) -> bytes:
    dice = random.Random(f"{target.name} {seed} {number}")
    return target.mutate(dice.choice(seeds), dice, list(seeds))


def _files(folder: Path) -> set[Path]:
    return {each for each in folder.rglob("*") if each.is_file() and "made" not in each.relative_to(folder).parts}


def _keep(folder: Path, title: str, data: bytes) -> None:
    """The first input of each kind, for who mends it."""
    name = "".join(each if each.isalnum() else "-" for each in title)[:100]
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / name).exists():
        (folder / name).write_bytes(data)


def _add(to: Outcome, told: dict[str, float], odd: Path) -> None:
    lines = odd.read_text(encoding="utf-8").splitlines() if odd.exists() else []
    to.unnamed.update(lines)
    to.results += int(told["results"])
    to.named += int(told["others"]) - len(lines)
    to.stray += int(told["stray"])
    to.peak_mb, to.slowest = max(to.peak_mb, int(told["peak_mb"])), max(to.slowest, told["slowest"])


TOLD = ("results", "others", "stray", "slowest", "peak_mb")
