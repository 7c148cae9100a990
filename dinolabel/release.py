"""Release of dinolabel that runs: its version number.

Of an installation what its metadata says; of a checkout that was never installed what pyproject.toml says, marked as one.
"""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
UNKNOWN = "0+unknown"


def find(project: Path = PROJECT) -> str:
    """`0.1.0`; `0.1.0+checkout` (PEP 440) of a folder that is not installed. project: its pyproject.toml."""
    try:
        return version("dinolabel")
    except PackageNotFoundError:
        pass
    try:
        return f"{tomllib.loads(project.read_text(encoding='utf-8'))['project']['version']}+checkout"
    except (OSError, ValueError, KeyError):
        return UNKNOWN


__version__ = find()
