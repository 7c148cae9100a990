"""The demo's arithmetic on cases a person can check by eye."""

from __future__ import annotations

import pytest

from dinolabel.demo.score import LabelledPrediction, match, score
from dinolabel.demo.world import Thing
from dinolabel.vision.types import Box

TOM = Thing("cat face", Box(0, 0, 10, 10), "tom")
FELIX = Thing("cat face", Box(20, 0, 30, 10), "felix")
STRANGER = Thing("cat face", Box(40, 0, 50, 10), None)
ON_TOM, ON_FELIX, ON_STRANGER, ON_NOBODY = (Box(x, 0, x + 10, 10) for x in (0, 20, 40, 60))


def test_match_is_one_to_one_and_takes_the_better_box() -> None:
    assert match([Box(0, 0, 10, 7), ON_TOM], [TOM]) == {1: 0}
    assert match([Box(0, 0, 10, 4)], [TOM]) == {}


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([], (0.0, 0.0, 0.0, 0.0, 0.0)),
        ([(ON_TOM, "tom"), (ON_FELIX, "felix"), (ON_STRANGER, "cat")], (1.0, 1.0, 1.0, 1.0, 1.0)),
        ([(ON_TOM, "felix"), (ON_FELIX, "cat"), (ON_STRANGER, "tom")], (1.0, 1.0, 0.0, 0.5, 0.0)),
        ([(ON_TOM, "tom"), (ON_NOBODY, "felix")], (1 / 3, 0.5, 0.5, 0.5, 0.0)),
    ],
)
def test_missed_and_abstained_count_as_wrong(boxes: list[tuple[Box, str]], expected: tuple[float, ...]) -> None:
    got = score([([LabelledPrediction(box, label) for box, label in boxes], [TOM, FELIX, STRANGER])], ["tom", "felix"])
    shares = (got.recall, got.precision, got.named_accuracy, got.named_coverage, got.unknown_kept_generic)
    assert shares == pytest.approx(expected)
