"""Files to annotations: what other tools and earlier projects approved. A format is a file here with a function `read`.

Only the list of formats lives here.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

from dinolabel.vision.errors import UnknownPlug

_READ = re.compile(r"^def read\(", re.MULTILINE)


def names() -> list[str]:
    """Formats there are, sorted; the files are read and not imported."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return [file.stem for file in files if _READ.search(file.read_text(encoding="utf-8"))]


def load(name: str) -> ModuleType:
    """The module of a format. Raises UnknownPlug that lists those there are."""
    if name not in names():
        raise UnknownPlug(f"There is no import format {name!r}; there are: {', '.join(names())}.")
    return importlib.import_module(f"{__name__}.{name}")
