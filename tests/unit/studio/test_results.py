from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from dinolabel.studio.label_configs.label_config import LabelConfig, build
from dinolabel.studio.regions.writing import Region, regions, to_prediction, to_result
from dinolabel.vision.types import Answer, Box, Detection, Named, Reference, Suppressed, Unknown

CONFIG = LabelConfig.parse(build({"human face": "face", "dog": "dog"}, ["jason", "lacy"]))
FIXTURES = Path(__file__).parents[2] / "fixtures"


def seen(box: tuple[float, float, float, float], phrase: str = "human face", score: float = 0.5, answer: Answer | None = None) -> Detection:
    return Detection(Box(*box), phrase, score, answer)


def result(*detections: Detection, **changed: Any) -> list[dict[str, Any]]:
    return to_result(detections, CONFIG, **{"width": 200, "height": 100, "task": 7, "version": "v1", **changed})


def entry(
    x: Any, y: Any, width: Any, height: Any, *, names: Any = ("face",), size: tuple[int, int] | None = (200, 100), **more: Any
) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": more.pop("rotation", 0)}
    if names is not None:
        value["rectanglelabels"] = list(names)
    sizes = {"original_width": size[0], "original_height": size[1]} if size else {}
    return {"id": "r", "from_name": "label", "to_name": "image", "type": "rectanglelabels", "value": value, **sizes, **more}


def test_one_region_in_full() -> None:
    (region,) = result(seen((20, 10, 60, 60), score=0.83, answer=Named("jason", 0.91)))
    assert region == {
        "id": region["id"],
        "from_name": "label",
        "to_name": "image",
        "type": "rectanglelabels",
        "original_width": 200,
        "original_height": 100,
        "image_rotation": 0,
        "score": 0.91,
        "value": {"x": 10, "y": 10, "width": 20, "height": 50, "rotation": 0, "rectanglelabels": ["jason"]},
        "meta": {"text": ["human face 0.83\n"]},
    }


@pytest.mark.parametrize(
    ("answer", "label", "score", "note"),
    [
        (None, "face", 0.5, ["human face 0.50"]),
        (Named("lacy", 0.8), "lacy", 0.8, ["human face 0.50"]),
        (Named("removed", 0.8), "face", 0.5, ["human face 0.50"]),
        (Unknown("jason", 0.41), "face", 0.5, ["human face 0.50", "perhaps jason 0.41"]),
        (Unknown(), "face", 0.5, ["human face 0.50"]),
    ],
)
def test_what_an_answer_is_sent_as(answer: Answer | None, label: str, score: float, note: list[str]) -> None:
    (region,) = result(seen((0, 0, 50, 50), answer=answer))
    assert region["value"]["rectanglelabels"] == [label]
    assert (region["score"], region["meta"]["text"]) == (score, [f"{each}\n" for each in note])


@pytest.mark.parametrize(
    "detection",
    [seen((0, 0, 9, 9), answer=Suppressed(0.9)), seen((0, 0, 9, 9), phrase="cat"), seen((300, 0, 310, 9)), seen((0, 0, 0.5, 9))],
)
def test_what_is_not_sent(detection: Detection) -> None:
    assert result(detection) == []


def test_boxes_come_in_reading_order() -> None:
    second, first, third, fourth = (60, 5, 90, 40), (10, 12, 40, 45), (120, 0, 150, 30), (20, 60, 50, 90)
    for given in ([second, first, third, fourth], [fourth, third, first, second]):
        assert [each["value"]["x"] * 2 for each in result(*map(seen, given))] == [10, 60, 120, 20]


def test_ids_are_unique_and_follow_task_box_phrase_and_version_only() -> None:
    twin = seen((10, 10, 30, 30))
    ids = [each["id"] for each in result(twin, twin, twin, seen((40, 10, 60, 30)))]
    assert len(set(ids)) == 4
    assert ids == [each["id"] for each in result(twin, twin, twin, seen((40, 10, 60, 30)))]
    (base,) = result(twin)
    same = result(seen((10, 10, 30, 30), score=0.9, answer=Named("jason", 0.7)))[0]
    others = [
        result(twin, task=8)[0],
        result(twin, version="v2")[0],
        result(seen((10, 10, 30, 30.25)))[0],
        result(seen((10, 10, 30, 30), phrase="dog"))[0],
    ]
    assert same["id"] == base["id"]
    assert len({base["id"], *(each["id"] for each in others)}) == 5


def test_fresh_ids_never_repeat() -> None:
    twin = seen((10, 10, 30, 30))
    ids = [each["id"] for _ in range(3) for each in result(twin, twin, fresh=True)]
    assert len(set(ids)) == 6


@pytest.mark.parametrize(("scores", "least"), [([], 1.0), ([0.4], 0.4), ([0.9, 0.2, 0.5], 0.2), ([1.0], 0.9999)])
def test_a_prediction_is_as_sure_as_its_least_sure_region(scores: list[float], least: float) -> None:
    """One without a region comes after all others, and nothing else has its score."""
    made = result(*(seen((40 * at, 0, 40 * at + 9, 9), score=score) for at, score in enumerate(scores)))
    assert to_prediction(7, made, "v1") == {"task": 7, "result": made, "score": least, "model_version": "v1"}


