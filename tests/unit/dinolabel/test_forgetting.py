"""The parts of `dinolabel forget`: names in texts, the cache's bytes, what exports read over and leave behind."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinolabel.erasure import heads
from dinolabel.erasure.registry import ErasureRegistry
from dinolabel.erasure.text_search import Mention
from dinolabel.vision.storage.cache import Cache
from dinolabel.vision.vectors import truncate_features
from tests.doubles.scripted_models import BLUE, GREEN, RED, colour_bundle, seen

WHO = "Jürgen"


def test_an_export_does_not_bring_him_back_nor_takes_his_face_for_a_deleted_one(tmp_path: Path) -> None:
    forgotten = ErasureRegistry(tmp_path)
    forgotten.add(1, [WHO])
    assert WHO.encode() not in (tmp_path / "forgotten.json").read_bytes()

    def region(identity: str, x: float, label: str) -> dict[str, Any]:
        return {"id": identity, "value": {"x": x, "y": 10, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": [label]}}

    shown = {"id": 5, "result": [region("a", 10, "thing"), region("b", 60, "thing")]}
    kept = [region("new", 11, WHO), region("b", 60, "lacy")]
    task = {"id": 1, "annotations": [{"id": 2, "completed_by": 1, "result": kept, "prediction": shown}], "predictions": [shown]}
    again = ErasureRegistry(tmp_path)
    clean = again.without(1, task)
    (annotation,) = clean["annotations"]
    assert [each["id"] for each in annotation["result"]] == ["b"]
    for prediction in (annotation["prediction"], *clean["predictions"]):
        assert [each["id"] for each in prediction["result"]] == ["b"]
    assert again.without(2, task) == task
    assert again.lift(1, WHO) and ErasureRegistry(tmp_path).without(1, task) == task


def test_a_name_is_a_word_of_its_own() -> None:
    mention = Mention(["Al", "a/b"])
    assert mention.within("Al, Bo") and mention.within('{"label": "Al"}') and mention.within("crops/a_b/1.png")
    assert not mention.within("Also") and not mention.within("al") and not mention.within("Alé")
    before = {"Al": 1, "x": ["Al", "Bo"], "why": "It adds Al.", "n": {"Bo": "Al"}}
    assert mention.pruned(before) == {"x": ["Bo"], "why": "", "n": {"Bo": ""}}


def test_free_pages_of_the_cache_do_not_keep_it(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache.sqlite", max_mb=16)
    rng = np.random.default_rng(0)
    vectors = {f"embedding:{at}": (v := rng.normal(size=64)) / np.linalg.norm(v) for at in range(200)}
    cache.put_embeddings({key: each.astype(np.float32) for key, each in vectors.items()})
    gone = vectors["embedding:7"].astype("<f4")
    assert cache.forget(["embedding:9"], gone[None], distance=0.01) == 2
    content = (tmp_path / "cache.sqlite").read_bytes() + (tmp_path / "cache.sqlite-wal").read_bytes()
    assert gone.tobytes() not in content and vectors["embedding:8"].astype("<f4").tobytes() in content
    with sqlite3.connect(tmp_path / "cache.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (198,)


@pytest.mark.parametrize(("kept", "known"), [(64, 128), (128, 64)], ids=["the head kept fewer columns", "the cache has older rows"])
def test_rows_of_more_or_fewer_features_are_found_too(tmp_path: Path, kept: int, known: int) -> None:
    cache = Cache(tmp_path / "cache.sqlite", max_mb=16)
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(50, 128)).astype(np.float32)
    whole /= np.linalg.norm(whole, axis=1, keepdims=True)
    cache.put_embeddings({f"embedding:{at}": truncate_features(row[None], known)[0] for at, row in enumerate(whole)})
    cache.put_embeddings({"embedding:print": np.sign(rng.normal(size=16)).astype(np.float32)})
    assert cache.forget([], truncate_features(whole[7:8], kept), distance=0.2) == 1
    left = cache.get_embeddings(["embedding:7", "embedding:8", "embedding:print"])
    assert sorted(left) == ["embedding:8", "embedding:print"]


def test_a_head_of_all_features_is_known_by_rows_of_the_first() -> None:
    rows = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    stacked = heads.stack([rows[:1], truncate_features(rows[1:], 4), np.zeros((0, 0), np.float32)])
    assert stacked == pytest.approx(truncate_features(rows, 4))
    assert heads.stack([]).shape == (0, 0)
    head = colour_bundle(tom=RED, ann=BLUE)
    theirs = np.concatenate([0.8 * head.references[:1], [[0.6, 0.0]]], axis=1).astype(np.float32)
    nobody = Mention(["nobody"])
    assert heads._holds(head, nobody, set(), theirs) and heads._holds(head, nobody, set(), truncate_features(head.references, 3))
    assert not heads._holds(head, nobody, set(), truncate_features(seen(GREEN), 3))
