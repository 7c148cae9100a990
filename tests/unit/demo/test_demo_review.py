"""The scripted reviewer leaves what Label Studio's editor would leave."""

from __future__ import annotations

from dinolabel.demo.review import ReviewerEffort, review
from dinolabel.demo.world import Scene, Thing
from dinolabel.studio.label_configs.label_config import LabelConfig, build
from dinolabel.studio.regions.writing import regions, to_result
from dinolabel.vision.types import Box, Detection

CONFIG = LabelConfig.parse(build({"cat face": "cat face"}, ["tom", "felix"]))
TOM = Thing("cat face", Box(10, 10, 50, 50), "tom")
STRANGER = Thing("cat face", Box(60, 10, 100, 50), None)
SCENE = Scene("a.jpg", 200, 100, (TOM, STRANGER))


def corrected(boxes: list[Box], things: list[Thing]) -> tuple[list[dict[str, object]], ReviewerEffort]:
    shown = to_result([Detection(box, "cat face", 0.9) for box in boxes], CONFIG, width=200, height=100, task=1, version="v")
    effort = ReviewerEffort()
    return review(shown, SCENE, things, config=CONFIG, effort=effort), effort


def test_a_named_one_is_named_a_stranger_is_left_alone() -> None:
    result, effort = corrected([TOM.box, STRANGER.box], [TOM, STRANGER])
    assert [(each["origin"], each["value"]["rectanglelabels"]) for each in result] == [  # type: ignore[index]
        ("prediction-changed", ["tom"]),
        ("prediction", ["cat face"]),
    ]
    assert (effort.keys, effort.boxes, effort.named, effort.accepted) == (2, 2, 1, 1)


def test_a_false_box_is_deleted_and_a_missed_one_drawn() -> None:
    result, effort = corrected([Box(150, 50, 190, 90)], [TOM])
    assert [each["origin"] for each in result] == ["manual"]
    assert [(region.label, region.box) for region in regions(result, CONFIG)] == [("tom", TOM.box)]
    assert (effort.deleted, effort.drawn, effort.keys) == (1, 1, 4)


def test_a_loose_box_is_dragged_into_place() -> None:
    result, effort = corrected([Box(10, 10, 50, 36)], [TOM])
    assert effort.moved == 1
    assert regions(result, CONFIG)[0].box == TOM.box
