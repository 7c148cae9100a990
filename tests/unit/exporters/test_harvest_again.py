"""A harvest's folder keeps its list right through sheets and drops, and what a person put there stays."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest

from dinolabel.erasure.exports import survey
from dinolabel.erasure.text_search import Mention
from dinolabel.exporters.output import file_list
from dinolabel.exporters.output.atomic_output import ExportRefused
from dinolabel.exporters.video_crops import contact_sheets, exclude
from dinolabel.exporters.video_crops.extract import extract_crops
from tests.unit.exporters.test_harvest import rows, videos, work

__all__ = ["videos"]


@pytest.fixture
def out(videos: Path, tmp_path: Path) -> Path:
    place = tmp_path / "out"
    extract_crops(work(videos), place)
    contact_sheets.write(place, rows(place))
    return place


def listed(out: Path) -> set[str]:
    assert all(file_list.is_unchanged(out, each) for each in file_list.entries(out))
    return {each.path for each in file_list.entries(out)}


def there(out: Path) -> set[str]:
    return {each for each in file_list.files(out) if each != file_list.FILE}


def test_sheets_and_dropped_crops_are_on_the_list(out: Path) -> None:
    assert listed(out) == there(out) and any(each.startswith("sheets/") for each in there(out))
    exclude.exclude(out, {1, 2})
    contact_sheets.write(out, rows(out))
    assert listed(out) == there(out) and "dropped/00001.png" in there(out)
    exclude.include(out, {1})
    assert listed(out) == there(out) and "dropped/00001.png" not in there(out)


def test_a_crop_that_a_person_changed_stays_theirs_when_it_is_dropped(out: Path) -> None:
    crop = out / rows(out)[0]["crop"]
    PIL.Image.new("RGB", (5, 5)).save(crop)
    exclude.exclude(out, {rows(out)[0]["number"]})
    (entry,) = (each for each in file_list.entries(out) if each.path == "dropped/00001.png")
    assert not file_list.is_unchanged(out, entry)


def test_a_persons_file_among_the_sheets_stays(out: Path) -> None:
    (out / "sheets/mine.jpg").write_bytes(b"mine")
    (out / "sheets/red.jpg").write_bytes(b"drawn on by hand")
    contact_sheets.write(out, rows(out))
    assert (out / "sheets/mine.jpg").read_bytes() == b"mine" and (out / "sheets/red.jpg").read_bytes() == b"drawn on by hand"
    assert (out / "sheets/red_1.jpg").is_file()


def test_another_harvest_keeps_what_was_dropped_and_what_a_person_added(out: Path, videos: Path) -> None:
    exclude.exclude(out, {1})
    (out / "notes.txt").write_text("mine")
    before = len(rows(out))
    extract_crops(work(videos), out)
    assert (out / "notes.txt").read_text() == "mine" and len(rows(out)) == before
    assert listed(out) == there(out) - {"notes.txt"}
    assert [row["label"] for row in exclude.rows_of(out / "dropped.jsonl")] == [rows(out)[0]["label"]]


def test_crops_of_label_studio_do_not_go_where_a_harvest_is(out: Path) -> None:
    from dinolabel.exporters.output.atomic_output import resumable_folder

    with pytest.raises(ExportRefused, match="holds an export of films"), resumable_folder(out, name="crops"):
        raise AssertionError("it must not begin")


@pytest.mark.parametrize("has_list", [True, False], ids=["listed", "from before lists"])
def test_somebody_in_a_video_is_forgotten_with_dropped_crops_and_sheets(out: Path, has_list: bool) -> None:
    exclude.exclude(out, {next(row["number"] for row in rows(out) if row["label"] == "red")})
    contact_sheets.write(out, rows(out))
    for each in ("sheets/notes.txt", "red.txt"):
        (out / each).write_text("mine")
    if not has_list:
        (out / file_list.FILE).unlink()
    mention = Mention(["red"])
    (share,) = survey.survey([out], mention)
    survey.take_out(share, mention)
    assert {row["label"] for row in rows(out)} == {"blue"} and not exclude.rows_of(out / "dropped.jsonl")
    assert {each for each in there(out) if "red" in each or each.startswith(("sheets", "dropped/"))} == {
        "red.txt", "sheets/notes.txt", "sheets/blue.jpg",
    }  # fmt: skip
    assert '"red"' not in (out / "report.json").read_text()
