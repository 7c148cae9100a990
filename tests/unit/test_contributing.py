"""CONTRIBUTING.md, .github/ and .pre-commit-config.yaml against what is here: paths, Pythons, schemas, hooks that run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

import run

ROOT = run.ROOT
GITHUB = ROOT / ".github"
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
WORKFLOW = GITHUB / "workflows" / "test.yml"
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HOOKS = ROOT / ".pre-commit-config.yaml"


def check_schema(schema: str, path: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed (python run.py setup)")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_the_workflow_is_one(schema: str) -> None:
    done = check_schema(schema, WORKFLOW)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_issue_forms_are_of_their_schema(form: Path) -> None:
    done = check_schema("vendor.github-issue-forms", form)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_check_can_fail(tmp_path: Path) -> None:
    wrong = tmp_path / "test.yml"
    wrong.write_text(WORKFLOW.read_text().replace("runs-on:", "runs_on:"))
    done = check_schema("vendor.github-workflows", wrong)
    assert done.returncode == 1 and "runs_on" in done.stdout + done.stderr


def test_the_workflow_runs_make_test_on_every_python_that_is_served() -> None:
    job = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["test"]
    served = [f"3.{minor}" for minor in range(30) if f"3.{minor}" in SpecifierSet(PROJECT["requires-python"])]
    assert job["strategy"]["matrix"]["python"] == served
    assert "make test" in [step.get("run") for step in job["steps"]]


def column(heading: str, number: int) -> list[str]:
    """What stands in backticks in a column of the table below a heading."""
    section = GUIDE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = [line.split("|")[number] for line in section.splitlines() if line.startswith("| ")][1:]
    return [each for cell in cells for each in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("path", [*column("Where things live", 1), *column("One file each", 2), *column("One file each", 4)])
def test_a_place_in_the_guide_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_room_is_in_the_guide() -> None:
    rooms = {each.parent.name for each in (ROOT / "dinolabel").glob("*/__init__.py") if (each.parent / "errors.py").exists()}
    assert rooms <= {each.removeprefix("dinolabel.") for each in column("Where things live", 2)}


def test_the_example_of_a_commit_follows_the_rule() -> None:
    example = re.findall(r"```text\n(.*?)```", GUIDE, re.DOTALL)[0]
    assert re.match(subject_rule(), example)
    assert all(len(line) <= 72 for line in example.splitlines())


def hooks() -> dict[str, dict[str, Any]]:
    repos = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))["repos"]
    return {hook["id"]: hook for repo in repos for hook in repo["hooks"]}


def subject_rule() -> str:
    return str(hooks()["subject"]["entry"])


def test_hooks_fetch_nothing() -> None:
    repos = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    assert {hook["language"] for hook in hooks().values()} <= {"system", "pygrep"}
    assert {"ruff-check", "ruff-format", "mypy", "quick-tests"} <= set(hooks())


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new repository with our hooks, and .venv as they expect it."""
    pytest.importorskip("pre_commit", reason="pre-commit is not installed (python run.py setup)")
    folder = tmp_path_factory.mktemp("repository")
    git = ["git", "-C", str(folder)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    (folder / HOOKS.name).write_bytes(HOOKS.read_bytes())
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "wrong.py").write_text("import os,sys\n")
    subprocess.run([*git, "add", HOOKS.name, "pyproject.toml", "wrong.py"], check=True)
    return folder


def pre_commit(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PRE_COMMIT_HOME": str(repository / ".git" / "pre-commit")}
    command = [sys.executable, "-m", "pre_commit", *arguments]
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("subject", "taken"),
    [
        ("exporters: keep hidden files out of COCO", True),
        ("run.py: add quick", True),
        ("Merge branch 'main'", True),
        ("backend, studio: name the lease\n\nIts why may be longer than the seventy-two characters that its subject has.", True),
        ("Format", False),
        ("exporters: ", False),
        ("exporters: " + "x" * 61, True),
        ("exporters: " + "x" * 62, False),
        ("Say what is wrong\n\nexporters: not the subject", False),
    ],
)
def test_a_subject_names_its_component_in_72_characters(repository: Path, tmp_path: Path, subject: str, taken: bool) -> None:
    message = tmp_path / "message"
    message.write_text(subject + "\n", encoding="utf-8")
    done = pre_commit(repository, "run", "subject", "--hook-stage", "commit-msg", "--commit-msg-filename", str(message))
    assert (done.returncode == 0) is taken, done.stdout + done.stderr


def test_the_hooks_are_installed_and_ruff_looks_at_what_is_committed(repository: Path) -> None:
    done = pre_commit(repository, "install")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {each.name for each in (repository / ".git" / "hooks").iterdir()} >= {"pre-commit", "commit-msg", "pre-push"}
    checked = pre_commit(repository, "run", "ruff-check")
    assert checked.returncode == 1 and "wrong.py" in checked.stdout, checked.stdout + checked.stderr
