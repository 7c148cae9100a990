"""Payloads recorded from Label Studio 1.23.2 while a person worked in its editor, and what we must read out of them.

Boxes are pixels of the upright image; the recorded actions are listed in tests/fixtures/README.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dinolabel.studio.label_configs.label_config import LabelConfig, build
from dinolabel.studio.reviews.decisions import ReviewedBox, Task, annotations_of, from_webhook, review_task, reviewed_boxes

FIXTURES = Path(__file__).parents[1] / "fixtures"
CONFIG = LabelConfig.parse(build({"object": "object"}, ["cat", "dog", "bird"]))
FIRST, SECOND, THIRD = (64, 48, 256, 240), (352, 96, 544, 336), (32, 336, 160, 432)
MOVED = (322.7317, 110.6341, 514.7317, 350.6341)
TURNED = (29.7010, 13.7010, 290.2990, 274.2990)  # 192 x 192 turned by 28.7 degrees about the middle of FIRST


def recorded(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text())


def task(name: str, identity: int) -> dict[str, Any]:
    return next(each for each in recorded(name) if each["id"] == identity)


Rows = list[tuple[str, tuple[float, ...]]]


def row(judged: ReviewedBox) -> str:
    return f"{judged.region} {judged.verdict} {judged.kind} {judged.label or '-'}"


def same(found: list[ReviewedBox], expected: Rows) -> None:
    assert [row(each) for each in found] == [each for each, _ in expected]
    for one, (_, box) in zip(found, expected, strict=True):
        assert one.box.xyxy == pytest.approx(box, abs=1e-3)


EXPORT = [
    (24, [("a24r0 approved generic object", FIRST), ("a24r1 approved generic object", SECOND), ("a24r2 approved generic object", THIRD)]),
    (25, [("a25r0 approved generic object", FIRST), ("a25r1 approved generic object", MOVED), ("a25r2 approved generic object", THIRD)]),
    (26, [("a26r1 approved generic object", SECOND), ("a26r2 approved generic object", THIRD), ("a26r0 rejected generic object", FIRST)]),
    (
        27,
        [
            ("a27r0 approved generic object", FIRST),
            ("a27r1 approved generic object", SECOND),
            ("a27r2 approved generic object", THIRD),
            ("xSYMrPhqqm approved named dog", (332.9268, 360, 480.7317, 455.8537)),
        ],
    ),
    (28, [("a28r0 approved named cat", TURNED), ("a28r1 approved named dog", SECOND), ("a28r2 approved named bird", THIRD)]),
    (29, []),
    (30, [("a30r0 approved named cat", FIRST), ("a30r1 approved generic object", SECOND), ("a30r2 approved generic object", THIRD)]),
    (31, [("a31r0 rejected generic object", FIRST), ("a31r1 rejected generic object", SECOND), ("a31r2 rejected generic object", THIRD)]),
]


@pytest.mark.parametrize(("identity", "expected"), EXPORT)
def test_what_people_did_to_boxes_with_a_generic_label(identity: int, expected: Rows) -> None:
    same(reviewed_boxes(task("ls_export", identity), CONFIG), expected)


UNLABELLED = [
    (32, [("d32r0 approved unlabelled -", FIRST), ("d32r1 approved unlabelled -", SECOND), ("d32r2 approved unlabelled -", THIRD)]),
    (33, [("d33r0 approved unlabelled -", FIRST), ("d33r1 approved unlabelled -", MOVED), ("d33r2 approved unlabelled -", THIRD)]),
    (34, [("d34r1 approved unlabelled -", SECOND), ("d34r2 approved unlabelled -", THIRD), ("d34r0 rejected unlabelled -", FIRST)]),
    (37, []),
    (39, [("d39r0 rejected unlabelled -", FIRST), ("d39r1 rejected unlabelled -", SECOND), ("d39r2 rejected unlabelled -", THIRD)]),
]


@pytest.mark.parametrize(("identity", "expected"), UNLABELLED)
def test_what_people_did_to_boxes_without_a_label_key(identity: int, expected: Rows) -> None:
    same(reviewed_boxes(task("ls_export_unlabelled", identity), CONFIG), expected)


@pytest.mark.parametrize(("identity", "labels"), [(36, [None, None, None]), (38, ["cat", None, None]), (35, [None, None, None, "dog"])])
def test_names_given_to_boxes_without_a_label_key(identity: int, labels: list[str | None]) -> None:
    found = reviewed_boxes(task("ls_export_unlabelled", identity), CONFIG)
    assert [each.label for each in found] == labels
    assert {each.kind for each in found} <= {"named", "unlabelled"}


def test_a_skipped_task_says_nothing_but_is_counted() -> None:
    skipped = review_task(task("ls_export", 29), CONFIG)
    assert (skipped.boxes, skipped.conflicts, skipped.skipped) == ((), (), 1)


GEOMETRY = [
    # EXIF orientation 6: the prediction said 640 x 480, the editor showed and saved 480 x 640
    (1074, [("a approved generic object", (0, 0, 120, 160)), ("ZAMh5KKAzE approved named cat", (364.8780, 2.9268, 478.0488, 160))]),
    # the editor's rotate button: image_rotation 90, coordinates stay those of the file
    (1075, [("a approved generic object", FIRST), ("jnyDBnv3-v approved named cat", (14.6341, 232.1951, 73.1707, 305.3659))]),
    # outside the image: clipped; without area: gone; a repeated id, which the editor draws twice at one place: one box; nothing rejected
    (
        1076,
        [
            ("neg approved generic object", (0, 0, 128, 120)),
            ("over approved generic object", (512, 384, 640, 480)),
            ("dupid approved generic object", (64, 288, 128, 336)),
            ("noorig approved generic object", (320, 48, 384, 96)),
        ],
    ),
]


@pytest.mark.parametrize(("identity", "expected"), GEOMETRY)
def test_geometry(identity: int, expected: Rows) -> None:
    same(reviewed_boxes(task("ls_export_geometry", identity), CONFIG), expected)


@pytest.mark.parametrize(
    ("name", "identity", "region", "predicted"),
    [
        ("ls_export", 24, "a24r0", FIRST),
        ("ls_export", 25, "a25r1", SECOND),
        ("ls_export", 26, "a26r0", FIRST),
        ("ls_export", 27, "xSYMrPhqqm", None),
        ("ls_export", 28, "a28r0", FIRST),
        ("ls_export_geometry", 1074, "a", (0, 0, 120, 160)),
        ("ls_export_geometry", 1074, "ZAMh5KKAzE", None),
    ],
)
def test_the_detectors_own_box_for_the_same_object(name: str, identity: int, region: str, predicted: tuple[int, ...] | None) -> None:
    found = next(each for each in reviewed_boxes(task(name, identity), CONFIG) if each.region == region)
    assert (found.predicted.xyxy if found.predicted else None) == predicted


def test_where_a_judgement_comes_from() -> None:
    found = reviewed_boxes(task("ls_export", 25), CONFIG)[0]
    assert (found.task, found.annotation, found.width, found.height) == (25, 10, 640, 480)
    assert (found.who, found.at, found.model_version) == ("1", "2026-11-22T11:38:59.230364Z", "gd-1")


def test_video_regions_are_no_boxes_of_an_image() -> None:
    assert [reviewed_boxes(each, CONFIG) for each in recorded("ls_export_video")] == [[]] * len(recorded("ls_export_video"))


def test_generic_may_count_as_unknown() -> None:
    found = reviewed_boxes(task("ls_export", 30), CONFIG, generic_is_unknown=True)
    assert [each.kind for each in found] == ["named", "unknown", "unknown"]


@pytest.mark.parametrize(
    ("name", "rows", "skipped"),
    [
        ("ANNOTATION_CREATED", {2: ["p2_0 approved generic object", "p2_1 approved generic object"]}, 0),
        ("ANNOTATION_UPDATED", {2: ["p2_0 approved named cat", "p2_1 approved generic object"]}, 0),
        ("ANNOTATION_CREATED_skipped", {3: []}, 1),
        ("ANNOTATIONS_CREATED", {1069: ["z unverified named cat"]}, 0),
        ("ANNOTATIONS_DELETED", {}, 0),
        ("PROJECT_UPDATED", {}, 0),
        ("START_TRAINING", {}, 0),
    ],
)
def test_webhooks(name: str, rows: dict[int, list[str]], skipped: int) -> None:
    reviews = {each["id"]: review_task(each, CONFIG) for each in from_webhook(recorded(f"webhook_{name}"))}
    assert {task: [row(each) for each in one.boxes] for task, one in reviews.items()} == rows
    assert sum(each.skipped for each in reviews.values()) == skipped


def test_a_webhooks_annotation_finds_no_prediction_and_rejects_nothing() -> None:
    (one,) = from_webhook(recorded("webhook_ANNOTATION_CREATED"))
    (annotation,) = annotations_of(one, CONFIG)
    assert (annotation.predicted, annotation.model_version) == (None, None)


def test_tasks_created() -> None:
    found = from_webhook(recorded("webhook_TASKS_CREATED"))
    assert found
    assert all(Task.of(each).data["image"].startswith("/data/") for each in found)


def test_tasks_of_a_predict_request() -> None:
    request = recorded("predict_request")
    config = LabelConfig.parse(request["label_config"])
    assert config.labels == ("object", "cat", "dog")
    assert Task.of(request["tasks"][0]).data[config.data_key] == "/data/upload/1/f7d6079b-im00.jpg"
    assert [reviewed_boxes(each, config) for each in request["tasks"]] == [[]] * 5


def test_no_recorded_payload_holds_a_token() -> None:
    text = "".join(path.read_text() for path in FIXTURES.glob("*.json"))
    assert "eyJ" not in text
    assert "Bearer" not in text


def test_several_people_on_one_task() -> None:
    """Their regions keep the prediction's id, so two people's boxes share one; a box two agree on counts once, a skip never."""
    config = LabelConfig.parse(build({"thing": "thing"}, ["tom"]))
    exported = {each["id"]: each for each in recorded("ls_export_overlap")}
    assert [(each["completed_by"], each["was_cancelled"]) for each in exported[1]["annotations"]] == [(2, False), (3, False), (4, False)]
    assert [each["result"][0]["id"] for each in exported[1]["annotations"]] == ["r1", "r1", "r9"]
    found = {number: reviewed_boxes(each, config) for number, each in exported.items()}
    assert sorted(row(each) for each in found[1]) == ["r1 approved generic thing", "r9 approved generic thing"]
    assert [row(each) for each in found[2]] == ["r1 approved generic thing"]
    assert found[3] == []
