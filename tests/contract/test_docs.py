"""Commands and Python of the docs that need no Label Studio, run with the embedded models in a folder with the files they name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dinolabel.__main__ import run
from tests import docs, docs_table
from tests.drawn_world import SCENES, part, pictures, shots
from tests.films import film

ROOT = docs.ROOT
DRAWN = {
    '"human face"': '"cat face"',
    "~/photos": "photos",
    "holiday.mp4": "film.mp4",
    "--project 12": "--project videos",
    "exclude-crops FOLDER 12 15-18": "exclude-crops data/exports/videos 1 3-4",
}
"""What stands in the docs -> what this folder has."""
RATE = 4


def lines(page: str) -> list[str]:
    """Those of the page that this file runs, each once."""
    return list(dict.fromkeys(line for line in docs.commands(ROOT / page) if docs_table.run_by(page, line) == docs_table.OFFLINE))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("place")
    (folder / "videos").mkdir()
    (folder / "photos").mkdir()
    for name, cat in (("jason", "tom"), ("lacy", "felix")):
        for number, scenes in (("0", part(0, 4)), ("1", part(2, 4)), ("test", part(1, 4))):
            film(folder / "videos" / f"{name}_{number}.mp4", list(pictures(shots(cat, scenes), rate=RATE)), rate=RATE)
    film(folder / "film.mp4", list(pictures(shots("tom", part(3, 8)), rate=RATE)), rate=RATE)
    for scene in sorted(SCENES.glob("*.jpg"))[:2]:
        (folder / "photos" / scene.name).write_bytes(scene.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DINOLABEL_DATA_DIR", str(folder / "data"))
        for kind in ("DETECTOR", "EMBEDDER"):
            patch.setenv(f"DINOLABEL_{kind}_WEIGHTS", "nano")
        yield folder


def typed(line: str) -> list[str]:
    for text, instead in DRAWN.items():
        line = line.replace(text, instead)
    return docs.words(line)[1:]


def test_from_videos_to_names_in_a_film(place: Path) -> None:
    """docs/ancestor.md from top to bottom, then the lines of README.md, which find its head."""
    for line in dict.fromkeys([*lines("docs/ancestor.md"), *lines("README.md")]):
        assert run(typed(line)) == 0, line
    pictures = json.loads((place / "boxes" / "detections.json").read_text())["images"]
    assert len(pictures) == 2 and any(each["found"] for each in pictures)
    tracks = json.loads(next((place / "found").glob("*.json")).read_text())["tracks"]
    assert {"jason"} <= {each["label"] for each in tracks}


def test_the_first_boxes_of_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = lines("docs/install.md")
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dinolabel").symlink_to(ROOT / "dinolabel", target_is_directory=True)
    assert run(docs.words(line)[1:]) == 0
    (picture,) = json.loads((tmp_path / "boxes" / "detections.json").read_text())["images"]
    assert picture["found"]


def test_the_python_of_the_readme(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    (code,) = [block.text for block in docs.blocks(ROOT / "README.md") if block.kind == "python"]
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("cat face Box(")
