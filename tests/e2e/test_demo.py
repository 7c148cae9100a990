"""`dinolabel demo`, the acceptance of the whole loop: real Label Studio, embedded models, a reviewer, a training, a switch."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from dinolabel.demo.summary import GOALS

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FIGURES = {
    "images",
    "objects",
    "detect_recall",
    "detect_precision",
    "named_accuracy",
    "named_coverage",
    "unknown_kept_generic",
    "review_keys_per_box",
    "train_seconds",
    "switch_seconds",
    "tasks_without_boxes_during_switch",
    "model_version_before",
    "model_version_after",
    "wall_seconds",
}


@pytest.mark.timeout(1500)
def test_the_demo_reaches_its_goals_and_leaves_no_process(tmp_path: Path) -> None:
    out = tmp_path / "demo output"
    done = subprocess.run(
        [sys.executable, "-m", "dinolabel", "demo", "--no-stay", "--out", str(out)], capture_output=True, text=True, timeout=1400
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary) == FIGURES
    assert {name: summary[name] for name, goal in GOALS.items() if summary[name] < goal} == {}
    assert summary["tasks_without_boxes_during_switch"] == 0
    assert summary["model_version_before"] != summary["model_version_after"]
    for name in ("pictures/before.jpg", "pictures/after.jpg", "pictures/loop.png", "screens/before.png", "screens/after.png"):
        assert (out / name).stat().st_size > 10_000
    left = [line for line in _processes() if str(out) in line]
    assert left == []


def _processes() -> list[str]:
    """Command lines of all processes of this machine; one that ends while we look is left out."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return lines
