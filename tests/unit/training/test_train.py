"""The whole training on seeded identities: what is published, what is refused, and what is written down."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dinolabel.training.errors import NotEnoughLabels
from dinolabel.training.evaluation import promotion_gate
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.split import split_side
from tests.blobs import LATER, NAMES, NOW, Bench, World, receipt, share_named


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_it_learns_names_and_leaves_strangers_unnamed(bench: Bench) -> None:
    world = World().crowd(NAMES, images=30)
    verdict = bench.train(world)
    assert verdict.published and verdict.bundle_id == bench.store.newest("1")
    head = bench.bundle(verdict)
    assert head.labels == NAMES
    assert head.created_at == NOW
    assert head.trained_on == {"jason": 30, "lacy": 30}
    for name in NAMES:
        assert share_named(head, world, name)[0] >= 0.9
    assert share_named(head, world, "stranger")[1] <= 0.1
    assert verdict.metrics["basis"] == promotion_gate.HELD_OUT
    assert verdict.metrics["accuracy"] >= 0.9
    assert receipt(verdict)["calibration"]["distance_auroc"] >= 0.95


def test_names_that_nobody_can_tell_apart_are_refused(bench: Bench) -> None:
    world = World(likeness=1.0).crowd(NAMES, images=40)
    verdict = bench.train(world)
    assert not verdict.published and "Not good enough yet" in verdict.reason
    assert 0.4 < receipt(verdict)["calibration"]["distance_auroc"] < 0.6
    assert receipt(verdict)["data"]["objects"] == {"jason": 40, "lacy": 40}


def test_a_name_that_was_only_seen_held_out_does_not_count_against_the_head(bench: Bench) -> None:
    world, pictures = World().crowd(["jason", "maria"], images=30), World().crowd(["x"], images=200).rows
    held_out = [row["task"] for row in pictures if row["view"] == "person" and split_side(row["group"]) == "held_out"]
    for image in held_out[:4]:
        world.add("lacy", image=image)
    verdict = bench.train(world)
    assert verdict.published and "lacy" not in verdict.metrics["per_label"]
    assert share_named(bench.bundle(verdict), world, "lacy")[0] >= 0.8


def test_thresholds_are_published_as_they_were_judged(bench: Bench) -> None:
    verdict = bench.train(World().crowd(["jason", "maria"], images=30))
    published = bench.bundle(verdict)
    judged = Bundle.load(bench.store.folder("1", str(verdict.bundle_id)) / "judge")
    settings = ("temperature", "accept_threshold", "distance_threshold")
    assert [getattr(published, each) for each in settings] == [getattr(judged, each) for each in settings]
    assert len(published.references) > len(judged.references)


def test_a_receipt_is_written_for_people_and_programs(bench: Bench) -> None:
    verdict = bench.train(World().crowd(NAMES, images=30), wanted=("jason", "lacy", "maria"))
    told = receipt(verdict)
    assert verdict.receipt.parent == bench.store.folder("1", str(verdict.bundle_id))
    for name in ("confusion.svg", "reliability.svg", "learning.svg"):
        assert ElementTree.parse(verdict.receipt.parent / name).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    page = (verdict.receipt.parent / "receipt.html").read_text()
    rest = told["verdict"].replace(told["opening"], "", 1).strip()
    assert told["opening"] in page and rest and f"<p>{rest}</p>" in page and page.count("<svg") == 3
    assert told["published"] and told["bundle"] == verdict.bundle_id
    assert told["data"]["objects"] == {"jason": 30, "lacy": 30}
    assert told["data"]["views"] == 120
    assert told["data"]["labels_without_a_crop"] == ["maria"]
    groups = {row["group"] for row in World().crowd(["x"], images=30).rows}
    assert told["data"]["pictures_held_out"] == sum(split_side(group) == "held_out" for group in groups)
    assert told["judged"]["candidate"]["groups"] == told["data"]["pictures_held_out"]
    (noted,) = bench.store.verdicts("1")
    assert noted["published"] and noted["reason"] == verdict.reason and noted["bundle"] == verdict.bundle_id
    assert noted["trained_until"] == "2026-11-22T12:00:58Z"


def test_the_judged_head_has_not_seen_held_out_groups_and_stays_beside_the_bundle(bench: Bench) -> None:
    world = World().crowd(NAMES, images=30)
    verdict = bench.train(world)
    judge = Bundle.load(verdict.receipt.parent / "judge")
    group_of = {f"{row['task']}/{row['annotation']}/{row['region']}/{row['view']}": row["group"] for row in world.rows}
    assert {split_side(group_of[each]) for each in judge.reference_ids} == {"train"}
    assert {split_side(group_of[each]) for each in bench.bundle(verdict).reference_ids} == {"train", "held_out"}


def test_near_copies_in_one_picture_do_not_flatter(bench: Bench) -> None:
    """Names that are pure noise, each object ten times in its picture: a split by crop would find it perfect."""
    world = World(picture=8.0)
    for image in range(40):
        name = NAMES[image % 2]
        world.add(name, image=image)
        base = world.vectors[-1]
        for _ in range(9):
            world.add(name, image=image)
            world.vectors[-2:] = [base, base]
    verdict = bench.train(world)
    assert verdict.metrics["macro_f1"] < 0.75


def test_same_seed_same_bundle(bench: Bench, tmp_path: Path) -> None:
    first = bench.bundle(bench.train(World().crowd(NAMES, images=20), seed=5))
    other = Bench(tmp_path / "other")
    second = other.bundle(other.train(World().crowd(NAMES, images=20), seed=5, now=LATER))
    assert first.digest == second.digest
    folders = [each.store.folder("1", first.digest[:12]) for each in (bench, other)]
    assert (folders[0] / "arrays.safetensors").read_bytes() == (folders[1] / "arrays.safetensors").read_bytes()
    cards = [json.loads((folder / "bundle.json").read_text()) for folder in folders]
    assert [card.pop("created_at") for card in cards] == [NOW, LATER]
    assert cards[0] == cards[1]


def test_the_same_boxes_again_are_nothing_new(bench: Bench) -> None:
    world = World().crowd(NAMES, images=20)
    first = bench.train(world)
    again = bench.train(world, now=LATER)
    assert not again.published and "nothing new" in again.reason
    assert bench.store.newest("1") == first.bundle_id
    assert again.receipt.parent.parent.name == "refused"
    assert [each["published"] for each in bench.store.verdicts("1")] == [True, False]


def test_a_worse_head_is_refused_by_how_much_and_on_what(bench: Bench) -> None:
    good = World(seed=1).crowd(NAMES, images=60)
    first = bench.train(good)
    assert first.published
    spoilt = World(seed=1).crowd(NAMES, images=60)
    for row in spoilt.rows:
        if split_side(row["group"]) == "train" and row["task"] % 5:
            row["label"] = {"jason": "lacy", "lacy": "jason"}[row["label"]]
    verdict = bench.train(spoilt, now=LATER)
    assert not verdict.published
    assert "It would lose" in verdict.reason and "held out" in verdict.reason
    assert bench.store.newest("1") == first.bundle_id
    assert receipt(verdict)["judged"]["macro_f1_difference"]["high"] < 0


def test_force_publishes_what_the_gate_refuses_and_says_so(bench: Bench) -> None:
    world = World().crowd(NAMES, images=20)
    bench.train(world)
    verdict = bench.train(world, now=LATER, force=True)
    assert verdict.published and receipt(verdict)["forced"]
    assert "forced" in verdict.reason and "nothing new" in verdict.reason


def test_more_boxes_and_a_new_name_are_published(bench: Bench) -> None:
    world = World().crowd(NAMES, images=20)
    bench.train(world)
    verdict = bench.train(world.crowd(["maria"], images=20), now=LATER)
    assert verdict.published and "It adds maria" in verdict.reason
    assert bench.bundle(verdict).labels == ("jason", "lacy", "maria")
    assert receipt(verdict)["changed"]["changed"] == 20


def test_while_pinned_it_only_proposes(bench: Bench) -> None:
    world = World().crowd(NAMES, images=20)
    first = bench.train(world)
    bench.store.pin("1", first.bundle_id)
    verdict = bench.train(world.crowd(["maria"], images=20), now=LATER)
    assert not verdict.published and f"{first.bundle_id} is pinned" in verdict.reason


def test_a_head_of_another_embedder_is_not_compared(bench: Bench) -> None:
    world = World().crowd(NAMES, images=20)
    bench.train(world)
    verdict = bench.train(world, now=LATER, digest="0ther")
    assert verdict.published
    assert "cannot be compared" in verdict.reason and "floor" in verdict.reason


def test_a_head_without_its_judge_is_not_compared(bench: Bench) -> None:
    world = World().crowd(NAMES, images=20)
    first = bench.train(world)
    for file in (first.receipt.parent / "judge").iterdir():
        file.unlink()
    verdict = bench.train(world.crowd(NAMES, images=40, start=20), now=LATER)
    assert verdict.published and "cannot be compared" in verdict.reason


def split_by(world: World, held_out: range) -> World:
    """A person's own choice of what to test on, against the hash of the groups."""
    for row in world.rows:
        row["split"] = "held_out" if row["task"] in held_out else "train"
    return world


