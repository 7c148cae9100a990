"""A folder that is there whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dinolabel.vision.errors import ModelError


@contextmanager
def atomic_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` to fill; it becomes `out` when that went well, and is gone otherwise. Raises ModelError when out is there."""
    if out.exists():
        raise ModelError(f"{out} is there already.", hint="Name a folder that does not exist yet.")
    out.parent.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield half
        half.chmod(0o755)
        for each in half.rglob("*"):  # safetensors makes its files for one user alone; a service often runs as another
            each.chmod(0o755 if each.is_dir() else 0o644)
        half.rename(out)
    finally:
        shutil.rmtree(half, ignore_errors=True)
