from __future__ import annotations

import numpy as np
import pytest

from dinolabel.vision.proposals.nms import filter_boxes

FACE, DOG = 0, 1


def kept(*rows: tuple[tuple[float, float, float, float], float, int], iou: float = 0.6, threshold: float = 0.3) -> list[int]:
    """Which rows (box, score, class) stay of a 400 x 300 image, best first."""
    boxes, scores, classes = zip(*rows, strict=True)
    arrays = np.array(boxes, dtype=float), np.array(scores), np.array(classes)
    return list(filter_boxes(*arrays, iou=iou, size=(400, 300), threshold=threshold))


LEFT = (10.0, 10.0, 110.0, 110.0)
LEFT_AGAIN = (15.0, 10.0, 115.0, 110.0)
RIGHT = (200.0, 10.0, 300.0, 110.0)
EAR = (15.0, 12.0, 45.0, 42.0)
BOTH = (8.0, 8.0, 302.0, 112.0)
ALL = (1.0, 0.0, 399.0, 299.0)

ROWS = [
    pytest.param([(LEFT, 0.5, FACE), (RIGHT, 0.9, FACE)], [1, 0], id="two objects, best first"),
    pytest.param([(LEFT, 0.5, FACE), (LEFT_AGAIN, 0.6, FACE)], [1], id="a duplicate: the better one stays"),
    pytest.param([(LEFT, 0.5, FACE), (LEFT_AGAIN, 0.6, DOG)], [1], id="nearly one box under two names: one object"),
    pytest.param([(LEFT, 0.5, FACE), ((25.0, 10.0, 125.0, 110.0), 0.6, DOG)], [1, 0], id="overlap of two names is allowed"),
    pytest.param([(LEFT, 0.5, FACE), ((25.0, 10.0, 125.0, 110.0), 0.6, FACE)], [1], id="the same overlap of one name is not"),
    pytest.param([(LEFT, 0.9, FACE), (EAR, 0.4, FACE)], [0], id="a part of a clearly better box"),
    pytest.param([(LEFT, 0.9, FACE), (EAR, 0.8, FACE)], [0, 1], id="a small object before a large one scores alike: stays"),
    pytest.param([(LEFT, 0.9, FACE), ((90.0, 20.0, 130.0, 60.0), 0.4, FACE)], [0, 1], id="half inside is a neighbour, not a part"),
    pytest.param([(LEFT, 0.4, FACE), (EAR, 0.9, FACE)], [1, 0], id="a worse container is no reason to drop either"),
    pytest.param([(LEFT, 0.9, FACE), (EAR, 0.4, DOG)], [0, 1], id="a part under another name is another thing"),
    pytest.param([(BOTH, 0.5, FACE), (LEFT, 0.6, FACE), (RIGHT, 0.7, FACE)], [2, 1], id="a group of two better boxes"),
    pytest.param([(BOTH, 0.8, FACE), (LEFT, 0.7, FACE), (RIGHT, 0.7, FACE)], [0, 1, 2], id="a box better than its members stays"),
    pytest.param(
        [((8.0, 8.0, 302.0, 290.0), 0.5, FACE), (LEFT, 0.6, FACE), (RIGHT, 0.7, FACE)], [2, 1, 0], id="a mother of two is no group"
    ),
    pytest.param([(ALL, 0.5, FACE), (LEFT, 0.3, FACE)], [1], id="the whole image beside an object"),
    pytest.param([(ALL, 0.9, FACE)], [0], id="a portrait fills its image"),
    pytest.param([(ALL, 0.9, FACE), (EAR, 0.4, FACE)], [0], id="a portrait and a part of it"),
    pytest.param([(ALL, 0.44, FACE)], [], id="the whole image for want of an object"),
    pytest.param([(ALL, 0.5, FACE), (LEFT, 0.4, DOG)], [0, 1], id="an object of another name says nothing about it"),
]


@pytest.mark.parametrize(("rows", "expected"), ROWS)
def test_keeps(rows: list[tuple[tuple[float, float, float, float], float, int]], expected: list[int]) -> None:
    assert kept(*rows) == expected


def test_whole_image_bar_follows_the_threshold() -> None:
    assert kept((ALL, 0.4, FACE), threshold=0.2) == [0]


def test_order_of_the_boxes_does_not_matter() -> None:
    rows = [(ALL, 0.5, FACE), (LEFT, 0.6, FACE), (LEFT_AGAIN, 0.6, FACE), (RIGHT, 0.6, DOG), (EAR, 0.3, FACE)]
    names = [rows[index] for index in kept(*rows)]
    back = rows[::-1]
    assert [back[index] for index in kept(*back)] == names


def test_no_boxes() -> None:
    none = filter_boxes(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=int), iou=0.6, size=(400, 300), threshold=0.3)
    assert none.shape == (0,)


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="got 2, 1, 2"):
        filter_boxes(np.zeros((2, 4)), np.zeros(1), np.zeros(2, dtype=int), iou=0.6, size=(4, 3), threshold=0.3)


def test_duplicates_agree_with_supervision() -> None:
    """supervision's class-aware NMS is the oracle on 150 random boxes, none of them shared by two classes."""
    from supervision import box_non_max_suppression

    from dinolabel.vision.proposals.nms import duplicates

    draw = np.random.default_rng(5)
    corner = draw.uniform(0, 80, (150, 2))
    boxes = np.hstack([corner, corner + draw.uniform(20, 60, (150, 2))])
    scores = np.sort(draw.uniform(0, 1, 150))[::-1]
    classes = draw.integers(0, 3, 150)
    expected = box_non_max_suppression(np.column_stack([boxes, scores, classes]), iou_threshold=0.5)
    across = [(i, j) for i in range(150) for j in range(i) if classes[i] != classes[j] and _iou(boxes[i], boxes[j]) > 0.9]
    assert not across
    assert list(~duplicates(boxes, classes, iou=0.5)) == list(expected)
    assert 20 < expected.sum() < 145


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    both = float(np.clip(high - low, 0, None).prod())
    return both / float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - both)
