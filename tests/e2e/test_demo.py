"""`dinolabel demo`, the acceptance of the whole loop: real Label Studio, embedded models, a reviewer, a training, a switch.

It runs from a wheel in an empty folder, as people have it who never see the checkout.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dinolabel.demo.summary import GOALS
from tests import docs

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


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of this checkout and nothing else of ours."""
    folder = tmp_path_factory.mktemp("wheel")
    quietly = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    build = ["wheel", *quietly, "--no-build-isolation", "--wheel-dir", str(folder), str(docs.ROOT)]
    rubble = docs.ROOT / "build"  # what an earlier build left there would get into the wheel
    shutil.rmtree(rubble, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "pip", *build], check=True, timeout=300)
    shutil.rmtree(rubble, ignore_errors=True)
    (wheel,) = folder.glob("dinolabel-*.whl")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *quietly, "--target", str(folder / "site"), str(wheel)], check=True, timeout=300
    )
    return folder / "site"


def test_a_wheel_installs_one_name_with_all_that_it_needs(installed: Path) -> None:
    assert {each.name for each in installed.iterdir() if not each.name.endswith(".dist-info")} - {"bin"} == {"dinolabel"}
    package = installed / "dinolabel"
    assert (package / "py.typed").is_file() and (package / "nano" / "detector" / "model.safetensors").is_file()
    assert (package / "backend" / "http" / "server.py").is_file() and any((package / "backend" / "http" / "templates").glob("*.html"))
    assert not [each for each in package.rglob("*") if each.is_symlink() or each.name in ("recipes", "benchmarks", "tests")]


@pytest.mark.timeout(1500)
def test_the_demo_reaches_its_goals_and_leaves_no_process(installed: Path, tmp_path: Path) -> None:
    out, empty = tmp_path / "demo output", tmp_path / "empty"
    empty.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    where = subprocess.run(
        [sys.executable, "-P", "-c", "import dinolabel; print(dinolabel.__file__)"],
        env=environment,
        cwd=empty,
        capture_output=True,
        text=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(installed)
    command = [sys.executable, "-P", "-m", "dinolabel", "demo", "--no-stay", "--out", str(out)]
    done = subprocess.run(command, env=environment, cwd=empty, capture_output=True, text=True, timeout=1400)
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
