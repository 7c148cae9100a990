"""A bundle answers as its thresholds say, comes back from disk exactly, and refuses what does not fit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.suppression import SuppressionModel, is_probe
from dinolabel.vision.errors import BundleMismatch
from dinolabel.vision.heads import linear
from dinolabel.vision.loading.tuned_embedder import TunedEmbedder
from dinolabel.vision.types import Box, CropPolicy, Named, Suppressed, Unknown

Make = Callable[..., Bundle]
LARGE, SMALL = Box(0, 0, 50, 50), Box(0, 0, 11.75, 50)
JASON, LACY, BETWEEN, AWAY = [1, 0, 0, 0], [0, 0, 1, 0], [0.7071068, 0, 0.7071068, 0], [0, 0, 0, 1]


def rows(*each: list[float]) -> np.ndarray:
    return np.array(each, np.float32).reshape(-1, 4)


def test_named_when_sure_close_and_large_enough(make_bundle: Make) -> None:
    answers = make_bundle().answer(rows(JASON, LACY), [LARGE, LARGE])
    assert [each.label for each in answers if isinstance(each, Named)] == ["jason", "lacy"]
    assert all(each.confidence > 0.99 for each in answers)


@pytest.mark.parametrize(
    ("vector", "box", "changes", "nearest"),
    [
        (JASON, SMALL, {}, "jason"),  # shorter side under 12 pixels
        (BETWEEN, LARGE, {"accept_threshold": 0.99}, "lacy"),  # not sure enough
        (AWAY, LARGE, {"accept_threshold": 0.0}, "jason"),  # near nothing seen
        (BETWEEN, LARGE, {"accept_threshold": 0.0, "distance_threshold": 0.29}, "lacy"),  # distance is 1 - 0.7071
        (JASON, LARGE, {"temperature": 1e6}, "jason"),  # calibration says: even odds
    ],
    ids=["small", "unsure", "alien", "too far", "flat"],
)
def test_unknown_otherwise_with_its_best_guess(
    make_bundle: Make, vector: list[float], box: Box, changes: dict[str, Any], nearest: str
) -> None:
    (answer,) = make_bundle(**changes).answer(rows(vector), [box])
    assert isinstance(answer, Unknown)
    assert answer.nearest == nearest
    assert 0 < answer.confidence <= 1


def test_the_distance_counts_to_the_label_that_won(make_bundle: Make) -> None:
    """Close to a reference of lacy, but the head says jason: a near stranger does not vouch for jason."""
    bundle = make_bundle(arrays={"means": np.array([[0, 0, 1, 0], [1, 0, 0, 0]], np.float32)})
    (answer,) = bundle.answer(rows(LACY), [LARGE])
    assert answer == Unknown("jason", pytest.approx(1.0, abs=1e-4))


def test_temperature_divides_the_logits(make_bundle: Make) -> None:
    bundle = make_bundle(temperature=5.0, accept_threshold=0.0)
    (answer,) = bundle.answer(rows(JASON), [LARGE])
    logits = bundle.head.logits(rows(JASON))[0] / 5.0
    assert answer.confidence == pytest.approx(math.exp(logits[0]) / sum(math.exp(each) for each in logits))


def test_at_the_thresholds_it_is_named(make_bundle: Make) -> None:
    probe = make_bundle(accept_threshold=0.0, distance_threshold=2.0)
    (answer,) = probe.answer(rows(JASON), [LARGE])
    distance = float(probe.distances(rows(BETWEEN))[0, 1])
    assert isinstance(make_bundle(accept_threshold=answer.confidence).answer(rows(JASON), [LARGE])[0], Named)
    assert isinstance(make_bundle(accept_threshold=0, distance_threshold=distance).answer(rows(BETWEEN), [LARGE])[0], Named)
    assert isinstance(make_bundle().answer(rows(JASON), [Box(0, 0, 12, 50)])[0], Named)


def test_a_label_called_unknown_is_never_a_name(make_bundle: Make) -> None:
    bundle = make_bundle(labels=("jason", "unknown"), reference_labels=("jason", "jason", "unknown"))
    (answer,) = bundle.answer(rows(LACY), [LARGE])
    assert isinstance(answer, Unknown)
    assert answer.nearest == "jason"
    lonely = make_bundle(
        labels=("unknown",),
        arrays={"means": rows(LACY)},
        references=rows(LACY),
        reference_labels=("unknown",),
        reference_ids=("8-c",),
    )
    assert lonely.answer(rows(LACY), [LARGE]) == [Unknown(None, 0.0)]


def test_no_boxes_no_answers(make_bundle: Make) -> None:
    assert make_bundle().answer(rows(), []) == []


@pytest.mark.parametrize("shape", [(1, 5), (2, 4), (0, 4)])
def test_embeddings_of_another_shape(make_bundle: Make, shape: tuple[int, int]) -> None:
    with pytest.raises(BundleMismatch, match="expects embeddings of shape"):
        make_bundle().answer(np.zeros(shape, np.float32), [LARGE])


def same(one: Bundle, two: Bundle) -> bool:
    for each in fields(Bundle):
        left, right = getattr(one, each.name), getattr(two, each.name)
        if each.name == "arrays":
            if left.keys() != right.keys() or any(not np.array_equal(left[key], right[key]) for key in left):
                return False
            if any(left[key].dtype != right[key].dtype for key in left):
                return False
        elif each.name == "references":
            if not np.array_equal(left, right) or left.dtype != right.dtype:
                return False
        elif left != right:
            return False
    return True


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"labels": ('jäson, "j\'"', "lacy"), "reference_labels": ('jäson, "j\'"', "lacy", "lacy")},
        {"temperature": 0.1 + 0.2, "accept_threshold": 1 / 3, "metrics": {}},
        {"policy": CropPolicy(0.35, 224, 7)},
    ],
)
def test_round_trip_is_exact(make_bundle: Make, tmp_path: Path, changes: dict[str, Any]) -> None:
    bundle = make_bundle(**changes)
    bundle.save(tmp_path / "b")
    back = Bundle.load(tmp_path / "b")
    assert same(bundle, back)
    assert back.digest == bundle.digest
    assert sorted(each.name for each in (tmp_path / "b").iterdir()) == ["arrays.safetensors", "bundle.json"]


def test_the_linear_head_travels_too(make_bundle: Make, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = tuple("abc"[number % 3] for number in range(30))
    head = linear.build().fit(vectors, names)
    bundle = make_bundle(
        labels=head.labels,
        head_name="linear",
        arrays=head.arrays(),
        references=vectors,
        reference_labels=names,
        reference_ids=tuple(map(str, range(30))),
    )
    bundle.save(tmp_path)
    boxes = [LARGE] * 30
    assert Bundle.load(tmp_path).answer(vectors, boxes) == bundle.answer(vectors, boxes)


def test_the_digest_is_what_decides_and_nothing_else(make_bundle: Make) -> None:
    base = make_bundle()
    silent: dict[str, Any] = {
        "created_at": "2027-01-01T00:00:00Z",
        "metrics": {},
        "data_digest": "",
        "trained_on": {},
        "trained_until": "",
        "reference_ids": ("1", "2", "3"),
        "own": TunedEmbedder("dinov2", "tuned", "e" * 64, "tuned", 4, "b" * 64, 2, {"jason": ("1/1/r",)}),  # embedder_digest stands for it
        "embedder_plug": "faces",  # as here
    }
    for name, value in silent.items():
        assert make_bundle(**{name: value}).digest == base.digest, name
    moved = base.references.copy()
    moved[2, 3] = 1e-7
    deciding: dict[str, Any] = {
        "labels": ("jason", "maria"),
        "arrays": {"means": base.arrays["means"] * np.float32(1.0001)},
        "temperature": 1.1,
        "accept_threshold": 0.71,
        "distance_threshold": 0.31,
        "references": moved,
        "embedder_digest": "f" * 64,
        "embedder_name": "dinov2-base",
        "policy": CropPolicy(min_side=13),
        "head_name": "linear",
        "neighbours": 2,
        "width": 4,
        "nothing": SuppressionModel(np.eye(4, dtype=np.float32), np.arange(4), np.zeros((0, 4), np.float32), 0.2, tuple("abcd")),
    }
    changed = []
    for name, value in deciding.items():
        extra = {"reference_labels": ("jason", "jason", "maria")} if name == "labels" else {}
        changed.append(make_bundle(**{name: value}, **extra).digest)
    changed.append(make_bundle(reference_labels=("jason", "lacy", "lacy")).digest)
    assert len({base.digest, *changed}) == len(deciding) + 2
    assert {each.name for each in fields(Bundle)} == {*silent, *deciding, "reference_labels", "format"}


def test_some_columns_and_several_references(make_bundle: Make) -> None:
    """A head that looks at the first columns of longer rows answers as if the rest were not there; distance is the mean of the nearest."""
    whole = make_bundle()
    narrow = make_bundle(width=whole.references.shape[1])
    rows = np.random.default_rng(0).normal(size=(5, whole.references.shape[1])).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    longer = np.concatenate([0.6 * rows, np.full((5, 1), 0.8, np.float32)], axis=1)
    boxes = [Box(0, 0, 50, 50)] * 5
    pairs = zip(narrow.answer(longer, boxes), whole.answer(rows, boxes), strict=True)
    assert all(type(mine) is type(its) and abs(mine.confidence - its.confidence) < 1e-5 for mine, its in pairs)
    with pytest.raises(BundleMismatch):
        whole.answer(longer, boxes)
    two = make_bundle(neighbours=2)
    jason = np.array(two.reference_labels) == "jason"
    far = 1 - rows.astype(np.float64) @ two.references[jason].T
    assert np.allclose(two.distances(rows)[:, two.labels.index("jason")], np.sort(far, axis=1)[:, :2].mean(axis=1))


def test_check(make_bundle: Make) -> None:
    bundle = make_bundle()
    bundle.check("e" * 64, CropPolicy())
    with pytest.raises(BundleMismatch, match=r"another embedder \(dinov2-small"):
        bundle.check("f" * 64, CropPolicy())
    with pytest.raises(BundleMismatch, match=r"margin=0\.5"):
        bundle.check("e" * 64, CropPolicy(margin=0.5))


def edited(folder: Path, **changes: Any) -> None:
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: edited(folder, format=5), "no bundle of format 1"),
        (lambda folder: edited(folder, accept_threshold=0.1), "was changed"),
        (lambda folder: edited(folder, labels=["jason"]), "damaged"),
        (lambda folder: (folder / "bundle.json").write_text("[]"), "no bundle of format 1"),
        (lambda folder: (folder / "bundle.json").write_text('{"format": 1'), "damaged"),
        (lambda folder: (folder / "bundle.json").write_text('{"format": 1}'), "damaged"),
        (lambda folder: (folder / "bundle.json").unlink(), "bundle.json is missing"),
        (lambda folder: (folder / "arrays.safetensors").unlink(), "arrays.safetensors is missing"),
        (lambda folder: (folder / "arrays.safetensors").write_bytes(b"half"), "damaged"),
        (lambda folder: (folder / "bundle.json").write_text("[" * 100_000), "damaged"),
    ],
)
def test_a_bundle_that_cannot_serve_says_why(make_bundle: Make, tmp_path: Path, spoil: Callable[[Path], Any], words: str) -> None:
    make_bundle().save(tmp_path / "b")
    spoil(tmp_path / "b")
    with pytest.raises(BundleMismatch, match=words) as caught:
        Bundle.load(tmp_path / "b")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("spoil", [lambda each: np.concatenate([each, each], axis=-1), lambda each: np.full_like(each, np.nan)])
def test_a_head_that_cannot_answer_is_refused_when_it_is_opened(make_bundle: Make, tmp_path: Path, spoil: Callable[[Any], Any]) -> None:
    """Its digest fits: it was written so."""
    made = make_bundle()
    replace(made, arrays={name: spoil(each) for name, each in made.arrays.items()}).save(tmp_path / "b")
    with pytest.raises(BundleMismatch, match="damaged"):
        Bundle.load(tmp_path / "b")


def test_fields_of_a_later_version_do_no_harm(make_bundle: Make, tmp_path: Path) -> None:
    make_bundle().save(tmp_path)
    edited(tmp_path, novelty=1)
    assert Bundle.load(tmp_path).labels == ("jason", "lacy")


@pytest.mark.parametrize("name", ["no_such_head", "../errors", "os.path", ""])
def test_a_head_we_do_not_have(make_bundle: Make, name: str) -> None:
    with pytest.raises(BundleMismatch, match="head"):
        _ = make_bundle(head_name=name).head


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": ()}, "labels"),
        ({"labels": ("a", "a")}, "each once"),
        ({"references": np.zeros((3, 4))}, "float32"),
        ({"references": np.zeros(4, np.float32)}, "float32"),
        ({"reference_ids": ("1",)}, "an id per reference"),
        ({"reference_labels": ("jason", "jason", "jason")}, "references of each label"),
        ({"temperature": 0.0}, "temperature"),
        ({"accept_threshold": 1.5}, "accept threshold"),
    ],
)
def test_nonsense_is_refused_at_birth(make_bundle: Make, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make_bundle(**changes)


def test_a_bundle_of_format_1_still_opens(make_bundle: Make, tmp_path: Path) -> None:
    old = make_bundle(format=1)
    old.save(tmp_path)
    again = Bundle.load(tmp_path)
    assert again.format == 1 and again.nothing is None and again.digest == old.digest


def belief(*deleted: list[float], distance: float = 0.1) -> SuppressionModel:
    """Each deleted crop in a picture of its own."""
    ids = tuple(f"{at}/1/r/detector" for at in range(len(deleted)))
    return SuppressionModel(rows(*deleted), np.arange(len(deleted)), np.zeros((0, 4), np.float32), distance, ids)


def shown(box: Box) -> Box:
    """The same box, moved until it is not the one in twenty."""
    return next(moved for by in range(50) if not is_probe("p", moved := Box(box.x1 + by, box.y1, box.x2 + by, box.y2)))


def test_what_people_keep_deleting_is_nothing(make_bundle: Make, tmp_path: Path) -> None:
    bundle = make_bundle(nothing=belief(AWAY, AWAY, AWAY))
    (answer,) = bundle.answer(rows(AWAY), [shown(LARGE)], image="p")
    assert answer == Suppressed(pytest.approx(1.0))
    bundle.save(tmp_path)
    again = Bundle.load(tmp_path)
    assert again.digest == bundle.digest and again.answer(rows(AWAY), [shown(LARGE)], image="p") == [answer]
    assert again.nothing is not None and again.nothing.ids == bundle.nothing.ids


@pytest.mark.parametrize(
    ("deleted", "asked", "box"),
    [
        ([AWAY, AWAY], AWAY, LARGE),  # two pictures are too few
        ([AWAY] * 3, LACY, LARGE),  # something else
        ([JASON] * 3, JASON, LARGE),  # it has a name
        ([AWAY] * 3, AWAY, SMALL),  # too small to tell
    ],
    ids=["too few", "unlike", "named", "small"],
)
def test_what_is_not_nothing(make_bundle: Make, deleted: list[list[float]], asked: list[float], box: Box) -> None:
    (answer,) = make_bundle(nothing=belief(*deleted)).answer(rows(asked), [shown(box)], image="p")
    assert not isinstance(answer, Suppressed)


def test_one_in_twenty_is_shown_again_and_always_the_same(make_bundle: Make) -> None:
    bundle = make_bundle(nothing=belief(AWAY, AWAY, AWAY))
    boxes = [Box(at, 0, at + 50, 50) for at in range(2000)]
    vectors = np.repeat(rows(AWAY), len(boxes), axis=0)
    answers = bundle.answer(vectors, boxes, image="p")
    back = [isinstance(each, Unknown) for each in answers]
    assert 60 <= sum(back) <= 140
    assert [isinstance(each, Unknown) for each in bundle.answer(vectors, boxes, image="p")] == back
    assert [isinstance(each, Unknown) for each in bundle.answer(vectors, boxes, image="q")] != back


def test_an_answer_names_the_crops_it_leans_on(make_bundle: Make) -> None:
    ids = ("7/1/a/person", "7/1/a/detector", "8/2/c/person")
    bundle = make_bundle(reference_ids=ids)
    sure, unsure = bundle.answer(rows(JASON, [0, 0.6, 0.8, 0]), [LARGE, SMALL])
    assert [(each.id, each.label) for each in sure.because] == [(ids[0], "jason")]  # two views of one object are one reason
    assert sure.because[0].distance == 0.0 and sure.because[0].task == "7"
    assert isinstance(unsure, Unknown) and [each.label for each in unsure.because] == [unsure.nearest]
