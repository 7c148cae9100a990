"""The one word on a picture (looked at, undecided, untouched), who counts as somebody, and what was not rejected but replaced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from label_studio_sdk.converter.brush import mask2rle

from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.reviews.annotations import ACCEPTED, PARTLY, UNVERIFIED, is_made_by_button
from dinolabel.studio.reviews.annotator_policy import Annotators, review_by_policy
from tests.doubles.annotated import HEIGHT, WIDTH, annotation, region, xml

CONFIG = LabelConfig.parse(xml("jason", "lacy"))
A, B = (10, 10, 50, 60), (100, 10, 150, 60)
SHOWN = [region("p", A, "face", origin=None, score=0.8)]
JASON, LACY = region("a", A, "jason"), region("a", A, "lacy")
TWO = {**JASON, "value": {**JASON["value"], "rectanglelabels": ["jason", "lacy"]}}


def shape(kind: str, value: dict[str, Any], **more: Any) -> dict[str, Any]:
    made = {"id": "s", "from_name": "other", "to_name": "image", "type": kind, "value": value, "origin": "manual"}
    return {**made, "original_width": WIDTH, "original_height": HEIGHT, **more}


def percent(box: tuple[float, ...]) -> dict[str, float]:
    x1, y1, x2, y2 = box
    return {"x": 100 * x1 / WIDTH, "y": 100 * y1 / HEIGHT, "width": 100 * (x2 - x1) / WIDTH, "height": 100 * (y2 - y1) / HEIGHT}


def outline(box: tuple[float, ...]) -> dict[str, Any]:
    x1, y1, x2, y2 = (100 * each / side for each, side in zip(box, (WIDTH, HEIGHT) * 2, strict=True))
    return shape("polygonlabels", {"points": [[x1, y1], [x2, y1], [x2, y2], [x1, y2]], "polygonlabels": ["outline"]})


def brush(box: tuple[int, ...]) -> dict[str, Any]:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 255
    return shape("brushlabels", {"format": "rle", "rle": [int(each) for each in mask2rle(mask)]})


def task(*annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"image": "x"}, "annotations": list(annotations), **more}


OUTLINE, TEXT = outline(B), shape("textarea", {"text": ["a cat"]})
SKIPPED = annotation(9, OUTLINE, was_cancelled=True)
BUTTON: dict[str, Any] = {"lead_time": None}
MADE = [region("p", A, "jason", origin=None, score=0.8)]
NOTED = {**JASON, "meta": {"text": [f"{PARTLY}: 1 outline"]}}


@pytest.mark.parametrize(
    ("policy", "answers", "state"),
    [
        ("agreed", [], "untouched"),
        ("agreed", [SKIPPED], "untouched"),
        ("agreed", [annotation(1, *MADE, **BUTTON)], "untouched"),
        ("agreed", [annotation(1)], "looked at"),
        ("agreed", [annotation(1), SKIPPED], "looked at"),
        ("agreed", [annotation(1, JASON)], "looked at"),
        ("agreed", [annotation(1, JASON, TEXT)], "looked at"),
        ("agreed", [annotation(1, TEXT)], "looked at"),
        ("agreed", [annotation(1, JASON), annotation(2, *MADE, OUTLINE | {"origin": None, "score": 0.5}, **BUTTON)], "looked at"),
        ("agreed", [annotation(1, OUTLINE)], "undecided"),
        ("agreed", [annotation(1, JASON, OUTLINE)], "undecided"),
        ("agreed", [annotation(1, TWO)], "undecided"),
        ("agreed", [annotation(1, JASON), annotation(2, JASON, OUTLINE)], "undecided"),
        ("agreed", [annotation(1, JASON), annotation(2, LACY)], "undecided"),
        ("agreed", [annotation(1, NOTED, lead_time=None)], "undecided"),
        ("agreed", [annotation(1, NOTED)], "looked at"),
        ("latest", [annotation(1, OUTLINE), annotation(2, JASON)], "looked at"),
        ("latest", [annotation(1, JASON), annotation(2, OUTLINE)], "undecided"),
        ("latest", [annotation(1, JASON), annotation(2, OUTLINE, was_cancelled=True)], "looked at"),
        ("majority", [annotation(1, JASON), annotation(2, JASON), annotation(3, JASON, OUTLINE)], "undecided"),
        ("majority", [annotation(1, JASON), annotation(2)], "undecided"),  # one against one
        ("majority", [annotation(1, JASON), annotation(2), annotation(3)], "looked at"),
        ("all", [annotation(1, JASON), annotation(2, OUTLINE)], "undecided"),
        ("all", [annotation(1, JASON), annotation(2)], "looked at"),
    ],
)  # fmt: skip
def test_the_state_of_a_picture(policy: Annotators, answers: list[dict[str, Any]], state: str) -> None:
    found = review_by_policy(task(*answers), CONFIG, annotators=policy)
    assert found.state() == state
    assert not (found.unread_of() and state != "undecided")


def test_an_undecided_picture_keeps_its_boxes_and_rejects_none() -> None:
    found = review_by_policy(task(annotation(1, region("a", B, "jason"), outline((60, 60, 70, 70)), shown=SHOWN)), CONFIG)
    assert [(each.region, each.verdict) for each in found.boxes] == [("a", "approved")]
    ((mark),) = found.unread
    assert mark.facts == {"task": 1, "annotation": 1, "region": "s", "kind": "outline", "why": "an outline of 'other': only boxes are read"}


def test_two_names_are_a_conflict_with_task_and_region() -> None:
    (conflict,) = review_by_policy(task(annotation(1, TWO)), CONFIG).conflicts
    assert conflict.facts == {"task": 1, "annotations": (1,), "labels": ("jason", "lacy"), "region": "a"}


@pytest.mark.parametrize("policy", ["agreed", "latest", "all", "majority"])
@pytest.mark.parametrize(
    "mark",
    [
        outline(A),
        outline((0, 0, 60, 70)),
        brush(A),
        shape("ellipselabels", {"x": 15, "y": 35, "radiusX": 10, "radiusY": 25}),
        shape("keypointlabels", {"x": 15, "y": 35, "width": 0.5}),
        shape("vectorlabels", {"vertices": [{"x": 14, "y": 35}, {"x": 16, "y": 35}]}),
        shape("rectanglelabels", {**percent(A), "rectanglelabels": ["ear"]}),
        shape("brushlabels", {"format": "rle", "rle": [0]}),  # wherever it is
    ],
)
def test_what_was_marked_in_another_way_is_not_rejected(policy: Annotators, mark: dict[str, Any]) -> None:
    """Whoever marked it: the second annotator, whose word counts alone under `latest`, only removed the box."""
    answers = [annotation(1, mark, shown=SHOWN), annotation(2, shown=SHOWN)]
    assert review_by_policy(task(*answers), CONFIG, annotators=policy).boxes == ()


@pytest.mark.parametrize("mark", [outline(B), outline((10, 10, 20, 20)), brush(B), TEXT, shape("keypointlabels", {"x": 60, "y": 35})])
def test_what_somebody_else_marked_elsewhere_saves_no_box(mark: dict[str, Any]) -> None:
    found = review_by_policy(task(annotation(1, mark, shown=SHOWN), annotation(2, shown=SHOWN)), CONFIG, annotators="latest")
    assert [each.verdict for each in found.boxes] == ["rejected"]


def test_annotations_of_other_sizes_are_of_one_picture() -> None:
    twice = region("b", (20, 20, 100, 120), "jason", size=(2 * WIDTH, 2 * HEIGHT))
    bare = {name: value for name, value in JASON.items() if not name.startswith("original")}
    found = review_by_policy(task(annotation(1, JASON), annotation(2, twice), annotation(3, bare)), CONFIG)
    assert [(each.annotation, each.box.xyxy) for each in found.boxes] == [(1, pytest.approx(A))]


def scored(*names: str | None) -> list[dict[str, Any]]:
    return [region(str(at), A, name, origin=None, score=0.5) for at, name in enumerate(names)]


PLAIN = [{name: value for name, value in each.items() if name != "score"} for each in scored("jason", "lacy")]
PAIR = [shape("rectangle", percent(A), origin=None, score=0.5), shape("labels", {**percent(A), "labels": ["x"]}, origin=None)]
EMPTY = {"predictions": [{"id": 3, "result": []}]}


def noted(text: str) -> list[dict[str, Any]]:
    return [{**each, "meta": {"text": ["face 0.8", text]}} for each in PLAIN]


@pytest.mark.parametrize(
    ("result", "more", "of_task", "expected"),
    [
        # nobody drew it: whether or not Label Studio remembers what it was made from
        (scored("jason"), {"parent_prediction": 3}, {}, True),
        (scored("jason", None), {}, {}, True),
        (scored("jason"), {"parent_prediction": None, "prediction": {}}, {}, True),
        (PLAIN, {"parent_prediction": 3}, {}, True),
        (noted(f"{ACCEPTED}: v ≥ 0.9"), {}, {}, True),
        (noted(UNVERIFIED), {}, {}, True),
        ([*scored("jason"), shape("textarea", {"text": ["x"]}, origin=None)], {}, {}, True),
        (PAIR, {}, {}, True),
        ([], {"parent_prediction": 3}, {}, True),
        ([], {}, EMPTY, True),
        ([], {}, {"meta": {"dinolabel": {"unverified": True}}}, True),
        # somebody did, or brought it
        (scored("jason"), {"lead_time": 1.5}, {}, False),
        ([], {"lead_time": 0.0}, EMPTY, False),
        ([*scored("jason"), region("x", B, "lacy")], {}, {}, False),
        (PLAIN, {}, {}, False),
        ([*scored("jason"), {**PLAIN[0], "id": "x"}], {}, {}, False),
        ([region("a", A, "jason")], {}, {}, False),  # as `dinolabel import` writes it
        ([], {}, {}, False),
        ([], {}, {"predictions": [{"id": 3, "result": scored("jason")}]}, False),
        ([], {"lead_time": 1.0}, {"meta": {"dinolabel": {"unverified": True}}}, False),
    ],
)  # fmt: skip
def test_what_nobody_drew(result: list[dict[str, Any]], more: dict[str, Any], of_task: dict[str, Any], expected: bool) -> None:
    made = {"id": 1, "result": result, "lead_time": None, **more}
    assert is_made_by_button(made, task(made, **of_task)) is expected
    verdicts = {each.verdict for each in review_by_policy(task(made, **of_task), CONFIG).boxes}
    assert verdicts <= ({"unverified"} if expected else {"approved"})
