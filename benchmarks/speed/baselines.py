"""What we are timed against: the product as it was at 242536f, groundingdino-py 0.4.0 and transformers, each in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

from dinolabel.vision.originals.package_process import environment

ROOT = Path(__file__).resolve().parents[2]
BEFORE = "242536f"  # the last commit before the work on speed began


def before() -> Path:
    """A checkout of BEFORE. It runs on our packages: its locks differ from ours by one that it never imports here (huey)."""
    folder = ROOT / ".cache" / "speed" / BEFORE
    if not folder.is_dir():
        packed = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
    return folder


def paths(way: str) -> list[Path]:
    """What stands first on the way to Python's modules."""
    if way == "groundingdino-py":
        return [environment(), ROOT]
    return [before()] if way == "before" else [ROOT]


def surroundings(way: str, **more: str) -> dict[str, str]:
    """The environment of such a process: one thread, no network."""
    path = os.pathsep.join(map(str, paths(way)))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **more}


class Looker:
    """One way to look at pictures, loaded in a process of its own that waits for its turn (benchmarks/speed/look.py)."""

    def __init__(self, way: str, *arguments: str) -> None:
        self.way = way
        command = [sys.executable, str(ROOT / "benchmarks" / "speed" / "look.py"), way, *arguments]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, env=surroundings(way), cwd=paths(way)[-1], **pipes)
        self._ask()

    def wait(self) -> None:
        """Until it is loaded and warm: all ways may be so at once."""
        self._answer()

    def look(self) -> dict[str, float]:
        """CPU seconds and wall seconds of one picture, and how many candidates it had. Raises ValueError where the process failed."""
        self._ask()
        return self._answer()

    def end(self) -> None:
        self._process.communicate()

    def _ask(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("look\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        return dict(json.loads(self._process.stdout.readline()))