@pytest.mark.parametrize("size", [(640, 480), (1, 1), (7, 3), (1919, 1081), (4032, 3024), (12345, 333), (101, 99999)])
def test_a_box_survives_the_trip_through_percent(size: tuple[int, int]) -> None:
    dice = random.Random(0)
    for _ in range(200):
        x1, y1 = (dice.randrange(0, 4 * side - 3) / 4 for side in size)
        x2, y2 = (dice.randrange(round(4 * low) + 4, 4 * side + 1) / 4 for low, side in zip((x1, y1), size, strict=True))
        made = result(seen((x1, y1, x2, y2)), width=size[0], height=size[1])
        (region,) = regions(json.loads(json.dumps(made)), CONFIG)
        assert region.box.xyxy == pytest.approx((x1, y1, x2, y2), abs=1e-6, rel=0)
        assert region.box.quantise() == Box(x1, y1, x2, y2)
        assert (region.id, region.width, region.height, region.label) == (made[0]["id"], *size, "face")


@pytest.mark.parametrize(
    ("values", "rotation", "box"),
    [
        ((10, 10, 20, 50), 0, (20, 10, 60, 60)),
        ((-10, -5, 30, 30), 0, (0, 0, 40, 25)),  # recorded: Label Studio keeps boxes outside
        ((80, 80, 40, 40), 0, (160, 80, 200, 100)),
        ((50, 50, 20, 20), 90, (80, 50, 100, 90)),  # 40 x 20 px turned right around (100, 50): 20 wide to the left, 40 down
        ((50, 50, 20, 20), 180, (60, 30, 100, 50)),
        ((50, 50, 20, 20), -90, (100, 10, 120, 50)),
        ((50, 50, 20, 40), 45, (100 - 28.284271, 50, 100 + 28.284271, 100)),  # 40 x 40 px on its corner, cut at the lower edge
    ],
)
def test_boxes_are_upright_hulls_within_the_image(values: tuple[float, ...], rotation: float, box: tuple[float, ...]) -> None:
    (region,) = regions([entry(*values, rotation=rotation)], CONFIG)
    assert region.box.xyxy == pytest.approx(box, abs=1e-5)
    assert region.rotation == rotation


@pytest.mark.parametrize(
    "broken",
    [
        entry(50, 50, 0, 0),
        entry(50, 50, 20, 0),
        entry(120, 10, 20, 20),
        entry(10, 10, 0.1, 20),
        entry(None, 10, 20, 20),
        entry(float("nan"), 10, 20, 20),
        entry(10, 10, 20, 20, from_name="other"),
        {"id": "c", "from_name": "label", "type": "choices", "value": {"choices": ["x"]}},
        {"id": "v", "from_name": "label", "type": "rectanglelabels"},
        None,
        "text",
    ],
)
def test_what_is_no_box_of_ours_is_left_out_and_costs_the_others_nothing(broken: Any) -> None:
    assert regions([broken], CONFIG) == []
    assert len(regions([broken, entry(10, 10, 20, 20)], CONFIG)) >= 1


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (["face"], "face"),
        (["jason"], "jason"),
        ([], None),
        (None, None),
        (["NOPE"], None),
        (["NOPE", "jason"], "jason"),
        (["face", "jason"], "jason"),
        (["jason", "lacy"], None),
        (["face", "dog"], None),
        (["face", "face"], "face"),
    ],
)
def test_the_label_that_is_meant(names: list[str] | None, label: str | None) -> None:
    (region,) = regions([entry(10, 10, 20, 20, names=names)], CONFIG)
    assert region.label == label


def test_repeated_ids_stay_two_boxes_with_their_own_ids() -> None:
    found = regions([entry(10, 10, 20, 20), entry(50, 10, 20, 20), entry(70, 10, 20, 20)], CONFIG)
    assert [(each.id, each.box.x1) for each in found] == [("r", 20), ("r~2", 100), ("r~3", 140)]


def test_a_missing_size_is_taken_from_a_neighbour_and_a_given_one_rules() -> None:
    pair = [entry(10, 10, 20, 20, size=None), entry(50, 10, 20, 20, size=(400, 300))]
    assert [(each.width, each.height, each.box.x1) for each in regions(pair, CONFIG)] == [(400, 300, 40), (400, 300, 200)]
    assert [(each.width, each.height, each.box.x1) for each in regions(pair, CONFIG, size=(100, 50))] == [(100, 50, 10), (100, 50, 50)]


def test_a_region_in_full() -> None:
    (region,) = regions([entry(10, 10, 20, 50, origin="prediction-changed", score=0.7)], CONFIG)
    assert region == Region("r", "face", Box(20, 10, 60, 60), 0.0, "prediction-changed", 0.7, 200, 100)


def test_images_that_people_turned_keep_the_frame_of_the_file() -> None:
    config = LabelConfig.parse(build({"object": "object"}, ["cat"]))
    turned = json.loads((FIXTURES / "ls_export_geometry.json").read_text())[1]["annotations"][0]["result"]
    assert [each["image_rotation"] for each in turned] == [90, 90]
    assert regions(turned, config)[0].box.xyxy == (64, 48, 256, 240)


def test_a_region_says_which_approved_boxes_it_leans_on() -> None:
    because = (Reference("12/3/r/person", "jason", 0.07), Reference("40/9/q/detector", "jason", 0.25))
    found = Detection(Box(10, 10, 60, 60), "human face", 0.8, Named("jason", 0.91, because))
    (region,) = to_result([found], LabelConfig.parse(build({"human face": "face"}, ["jason"])), width=200, height=100, task=1, version="v")
    assert region["meta"]["text"] == ["human face 0.80\n", "most like task 12 (0.93), task 40 (0.75)\n"]
