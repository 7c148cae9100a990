"""Videos to crops on a world simple enough to check by eye: coloured rectangles on white, a detector that finds them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dinolabel.exporters.output.atomic_output import ExportRefused
from dinolabel.exporters.video_crops import contact_sheets, exclude
from dinolabel.exporters.video_crops.extract import ExtractionConfig, ExtractionResult, extract_crops
from dinolabel.exporters.video_crops.filters import CropFilters
from dinolabel.exporters.video_crops.video_list import find
from dinolabel.training.data.manifest import read
from dinolabel.vision.errors import MediaError, RequestError
from dinolabel.vision.types import Box, CropPolicy, Detection, Image
from tests.films import cut_short, film, sound_only, turned

COLOURS = {"red": (220, 40, 40), "blue": (40, 40, 220)}
RATE = 5


def drawn(colour: str, count: int, *, still: bool = False, seed: int = 0, size: tuple[int, int] = (96, 128)) -> list[np.ndarray]:
    """Frames with one rectangle, patterned differently each second so that no two seconds are copies, unless it is still."""
    frames = []
    for number in range(count):
        rng = np.random.default_rng((seed, 0 if still else number // RATE, *COLOURS[colour]))
        pixels = np.full((*size, 3), 255, np.uint8)
        left, top = (20, 20) if still else (10 + number % 30, 12 + number % 20)
        tiles = np.kron(rng.integers(0, 2, (5, 6)), np.ones((10, 10)))[..., None]
        pixels[top : top + 50, left : left + 60] = np.where(tiles > 0, COLOURS[colour], np.array(COLOURS[colour]) // 2)
        frames.append(pixels)
    return frames


def detect(images: Sequence[Image]) -> list[list[Detection]]:
    """One box around all that is not white; a second, worse and tiny one at its corner."""
    found = []
    for image in images:
        rows, columns = np.nonzero(image.pixels.min(axis=2) < 200)
        if not len(rows):
            found.append([])
            continue
        x, y = float(columns.min()), float(rows.min())
        big = Box(x, y, float(columns.max() + 1), float(rows.max() + 1))
        found.append([Detection(big, "thing", 0.9), Detection(Box(x, y, x + 10, y + 10), "thing", 0.4)])
    return found


def work(folder: Path, **rules: Any) -> ExtractionConfig:
    made = CropFilters(**{"every": 1.0, "sharpness": 0.0, **rules})
    return ExtractionConfig(find(folder), detect, made, CropPolicy(), "bootstrap.test", "2026-11-22T12:00:00+00:00")


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    film(folder / "red_0.mp4", drawn("red", 25), rate=RATE)
    film(folder / "red_1.mov", drawn("red", 15, seed=1), rate=RATE)
    film(folder / "red_test.webm", drawn("red", 15, seed=2), rate=RATE)
    film(folder / "blue_0.avi", drawn("blue", 15, seed=3), rate=RATE)
    uneven = [0.0, 0.1, 0.2, 0.3, 1.0, 1.1, 2.9, 3.0, 3.05, 4.9]
    film(folder / "blue_1.mp4", drawn("blue", 50, seed=4)[::5], times=uneven)
    sideways = [np.rot90(frame).copy() for frame in drawn("blue", 15, seed=5)]
    turned(film(folder / "blue_test.mp4", sideways, rate=RATE), (0, 1, -1, 0))
    return folder


def test_every_kind_of_video_gives_crops_that_training_reads(videos: Path, tmp_path: Path) -> None:
    sound_only(videos / "red_2.mp4")
    cut_short(film(videos / "blue_2.mp4", drawn("blue", 60, seed=6), rate=RATE), 0.6)
    (videos / "blue_3.mp4").write_bytes(b"not a video at all" * 40)
    done = extract_crops(work(videos), tmp_path / "out")
    by_video = {each.video: each for each in done.videos}
    assert {name: each.frames for name, each in by_video.items() if name != "blue_2.mp4"} == {
        "red_0.mp4": 5,
        "red_1.mov": 3,
        "red_test.webm": 3,
        "blue_0.avi": 3,
        "blue_1.mp4": 5,
        "blue_test.mp4": 3,
    }
    assert 3 <= by_video["blue_2.mp4"].frames < 12 and "cut short" in by_video["blue_2.mp4"].note
    assert {each["video"]: each["error"].split(" ", 1)[1] for each in done.failed} == {
        "red_2.mp4": "holds no moving pictures.",
        "blue_3.mp4": "is no video that we can decode.",
    }
    manifest = read(tmp_path / "out")
    assert manifest.sources == "videos" and manifest.wanted == ("blue", "red")
    assert {row.label for row in manifest.rows} == {"blue", "red"} and len(manifest.rows) == done.rows
    held_out = {row["video"] for row in rows(tmp_path / "out") if row["split"] == "held_out"}
    assert held_out == {"red_test.webm", "blue_test.mp4"}
    assert all(row.side == ("held_out" if json_row["video"] in held_out else "train") for row, json_row in _both(tmp_path / "out"))


def _both(out: Path) -> list[tuple[Any, dict[str, Any]]]:
    return list(zip(read(out).rows, rows(out), strict=True))


def test_a_crop_shows_its_box_upright(videos: Path, tmp_path: Path) -> None:
    extract_crops(work(videos), tmp_path / "out")
    for row in rows(tmp_path / "out"):
        pixels = np.asarray(PIL.Image.open(tmp_path / "out" / row["crop"]))
        middle = (
            pixels[pixels.shape[0] // 3 : -pixels.shape[0] // 3, pixels.shape[1] // 3 : -pixels.shape[1] // 3].reshape(-1, 3).mean(axis=0)
        )
        assert (middle[0] > middle[2]) == (row["label"] == "red")
        assert (row["width"], row["height"]) == (128, 96)
        assert row["box"][2] - row["box"][0] == pytest.approx(60, abs=4) and row["box"][3] - row["box"][1] == pytest.approx(50, abs=4)


def test_one_group_a_video_and_frames_by_their_own_time(videos: Path, tmp_path: Path) -> None:
    extract_crops(work(videos), tmp_path / "out")
    uneven = [row for row in rows(tmp_path / "out") if row["video"] == "blue_1.mp4"]
    assert [row["frame"] for row in uneven] == [0, 4, 5, 7, 8]
    assert [row["seconds"] for row in uneven] == pytest.approx([0, 1.0, 1.1, 3.0, 3.05], abs=0.01)
    assert len({row["group"] for row in rows(tmp_path / "out")}) == 6 and all(row["group"] == row["image"] for row in uneven)


def test_the_best_box_or_all(videos: Path, tmp_path: Path) -> None:
    best = extract_crops(work(videos, min_side=5), tmp_path / "best")
    every = extract_crops(work(videos, min_side=5, per_frame="all", near=-1), tmp_path / "all")
    assert {row["score"] for row in rows(tmp_path / "best")} == {0.9}
    assert every.rows == 2 * sum(each.frames for each in every.videos) == 2 * sum(each.frames for each in best.videos)
    small = extract_crops(work(videos, min_side=24, per_frame="all"), tmp_path / "small")
    assert all(each.small == each.frames for each in small.videos)


def test_copies_count_once_and_a_test_video_keeps_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    film(folder / "red_0.mp4", drawn("red", 25, still=True), rate=RATE)
    film(folder / "red_test.mp4", drawn("red", 15, still=True), rate=RATE, preset="ultrafast", crf="30")
    film(folder / "blue_0.mp4", drawn("blue", 15), rate=RATE)
    done = {each.video: each for each in extract_crops(work(folder), tmp_path / "out").videos}
    assert (done["red_test.mp4"].kept, done["red_test.mp4"].copies) == (1, 2)
    assert (done["red_0.mp4"].kept, done["red_0.mp4"].copies) == (0, 5)  # what is tested on must not have been learnt
    assert extract_crops(work(folder, near=-1), tmp_path / "out").rows == 11
    assert len(list((tmp_path / "out").rglob("*.png"))) == 11


def test_a_video_given_twice_counts_once(videos: Path, tmp_path: Path) -> None:
    (videos / "red_7.mp4").write_bytes((videos / "red_0.mp4").read_bytes())
    (videos / "blue_7.mov").write_bytes((videos / "red_1.mov").read_bytes())
    done = extract_crops(work(videos), tmp_path / "out")
    assert sorted(each["error"] for each in done.failed) == ["It is the same file as blue_7.mov.", "It is the same file as red_0.mp4."]


def test_unknown_teaches_rejection(videos: Path, tmp_path: Path) -> None:
    film(videos / "unknown_0.mp4", drawn("red", 10, seed=9), rate=RATE)
    done = extract_crops(work(videos), tmp_path / "out")
    assert {row["kind"] for row in rows(tmp_path / "out") if row["label"] == "unknown"} == {"unknown"}
    assert set(done.approved) == {"red", "blue"}


def test_no_usable_video_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    sound_only(tmp_path / "videos" / "red_0.mp4")
    with pytest.raises(MediaError, match=r"red_0\.mp4: .*no moving pictures"):
        extract_crops(work(tmp_path / "videos"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_things_is_left_alone(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(ExportRefused):
        extract_crops(work(videos), tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def harvested(videos: Path, out: Path, **rules: Any) -> ExtractionResult:
    done = extract_crops(work(videos, **rules), out)
    contact_sheets.write(out, rows(out))
    return done


def test_what_was_dropped_can_be_had_back(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    harvested(videos, out)
    before = rows(out)
    going = exclude.exclude(out, {2, 5})
    assert [row["number"] for row in going] == [2, 5]
    assert [row["number"] for row in rows(out)] == [row["number"] for row in before if row["number"] not in (2, 5)]
    assert all(not (out / row["crop"]).exists() and (out / row["dropped"]).is_file() for row in going)
    assert len(read(out).rows) == len(before) - 2
    exclude.include(out, {5})
    exclude.include(out, {2})
    assert rows(out) == before and all((out / row["crop"]).is_file() for row in before)


def test_a_crop_deleted_by_hand_is_dropped_too(videos: Path, tmp_path: Path) -> None:
    harvested(videos, tmp_path / "out")
    victim = rows(tmp_path / "out")[3]
    (tmp_path / "out" / victim["crop"]).unlink()
    assert [row["number"] for row in exclude.exclude(tmp_path / "out", set())] == [victim["number"]]
    assert victim["number"] not in {row["number"] for row in rows(tmp_path / "out")}
    with pytest.raises(RequestError, match="is gone"):
        exclude.include(tmp_path / "out", {victim["number"]})


def test_looking_again_keeps_what_was_dropped(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    total = harvested(videos, out).rows
    (gone,) = exclude.exclude(out, {2})
    again = harvested(videos, out)
    assert again.rows == total - 1 and sum(each.dropped for each in again.videos) == 1
    assert (gone["image"], gone["frame"]) not in {(row["image"], row["frame"]) for row in rows(out)}
    rarely = harvested(videos, out, every=100.0)  # that frame is not looked at: the decision waits, with its picture
    assert sum(each.dropped for each in rarely.videos) == 0
    (kept,) = exclude.rows_of(out / "dropped.jsonl")
    assert (kept["frame"], kept["image"]) == (gone["frame"], gone["image"]) and (out / kept["dropped"]).is_file()
    assert harvested(videos, out).rows == total - 1


@pytest.mark.parametrize("numbers", [{0}, {1, 999}])
def test_a_number_that_is_not_there_drops_nothing(videos: Path, tmp_path: Path, numbers: set[int]) -> None:
    harvested(videos, tmp_path / "out")
    before = rows(tmp_path / "out")
    with pytest.raises(RequestError, match="There is no crop"):
        exclude.exclude(tmp_path / "out", numbers)
    assert rows(tmp_path / "out") == before
    with pytest.raises(RequestError, match="was not dropped"):
        exclude.include(tmp_path / "out", {1})
    with pytest.raises(RequestError, match="no crops of videos"):
        exclude.exclude(tmp_path, {1})


def test_the_sheet_shows_every_crop(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    harvested(videos, out)
    made = contact_sheets.write(out, rows(out))
    assert list(made) == ["blue", "red"] and all(path.is_file() for paths in made.values() for path in paths)
    red = np.asarray(PIL.Image.open(made["red"][0]).convert("RGB")).astype(int)
    top, left = contact_sheets.GAP + contact_sheets.HEADING, contact_sheets.GAP
    first = red[top + 40 : top + 90, left + 40 : left + 90].reshape(-1, 3).mean(axis=0)
    assert first[0] > first[2] + 60  # a red crop where the first cell is
    many = [replace_row(row, number) for number, row in enumerate(rows(out) * 15, 1)]
    assert len(contact_sheets.write(out, many)["red"]) > 1


def replace_row(row: dict[str, Any], number: int) -> dict[str, Any]:
    return {**row, "number": number}


def test_progress_reaches_the_end(videos: Path, tmp_path: Path) -> None:
    told: list[tuple[str, float, float]] = []
    extract_crops(replace(work(videos), listener=lambda event: told.append((event.stage, event.done, event.total))), tmp_path / "out")
    assert {video for video, _, _ in told} == {path.name for path in videos.iterdir()}
    assert all(0 <= done <= total for _, done, total in told)
