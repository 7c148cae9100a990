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
    "pages": set(),
    "vision": set(),
    "studio": {"vision"},
    "exporters": {"vision", "studio", "pages"},
    "training": {"vision", "pages"},
    "backend": {"vision", "studio"},
    "app": {"vision", "studio"},
    "wall": {"vision", "studio"},
    "dinolabel": {"vision", "studio", "exporters", "training", "backend", "app", "wall", "pages"},
}
MODELS = [
    "dinolabel/vision/detectors/*",
    "dinolabel/vision/embedders/*",
    "dinolabel/vision/heads/*",
    "dinolabel/vision/originals/*",
    "dinolabel/vision/loading/transformers_loader.py",
    "dinolabel/training/finetune/*",
    "dinolabel/training/distillation/*",
]
HEAVY = {
    # library: files that may import it
    "torch": [*MODELS, "dinolabel/vision/loading/device.py"],
    "transformers": MODELS,
    "av": ["dinolabel/vision/decoding/pictures.py", "dinolabel/vision/decoding/video_frames.py", "dinolabel/vision/video/*"],
    "cv2": [
        "dinolabel/vision/decoding/pictures.py",
        "dinolabel/vision/images/annotation.py",
        "dinolabel/vision/video/*",
        "dinolabel/demo/*",
    ],
    "supervision": ["dinolabel/vision/images/annotation.py"],
    "sklearn": ["dinolabel/vision/heads/*", "dinolabel/training/*", "dinolabel/wall/grouping/crop_map.py"],
    "matplotlib": [],
    "label_studio_sdk": ["dinolabel/studio/regions/validation.py"],
    "requests": ["dinolabel/studio/*"],
    "label_studio_ml": ["dinolabel/backend/model.py"],
    "flask": ["dinolabel/backend/*", "dinolabel/wall/server.py"],
    "jinja2": ["dinolabel/pages/*"],
    "waitress": ["dinolabel/backend/*", "dinolabel/wall/server.py"],
    "gradio": ["dinolabel/app/*"],
    "pyarrow": [
        "dinolabel/exporters/formats/parquet.py",
        "dinolabel/exporters/importers/parquet.py",
        "dinolabel/exporters/output/crop_table.py",
        "dinolabel/exporters/unlisted_files.py",
        "dinolabel/detect/parquet.py",
        "dinolabel/erasure/exports/*",
    ],
    "datasets": ["dinolabel/exporters/formats/hf.py", "dinolabel/exporters/importers/hf.py"],
    "pandas": [],
    "pycocotools": [],
    "ijson": ["dinolabel/projects/sources.py", "dinolabel/erasure/exports/*"],
    "typer": ["dinolabel/*"],
    "rich": ["dinolabel/*"],
    "pydantic_settings": ["dinolabel/settings.py"],
    "playwright": ["dinolabel/demo/*"],
    "torchvision": [],  # the registry's build breaks transformers' GroundingDINO
    "timm": [],
    "pickle": [],
    "joblib": [],
}
LINKED = ("backend", "exporters", "training")  # folders at the top of the repository, imported through links in dinolabel/
SCRIPTS = ("recipes", "benchmarks")  # run from a checkout, no part of the package


def name_of(path: Path) -> str:
    """A file's path as the package has it: dinolabel/backend/server.py also where it lies in backend/."""
    name = path.relative_to(ROOT).as_posix()
    return f"dinolabel/{name}" if name.split("/")[0] in LINKED else name


def room_of(name: str) -> str:
    """vision for dinolabel/vision/decoding/pictures.py, dinolabel for what lies in the package itself or in a part of the command line."""
    parts = name.split("/")
    return parts[1] if parts[1] in ROOMS else "dinolabel"


def modules(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


FILES = sorted(
    {
        *(path for path in modules(ROOT / "dinolabel") if path.relative_to(ROOT).parts[1] not in LINKED),
        *(path for room in LINKED for path in modules(ROOT / room)),
    }
)


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Top-level names of everything a file imports, wherever in the file, with the line; of our own package the room."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names = [f"{node.module}.{each.name}" for each in node.names]
        else:
            continue
        for name in names:
            first, _, rest = name.partition(".")
            room = rest.partition(".")[0]
            yield room if first == "dinolabel" and room in ROOMS else first, node.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda each: str(each.relative_to(ROOT)))
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    name = name_of(path)
    room = room_of(name)
    for library, line in imported(path):
        if library in ROOMS and library != room:
            assert library in ROOMS[room], f"{name}:{line}: {room}/ must not import {library}/ (docs/design.md §1)"
        if library in HEAVY:
            assert any(fnmatch.fnmatch(name, each) for each in HEAVY[library]), f"{name}:{line}: {library} is not for this file"


def test_the_reader_of_imports_reads(tmp_path: Path) -> None:
    source = tmp_path / "each.py"
    source.write_text("import a.b\nfrom c.d import e\ndef f():\n    import g\nif 0:\n    from dinolabel import vision, build\n")
    assert [name for name, _ in imported(source)] == ["a", "c", "g", "vision", "dinolabel"]


@pytest.mark.parametrize("name", [*LINKED, "vision", "studio", "app"])
def test_a_module_has_one_import_name(name: str) -> None:
    """With links and the checkout on the path `backend` would be a second copy of `dinolabel.backend`, with classes of its own."""
    asked = f"import dinolabel.{name}, {name}"
    ended = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == 1 and "Error" in ended.stderr.splitlines()[-1], ended.stderr


def test_scripts_are_no_part_of_the_package() -> None:
    for path in FILES:
        assert not {name for name, _ in imported(path)} & {*SCRIPTS, "tests"}, path


ENVIRONMENT = {
    # reads it: to hand it on to a child process; everything else is dinolabel/settings.py's
    "dinolabel/studio/server/process.py",
    "dinolabel/factory.py",
    "dinolabel/demo/stage.py",
}


@pytest.mark.parametrize("path", FILES, ids=lambda each: str(each.relative_to(ROOT)))
def test_nobody_else_reads_the_environment(path: Path) -> None:
    name = name_of(path)
    reads = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb")
    ]
    assert not reads or name in ENVIRONMENT, f"{name}:{reads[0]}: settings come as plain values (docs/design.md §9)"


LIGHT = [
    ("dinolabel", {"torch", "transformers", "gradio", "numpy", "cv2", "label_studio_sdk", "sklearn", "flask"}),
    ("dinolabel.vision.types", {"torch", "transformers", "gradio", "cv2", "label_studio_sdk", "sklearn"}),
    ("dinolabel.vision.pipeline", {"torch", "transformers", "gradio", "cv2", "label_studio_sdk", "sklearn", "av", "pillow_heif"}),
    ("dinolabel.exporters.formats.coco", {"torch", "cv2", "pyarrow", "datasets", "pandas", "supervision", "label_studio_sdk"}),
    ("dinolabel.exporters.formats.xmp", {"torch", "cv2", "pyarrow", "datasets", "pandas", "supervision", "label_studio_sdk"}),
    ("dinolabel.vision.bundles.registry", {"torch", "transformers", "gradio", "cv2", "label_studio_sdk", "sklearn"}),
]


@pytest.mark.parametrize(("module", "heavy"), LIGHT, ids=[module for module, _ in LIGHT])
def test_importing_it_loads_nothing_heavy(module: str, heavy: set[str]) -> None:
    asked = f"import sys, {module}; print(*sorted({heavy!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split() == []
