"""The laws of dinolabel.vision.protocols.Head, held against every file in dinolabel/vision/heads."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import numpy as np
import pytest

import dinolabel.vision.heads
from dinolabel.vision.types import Embeddings

NAMES = sorted(each.name for each in pkgutil.iter_modules(dinolabel.vision.heads.__path__))


@pytest.fixture(params=NAMES)
def plug(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"dinolabel.vision.heads.{request.param}")


def unit(rows: np.ndarray) -> Embeddings:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def crowd(*, per_label: int = 12, labels: int = 3, dim: int = 32, seed: int = 0, noise: float = 0.3) -> tuple[Embeddings, list[str]]:
    """Clusters around random directions, in no order of their labels."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(labels, dim))
    numbers = rng.permutation(np.repeat(np.arange(labels), per_label))
    return unit(centres[numbers] + noise * rng.normal(size=(len(numbers), dim))), [f"label {number}" for number in numbers]


def test_there_are_heads() -> None:
    assert {"linear", "prototype"} <= set(NAMES)


def test_rows_sum_to_one_and_follow_the_logits(plug: ModuleType) -> None:
    vectors, labels = crowd()
    head = plug.build().fit(vectors, labels)
    probabilities = head.predict_proba(vectors)
    assert probabilities.shape == (36, 3)
    assert probabilities.dtype == np.float64
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-12)
    assert (probabilities >= 0).all()
    logits = head.logits(vectors)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert np.allclose(probabilities, raised / raised.sum(axis=1, keepdims=True), atol=1e-12)


def test_columns_follow_labels(plug: ModuleType) -> None:
    vectors, labels = crowd()
    head = plug.build().fit(vectors, labels)
    assert head.labels == ("label 0", "label 1", "label 2")
    guessed = [head.labels[column] for column in head.predict_proba(vectors).argmax(axis=1)]
    assert np.mean([one == other for one, other in zip(guessed, labels, strict=True)]) > 0.95


def test_it_learns_what_it_has_not_seen(plug: ModuleType) -> None:
    vectors, labels = crowd(per_label=40, labels=5)
    head = plug.build().fit(vectors[:100], labels[:100])
    guessed = [head.labels[column] for column in head.predict_proba(vectors[100:]).argmax(axis=1)]
    assert np.mean([one == other for one, other in zip(guessed, labels[100:], strict=True)]) > 0.95


@pytest.mark.parametrize("labels", [1, 2, 3])
def test_arrays_round_trip_exactly(plug: ModuleType, labels: int) -> None:
    vectors, names = crowd(labels=labels)
    head = plug.build().fit(vectors, names)
    back = plug.restore({name: each.copy() for name, each in head.arrays().items()}, head.labels)
    assert back.labels == head.labels
    assert np.array_equal(back.logits(vectors), head.logits(vectors))
    for name, each in head.arrays().items():
        assert isinstance(each, np.ndarray)
        assert each.dtype.kind == "f"
        assert np.array_equal(each, back.arrays()[name])


def test_same_seed_same_arrays(plug: ModuleType) -> None:
    vectors, labels = crowd()
    one, two = (plug.build().fit(vectors, labels, seed=3).arrays() for _ in range(2))
    assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("labels", [1, 2, 4])
def test_one_crop_per_label_works(plug: ModuleType, labels: int) -> None:
    vectors, names = crowd(per_label=1, labels=labels)
    head = plug.build().fit(vectors, names)
    guessed = [head.labels[column] for column in head.predict_proba(vectors).argmax(axis=1)]
    assert guessed == names


def test_one_label_alone_is_certain(plug: ModuleType) -> None:
    vectors, labels = crowd(labels=1)
    assert (plug.build().fit(vectors, labels).predict_proba(vectors) == 1.0).all()


def test_two_labels_are_symmetric(plug: ModuleType) -> None:
    vectors, labels = crowd(labels=2)
    renamed = [{"label 0": "z", "label 1": "a"}[label] for label in labels]
    head, mirror = plug.build().fit(vectors, labels), plug.build().fit(vectors, renamed)
    assert mirror.labels == ("a", "z")
    assert np.allclose(head.predict_proba(vectors), mirror.predict_proba(vectors)[:, ::-1], atol=1e-4)


def test_a_rare_label_is_not_drowned(plug: ModuleType) -> None:
    vectors, labels = crowd(per_label=60, labels=2, noise=0.6)  # unbalanced, logistic regression finds 4 in 10 of them here
    kept = [index for index, label in enumerate(labels) if label == "label 0"] + [labels.index("label 1")]
    head = plug.build().fit(vectors[kept], [labels[index] for index in kept])
    others = [index for index, label in enumerate(labels) if label == "label 1"][1:]
    guessed = head.predict_proba(vectors[others]).argmax(axis=1)
    assert (guessed == 1).mean() > 0.9


def test_fit_leaves_everything_as_it_was(plug: ModuleType) -> None:
    vectors, labels = crowd()
    before, names = vectors.copy(), list(labels)
    empty = plug.build()
    empty.fit(vectors, labels)
    assert empty.labels == ()
    assert np.array_equal(vectors, before)
    assert labels == names


def test_no_rows_in_no_rows_out(plug: ModuleType) -> None:
    vectors, labels = crowd()
    head = plug.build().fit(vectors, labels)
    assert head.predict_proba(vectors[:0]).shape == (0, 3)


@pytest.mark.parametrize(("rows", "labels"), [(0, []), (3, ["a", "b"])])
def test_nothing_to_learn_from_is_refused(plug: ModuleType, rows: int, labels: list[str]) -> None:
    with pytest.raises(ValueError, match="labels"):
        plug.build().fit(np.zeros((rows, 4), np.float32), labels)
