"""Annotations to files. A format is a file here with a function `export`; its name is the file's name, no registration.

Only the list of formats lives here.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

from dinolabel.vision.errors import UnknownPlug

_EXPORT = re.compile(r"^def export\(", re.MULTILINE)


def names() -> list[str]:
    """Formats there are, sorted. Reads the files without importing them: each may need a library of its own."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return [file.stem for file in files if _EXPORT.search(file.read_text(encoding="utf-8"))]


def load(name: str) -> ModuleType:
    """The module of a format. Raises UnknownPlug that lists those there are."""
    if name not in names():
        raise UnknownPlug(f"There is no export format {name!r}; there are: {', '.join(names())}.")
    return importlib.import_module(f"{__name__}.{name}")
