"""docker/Dockerfile carried out where there is no engine: each step's own command in a clean root folder, which bubblewrap makes.

This machine's Python stands for the base image, and pip finds the packages of this environment already there instead of downloading 1.5 GB.
"""

from __future__ import annotations

import getpass
import importlib.metadata
import json
import os
import re
import shutil
import site
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path

import pytest

from tests.composed import DOCKER
from tests.e2e import services

ROOT = DOCKER.parent
OUTSIDE = f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
FROM_HERE = ("/usr", "/bin", "/sbin", "/lib", "/lib64", sys.base_prefix, sys.prefix)
NAMES = "127.0.0.1 localhost database studio backend backend.internal app\n"
PINNED = re.compile(r"^([\w.-]+)==[^\s;]+", re.MULTILINE)
SETTLED = ["setpriv", "--reuid=10001", "--regid=10001", "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]


@dataclass
class Stage:
    """root: what the image would hold. The rest: as its instructions left it. ran: the commands of its RUN steps."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0"
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": OUTSIDE, **self.arguments, **self.variables}

    def expanded(self, text: str) -> str:
        return re.sub(r"\$\{?(\w+)\}?", lambda found: self.environment.get(found[1], ""), text)

    def inside(self, path: str) -> Path:
        return self.root / self.expanded(path if path.startswith("/") else f"{self.workdir}/{path}").lstrip("/")


def build(folder: Path, given: Mapping[str, str]) -> Stage:
    """The last stage of the Dockerfile. given: build arguments. Skips where bubblewrap or root is missing."""
    parse = pytest.importorskip("dockerfile_parse", reason="dockerfile-parse is not installed (python run.py setup)")
    services.program("bwrap")
    if getpass.getuser() != "root":
        pytest.skip("a RUN step that makes a user needs root")
    parser = parse.DockerfileParser(fileobj=BytesIO((DOCKER / "Dockerfile").read_bytes()))
    stages: dict[str, Stage] = {}
    stage = Stage(folder / "before")
    for step in parser.structure:
        name, value = step["instruction"], step["value"]
        if name == "FROM":
            stage = _begun(folder / f"stage{len(stages)}")
            stages[value.rpartition(" AS ")[2]] = stage
        elif name != "COMMENT":
            STEPS[name](stage, value, stages, given)
    return stage


def _begun(root: Path) -> Stage:
    for each in ("etc", "opt", "tmp", "proc", "dev", *(each.lstrip("/") for each in FROM_HERE)):
        (root / each).mkdir(parents=True, exist_ok=True)
    for each in ("passwd", "group", "shadow", "login.defs", "ld.so.cache"):
        if Path("/etc", each).exists():
            shutil.copy(Path("/etc", each), root / "etc")
    (root / "etc/hosts").write_text(NAMES)
    return Stage(root)


def _arg(stage: Stage, value: str, _stages: object, given: Mapping[str, str]) -> None:
    name, _, default = value.partition("=")
    chosen = given.get(name, default)
    if chosen or "=" in value:
        stage.arguments[name] = chosen


def _env(stage: Stage, value: str, *_: object) -> None:
    stage.variables.update({name: stage.expanded(text) for name, text in (each.split("=", 1) for each in value.split())})


def _workdir(stage: Stage, value: str, *_: object) -> None:
    stage.workdir = value
    stage.inside(value).mkdir(parents=True, exist_ok=True)


def _copy(stage: Stage, value: str, stages: Mapping[str, Stage], _given: object) -> None:
    *sources, target = stage.expanded(value).split()
    if sources[0].startswith("--from="):
        (_, origin), (source,) = sources[0].split("="), sources[1:]
        shutil.copytree(stages[origin].inside(source), stage.inside(target), symlinks=True)
        return
    for source in sources:
        for path in sorted(_context(source)):
            to = stage.inside(target) / (path if source == "." else path.relative_to(source) if source.endswith("/") else path.name)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, to, follow_symlinks=False)  # a link stays a link, as with Docker
            if path.suffix == ".lock":
                to.write_text(PINNED.sub(_as_here, to.read_text()))


def _as_here(found: re.Match[str]) -> str:
    """A pin at the version that this environment has: `run.py setup` takes newer ones than the lock knows, as they come out."""
    try:
        return f"{found[1]}=={importlib.metadata.version(found[1])}"
    except importlib.metadata.PackageNotFoundError:
        return found[0]


def _run(stage: Stage, value: str, *_: object) -> None:
    command = re.sub(r"^(--\S+\s+)+", "", value)
    stage.ran.append(command)
    rights = ["--cap-add", "ALL", "--bind", str(stage.root), "/"]
    argv = [*_sandbox(rights, stage), "/bin/sh", "-c", command]
    done = subprocess.run(argv, env=stage.environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"RUN {command}\n{done.stdout}\n{done.stderr}"
    for packages in stage.root.glob("opt/venv/lib/python*/site-packages"):
        # Before its own, because Python 3.11 puts an old setuptools into each new environment.
        (packages / "here.pth").write_text(f"import sys; sys.path[1:1] = {site.getsitepackages()!r}\n")


def _settled(stage: Stage, value: str, *_: object) -> None:
    stage.user = value


def _command(stage: Stage, value: str, *_: object) -> None:
    stage.command = json.loads(value)


def _healthcheck(stage: Stage, value: str, *_: object) -> None:
    stage.healthcheck = json.loads(value.partition(" CMD ")[2])


def _noted(*_: object) -> None:
    """VOLUME and EXPOSE change no file."""


STEPS = {
    "ARG": _arg,
    "ENV": _env,
    "WORKDIR": _workdir,
    "COPY": _copy,
    "RUN": _run,
    "USER": _settled,
    "CMD": _command,
    "HEALTHCHECK": _healthcheck,
    "VOLUME": _noted,
    "EXPOSE": _noted,
}


def _context(source: str) -> set[Path]:
    """The files of the build's context below source, relative to it: what Dockerfile.dockerignore leaves; a later pattern wins."""
    lines = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    tops = [ROOT / each.name for each in ROOT.iterdir() if _kept(Path(each.name), patterns)]
    below = [path for top in tops for path in ([top] if top.is_file() else top.rglob("*")) if path.is_file() or path.is_symlink()]
    files = {path.relative_to(ROOT) for path in below}
    return {path for path in files if _kept(path, patterns) and path.is_relative_to(source)}


def _kept(path: Path, patterns: Sequence[str]) -> bool:
    names = [str(each) for each in (path, *path.parents) if each != Path(".")]
    kept = True
    for pattern in patterns:
        plain = pattern.lstrip("!")
        loose = [plain, plain.removeprefix("**/")]
        whole = any(fnmatch(name, each) and (name.count("/") == each.count("/") or "**" in plain) for name in names for each in loose)
        kept = pattern.startswith("!") if whole else kept
    return kept


def contained(image: Stage, argv: Sequence[str], volumes: Mapping[str, Path]) -> list[str]:
    """The command line that runs argv as the image's user on a read-only root. volumes: where (`/files:ro`, `/data`) -> folder here."""
    rights = ["--cap-add", "ALL", "--ro-bind", str(image.root), "/"]
    for where, folder in volumes.items():
        if not folder.exists():  # as Docker does
            folder.mkdir(parents=True)
        target, _, mode = where.partition(":")
        image.inside(target).mkdir(parents=True, exist_ok=True)  # as an engine does
        rights += ["--ro-bind" if mode == "ro" else "--bind", str(folder), target]
    settled = [each.replace("10001", image.user) for each in SETTLED]
    return [*_sandbox(rights, image), *settled, *argv]


def _sandbox(rights: Sequence[str], stage: Stage) -> list[str]:
    own = ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm", "--perms", "1777", "--tmpfs", "/tmp"]
    own += ["--unshare-ipc", "--die-with-parent"]
    from_here = [word for each in dict.fromkeys(FROM_HERE) if Path(each).exists() for word in (*_way_to(each), "--ro-bind", each, each)]
    return ["bwrap", *rights, *own, *from_here, "--chdir", stage.workdir, "--"]


def _way_to(path: str) -> list[str]:
    """A checkout may lie below /tmp, which is empty in there: its folders, open to every user."""
    folders = [each for each in reversed(Path(path).parents) if Path("/tmp") in each.parents]
    return [word for each in folders for word in ("--perms", "0755", "--dir", str(each))]


def environment(image: Stage, given: Mapping[str, str]) -> dict[str, str]:
    """What a container's process sees. The scripts of this environment's packages come after the image's own."""
    path = f"{image.variables['PATH']}:{Path(sys.prefix, 'bin')}"
    return {"LANG": os.environ.get("LANG", "C.UTF-8"), **image.variables, "PATH": path, **given}
