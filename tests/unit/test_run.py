"""run.py: which checks and tests its verbs run, and that the Makefile is a layer over them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import run

CHECKS = ["ruff check .", "ruff format --check .", "mypy"]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modules that a verb runs, with their arguments; nothing is set up or run."""
    noted: list[str] = []
    monkeypatch.setattr(run, "setup", lambda: None)
    monkeypatch.setattr(run, "ensure", lambda *names: None)
    monkeypatch.setattr(run, "call", lambda *command, **environment: noted.append(" ".join(map(str, command[2:]))))
    return noted


def test_quick_leaves_the_slow_ones_out(calls: list[str]) -> None:
    run.quick()
    assert calls == [*CHECKS, "pytest tests/unit -q -n 2 -m not slow and not weights"]


def test_quick_takes_what_it_is_told(calls: list[str]) -> None:
    run.quick("tests/unit/exporters")
    assert calls[-1] == "pytest tests/unit/exporters -m not slow and not weights"


def test_test_runs_every_test_that_needs_no_hub(calls: list[str]) -> None:
    run.test()
    assert calls[:3] == CHECKS
    tests = calls[3:]
    folders = {path.name for path in (run.ROOT / "tests").iterdir() if list(path.rglob("test_*.py"))}
    assert {f"tests/{each}" for each in folders - {"weights"}} == set(re.findall(r"tests/\w+", " ".join(tests)))
    assert all(each.endswith("-m not weights") for each in tests), "slow ones too"


def test_every_verb_of_the_makefile_is_one_of_run_py() -> None:
    makefile = Path(run.ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([\w-]+):", makefile, re.MULTILINE)
    assert set(targets) == set(re.findall(r"run\.py ([\w-]+)", makefile)) <= set(run.VERBS)
    assert set(targets) == set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
