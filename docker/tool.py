"""Programs of the registry that are run and never installed beside dinolabel: each in an environment of its own below .cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = "Scripts" if os.name == "nt" else "bin"


def tool(requirement: str, program: str) -> Path:
    """The program, installed when it is not there in this version. Raises CalledProcessError when that fails."""
    home = ROOT / ".cache" / requirement.replace("==", "-")
    there = home / BIN / program
    if not there.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        pip = [home / BIN / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]
        subprocess.run([str(each) for each in pip], check=True)
    return there
