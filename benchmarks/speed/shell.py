"""`dinolabel detect` from a shell on the embedded models, now and as it was: the first box, the same again, a folder."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import PIL.Image

from benchmarks.drawn_world import DEMO
from benchmarks.engine import Row, row
from benchmarks.speed.baselines import paths, surroundings

PROMPT = "cat face"
PICTURES = int(os.environ.get("DINOLABEL_BENCH_PICTURES", "1000"))


def detect(way: str, path: Path, home: Path, *more: str) -> float:
    """CPU seconds of the command with its data in `home`."""
    environment = surroundings(way, DINOLABEL_DATA_DIR=str(home), DINOLABEL_DETECTOR_WEIGHTS="nano", DINOLABEL_EMBEDDER_WEIGHTS="nano")
    command = [sys.executable, "-m", "dinolabel", "detect", str(path), "--prompt", PROMPT, *more]
    process = subprocess.Popen(command, env=environment, cwd=paths(way)[-1], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return used.ru_utime + used.ru_stime


def start_rows(folder: Path, rounds: int) -> Iterator[Row]:
    """The first round warms the disk, and is the one in which our engine is compared: it is no start as there are many."""
    picture = sorted(DEMO.glob("*.jpg"))[0]
    first: dict[str, list[float]] = {"before": [], "now": []}
    again: dict[str, list[float]] = {"before": [], "now": []}
    for number in range(rounds + 1):
        for way in first:
            home = folder / way
            (home / "cache.sqlite").unlink(missing_ok=True)
            taken = detect(way, picture, home), detect(way, picture, home)
            if number:
                first[way].append(taken[0])
                again[way].append(taken[1])
    for what, each, goal in (("first box from a shell", first, 2), ("first box again, from the cache", again, 7)):
        cost = {way: statistics.median(seconds) for way, seconds in each.items()}
        yield row(f"{what}, CPU seconds", cost["now"], "-", holds=True)
        times = cost["before"] / cost["now"]
        yield row(f"{what}, against 242536f, times", times, f">= {goal}", holds=times >= goal)


def folder_rows(folder: Path) -> Iterator[Row]:
    """A folder of nano pictures with the drawn pictures kept, loading included. DINOLABEL_BENCH_PICTURES: how many."""
    pictures = folder / "pictures"
    draw_pictures(pictures)
    cost = {}
    for way in ("before", "now"):
        detect(way, sorted(pictures.iterdir())[0], folder / way)  # so that the engine is known
        shutil.rmtree(folder / "out", ignore_errors=True)
        cost[way] = detect(way, pictures, folder / way, "--out", str(folder / "out"))
    what = f"folder of {PICTURES:,} nano pictures"
    yield row(f"{what}, CPU seconds", cost["now"], "-", holds=True)
    times = cost["before"] / cost["now"]
    yield row(f"{what}, against 242536f, times", times, ">= 2", holds=times >= 2)


def draw_pictures(folder: Path) -> None:
    """The demo's, each time a little smaller, so that no two are the same."""
    folder.mkdir()
    scenes = sorted(DEMO.glob("*.jpg"))
    for number in range(PICTURES):
        with PIL.Image.open(scenes[number % len(scenes)]) as opened:
            opened.crop((0, 0, opened.width - number // len(scenes), opened.height)).save(folder / f"{number:05}.jpg", quality=92)
