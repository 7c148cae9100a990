from __future__ import annotations

from typing import Any

import pytest

from dinolabel.studio.label_configs.label_config import LabelConfig, build
from dinolabel.studio.reviews.decisions import Task, annotations_of, from_webhook, review_task, reviewed_boxes
from dinolabel.vision.types import Box

CONFIG = LabelConfig.parse(build({"human face": "face"}, ["jason", "lacy", "unknown"]))
A, B, FAR = (10, 10, 50, 50), (100, 10, 140, 50), (10, 60, 50, 95)  # pixels of a 200 x 100 image
NEAR_A = (12, 10, 52, 50)  # IoU with A: 38 * 40 / (2 * 1600 - 38 * 40) = 0.90
OFF_A = (30, 10, 70, 50)  # IoU with A: 20 * 40 / (2 * 1600 - 20 * 40) = 0.33


def region(name: str, box: tuple[int, ...], label: str | None = None, **more: Any) -> dict[str, Any]:
    value = {"x": box[0] / 2, "y": box[1], "width": (box[2] - box[0]) / 2, "height": box[3] - box[1], "rotation": 0}
    if label is not None:
        value["rectanglelabels"] = [label]
    sizes = {"original_width": 200, "original_height": 100}
    return {
        "id": name,
        "from_name": "label",
        "to_name": "image",
        "type": "rectanglelabels",
        "value": value,
        **sizes,
        "origin": "prediction",
        **more,
    }


def annotation(number: int, *regions: dict[str, Any], shown: Any = (), **more: Any) -> dict[str, Any]:
    prediction = {"id": 90, "result": list(shown), "model_version": "v1"}
    body = {
        "id": number,
        "result": list(regions),
        "was_cancelled": False,
        "lead_time": 2.5,
        "completed_by": number,
        "updated_at": f"t{number}",
    }
    return {**body, "parent_prediction": 90, "prediction": prediction, **more}


def task(*annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": 7, "data": {"image": "x"}, "annotations": list(annotations), **more}


def rows(found: Any) -> list[str]:
    return [f"{each.annotation} {each.region} {each.verdict} {each.label or '-'}" for each in found]


PREDICTED = [region("a", A, "face"), region("b", B, "face")]
JASON, B_FACE = region("a", A, "jason"), region("b", B, "face")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        # one annotator
        ([annotation(1, JASON, B_FACE, shown=PREDICTED)], ["1 a approved jason", "1 b approved face"]),
        ([annotation(1, JASON, shown=PREDICTED)], ["1 a approved jason", "1 b rejected face"]),
        # removed, but drawn anew over the same place: no rejection
        ([annotation(1, region("new", NEAR_A, "jason"), B_FACE, shown=PREDICTED)], ["1 new approved jason", "1 b approved face"]),
        # removed, and drawn at IoU 0.33: the predicted box was wrong
        ([annotation(1, region("new", OFF_A, "jason"), region("b", B), shown=PREDICTED)],
         ["1 new approved jason", "1 b approved -", "1 a rejected face"]),
        # dragged far away under its id: kept, so not rejected
        ([annotation(1, region("a", FAR, "jason"), B_FACE, shown=PREDICTED)], ["1 a approved jason", "1 b approved face"]),
        # two that agree count once, whoever came first
        ([annotation(2, region("a", NEAR_A, "jason")), annotation(1, JASON)], ["1 a approved jason"]),
        # removed by one, kept by the other: not rejected
        ([annotation(1, shown=PREDICTED), annotation(2, JASON, shown=PREDICTED)], ["2 a approved jason", "1 b rejected face"]),
        # removed by both: rejected once
        ([annotation(1, shown=PREDICTED[:1]), annotation(2, shown=PREDICTED[:1])], ["1 a rejected face"]),
        # only one of them drew it
        ([annotation(1, JASON), annotation(2, region("n", FAR, "lacy"))], ["1 a approved jason", "2 n approved lacy"]),
        # a box left without a label contradicts nobody
        ([annotation(1, region("a", A)), annotation(2, region("a", A, "lacy"))], ["2 a approved lacy"]),
        # a skipped one is out on both sides
        ([annotation(1, JASON, shown=PREDICTED, was_cancelled=True)], []),
        # overlapping objects of one person stay two
        ([annotation(1, JASON, region("n", NEAR_A, "lacy"))], ["1 a approved jason", "1 n approved lacy"]),
        # overlapping objects of two people are matched by the best overlap, not by order
        ([annotation(1, JASON, region("n", NEAR_A, "lacy")), annotation(2, region("n", NEAR_A, "lacy"), JASON)],
         ["1 a approved jason", "1 n approved lacy"]),
        # both overlapping predictions removed by one person: two rejections
        ([annotation(1, shown=[region("a", A, "face"), region("n", NEAR_A, "face")])], ["1 a rejected face", "1 n rejected face"]),
        # submitted without any box: all rejected; nothing shown: nothing rejected
        ([annotation(1, shown=PREDICTED)], ["1 a rejected face", "1 b rejected face"]),
        ([annotation(1)], []),
        ([], []),
    ],
)  # fmt: skip
def test_verdicts(answers: list[dict[str, Any]], expected: list[str]) -> None:
    assert rows(reviewed_boxes(task(*answers), CONFIG)) == expected


