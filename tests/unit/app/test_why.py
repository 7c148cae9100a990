"""Why a box has its name: crops by their id, from the export of that project and from nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import PIL.Image
import pytest

from dinolabel.app.common.explanations import Explanations, words

BECAUSE = [{"crop": "7/8/r1/person", "label": "tom", "distance": 0.1}, {"crop": "9/9/r/person", "label": "tom", "distance": 0.2}]
ROW = {"label": "tom", "because": BECAUSE}


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    home = tmp_path / "exports" / "3"
    home.mkdir(parents=True)
    PIL.Image.new("RGB", (20, 20), (220, 60, 50)).save(home / "a.png")
    PIL.Image.new("RGB", (9, 9)).save(tmp_path / "secret.png")
    rows = [
        {"task": 7, "annotation": 8, "region": "r1", "view": "person", "crop": "a.png"},
        {"task": 9, "annotation": 9, "region": "r", "view": "person", "crop": "../../secret.png"},
    ]
    (home / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "exports"


def test_the_crop_is_shown_and_nothing_outside_the_export(exports: Path) -> None:
    ((pixels, told),) = Explanations(exports).crops("3/abc", ROW)
    assert (pixels.shape, told) == ((20, 20, 3), "tom · 0.90")


def test_a_project_learnt_from_videos_has_a_name(exports: Path) -> None:
    (exports / "3").rename(exports / "my-videos")
    assert len(Explanations(exports).crops("my-videos/abc", ROW)) == 1


@pytest.mark.parametrize("version", [None, "", "4/abc", "../3/abc", "../exports/abc"])
def test_no_crops_no_harm(exports: Path, version: str | None) -> None:
    assert Explanations(exports).crops(version, ROW) == []
    assert Explanations(None).crops("3/abc", ROW) == []


def test_a_crop_that_is_gone_is_left_out(exports: Path) -> None:
    (exports / "3" / "a.png").unlink()
    assert Explanations(exports).crops("3/abc", ROW) == []


def test_an_export_that_is_being_written_does_no_harm(exports: Path) -> None:
    with (exports / "3" / "manifest.jsonl").open("a") as manifest:
        manifest.write('\n{"task": 7, "anno')
    assert len(Explanations(exports).crops("3/abc", ROW)) == 1


def test_words(exports: Path) -> None:
    said = words(ROW, [])
    assert "approved boxes of tom 0.90, tom 0.80; 1.00 would be the very same. Their pictures are not on this machine" in said
    assert words(ROW, ["a crop"]) == "**tom**: most like these approved boxes. 1.00 would be the very same."
    assert "Choose a head" in words({"label": "cat", "because": []}, [])
