"""docs/plugins.md from an empty folder: its files, installed by pip beside dinolabel, in every command that they are for."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests import docs
from tests.doubles.annotated import mixed
from tests.doubles.coloured_things import BLUE, picture
from tests.e2e.started import ROOT, environment, until

PAGE = ROOT / "docs" / "plugins.md"
BLOCKS = docs.blocks(PAGE)
FILES = ("dark.py", "test_dark.py", "dark_lines.py", "dark_middle.py")  # the page's Python, in its order


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as site-packages, in which pip has put the page's package."""
    source, site = tmp_path_factory.mktemp("package"), tmp_path_factory.mktemp("site")
    for name, text in zip(FILES, (each.text for each in BLOCKS if each.kind == "python"), strict=True):
        (source / name).write_text(text, encoding="utf-8")
    (project,) = [each.text for each in BLOCKS if each.kind == "toml"]
    (source / "pyproject.toml").write_text(project, encoding="utf-8")
    (typed,) = [line for each in BLOCKS for line in each.commands if line.startswith("pip install")]
    command = [sys.executable, "-m", "pip", *typed.split()[1:], "--quiet", "--disable-pip-version-check", "--target", str(site)]
    subprocess.run(command, cwd=source, check=True, timeout=300)
    (site / "test_dark.py").write_bytes((source / "test_dark.py").read_bytes())
    return site


@pytest.fixture
def chosen(site: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a person who installed it and wants its detector."""
    found = environment(tmp_path / "data")
    path = os.pathsep.join(filter(None, [str(site), found.get("PYTHONPATH")]))
    return found | {
        "PYTHONPATH": path,
        "DINOLABEL_DETECTOR": "dark",
        "DINOLABEL_EMBEDDER_WEIGHTS": "nano",
        "DINOLABEL_BOX_THRESHOLD": "0.1",
    }


def run(chosen: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=folder,
        env=chosen | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_help_lists_it_and_imports_none_of_it(chosen: dict[str, str], tmp_path: Path) -> None:
    told = run(chosen, tmp_path, "-m", "dinolabel", "--help").stdout
    assert [" ".join(line.split()) for line in told.splitlines() if "dinolabel-dark" in line] == [
        "detector dark (dinolabel-dark 1.0)",
        "head middle (dinolabel-dark 1.0)",
        "export format lines (dinolabel-dark 1.0)",
    ]
    assert re.search(r"\blines\b", run(chosen, tmp_path, "-m", "dinolabel", "export", "--help").stdout)
    looked = "import sys, dinolabel.__main__ as m; m.run(['--help']); print(*sorted({'torch', 'dark'} & set(sys.modules)))"
    assert run(chosen, tmp_path, "-c", looked).stdout.splitlines()[-1] == ""


def test_detect_runs_it(chosen: dict[str, str], tmp_path: Path) -> None:
    picture(tmp_path / "photo.jpg", (BLUE, (10, 20, 50, 70)))
    (typed,) = [line for each in BLOCKS for line in each.commands if line.startswith("dinolabel detect")]
    done = run(chosen, tmp_path, "-m", *docs.words(typed), "--json")
    ((found,),) = [each["found"] for each in json.loads(done.stdout)["images"]]
    assert found["box"] == pytest.approx([10, 20, 50, 70], abs=3) and found["label"] == "thing"
    assert "dark (needs no weights)" in done.stderr


def test_its_laws_hold_in_its_own_tests(chosen: dict[str, str], site: Path) -> None:
    run(chosen, site, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_dark.py")


def test_its_exporter_and_its_head_hold_and_run(chosen: dict[str, str], tmp_path: Path) -> None:
    program = (
        "import dark_lines, dark_middle; from dinolabel.testing import check_exporter, check_head; "
        "check_exporter(dark_lines.export); check_head(dark_middle.build, dark_middle.restore); "
        "from dinolabel.training.model_selection.head_selection import head_candidates; print(*(each.name for each in head_candidates()))"
    )
    assert "middle" in run(chosen, tmp_path, "-c", program).stdout.splitlines()[-1].split()
    world = mixed(tmp_path / "pictures")
    tasks = world.save(tmp_path / "export.json")
    more = ["--media", str(world.folder), "--label-config", str(tasks.with_suffix(".xml")), "--out", "lines"]
    run(chosen, tmp_path, "-m", "dinolabel", "export", "lines", "--from", "export.json", *more)
    lines = (tmp_path / "lines" / "boxes.txt").read_text(encoding="utf-8").splitlines()
    assert "1-x.png\tjason\t10.00 10.00 50.00 60.00" in lines, lines


@pytest.mark.parametrize("command", ["serve", "app"])
def test_serve_and_app_run_it(chosen: dict[str, str], tmp_path: Path, command: str) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output:
        started = [sys.executable, "-P", "-m", "dinolabel", command, "--port", "0"]
        process = subprocess.Popen(started, stdout=output, stderr=subprocess.STDOUT, cwd=tmp_path, env=chosen)
    try:
        ready = "Serving at" if command == "serve" else "Ctrl-C ends it"
        until(lambda: ready in log.read_text() or process.poll() is not None, seconds=120, what=log.read_text)
        assert process.poll() is None, log.read_text()
        if command == "serve":
            url = re.search(r"Serving at (http://127\.0\.0\.1:\d+)", log.read_text())
            path = picture(tmp_path / "photo.png", (BLUE, (10, 20, 50, 70)))
            assert url is not None
            answer = requests.post(f"{url[1]}/v1/detect", files={"image": path.read_bytes()}, data={"prompt": "thing"}, timeout=120)
            assert [each["label"] for each in answer.json()["results"][0]["found"]] == ["thing"], answer.text
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()
    finally:
        process.kill()
