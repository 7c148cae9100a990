"""Heads over one feature or over both: which wins, what then looks at which columns, and heads from before there were two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinolabel.training.data.samples import Samples
from dinolabel.training.model_selection import head_selection, label_issues
from dinolabel.training.train import TrainingOptions, TrainingResult, train
from dinolabel.vision.loading.feature_slice import Feature
from dinolabel.vision.types import Box, Named
from tests.blobs import DIM, LATER, NAMES, NOW, Bench, KnownOnly, World, receipt, unit

ONE, BOTH = "class token", "class token and mean patch token"
FEATURES = (Feature(ONE, DIM, "one"), Feature(BOTH, 2 * DIM, "both"))
LARGE = Box(0, 0, 60, 60)


class TwoFeatures(KnownOnly):
    dim, features = 2 * DIM, FEATURES

    def __init__(self) -> None:
        super().__init__("both")


def world(images: int = 40, *, first: bool = True, second: bool = True) -> World:
    """Every name once in each picture. first, second: whether that half of a row tells names apart; else it is noise about one centre."""
    halves = [World(seed=seed, likeness=0.5 if tells else 1.0).crowd(NAMES, images=images) for seed, tells in ((0, first), (1, second))]
    made = halves[0]
    made.vectors = [unit(np.concatenate(pair)) for pair in zip(*(each.vectors for each in halves), strict=True)]
    return made


def trained(bench: Bench, crops: World, name: str = "export", **options: Any) -> TrainingResult:
    asked = TrainingOptions(**{"project": "1", "now": NOW} | options)
    written = crops.write(bench.folder / name, bench.cache, digest="both")
    return train(written, asked, embedder=TwoFeatures(), store=bench.store, cache=bench.cache)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_both_win_where_only_the_patches_tell_names_apart(bench: Bench) -> None:
    crops = world(first=False)
    verdict = trained(bench, crops)
    told, head = receipt(verdict), bench.bundle(verdict)
    assert verdict.published, verdict.reason
    assert (told["head"]["over"], head.width, head.references.shape[1], head.embedder_digest) == (BOTH, 0, 2 * DIM, "both")
    assert told["judged"]["candidate"]["accuracy"] > 0.9
    assert told["learning"]["curve"][-1][1] > 0.9, "the curve is of the same columns"
    assert [each["over"] for each in told["head"]["competition"]].count(BOTH) == 1
    assert {each["over"] for each in told["head"]["competition"]} == {ONE, BOTH}
    first, *others = told["head"]["competition"]
    assert (first["head"], first["over"]) == (told["head"]["head"], BOTH)
    assert first["macro_f1"] > max(each["macro_f1"] for each in others) + 0.1
    page = verdict.receipt.with_name("receipt.html").read_text()
    assert f"over {BOTH}" in page and f"over {ONE}" in page


@pytest.mark.parametrize("second", [False, True], ids=["patches are noise", "patches tell as much"])
def test_the_class_token_wins_a_draw_and_the_head_looks_at_nothing_else(bench: Bench, second: bool) -> None:
    crops = world(second=second)
    verdict = trained(bench, crops)
    told, head = receipt(verdict), bench.bundle(verdict)
    assert verdict.published, verdict.reason
    assert (told["head"]["over"], head.width, head.references.shape[1], head.embedder_digest) == (ONE, DIM, DIM, "both")
    rows = np.stack(crops.vectors).astype(np.float32)
    answers = head.answer(rows, [LARGE] * len(rows))
    rows[:, DIM:] = rows[::-1, DIM:]  # somebody else's patches
    shuffled = head.answer(rows, [LARGE] * len(rows))
    assert [type(each) for each in shuffled] == [type(each) for each in answers]
    assert np.mean([isinstance(each, Named) for each in answers]) > 0.9


def test_few_crops_are_looked_at_by_the_class_token_alone(bench: Bench) -> None:
    verdict = trained(bench, world(4, first=False), force=True)
    told = receipt(verdict)["head"]
    assert (told["head"], told["over"], told["competition"]) == (head_selection.FEW, ONE, [])
    assert bench.bundle(verdict).width == DIM


@pytest.mark.parametrize("first", [False, True], ids=[BOTH, ONE])
def test_same_seed_same_bytes(bench: Bench, tmp_path: Path, first: bool) -> None:
    other = Bench(tmp_path / "other")
    folders = [each.store.folder("1", str(trained(each, world(first=first)).bundle_id)) for each in (bench, other)]
    one, two = ((folder / "arrays.safetensors").read_bytes() + (folder / "bundle.json").read_bytes() for folder in folders)
    assert one == two


def test_a_head_from_before_there_were_two_features_is_compared_on_the_same_pictures(bench: Bench) -> None:
    crops = world(20, first=True)
    narrow = World().crowd(NAMES, images=20)
    written = narrow.write(bench.folder / "before", bench.cache, digest="one")
    before = train(written, TrainingOptions("1", NOW), embedder=KnownOnly("one"), store=bench.store, cache=bench.cache)
    assert bench.bundle(before).width == 0 and before.published
    told = receipt(trained(bench, crops, now=LATER))
    assert told["changed"]["why_not_compared"] is None
    assert told["judged"]["current"]["groups"] == told["judged"]["candidate"]["groups"]
    assert told["judged"]["current"]["macro_f1"] == receipt(before)["judged"]["candidate"]["macro_f1"]


def samples(*, first: bool, wrong: int = 0) -> Samples:
    """As training would have them, the labels of so many first rows swapped."""
    crops = world(30, first=first)
    rows = [at for at, each in enumerate(crops.rows) if each["view"] == "person"]
    labels = [crops.rows[at]["label"] for at in rows]
    labels[:wrong] = [NAMES[1 - NAMES.index(each)] for each in labels[:wrong]]
    groups = tuple(str(crops.rows[at]["group"]) for at in rows)
    ids = tuple(f"{at}/{at}/r/person" for at in rows)
    vectors = np.stack([crops.vectors[at] for at in rows]).astype(np.float32)
    return Samples(vectors, tuple(labels), groups, ids, (LARGE,) * len(rows), np.ones(len(rows), dtype=bool), features=FEATURES)


def test_wrong_names_are_found_by_what_the_winner_looks_at() -> None:
    found = label_issues.find_label_issues(samples(first=False, wrong=3), seed=0)
    assert sorted(each.task for each in found.ranked[:3]) == [0, 2, 4]


def test_a_hundredth_is_needed() -> None:
    given = samples(first=False)
    choice = head_selection.select_head(given, seed=0)
    assert choice.winner.feature == FEATURES[1]
    best = max(each.macro_f1 for each in choice.scores if each.features == ONE)
    assert choice.scores[0].macro_f1 - best >= head_selection.LEAST_GAIN
    asked = np.arange(len(given)) % 3 == 0
    assert head_selection.score_on(given, asked, seed=0).features == BOTH
