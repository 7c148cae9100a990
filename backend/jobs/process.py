"""Child process: a command of its own group: low priority, output to a file, ended with everything it started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

NICENESS = 10
GRACE_SECONDS = 5.0
TAIL_BYTES = 4096
PROMPT = "$ "
"""Before a command in a log, as in a shell."""


class ChildProcess:
    """A running command. Raises OSError when it cannot be started."""

    def __init__(self, arguments: Sequence[str], *, environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                list(arguments),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self.born = start_time(self.pid)
        with suppress(OSError):
            os.setpriority(os.PRIO_PGRP, self.pid, NICENESS)

    def wait(self, seconds: float) -> int | None:
        """The exit code, or None when it still runs after the seconds."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        """End the whole group: asked first, made to after a grace."""
        terminate_group(self.pid)
        self._process.wait()


def terminate_group(group: int, grace: float = GRACE_SECONDS) -> None:
    """SIGTERM, then SIGKILL to a process group of ours, until nobody is left in it."""
    for what, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, grace)):
        try:
            os.killpg(group, what)
        except ProcessLookupError:
            return
        until = time.monotonic() + seconds
        while time.monotonic() < until and _is_alive(group):
            time.sleep(0.02)


def terminate_orphan(pid: int, born_at: float) -> bool:
    """End the group of a child whose server is gone. False, and nothing is touched, when that process is no longer the same one."""
    if start_time(pid) != born_at:
        return False
    terminate_group(pid)
    return True


def start_time(pid: int) -> float | None:
    """When a process was started, in the kernel's ticks: with the pid it names one process for good. None when there is none such."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return _start_time_by_ps(pid)
    # Field 22 of proc(5); the second one, the name, may hold spaces and brackets.
    after_name = text.rpartition(")")[2].split()
    return None if after_name[0] == "Z" else float(after_name[19])


def _start_time_by_ps(pid: int) -> float | None:
    """Systems without /proc."""
    if Path("/proc/self/stat").exists():
        return None
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
    return time.mktime(time.strptime(shown)) if shown else None


def _is_alive(group: int) -> bool:
    """True while somebody in the group is more than a zombie."""
    return any(start_time(each) is not None for each in _members(group))


def _members(group: int) -> list[int]:
    """Processes of a group; the leader alone where there is no /proc."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[2]) == group:
                found.append(int(folder.name))
    return found or [group]


def last_line(log: Path) -> str:
    """The last line a command said, without terminal colours; "" when there is none yet. Lines with the command itself do not count,
    nor do those of a log for programs (JSON)."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").replace("\r", "\n").splitlines()
    except OSError:
        return ""
    return next((clean for each in reversed(lines) if (clean := _strip_control(each)) and not clean.startswith((PROMPT, "{"))), "")


def _strip_control(line: str) -> str:
    kept, inside = [], False
    for sign in line:
        if inside:
            inside = not sign.isalpha()
        elif sign == "\x1b":
            inside = True
        elif sign.isprintable():
            kept.append(sign)
    return "".join(kept).strip()
