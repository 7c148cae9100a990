#!/usr/bin/env python3
"""Set up and run dinolabel with nothing but Python: `python run.py demo`, `python run.py test`, `python run.py setup`.

Uses only the standard library, so that it runs before anything is installed; the Makefile is a thin layer over it.
It makes `.venv` beside this file and installs what requirements.txt says, plus what that format cannot express.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / ".dinolabel-setup"

# Their own pins (Flask 1.1.2; torchvision) break everything beside them: docs/decisions.md.
WITHOUT_DEPENDENCIES = ["label-studio-ml==1.0.9"]
DEV_EXTRA = "dev"
# What groundingdino-py's network needs; it is never installed beside ours (docs/decisions.md).
PARITY = [
    "transformers==4.49.0",
    "numpy==2.2.6",
    "opencv-python-headless==4.12.0.88",
    "addict",
    "yapf",
    "matplotlib",
    "setuptools",
    "wheel",
]
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


def fingerprint() -> str:
    files = [ROOT / "requirements.txt", ROOT / "pyproject.toml", Path(__file__)]
    return hashlib.sha256(b"".join(each.read_bytes() for each in files) + sys.version.encode()).hexdigest()


def setup() -> None:
    """Make .venv and install everything; does nothing when it is already so."""
    check_python()
    if STAMP.exists() and STAMP.read_text() == fingerprint():
        return
    start = time.monotonic()
    say("Setting up .venv: about 180 packages, 1.5 GB on disk with torch's CPU wheel, some minutes.")
    if not PYTHON.exists():
        call(sys.executable, "-m", "venv", VENV)
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    torch = next(line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("torch=="))
    # First and alone, so that no other package's range can pull another build of it.
    call(*pip, torch, *(["--index-url", TORCH_INDEX] if TORCH_INDEX else []))
    call(*pip, "--requirement", "requirements.txt")
    call(*pip, "--no-deps", *WITHOUT_DEPENDENCIES)
    call(*pip, "--editable", f".[{DEV_EXTRA}]")
    STAMP.write_text(fingerprint())
    say(f"Set up in {time.monotonic() - start:.0f} s.")


def ensure_chromium() -> None:
    """The screens are looked at in a real browser; Debian's package will do."""
    ensure("Chromium", "chromium", "chromium", "chromium-browser", "google-chrome")


def ensure(name: str, package: str, *programs: str) -> None:
    """One of these programs; as root on Debian it is installed where it is missing."""
    if any(map(shutil.which, programs)):
        return
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        say(f"Installing {name} from Debian's packages.")
        call("apt-get", "update", "-qq")
        call("apt-get", "install", "-y", "-qq", "--no-install-recommends", package, DEBIAN_FRONTEND="noninteractive")
        return
    sys.exit(f"{name} is missing. Install it (Debian: sudo apt-get install {package}) and run this again.")


def demo(*arguments: str) -> None:
    setup()
    call(PYTHON, "-m", "dinolabel", "demo", *arguments)


def test(*arguments: str) -> None:
    """Lint, types, then every test: quick ones side by side, end to end ones one after the other."""
    setup()
    ensure_chromium()
    ensure("ExifTool", "libimage-exiftool-perl", "exiftool")  # reads our photo sidecars back
    offline = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    call(PYTHON, "-m", "ruff", "check", ".")
    call(PYTHON, "-m", "ruff", "format", "--check", ".")
    call(PYTHON, "-m", "mypy")
    if arguments:
        call(PYTHON, "-m", "pytest", *arguments, **offline)
        return
    say("Unit and contract tests")
    call(PYTHON, "-m", "pytest", "tests/unit", "tests/contract", "-q", "-n", "2", "-m", "not weights", **offline)
    say("End to end: real Label Studio, real Chromium")
    call(PYTHON, "-m", "pytest", "tests/e2e", "-q", "-m", "not weights", **offline)


def nano(*arguments: str) -> None:
    setup()
    call(PYTHON, "-m", "training.nano", *arguments)


def eval_nano(*arguments: str) -> None:
    setup()
    call(PYTHON, "-m", "training.nano.evaluate", *arguments)


def studio_bench(*arguments: str) -> None:
    """The dialogue with a real Label Studio, measured: minutes; figures go to studio.json."""
    setup()
    ensure_chromium()
    call(PYTHON, "-m", "tests.bench.studio", *arguments, HF_HUB_OFFLINE="1")


def effort(*arguments: str) -> None:
    """Keys a box costs a person: by hand, cold, after the switch; pressed in a real browser."""
    setup()
    ensure_chromium()
    call(PYTHON, "-m", "tests.bench.effort", *arguments, HF_HUB_OFFLINE="1")


def video_bench(*arguments: str) -> None:
    """Writes video.json: speed, identity accuracy and switches on drawn films, against the ancestor's loop in the same run."""
    setup()
    call(PYTHON, "-m", "tests.bench.video", *arguments, HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")


def ancestor_bench(*arguments: str) -> None:
    """Writes ancestor.json: what each step of the ancestor costs, beside ours on the same drawn videos (docs/ancestor.md)."""
    setup()
    call(PYTHON, "-m", "tests.bench.ancestor", "--out", "ancestor.json", *arguments, HF_HUB_OFFLINE="1")


def study(*arguments: str) -> None:
    """Writes docs/study.md and study.json: how far the head can be trusted."""
    setup()
    call(PYTHON, "-m", "tests.bench.study", *arguments)


def parity(size: str = "swin_t") -> None:
    """Our network and groundingdino-py's on equal weights; the latter in an environment of its own, for it breaks beside ours."""
    setup()
    home = ROOT / ".cache" / "parity"
    theirs = home / "venv" / "bin" / "python"
    if not theirs.exists():
        say("Setting up groundingdino-py 0.4.0 beside transformers 4: 1 GB, some minutes.")
        call(sys.executable, "-m", "venv", home / "venv")
        pip = [theirs, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        torch = next(line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("torch=="))
        call(*pip, torch, *(["--index-url", TORCH_INDEX] if TORCH_INDEX else []))
        call(*pip, *PARITY)
        call(*pip, "--no-deps", "--no-build-isolation", "groundingdino-py==0.4.0")
    call(theirs, "tests/parity/official.py", home / size, size)
    call(PYTHON, "-m", "tests.parity.compare", home / size)


VERBS = {
    "study": study,
    "setup": setup,
    "demo": demo,
    "test": test,
    "parity": parity,
    "nano": nano,
    "eval-nano": eval_nano,
    "studio-bench": studio_bench,
    "effort": effort,
    "video-bench": video_bench,
    "ancestor-bench": ancestor_bench,
}


def main() -> None:
    verb, *arguments = sys.argv[1:] or ["--help"]
    if verb not in VERBS:
        sys.exit(f"{__doc__}\nVerbs: {', '.join(VERBS)}")
    VERBS[verb](*arguments)


if __name__ == "__main__":
    main()
