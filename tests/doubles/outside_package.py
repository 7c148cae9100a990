"""A package of somebody else's as pip leaves it on the path: modules, and what it says of itself in `dist-info`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

Bring = Callable[[str, Mapping[str, str], Mapping[str, str]], Path]

DETECTOR = """
WEIGHTS = "none"

def build(weights, *, device="auto", precision="auto", input_size=None):
    return "a detector"
"""


def outside_package(folder: Path, name: str, files: Mapping[str, str], entry_points: Mapping[str, str]) -> Path:
    """Written into `folder`, which goes on the path. entry_points: "dinolabel.detectors/blobs" -> the module."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    about = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    lines = [f"[{each.partition('/')[0]}]\n{each.partition('/')[2]} = {module}\n" for each, module in entry_points.items()]
    (about / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bring]:
    """Writes a package and puts it on the path; its modules are forgotten afterwards."""
    before = set(sys.modules)

    def write(name: str, files: Mapping[str, str], entry_points: Mapping[str, str]) -> Path:
        folder = outside_package(tmp_path / "packages" / name, name, files, entry_points)
        monkeypatch.syspath_prepend(str(folder))
        return folder

    yield write
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
