"""design.md §1, held by reading the source: which room may import which, and which file may import a heavy library."""

from __future__ import annotations

import ast
import fnmatch
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {
    "vision": set(),
    "studio": {"vision"},
    "exporters": {"vision", "studio"},
    "training": {"vision"},
    "backend": {"vision", "studio"},
    "app": {"vision", "studio"},
    "dinolabel": {"vision", "studio", "exporters", "training", "backend", "app"},
}
MODELS = [
    "vision/detectors/*",
    "vision/embedders/*",
    "vision/heads/*",
    "vision/originals/*",
    "vision/loading.py",
    "training/nano/*",
    "training/finetune/*",
]
HEAVY = {
    # library: files that may import it
    "torch": [*MODELS, "vision/device.py"],
    "transformers": MODELS,
    "av": ["vision/media.py", "vision/frames.py", "vision/films/*"],
    "cv2": ["vision/media.py", "vision/draw.py", "vision/films/*", "dinolabel/demo/*", "training/nano/*"],
    "supervision": ["vision/draw.py"],
    "sklearn": ["vision/heads/*", "training/*"],
    "matplotlib": ["training/*"],
    "label_studio_sdk": ["studio/validate.py"],
    "requests": ["studio/*"],
    "label_studio_ml": ["backend/model.py"],
    "flask": ["backend/*"],
    "waitress": ["backend/*"],
    "gradio": ["app/*"],
    "pyarrow": ["exporters/parquet.py", "exporters/incoming/parquet.py", "dinolabel/boxtable.py"],
    "datasets": ["exporters/hf.py", "exporters/incoming/hf.py"],
    "pandas": [],
    "pycocotools": [],
    "ijson": ["dinolabel/sources.py"],
    "typer": ["dinolabel/*"],
    "rich": ["dinolabel/*"],
    "pydantic_settings": ["dinolabel/settings.py"],
    "playwright": ["dinolabel/demo/*"],
    "torchvision": [],  # the registry's build breaks transformers' GroundingDINO
    "timm": [],
    "pickle": [],
    "joblib": [],
}
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Top-level names of everything a file imports, wherever in the file, with the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((each.name.split(".")[0], node.lineno) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield (node.module or "").split(".")[0], node.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda each: str(each.relative_to(ROOT)))
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    room = name.split("/")[0]
    for library, line in imported(path):
        if library in ROOMS and library != room:
            assert library in ROOMS[room], f"{name}:{line}: {room}/ must not import {library}/ (docs/design.md §1)"
        if library in HEAVY:
            assert any(fnmatch.fnmatch(name, each) for each in HEAVY[library]), f"{name}:{line}: {library} is not for this file"


def test_the_reader_of_imports_reads(tmp_path: Path) -> None:
    source = tmp_path / "each.py"
    source.write_text("import a.b\nfrom c.d import e\ndef f():\n    import g\nif 0:\n    from h import i\n")
    assert [name for name, _ in imported(source)] == ["a", "c", "g", "h"]


ENVIRONMENT = {
    # reads it: to hand it on to a child process; everything else is dinolabel/settings.py's
    "studio/server.py",
    "dinolabel/build.py",
    "dinolabel/demo/stage.py",
}


@pytest.mark.parametrize("path", FILES, ids=lambda each: str(each.relative_to(ROOT)))
def test_nobody_else_reads_the_environment(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    reads = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb")
    ]
    assert not reads or name in ENVIRONMENT, f"{name}:{reads[0]}: settings come as plain values (docs/design.md §9)"


LIGHT = [
    ("dinolabel", {"torch", "transformers", "gradio", "numpy", "cv2", "label_studio_sdk", "sklearn", "flask"}),
    ("vision.types", {"torch", "transformers", "gradio", "cv2", "label_studio_sdk", "sklearn"}),
    ("vision.pipeline", {"torch", "transformers", "gradio", "cv2", "label_studio_sdk", "sklearn", "av", "pillow_heif"}),
    ("exporters.coco", {"torch", "cv2", "pyarrow", "datasets", "pandas", "supervision", "label_studio_sdk"}),
    ("exporters.xmp", {"torch", "cv2", "pyarrow", "datasets", "pandas", "supervision", "label_studio_sdk"}),
    ("vision.store", {"torch", "transformers", "gradio", "cv2", "label_studio_sdk", "sklearn"}),
]


@pytest.mark.parametrize(("module", "heavy"), LIGHT, ids=[module for module, _ in LIGHT])
def test_importing_it_loads_nothing_heavy(module: str, heavy: set[str]) -> None:
    asked = f"import sys, {module}; print(*sorted({heavy!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split() == []


def test_the_public_names_are_there() -> None:
    import dinolabel

    assert {name: getattr(dinolabel, name).__name__ for name in dinolabel.__all__} == {name: name for name in dinolabel.__all__}
    assert dir(dinolabel) == sorted(dinolabel.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Pipelines'"):
        _ = dinolabel.Pipelines
