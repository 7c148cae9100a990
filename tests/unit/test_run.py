"""run.py: which checks and tests its verbs run, and that the Makefile is a layer over them."""

from __future__ import annotations

import re
import subprocess
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
    calls = [each for each in calls if not each.startswith("pip install")]  # of an extra that is not there yet
    assert calls[:3] == CHECKS
    tests = calls[3:]
    folders = {path.name for path in (run.ROOT / "tests").iterdir() if list(path.rglob("test_*.py"))}
    assert {f"tests/{each}" for each in folders - {"weights"}} == set(re.findall(r"tests/\w+", " ".join(tests)))
    assert all(each.endswith("-m not weights") for each in tests), "slow ones too"


PIP = ":env:.disable-pip-version-check='1'\n"


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        (PIP, {}),
        (":env:.find-links='/a /b'\nglobal.find-links='/c'\n", {"UV_FIND_LINKS": "/a,/b"}),
        ("global.extra-index-url='\\nhttps://a\\nhttps://b'\n", {"UV_INDEX": "https://a https://b"}),
        ("global.index-url='https://m'\ninstall.index-url='https://i'\ndownload.pre='1'\n", {"UV_DEFAULT_INDEX": "https://i"}),
        (":env:.no-index='1'\nglobal.cert='/c.pem'\n", {"--no-index": "1", "SSL_CERT_FILE": "/c.pem"}),
        ("global.no-index='0'\n", {}),
        ("global.cache-dir='/room'\n", {"UV_CACHE_DIR": "/room/uv"}),
        ("global.client-cert='/mine.pem'\n", None),
        (None, None),
    ],
)
def test_uv_installs_as_pip_is_set_and_pip_where_it_cannot(
    monkeypatch: pytest.MonkeyPatch, config: str | None, settings: dict[str, str] | None
) -> None:
    noted: list[tuple[list[str], dict[str, str]]] = []
    told = subprocess.CompletedProcess([], 1 if config is None else 0, config or "", "")
    monkeypatch.setattr("run.subprocess.run", lambda command, **how: told)
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)
    monkeypatch.setattr("run.shutil.which", lambda name: "/bin/uv" if name == "uv" else None)
    monkeypatch.setattr(run, "call", lambda *command, **environment: noted.append((list(map(str, command)), environment)))
    run.torch_alone("install", index="https://cpu")
    run.pip("download", "--dest", "wheels")
    (command, environment), (download, _) = noted
    if settings is None:
        assert command[1:4] == ["-m", "pip", "install"] and environment == {}
    else:
        assert command[:3] == ["/bin/uv", "pip", "install"] and "--no-deps" in command and "torch==2.13.0" in command
        assert command[-2:] == ["--default-index", "https://cpu"], "--index-url is overruled by the variable"
        assert ("--no-index" in command) == bool(settings.pop("--no-index", ""))
        assert environment == {"UV_INDEX_STRATEGY": "unsafe-best-match", **settings}
    assert download[1:4] == ["-m", "pip", "download"], "uv brings no files"


def test_every_verb_of_the_makefile_is_one_of_run_py() -> None:
    makefile = Path(run.ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([\w-]+):", makefile, re.MULTILINE)
    assert set(targets) == set(re.findall(r"run\.py ([\w-]+)", makefile)) <= set(run.VERBS)
    assert set(targets) == set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
