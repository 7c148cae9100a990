"""Temperature and thresholds on numbers one can check."""

from __future__ import annotations

import numpy as np
import pytest

from dinolabel.training.model_selection import calibration
from dinolabel.training.model_selection.calibration import accept_threshold, auroc, log_softmax, open_set, temperature
from dinolabel.vision.bundles import distances
from dinolabel.vision.bundles.distances import label_distances

NONE = np.zeros(0)


def test_temperature_undoes_a_known_scale() -> None:
    """Logits drawn so that softmax(logits) is the truth, then multiplied by 5: T must be near 5."""
    rng = np.random.default_rng(0)
    honest = rng.normal(size=(4000, 3)) * 2
    truth = np.array([rng.choice(3, p=row) for row in np.exp(log_softmax(honest))])
    assert temperature(5 * honest, truth) == pytest.approx(5, rel=0.1)
    assert temperature(honest / 4, truth) == pytest.approx(0.25, rel=0.1)


def test_all_right_does_not_make_it_certain() -> None:
    logits = np.eye(2)[[0, 1, 0, 1]] * 30
    few = np.exp(log_softmax(logits / temperature(logits, np.array([0, 1, 0, 1]))))
    many = np.tile(logits, (50, 1))
    sure = np.exp(log_softmax(many / temperature(many, np.tile([0, 1, 0, 1], 50))))
    assert few.max() == pytest.approx(3 / 4, abs=0.01)  # two of a label: (2 + 1) / (2 + 2)
    assert sure.max() == pytest.approx(101 / 102, abs=0.002)


@pytest.mark.parametrize(
    ("logits", "truth"),
    [(np.zeros((0, 2)), []), (np.zeros((3, 1)), [0, 0, 0]), (np.array([[1.0, np.nan]]), [1])],
    ids=["no rows", "one label", "label in no other group"],
)
def test_nothing_to_measure_is_one(logits: np.ndarray, truth: list[int]) -> None:
    assert temperature(logits, np.array(truth, dtype=np.int64)) == 1.0


def test_log_softmax_leaves_unknown_columns_out() -> None:
    assert np.exp(log_softmax(np.array([[0.0, np.nan, 0.0]]))).tolist() == [[0.5, 0.0, 0.5]]


@pytest.mark.parametrize(
    ("confidence", "right", "expected"),
    [
        ([0.6, 0.9], [True, True], 0.5),
        ([0.6, 0.9], [False, True], 0.61),
        ([0.95] * 10, [False] * 10, 0.75),
        ([0.7] * 9 + [0.55], [True] * 9 + [False], 0.5),  # one in ten may be wrong
        ([0.7] * 8 + [0.55], [True] * 8 + [False], 0.56),
        ([], [], 0.5),
        ([0.3, 0.4], [False, False], 0.5),
    ],
)
def test_accept_threshold(confidence: list[float], right: list[bool], expected: float) -> None:
    assert accept_threshold(np.array(confidence), np.array(right, dtype=bool)) == expected


def test_distance_threshold_keeps_its_share_of_true_objects() -> None:
    own = np.linspace(0.1, 0.3, 200)
    found = open_set(own, np.full(200, 0.9), NONE)
    assert 0.0 <= found.false_reject <= 0.05
    assert found.false_accept == 0.0
    assert found.auroc == 1.0
    assert found.distance < 0.32


def test_look_alikes_pull_it_down_but_only_so_far() -> None:
    own, near = np.linspace(0.1, 0.3, 200), np.linspace(0.27, 0.4, 200)
    free, held = open_set(own, NONE, NONE), open_set(own, near, NONE)
    assert held.distance < free.distance
    assert 0.05 < held.false_reject <= 0.10
    assert held.auroc is not None and 0.9 < held.auroc < 1


def test_explicit_unknowns_tighten_further() -> None:
    own, unknown = np.linspace(0.1, 0.3, 200), np.linspace(0.2, 0.35, 200)
    assert open_set(own, unknown, NONE).false_reject == pytest.approx(0.10, abs=0.01)
    assert open_set(own, NONE, unknown).false_reject == pytest.approx(0.20, abs=0.01)
    assert open_set(own, NONE, unknown).distance < open_set(own, unknown, NONE).distance


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        ([], [], calibration.DISTANCE_UNTRIED),
        ([], [0.8, 0.8], 0.56),
        ([], [0.01], calibration.DISTANCES[0]),
        ([0.0] * 30, [], calibration.DISTANCES[0]),
        ([1.5] * 30, [], calibration.DISTANCES[1]),
        ([0.2], [], 0.4),  # one distance says nothing of its tail
        ([0.2], [0.3], 0.3),  # but look-alikes set a bound
        ([0.2, np.nan], [np.nan, 0.3], 0.3),
    ],
)
def test_distance_threshold_of_few(own: list[float], other: list[float], expected: float) -> None:
    assert open_set(np.array(own), np.array(other), NONE).distance == pytest.approx(expected)


@pytest.mark.parametrize(
    ("far", "near", "expected"),
    [([2], [1], 1.0), ([1], [2], 0.0), ([1], [1], 0.5), ([1, 3], [2, 2], 0.5), ([3, 3], [1, 3], 0.75)],
)
def test_auroc(far: list[float], near: list[float], expected: float) -> None:
    assert auroc(np.array(far, float), np.array(near, float)) == expected


def test_distances_go_to_the_nearest_of_each_label_outside_the_group() -> None:
    rows = np.array([[1, 0], [0.6, 0.8], [0, 1]], dtype=np.float32)
    groups = np.array([0, 1, 1])
    found = label_distances(rows, rows, np.array([0, 0, 2]), count=3, groups=(groups, groups))
    nan = np.nan
    assert found == pytest.approx(np.array([[0.4, nan, 1.0], [0.4, nan, nan], [1.0, nan, nan]]), nan_ok=True, abs=1e-6)
    whole = label_distances(rows, rows, np.array([0, 0, 2]), count=3)
    assert whole == pytest.approx(np.array([[0, nan, 1], [0, nan, 0.2], [0.2, nan, 0]]), nan_ok=True, abs=1e-6)


def test_distances_in_blocks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 8)).astype(np.float32)
    labels, groups = rng.integers(0, 4, 50), rng.integers(0, 9, 50)
    whole = label_distances(rows, rows, labels, count=4, groups=(groups, groups))
    monkeypatch.setattr(distances, "BLOCK", 7)
    assert label_distances(rows, rows, labels, count=4, groups=(groups, groups)) == pytest.approx(whole, nan_ok=True, abs=1e-5)
