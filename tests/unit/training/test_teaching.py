"""What teaches a head and what does not, down to one picture of one name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinolabel.training.errors import NotEnoughLabels
from dinolabel.training.evaluation import promotion_gate
from dinolabel.vision.types import CropPolicy
from tests.blobs import DIM, NAMES, POLICY, Bench, World, receipt, share_named


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("images", [1, 2, 3])
def test_few_pictures_are_enough_to_begin(bench: Bench, images: int) -> None:
    world = World().crowd(NAMES, images=images)
    verdict = bench.train(world)
    assert verdict.published
    assert verdict.metrics["basis"] == (promotion_gate.NOTHING if images == 1 else promotion_gate.LEFT_OUT)
    assert ("unjudged" if images == 1 else "Too few held-out pictures") in verdict.reason
    head = bench.bundle(verdict)
    assert share_named(head, world, "jason")[0] >= 0.7
    assert share_named(head, world, "stranger")[1] <= 0.3
    assert receipt(verdict)["data"]["objects"] == {"jason": images, "lacy": images}


@pytest.mark.parametrize("images", [1, 20])
def test_one_name_alone_is_decided_by_distance(bench: Bench, images: int) -> None:
    world = World().crowd(["jason"], images=images)
    verdict = bench.train(world)
    assert verdict.published
    head = bench.bundle(verdict)
    assert head.labels == ("jason",)
    assert share_named(head, world, "jason")[0] >= 0.8
    assert share_named(head, world, "stranger")[1] <= 0.1


def test_explicit_unknowns_make_it_more_careful(bench: Bench, tmp_path: Path) -> None:
    """Strangers much like the names, in a world where pictures differ a lot."""

    def world() -> World:
        return World(picture=1.1, likeness=0.6).crowd(NAMES, images=40)

    bold = bench.train(world())
    taught = world()
    for image in range(40):
        taught.add(f"stranger {image % 8}", image=image, kind="unknown", label="unknown")
    other = Bench(tmp_path / "other")
    careful = other.train(taught)
    before, after = (
        np.mean([share_named(head, world(), f"stranger {number}")[1] for number in range(8)])
        for head in (bench.bundle(bold), other.bundle(careful))
    )
    assert after <= 0.5 * before
    assert other.bundle(careful).labels == ("jason", "lacy", "unknown")
    assert careful.metrics["unknown"]["kept"] >= 0.8
    assert "unknown" not in careful.metrics["per_label"]


def test_generic_boxes_teach_nothing_unless_asked(bench: Bench, tmp_path: Path) -> None:
    world = World().crowd(NAMES, images=20)
    for image in range(20):
        world.add("forgotten", image=image, kind="generic", label="face")
    assert bench.bundle(bench.train(world)).labels == NAMES
    other = Bench(tmp_path / "other")
    assert other.bundle(other.train(world, generic_is_unknown=True)).labels == (*NAMES, "unknown")


@pytest.mark.parametrize("verdict", ["rejected", "unverified"])
def test_only_approved_boxes_teach(bench: Bench, verdict: str) -> None:
    world = World().crowd(NAMES, images=10).crowd(["ghost"], images=10)
    for row in world.rows:
        if row["label"] == "ghost":
            row["verdict"] = verdict
    assert bench.bundle(bench.train(world)).labels == NAMES


def test_no_name_at_all_says_which_needs_how_many(bench: Bench) -> None:
    world = World()
    world.add("somebody", image=1, kind="generic", label="face")
    with pytest.raises(NotEnoughLabels, match=r"jason needs 1 more, lacy needs 1 more") as raised:
        bench.train(world, wanted=NAMES)
    assert raised.value.missing == {"jason": 1, "lacy": 1}
    (noted,) = bench.store.verdicts("1")
    assert not noted["published"] and noted["missing"] == {"jason": 1, "lacy": 1}


def test_boxes_too_small_to_be_named_do_not_teach(bench: Bench) -> None:
    world = World().crowd(NAMES, images=10)
    world.add("ant", image=1, side=POLICY.min_side - 1)
    verdict = bench.train(world)
    assert bench.bundle(verdict).labels == NAMES
    assert len(receipt(verdict)["data"]["too_small"]) == 2
    tiny = World()
    tiny.add("ant", image=1, side=POLICY.min_side - 1)
    with pytest.raises(NotEnoughLabels, match="smaller than 12 pixels"):
        bench.train(tiny)


def test_the_detectors_own_box_is_what_is_asked_about(bench: Bench) -> None:
    """People's boxes all alike, the detector's boxes noise: in service the head would fail, and the report must say so."""
    world = World(picture=0.2).crowd(NAMES, images=40)
    rng = np.random.default_rng(0)
    for at, row in enumerate(world.rows):
        if row["view"] == "detector":
            noise = rng.normal(size=DIM)
            world.vectors[at] = noise / np.linalg.norm(noise)
    verdict = bench.train(world)
    assert not verdict.published
    assert verdict.metrics["accuracy"] < 0.5
    assert receipt(verdict)["judged"]["candidate"]["objects"] == verdict.metrics["objects"] < len(world.rows) / 4


def test_ten_names_let_heads_compete(bench: Bench) -> None:
    names = [f"n{number}" for number in range(10)]
    verdict = bench.train(World(picture=0.8).crowd(names, images=24))
    competition = {each["head"] for each in receipt(verdict)["head"]["competition"]}
    assert competition >= {"prototype", "linear, C = 1", "linear, C = 10", "linear, C = 100"}
    assert verdict.published and verdict.metrics["macro_f1"] >= 0.9


def test_pictures_that_are_all_alike_are_one_group_and_judge_nothing(bench: Bench) -> None:
    world = World().crowd(NAMES, images=8)
    for row in world.rows:
        row["group"] = "one scene"
    verdict = bench.train(world)
    assert verdict.published and verdict.metrics["basis"] == promotion_gate.NOTHING


def test_policy_of_the_manifest_goes_into_the_bundle(bench: Bench) -> None:
    assert bench.bundle(bench.train(World().crowd(NAMES, images=2))).policy == CropPolicy()
