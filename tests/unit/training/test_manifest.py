"""Manifests: what is read, what is refused and where it says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dinolabel.training.data.manifest import read
from dinolabel.training.errors import ManifestUnreadable
from dinolabel.vision.bundles.split import split_side
from dinolabel.vision.storage.cache import Cache
from tests.blobs import NAMES, POLICY, World

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def world() -> World:
    return World().crowd(NAMES, images=2)


def written(world: World, folder: Path) -> Path:
    return world.write(folder / "export", Cache(folder / "cache.sqlite", max_mb=20), wanted=(*NAMES, "maria"))


def test_rows_as_they_were_written(world: World, tmp_path: Path) -> None:
    found = read(written(world, tmp_path))
    assert len(found.rows) == 8
    first = found.rows[0]
    assert (first.task, first.region, first.label, first.view, first.kind) == (0, "r0", "jason", "person", "named")
    assert first.object_id == found.rows[1].object_id != found.rows[2].object_id
    assert first.id != found.rows[1].id
    assert found.policy == POLICY
    assert found.wanted == (*NAMES, "maria")
    assert found.trained_until == "2026-11-22T12:00:06Z"


def test_a_frame_of_a_video_has_its_own_key(world: World, tmp_path: Path) -> None:
    world.rows[0]["frame"] = 7
    rows = read(written(world, tmp_path)).rows
    assert rows[0].image_key == f"{rows[0].image}#7"
    assert rows[1].image_key == rows[1].image


def test_a_person_may_choose_the_side(world: World, tmp_path: Path) -> None:
    world.rows[0]["split"], world.rows[1]["split"] = "held_out", "train"
    rows = read(written(world, tmp_path)).rows
    assert (rows[0].side, rows[1].side) == ("held_out", "train")
    assert rows[2].split is None and rows[2].side == split_side(rows[2].group)


@pytest.mark.parametrize(("frames", "called"), [((None, None), "pictures"), ((3, None), "pictures"), ((3, 9), "videos")])
def test_groups_have_a_word(world: World, tmp_path: Path, frames: tuple[int | None, int | None], called: str) -> None:
    for number, row in enumerate(world.rows):
        row["frame"] = frames[number % 2]
    assert read(written(world, tmp_path)).sources == called


def test_unapproved_boxes_do_not_move_the_time(world: World, tmp_path: Path) -> None:
    world.rows[0] |= {"at": "2027-01-01T00:00:00Z", "verdict": "unverified"}
    assert read(written(world, tmp_path)).trained_until == "2026-11-22T12:00:06Z"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda row: row.pop("box"), "lacks 'box'"),
        (lambda row: row.update(format=2), "expected format 1, got 2"),
        (lambda row: row.update(box=[5, 5, 1, 9]), "x1 < x2"),
        (lambda row: row.update(box=[1, 2, 3]), "row 3"),
        (lambda row: row.update(task="x"), "row 3"),
        (lambda row: row.update(task=float("inf")), "row 3"),
        (lambda row: row.update(frame=float("inf")), "row 3"),
        (lambda row: row.update(label=None), "no label"),
        (lambda row: row.update(split="test"), "expected split train, held_out or null"),
        (lambda row: row.update(crop="../../etc/passwd"), "outside the export"),
        (lambda row: row.update(crop="/etc/passwd"), "outside the export"),
        (lambda row: row.update(policy={"margin": 0.5, "max_side": 448, "min_side": 12}), "2 different ways"),
        (lambda row: row.update(policy={"margins": 1}), "no crop policy"),
        (lambda row: row.update(region="r0", task=0, annotation=0), "twice"),
    ],
)
def test_a_bad_row_is_named(world: World, tmp_path: Path, change: Change, says: str) -> None:
    change(world.rows[2])
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in world.rows))
    with pytest.raises(ManifestUnreadable, match=says):
        read(tmp_path / "export")


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"format": 1}', "\xff", "[" * 100_000])
def test_what_is_no_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.jsonl").write_bytes(text.encode("latin-1"))
    with pytest.raises(ManifestUnreadable):
        read(tmp_path)


def test_no_manifest_at_all(tmp_path: Path) -> None:
    with pytest.raises(ManifestUnreadable, match="no export of crops"):
        read(tmp_path)


def test_an_empty_one_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text("")
    found = read(tmp_path)
    assert (found.rows, found.trained_until, found.wanted) == ((), "", ())


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda row: None, True),
        (lambda row: row.update(crop="elsewhere.png", who="9", at="2027", model_version="w"), True),
        (lambda row: row.update(label="maria"), False),
        (lambda row: row.update(verdict="rejected"), False),
        (lambda row: row.update(kind="unknown"), False),
        (lambda row: row.update(box=[0.0, 0.0, 9.0, 9.0]), False),
        (lambda row: row.update(image="0" * 64), False),
        (lambda row: row.update(group="0" * 64), False),
        (lambda row: row.update(split=None), True),
        (lambda row: row.update(split="held_out"), False),
    ],
)
def test_the_digest_is_of_what_decides_and_nothing_else(world: World, tmp_path: Path, change: Change, same: bool) -> None:
    before = read(written(world, tmp_path)).digest()
    change(world.rows[3])
    world.rows.reverse()
    world.vectors.reverse()
    assert (read(written(world, tmp_path)).digest() == before) is same
