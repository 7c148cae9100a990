"""What Label Studio is told of answers: regions with names, marks and origins, and how each reads back."""

from __future__ import annotations

from typing import Any

from dinolabel.studio.label_configs.label_config import LabelConfig, build
from dinolabel.studio.regions.notes import read_notes
from dinolabel.studio.reviews.decisions import review_task
from dinolabel.wall.crops import read_task
from dinolabel.wall.journal import Answer, CropState
from dinolabel.wall.studio_sync import annotation_result, prediction_result

CONFIG = LabelConfig.parse(build({"face": "face"}, ["maria", "lacy"]))


def region(identity: str, label: str, x: float) -> dict[str, Any]:
    value = {"x": x, "y": 1, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": [label]}
    frame = {"original_width": 100, "original_height": 100, "image_rotation": 0}
    marks = {"from_name": CONFIG.control, "to_name": CONFIG.object_name, "type": "rectanglelabels"}
    return {"id": identity, **marks, **frame, "score": 0.5, "value": value, "meta": {"text": ["face 0.50\n"]}}


RESULT = [region("a", "face", 1), region("b", "maria", 50)]


def named(name: str) -> Answer:
    return Answer(1, "name", ((1, "a"), (1, "b")), name, "wall (jason@example.com)", "groups", "2026-11-30T20:00:00+00:00")


def task(**parts: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "data": {"image": "/a.jpg"},
        "annotations": [],
        "drafts": [],
        "predictions": [{"id": 7, "model_version": "v", "result": RESULT}],
        **parts,
    }


def annotation(result: list[dict[str, Any]], **parts: Any) -> dict[str, Any]:
    return {"id": 5, "result": result, "lead_time": None, "parent_prediction": 7, "completed_by": 1, "was_cancelled": False, **parts}


def test_names_are_approved_and_the_picture_is_undecided_until_somebody_submits_it() -> None:
    result = annotation_result(1, RESULT, {(1, "a"): named("maria"), (1, "b"): named("maria")})
    assert [each["origin"] for each in result] == ["prediction-changed", "prediction"]
    review = review_task(task(annotations=[annotation(result)]), CONFIG)
    assert [(each.verdict, each.label) for each in review.boxes] == [("approved", "maria")] * 2
    assert review.state() == "undecided" and review.unread[0].kind == "named by group"
    assert review_task(task(annotations=[annotation(result, lead_time=2.0)]), CONFIG).state() == "looked at"


def test_what_is_no_object_is_left_out_and_rejects_nothing() -> None:
    decided = {(1, "a"): named("maria"), (1, "b"): Answer(2, "no object", ((1, "b"),))}
    result = annotation_result(1, RESULT, decided)
    assert [each["id"] for each in result] == ["a"]
    assert [each.verdict for each in review_task(task(annotations=[annotation(result)]), CONFIG).boxes] == ["approved"]


def test_a_prediction_shows_the_name_and_has_its_label_back_when_it_is_taken_back() -> None:
    shown = prediction_result(1, RESULT, {(1, "a"): CropState(named("lacy"))})
    assert shown[0]["value"]["rectanglelabels"] == ["lacy"] and shown[1] == RESULT[1]
    assert "jason@example.com" in read_notes(shown[0])[1]
    again = prediction_result(1, shown, {(1, "a"): CropState(named("maria"))})
    assert again[0]["value"]["rectanglelabels"] == ["maria"] and len(read_notes(again[0])) == 2
    assert prediction_result(1, again, {}) == RESULT


def test_a_button_that_copies_such_a_prediction_is_still_a_button() -> None:
    shown = prediction_result(1, RESULT, {(1, "a"): CropState(named("lacy"))})
    review = review_task(task(annotations=[annotation(shown)], predictions=[{"id": 7, "model_version": "v", "result": shown}]), CONFIG)
    assert {each.verdict for each in review.boxes} == {"unverified"}


def test_tasks_that_people_have_begun_are_read_and_left() -> None:
    assert read_task(task(), CONFIG, "v").begun == ""
    assert read_task(task(annotations=[annotation(RESULT, lead_time=3.0)]), CONFIG, "v").begun == "a person submitted it"
    assert all(each.taken for each in read_task(task(annotations=[annotation(RESULT, lead_time=3.0)]), CONFIG, "v").crops)
    assert read_task(task(annotations=[annotation([], was_cancelled=True)]), CONFIG, "v").begun == "a person skipped it"
    assert read_task(task(annotations=[annotation(RESULT)]), CONFIG, "v").begun == "it was accepted by a button"
    assert read_task(task(drafts=[{"id": 1, "result": RESULT}]), CONFIG, "v").begun == "a person has a draft of it"
    own = annotation_result(1, RESULT, {(1, "a"): named("maria"), (1, "b"): named("maria")})
    assert read_task(task(annotations=[annotation(own)]), CONFIG, "v").begun == ""
    assert read_task(task(), CONFIG, "another version").crops == ()
