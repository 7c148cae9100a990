"""A `dinolabel up` as a person starts it, for tests: the process, what it printed, every process below it, and weights to run it with."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import PIL.Image

from dinolabel.vision.loading.weights import NANO_FOLDER

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
SCENES = NANO_FOLDER / "demo"
NANO_HERE = (NANO_FOLDER / "detector").is_dir() and SCENES.is_dir()


def weights_environment(folder: Path) -> dict[str, str]:
    """The embedded weights where they are; else tiny random ones, with thresholds so low that they find something."""
    if NANO_HERE:
        return {"DINOLABEL_DETECTOR_WEIGHTS": "nano", "DINOLABEL_EMBEDDER_WEIGHTS": "nano"}
    from tests import tiny_models

    return {
        "DINOLABEL_DETECTOR_WEIGHTS": str(tiny_models.tiny_detector(folder / "detector")),
        "DINOLABEL_EMBEDDER_WEIGHTS": str(tiny_models.tiny_embedder(folder / "embedder")),
        "DINOLABEL_BOX_THRESHOLD": "0.01",
        "DINOLABEL_TEXT_THRESHOLD": "0",
    }


def pictures(folder: Path, count: int) -> list[Path]:
    """The demo's scenes where they are, else noise. Returns the files."""
    folder.mkdir(parents=True)
    scenes = sorted(SCENES.glob("*.jpg"))[:count]
    made = []
    for number in range(count):
        made.append(folder / f"{number:02d} bild ü.jpg")
        if scenes:
            made[-1].write_bytes(scenes[number].read_bytes())
        else:
            noise = np.random.default_rng(number).integers(0, 255, (12, 16, 3), np.uint8)
            PIL.Image.fromarray(noise).resize((320, 240)).save(made[-1])
    return made


@dataclass
class Up:
    """log: everything it printed, stdout and stderr together."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, log: Path, environment: dict[str, str], *arguments: str) -> Up:
        command = [sys.executable, "-m", "dinolabel", "up", *arguments, "--no-browser"]
        with log.open("wb") as output:
            # As in the background of a script, where the shell has SIGINT ignored: Ctrl-C's signal must stop it all the same.
            process = subprocess.Popen(
                ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=environment,
                start_new_session=True,
            )
        return cls(process, log)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def link(self, *, seconds: float = 400) -> str:
        """The link that logs in, once it is printed."""

        def printed() -> str | None:
            assert self.process.poll() is None, f"it ended:\n{self.said()}"
            found = re.search(r"http://127\.0\.0\.1:\d+/enter/\S+", self.said())
            return found.group() if found else None

        return until(printed, seconds=seconds, what=self.said)

    def board_link(self) -> str:
        """The link into the backend's page, once the other one is printed."""
        self.link()
        return str(until(lambda: re.search(r"watch\s+(http://127\.0\.0\.1:\d+/enter/\S+)", self.said()), seconds=30, what=self.said)[1])

    def end(self, number: int = signal.SIGINT) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def family(self) -> dict[int, str]:
        """Every process below it, and itself: id -> command."""
        return family(self.process.pid)


def family(root: int) -> dict[int, str]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
    found = {root}
    while more := {each for each, parent in parents.items() if parent in found} - found:
        found |= more
    return {each: _command(each) for each in found}


def alive(processes: dict[int, str]) -> dict[int, str]:
    """Those that are still the same program."""
    return {each: command for each, command in processes.items() if command and _command(each) == command}


def until(ready: Callable[[], T | None], *, seconds: float, what: Callable[[], object] = lambda: "") -> T:
    """The first true answer."""
    end = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain: {what()}"
        time.sleep(0.25)
    return found


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """Ours without settings of the person who runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DINOLABEL_")}
    return {**kept, "DINOLABEL_DATA_DIR": str(data_dir), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **more}


def run(environment: dict[str, str], *arguments: str, seconds: float = 200) -> subprocess.CompletedProcess[str]:
    """`dinolabel …` to its end."""
    command = [sys.executable, "-m", "dinolabel", *arguments]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=ROOT, env=environment, timeout=seconds
    )


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
