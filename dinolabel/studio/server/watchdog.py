"""Runs one command and ends its whole process group as soon as whoever started it is gone, however it went.

Run as a program by dinolabel.studio.server.process: `python -I watchdog.py PARENT_PID COMMAND…` in a process group of its own, with a pipe
from
the parent as
standard input. The pipe closes when the parent dies, SIGKILL included; that works from any thread and on any POSIX system. It
imports nothing of ours.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from types import FrameType

GRACE_SECONDS = 8.0


def main(argv: list[str]) -> int:
    """The command's exit status, or 0 when it was ended because the parent is gone or told us to stop."""
    parent, command = int(argv[1]), argv[2:]
    told: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        told.append(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while child.poll() is None and not told and os.getppid() == parent:
        ready, _, _ = select.select([0], [], [], 0.5)
        if ready and not os.read(0, 1):
            break
    status = child.poll()
    _end_group(child)
    return 0 if status is None else status


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """TERM to all of our group (we ignore it), then, should the child or a child of it hang, KILL to all including ourselves."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    end = time.monotonic() + GRACE_SECONDS
    while child.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    if child.poll() is None:
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