def test_people_who_disagree_are_left_out_and_listed() -> None:
    found = review_task(
        task(annotation(1, region("a", A, "jason"), region("b", B, "face")), annotation(2, region("a", NEAR_A, "lacy"))), CONFIG
    )
    assert rows(found.boxes) == ["1 b approved face"]
    (conflict,) = found.conflicts
    assert (conflict.task, conflict.box, conflict.annotations, conflict.labels) == (7, Box(*A), (1, 2), ("jason", "lacy"))


BUTTON = {"lead_time": None, "parent_prediction": 90}


@pytest.mark.parametrize(
    ("origin", "more", "verdict"),
    [
        (None, BUTTON, "unverified"),
        (None, BUTTON | {"lead_time": 1.0}, "approved"),
        (None, BUTTON | {"parent_prediction": None}, "approved"),  # imported by a person
        ("manual", BUTTON, "approved"),
        ("prediction", {}, "approved"),
    ],
)
def test_what_a_button_made_is_unverified(origin: str | None, more: dict[str, Any], verdict: str) -> None:
    made = annotation(1, region("a", A, "jason", origin=origin), shown=PREDICTED, **more)
    assert {each.verdict for each in reviewed_boxes(task(made), CONFIG)} - {"rejected"} == {verdict}
    if verdict == "unverified":
        assert rows(reviewed_boxes(task(made), CONFIG)) == ["1 a unverified jason"]  # and rejects nothing


def test_what_a_button_made_neither_contradicts_nor_saves_anything() -> None:
    made = annotation(1, region("a", A, "lacy", origin=None), region("b", B, "lacy", origin=None), **BUTTON)
    found = review_task(task(made, annotation(2, region("a", A, "jason"), shown=PREDICTED)), CONFIG)
    assert rows(found.boxes) == [
        "2 a approved jason",
        "2 b rejected face",
        "1 a unverified lacy",
        "1 b unverified lacy",
    ]
    assert found.conflicts == ()


@pytest.mark.parametrize(
    ("box", "name", "predicted"),
    [
        (A, "a", A),
        (NEAR_A, "a", A),
        (NEAR_A, "drawn", A),
        (OFF_A, "drawn", None),
        (OFF_A, "a", None),
        (FAR, "a", None),  # dragged to another object: the old place says nothing about this one
        (B, "a", B),  # dragged onto what another predicted box shows
    ],
)
def test_the_detectors_own_box(box: tuple[int, ...], name: str, predicted: tuple[int, ...] | None) -> None:
    found = reviewed_boxes(task(annotation(1, region(name, box, "jason"), shown=PREDICTED)), CONFIG)[0]
    assert found.predicted == (Box(*predicted) if predicted else None)


def test_the_same_id_wins_over_a_better_overlap() -> None:
    shown = [region("a", A, "face"), region("n", NEAR_A, "face")]
    found = reviewed_boxes(task(annotation(1, region("a", NEAR_A, "jason"), shown=shown)), CONFIG)[0]
    assert found.predicted == Box(*A)


@pytest.mark.parametrize(
    ("inline", "listed", "version"),
    [
        ({"id": 90, "result": PREDICTED, "model_version": "v1"}, [], "v1"),
        ({}, [{"id": 90, "result": PREDICTED, "model_version": "v2"}], "v2"),
        (90, [{"id": 90, "result": PREDICTED, "model_version": "v2"}], "v2"),
        (None, [{"id": 90, "result": PREDICTED, "model_version": "v2"}, {"id": 91, "result": [], "model_version": "v3"}], "v2"),
        ({}, [90], None),
        ({}, None, None),
        ({"id": 90, "result": None}, [], None),
    ],
)
def test_where_the_prediction_shown_is_found(inline: Any, listed: Any, version: str | None) -> None:
    answer = annotation(1, region("a", A, "jason"), prediction=inline)
    found = reviewed_boxes(task(answer, predictions=listed), CONFIG)
    assert found[0].model_version == version
    assert [each.verdict for each in found] == ["approved", "rejected"][: 2 if version else 1]


@pytest.mark.parametrize(("completed_by", "who"), [(3, "3"), ({"id": 3, "email": "a@b.c"}, "a@b.c"), ({"id": 3}, "3"), (None, None)])
def test_who(completed_by: Any, who: str | None) -> None:
    assert reviewed_boxes(task(annotation(1, region("a", A, "jason"), completed_by=completed_by)), CONFIG)[0].who == who


def test_annotations_of_strange_shapes_cost_the_others_nothing() -> None:
    good = annotation(5, region("a", A, "jason"))
    found = annotations_of(task("text", None, {"id": 4, "result": None}, {"id": 3}, good), CONFIG)  # type: ignore[arg-type]
    assert [(each.id, len(each.regions)) for each in found] == [(3, 0), (4, 0), (5, 1)]


@pytest.mark.parametrize("identity", [None, "7", True, 7.0])
def test_a_task_without_an_id_is_named(identity: Any) -> None:
    with pytest.raises(ValueError, match="numeric id"):
        Task.of({"id": identity})


def test_webhook_annotations_go_to_their_tasks() -> None:
    payload = {"task": [{"id": 1}, {"id": 2}], "annotation": [{"id": 5, "task": 2}, {"id": 6, "task": 2}, {"id": 7, "task": 3}]}
    assert [[each["id"] for each in one["annotations"]] for one in from_webhook(payload)] == [[], [5, 6]]


def test_nothing_is_changed_in_what_is_given() -> None:
    given = task(annotation(1, region("a", A, "jason"), shown=PREDICTED))
    before = repr(given)
    reviewed_boxes(given, CONFIG)
    assert repr(given) == before
