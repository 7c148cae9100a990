"""A person at a shell, for tests of what the docs say: lines are typed one after the other, in one folder; servers run on beside."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests import docs_table
from tests.docs import Block
from tests.e2e.services import free_port
from tests.e2e.started import ROOT, until

STAYS = ("cd ", "export ")
SERVERS = {"dinolabel up": r"/enter/\S+", "dinolabel serve": r"Serving at \S+", "dinolabel app": r"^http://127\.0\.0\.1:\S+"}
"""What runs until it is stopped -> what it prints once it is there."""


@dataclass
class Shell:
    """folder: where the first line is typed. environment: on top of the test's own. replaced: what of the docs cannot be typed as it is."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)
    _stays: list[str] = field(default_factory=list)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.replaced.setdefault("9090", str(free_port()))
        self.replaced.setdefault("dinolabel app", f"dinolabel app --port {free_port()}")
        self.programs = self.folder / ".programs"
        self.programs.mkdir(parents=True)
        for name, module in (("dinolabel", "-m dinolabel"), ("python", "")):
            (self.programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
            (self.programs / name).chmod(stat.S_IRWXU)

    def type(self, line: str) -> str:
        """Run a line of the docs to its end, or a server until it is there; what it printed. Fails with that when it fails."""
        began = time.monotonic()
        typed = self._as_typed(line)
        server = next((each for each in SERVERS if typed.startswith(each)), None)
        said = self._serve(typed, server) if server else self._run(typed)
        if typed.startswith(STAYS):
            self._stays.append(typed)
        self.took[line] = round(time.monotonic() - began, 1)
        return said

    def through(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.type(line)

    def play(self, blocks: Sequence[Block], then: Mapping[str, Callable[[], None]] | None = None) -> dict[str, str]:
        """Type what a page says, in its order, Python as a program; line or program -> what it printed.

        then: what a person does after a line. A `dinolabel serve` ends with its block.
        """
        said: dict[str, str] = {}
        for block in blocks:
            if block.kind == "python":
                said[block.text] = self._program(block.text)
            for line in (each for each in block.commands if not docs_table.excepted(block.page, each)):
                said[line] = self.type(line)
                (then or {}).get(line, lambda: None)()
            if "dinolabel serve" in self._running:
                self.stop("dinolabel serve")
        return said

    def _program(self, text: str) -> str:
        path = self.folder / "program.py"
        path.write_text(text, encoding="utf-8")
        return self._run(f"python {path}")

    def _as_typed(self, line: str) -> str:
        for text, instead in self.replaced.items():
            line = line.replace(text, instead)
        return line

    def _script(self, line: str) -> list[str]:
        return ["bash", "-c", "\n".join(["set -e", *self._stays, line])]

    def _environment(self) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith("DINOLABEL_")}
        path = f"{self.programs}:{os.environ['PATH']}"
        ours = {"PATH": path, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "BROWSER": "true"}
        return {**mine, **ours, **self.environment}

    def _run(self, line: str) -> str:
        here = {"cwd": self.folder, "env": self._environment(), "stdin": subprocess.DEVNULL}
        done = subprocess.run(self._script(line), **here, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, f"$ {line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _serve(self, line: str, server: str) -> str:
        log = self.folder / f"{server.split()[1]}.log"
        with log.open("wb") as output:
            process = self._running[server] = subprocess.Popen(
                self._script(f"exec {line}"), cwd=self.folder, env=self._environment(),
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

        def there() -> str | None:
            said = log.read_text(errors="replace")
            assert process.poll() is None, f"$ {line}\n{said}"
            return said if re.search(SERVERS[server], said, re.MULTILINE) else None

        return until(there, seconds=500, what=lambda: log.read_text(errors="replace"))

    def stop(self, server: str) -> None:
        """Ctrl-C."""
        self._running[server].send_signal(signal.SIGINT)
        assert self._running[server].wait(60) in (0, 130, -signal.SIGINT), server
        del self._running[server]

    def close(self) -> None:
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(60)
