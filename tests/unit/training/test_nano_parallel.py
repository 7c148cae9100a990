"""The processes that train together end together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.waiting import eventually

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from recipes.nano.parallel import launch

def work(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for what it starts in the background
    launch(2, work, sys.argv[1])
"""


def test_no_process_outlives_a_killed_run(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (folder := tmp_path / "pids").mkdir()
    run = subprocess.Popen([sys.executable, str(tmp_path / "program.py"), str(folder)], env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    children: list[int] = []
    try:
        eventually(lambda: len(list(folder.iterdir())) == 2, 60.0)
        children = [int(each.name) for each in folder.iterdir()]
        run.send_signal(signal.SIGKILL)
        run.wait()
        eventually(lambda: not any(map(_lives, children)), 60.0)
        assert len(children) == 2
    finally:
        run.kill()
        for each in filter(_lives, children):
            os.kill(each, signal.SIGKILL)


def _lives(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
