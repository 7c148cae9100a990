"""Laws of a head (dinolabel/vision/protocols.py): each is a function of `build` and `restore`, as a head's file has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dinolabel.vision.protocols import Arrays, Head
from dinolabel.vision.types import Embeddings

Build = Callable[[], Head]
Restore = Callable[[Arrays, Sequence[str]], Head]


def check_head(build: Build, restore: Restore) -> None:
    """Every law, on drawn clusters of unit vectors. Raises AssertionError."""
    for law in HEAD_LAWS:
        law(build, restore)


def draw_clusters(
    *, per_label: int = 12, labels: int = 3, dim: int = 32, seed: int = 0, noise: float = 0.3
) -> tuple[Embeddings, list[str]]:
    """Unit vectors around random directions and their labels, `label 0` and so on, in no order of these."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(labels, dim))
    numbers = rng.permutation(np.repeat(np.arange(labels), per_label))
    rows = centres[numbers] + noise * rng.normal(size=(len(numbers), dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), [f"label {number}" for number in numbers]


def guess(head: Head, embeddings: Embeddings) -> list[str]:
    return [head.labels[column] for column in head.predict_proba(embeddings).argmax(axis=1)]


def rows_sum_to_one(build: Build, restore: Restore) -> None:
    """(N, C) float64, the softmax of the logits; no rows in, no rows out."""
    vectors, labels = draw_clusters()
    head = build().fit(vectors, labels)
    rows = head.predict_proba(vectors)
    assert rows.shape == (36, 3) and rows.dtype == np.float64, f"36 vectors of 3 labels give {rows.shape} {rows.dtype}"
    assert (rows >= 0).all() and np.allclose(rows.sum(axis=1), 1, atol=1e-12), "a row does not sum to 1"
    logits: npt.NDArray[Any] = head.logits(vectors)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert np.allclose(rows, raised / raised.sum(axis=1, keepdims=True), atol=1e-12), "predict_proba is not the softmax of logits"
    assert head.predict_proba(vectors[:0]).shape == (0, 3), "no vectors do not give no rows"


def columns_follow_labels(build: Build, restore: Restore) -> None:
    vectors, labels = draw_clusters()
    head = build().fit(vectors, labels)
    assert head.labels == ("label 0", "label 1", "label 2"), f"labels are {head.labels}, expected them sorted"
    assert np.mean([one == other for one, other in zip(guess(head, vectors), labels, strict=True)]) > 0.95, "columns are of other labels"


def learns(build: Build, restore: Restore) -> None:
    """Clusters far apart: 95 % of vectors it has not seen, also where the labels' alphabet is turned round."""
    vectors, labels = draw_clusters(per_label=40, labels=5)
    head = build().fit(vectors[:100], labels[:100])
    right = np.mean([one == other for one, other in zip(guess(head, vectors[100:]), labels[100:], strict=True)])
    assert right > 0.95, f"of vectors in plain clusters {right:.0%} are right"
    vectors, labels = draw_clusters(labels=2)
    head = build().fit(vectors, labels)
    mirror = build().fit(vectors, [{"label 0": "z", "label 1": "a"}[label] for label in labels])
    assert np.allclose(head.predict_proba(vectors), mirror.predict_proba(vectors)[:, ::-1], atol=1e-4), "the names of labels matter"


def does_not_drown_a_rare_label(build: Build, restore: Restore) -> None:
    """One crop against sixty of another label; unbalanced, logistic regression finds 4 in 10 of the rare one's others here."""
    vectors, labels = draw_clusters(per_label=60, labels=2, noise=0.6)
    kept = [index for index, label in enumerate(labels) if label == "label 0"] + [labels.index("label 1")]
    head = build().fit(vectors[kept], [labels[index] for index in kept])
    others = [index for index, label in enumerate(labels) if label == "label 1"][1:]
    found = float(np.mean(head.predict_proba(vectors[others]).argmax(axis=1) == 1))
    assert found > 0.9, f"of a label with one crop {found:.0%} are found"


def arrays_round_trip(build: Build, restore: Restore) -> None:
    for count in (1, 2, 3):
        vectors, labels = draw_clusters(labels=count)
        head = build().fit(vectors, labels)
        back = restore({name: each.copy() for name, each in head.arrays().items()}, head.labels)
        assert back.labels == head.labels, "restored, it has other labels"
        assert np.array_equal(back.logits(vectors), head.logits(vectors)), "restored, it answers differently"
        for name, each in head.arrays().items():
            assert isinstance(each, np.ndarray) and each.dtype.kind == "f", f"{name} is no array of floats"
            assert np.array_equal(each, back.arrays()[name]), f"restored, {name} differs"


def same_seed_same_arrays(build: Build, restore: Restore) -> None:
    vectors, labels = draw_clusters()
    one, two = (build().fit(vectors, labels, seed=3).arrays() for _ in range(2))
    assert one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one), "one seed gives two heads"


def one_crop_a_label_is_enough(build: Build, restore: Restore) -> None:
    for count in (1, 2, 4):
        vectors, labels = draw_clusters(per_label=1, labels=count)
        assert guess(build().fit(vectors, labels), vectors) == labels, f"{count} labels of one crop each are not told apart"
    vectors, labels = draw_clusters(labels=1)
    assert (build().fit(vectors, labels).predict_proba(vectors) == 1.0).all(), "one label alone is not certain"


def fit_leaves_everything_alone(build: Build, restore: Restore) -> None:
    vectors, labels = draw_clusters()
    before, names, empty = vectors.copy(), list(labels), build()
    empty.fit(vectors, labels)
    assert empty.labels == () and np.array_equal(vectors, before) and labels == names, "fit changes the head or what it was given"


def refuses_nothing_to_learn_from(build: Build, restore: Restore) -> None:
    """ValueError for no rows, and for more rows than labels."""
    for rows, labels in ((0, []), (3, ["a", "b"])):
        try:
            build().fit(np.zeros((rows, 4), np.float32), labels)
        except ValueError as error:
            if "labels" in str(error):
                continue
            raise
        raise AssertionError(f"{rows} rows with {len(labels)} labels were learnt; raise ValueError")


HEAD_LAWS: tuple[Callable[[Build, Restore], None], ...] = (
    rows_sum_to_one,
    columns_follow_labels,
    learns,
    does_not_drown_a_rare_label,
    arrays_round_trip,
    same_seed_same_arrays,
    one_crop_a_label_is_enough,
    fit_leaves_everything_alone,
    refuses_nothing_to_learn_from,
)
