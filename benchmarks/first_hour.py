"""What a newcomer waits for: installing by uv and by pip, and `dinolabel up` from the command to the first boxes.

    python -m benchmarks.first_hour up
    python -m benchmarks.first_hour pip empty     # then pip full, uv empty, uv full

Adds its rows, `{"what", "value", "goal", "holds"}`, to first_hour.json (--json FILE). `up` starts twice on forty of the demo's scenes with
the embedded models and a real Label Studio, in a data folder of its own. The others run `python run.py setup` in a copy of the
checkout, by pip or by uv, which has to be on the path: with an empty cache, then again with what that run left in it. Seconds are this
machine's at this moment, CPU seconds are of all processes that were started; the ratio is what travels.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCENES = ROOT / "dinolabel" / "nano" / "demo"
PICTURES = 40
FIRST_BOXES_GOAL, AGAIN_GOAL = 60.0, 20.0  # seconds on two idle cores
FASTER_GOAL = 3.0  # uv, how many times as fast as pip
READY = "Ctrl-C stops everything"
Row = dict[str, Any]


def row(what: str, value: float, goal: float | None = None, *, at_most: bool = True) -> Row:
    """One row; goal None: told, not judged."""
    holds = goal is None or (value <= goal if at_most else value >= goal)
    return {"what": what, "value": float(f"{value:.3g}"), "goal": goal, "holds": bool(holds)}


def measure_up() -> Iterable[Row]:
    """The first start of a folder, and the second."""
    with tempfile.TemporaryDirectory() as place:
        photos = Path(place, "photos")
        photos.mkdir()
        for each in sorted(SCENES.glob("*.jpg"))[:PICTURES]:
            shutil.copy(each, photos)
        for name, goal in (("first", FIRST_BOXES_GOAL), ("second", AGAIN_GOAL)):
            seconds, cpu = start_once(photos, Path(place, "data"))
            yield row(f"up, {name} start: seconds to boxes and keys", seconds, goal)
            yield row(f"up, {name} start: CPU seconds, the end of it included", cpu)


def start_once(photos: Path, data: Path) -> tuple[float, float]:
    """(seconds until boxes are there and the keys are told, CPU seconds until all has ended). Raises RuntimeError where it never came."""
    words = [str(photos), "--weights", "nano", "--prompt", "cat face", "--names", "tom,felix", "--no-browser"]
    environment = {**os.environ, "DINOLABEL_DATA_DIR": str(data), "PYTHONUNBUFFERED": "1"}
    before, began = cpu_of_children(), time.monotonic()
    up = subprocess.Popen(
        [sys.executable, "-P", "-m", "dinolabel", "up", *words],
        cwd=photos.parent, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert up.stdout is not None
    told: list[str] = []
    seconds = None
    for line in up.stdout:
        told.append(line)
        print(f"{time.monotonic() - began:6.1f}  {line.rstrip()}", file=sys.stderr)
        if READY in line:
            seconds = time.monotonic() - began
            up.send_signal(signal.SIGINT)
    up.wait()
    if seconds is None:
        raise RuntimeError("`dinolabel up` never said that it is ready:\n" + "".join(told))
    return seconds, cpu_of_children() - before


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure_setup(tool: str, cache: str, caches: Path) -> Iterable[Row]:
    """One set-up. tool: pip or uv. cache: empty or full; a full one is what the empty one's run left in caches."""
    held = caches / f"{tool}-cache"
    if cache == "empty":
        shutil.rmtree(held, ignore_errors=True)
    elif not held.is_dir():
        raise SystemExit(f"There is nothing in {held}: measure it empty first.")
    if tool == "uv" and shutil.which("uv") is None:
        raise SystemExit("There is no uv on the path, so there is nothing to compare: pip install uv")
    without_uv = os.pathsep.join(each for each in os.environ["PATH"].split(os.pathsep) if not Path(each, "uv").exists())
    environment = {"PATH": without_uv, "PIP_CACHE_DIR": str(held)} if tool == "pip" else {"UV_CACHE_DIR": str(held)}
    with tempfile.TemporaryDirectory(dir=caches) as place:  # on the disk of the caches, as most people's are
        seconds, cpu = install_once(Path(place), environment)
    yield row(f"setup by {tool}, cache {cache}: seconds", seconds)
    yield row(f"setup by {tool}, cache {cache}: CPU seconds", cpu)


def install_once(checkout: Path, environment: Mapping[str, str]) -> tuple[float, float]:
    """(seconds, CPU seconds) of `python run.py setup` in a fresh copy of what git knows."""
    files = subprocess.run(["git", "-C", str(ROOT), "archive", "HEAD"], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(checkout)], input=files, check=True)
    before, began = cpu_of_children(), time.monotonic()
    python = str(Path(sys.base_prefix, "bin", "python3"))
    subprocess.run([python, "run.py", "setup"], cwd=checkout, env={**os.environ, **environment}, check=True, stdout=sys.stderr)
    return time.monotonic() - began, cpu_of_children() - before


def compare(known: Mapping[str, float]) -> Iterable[Row]:
    """uv beside pip, as far as both were measured."""
    for cache in ("empty", "full"):
        for unit, goal in (("seconds", FASTER_GOAL), ("CPU seconds", None)):
            pip, uv = (known.get(f"setup by {tool}, cache {cache}: {unit}") for tool in ("pip", "uv"))
            if pip and uv:
                yield row(f"setup, cache {cache}: {unit} of pip for one of uv", pip / uv, goal, at_most=False)


def keep(path: Path, rows: Sequence[Row]) -> None:
    """Rows of the same words are replaced, others stay."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    fresh = {each["what"]: each for each in rows}
    kept = [fresh.pop(each["what"], each) for each in known]
    path.write_text(json.dumps([*kept, *fresh.values()], indent=1) + "\n", encoding="utf-8")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("what", choices=("up", "pip", "uv"))
    asked.add_argument("cache", nargs="?", choices=("empty", "full"), default="empty")
    asked.add_argument("--caches", type=Path, default=Path(tempfile.gettempdir(), "first-hour"), metavar="FOLDER")
    asked.add_argument("--json", type=Path, default=ROOT / "first_hour.json", metavar="FILE")
    chosen = asked.parse_args()
    chosen.caches.mkdir(parents=True, exist_ok=True)
    rows = list(measure_up() if chosen.what == "up" else measure_setup(chosen.what, chosen.cache, chosen.caches))
    keep(chosen.json, rows)
    known = {each["what"]: each["value"] for each in json.loads(chosen.json.read_text(encoding="utf-8"))}
    rows += (compared := list(compare(known)))
    keep(chosen.json, compared)
    for each in rows:
        print(f"{each['what']:58}  {each['value']:g}" + ("" if each["goal"] is None else f"  (goal {each['goal']:g})"))


if __name__ == "__main__":
    main()