def test_what_a_person_set_apart_judges_and_teaches_nothing(bench: Bench) -> None:
    verdict = bench.train(split_by(World().crowd(NAMES, images=8), range(2)))  # one group a name would not be enough for the hash's choice
    assert verdict.published and verdict.metrics["basis"] == promotion_gate.HELD_OUT
    assert verdict.metrics["objects"] == 4 and verdict.metrics["groups"] == 2
    taught = {int(each.split("/")[0]) for each in bench.bundle(verdict).reference_ids}
    assert taught == set(range(2, 8))
    assert bench.bundle(verdict).digest == Bundle.load(verdict.receipt.parent / "judge").digest  # both fits are one
    assert bench.bundle(verdict).trained_on == {"jason": 6, "lacy": 6}
    assert "set apart" in receipt(verdict)["note"]


def test_moving_a_picture_to_the_test_side_is_news(bench: Bench) -> None:
    first = bench.train(split_by(World().crowd(NAMES, images=8), range(2)))
    again = bench.train(split_by(World().crowd(NAMES, images=8), range(2)))
    other = bench.train(split_by(World().crowd(NAMES, images=8), range(1)), now=LATER)
    assert first.published and not again.published and "nothing new" in again.reason
    assert "nothing new" not in other.reason


def test_nothing_but_test_pictures_is_said(bench: Bench) -> None:
    with pytest.raises(NotEnoughLabels, match="set apart to test on"):
        bench.train(split_by(World().crowd(NAMES, images=3), range(3)))
