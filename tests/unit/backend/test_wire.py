"""Requests at the border: recorded payloads are understood, everything else is refused with the name of the field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dinolabel.backend import payloads
from dinolabel.vision.errors import RequestError

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"


def recorded(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text())


@pytest.mark.parametrize(
    ("value", "expected"),
    [("17.1795348528", 17), ("17", 17), (17, 17), ("1.0", 1), ("0009", 9)],
)
def test_the_project_stands_before_the_dot(value: object, expected: int) -> None:
    assert payloads.project_id(value) == expected


@pytest.mark.parametrize("value", [None, "", "None", "None.123", ".5", "a.1", "-1", "0", 0, -3, 1.5, True, [], {}, "1 2", "²", "9" * 30])
def test_anything_else_is_no_project(value: object) -> None:
    with pytest.raises(RequestError, match="Expected a project"):
        payloads.project_id(value)


def test_a_recorded_setup() -> None:
    asked = payloads.parse(payloads.SetupRequest, recorded("setup_request"))
    assert asked.project == 1
    assert "RectangleLabels" in asked.label_config
    assert "legacy-token" not in repr(asked)


def test_a_recorded_predict() -> None:
    asked = payloads.parse(payloads.PredictRequest, recorded("predict_request"))
    assert (asked.project, [each.id for each in asked.tasks], asked.interactive) == (1, [1, 2, 3, 4, 5], False)
    assert asked.tasks[0].data == {"image": "/data/upload/1/f7d6079b-im00.jpg"}


def test_a_recorded_interactive_predict() -> None:
    asked = payloads.parse(payloads.PredictRequest, recorded("predict_request_interactive"))
    assert asked.interactive
    assert asked.context is not None
    assert asked.context[0]["value"]["rectanglelabels"] == ["cat"]


@pytest.mark.parametrize(
    ("context", "interactive"),
    [(None, False), ("", False), ({}, True), ({"result": None}, True), ({"result": []}, True), ({"result": [1, {"id": "a"}]}, True)],
)
def test_a_context_is_what_makes_it_interactive(context: object, interactive: bool) -> None:
    body = {"project": "1.2", "label_config": "<View/>", "tasks": [], "params": {"context": context}}
    assert payloads.parse(payloads.PredictRequest, body).interactive is interactive


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"tasks": None}, "`tasks`"),
        ({"tasks": {}}, "`tasks`"),
        ({"tasks": [None]}, r"tasks\[0\]"),
        ({"tasks": [{"id": 1, "data": {}}, 5]}, r"tasks\[1\]"),
        ({"tasks": [{"data": {}}]}, r"tasks\[0\]\.id"),
        ({"tasks": [{"id": "1", "data": {}}]}, r"tasks\[0\]\.id"),
        ({"tasks": [{"id": True, "data": {}}]}, r"tasks\[0\]\.id"),
        ({"tasks": [{"id": 1}]}, r"tasks\[0\]\.data"),
        ({"tasks": [{"id": 1, "data": "x"}]}, r"tasks\[0\]\.data"),
        ({"label_config": None}, "`label_config`"),
        ({"label_config": "  "}, "`label_config`"),
        ({"project": None}, "project"),
        ({"label_config": "x" * 2**20 + "x"}, "`label_config` should have at most 1048576 characters.$"),
    ],
)
def test_a_predict_that_makes_no_sense_names_the_field(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(RequestError, match=named):
        payloads.parse(payloads.PredictRequest, {"project": "1.2", "label_config": "<View/>", "tasks": []} | changed)


@pytest.mark.parametrize("body", [None, [], "x", 5])
@pytest.mark.parametrize("kind", [payloads.SetupRequest, payloads.PredictRequest, payloads.WebhookEvent])
def test_a_body_that_is_no_object_is_refused(kind: type, body: object) -> None:
    with pytest.raises(RequestError, match="JSON object"):
        payloads.parse(kind, body)


EVENTS = ["TASKS_CREATED", "ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_CREATED", "ANNOTATIONS_DELETED", "PROJECT_UPDATED"]


@pytest.mark.parametrize("action", [*EVENTS, "START_TRAINING"])
def test_recorded_events(action: str) -> None:
    event = payloads.parse(payloads.WebhookEvent, recorded(f"webhook_{action}"))
    assert (event.action, event.project) == (action, recorded(f"webhook_{action}")["project"]["id"])
    assert event.label_config is not None and "RectangleLabels" in event.label_config


@pytest.mark.parametrize(
    ("body", "project"),
    [({"action": "TEST"}, None), ({"action": "A", "project": 3}, 3), ({"action": "A", "project": {"id": 4}}, 4)],
)
def test_events_of_other_shapes(body: dict[str, Any], project: int | None) -> None:
    assert payloads.parse(payloads.WebhookEvent, body).project == project


@pytest.mark.parametrize("body", [{}, {"action": None}, {"action": ""}, {"action": 3}, {"action": "A", "project": {}}])
def test_an_event_without_action_or_with_a_nameless_project_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        payloads.parse(payloads.WebhookEvent, body)


def test_long_values_are_not_repeated_at_length() -> None:
    with pytest.raises(RequestError) as caught:
        payloads.project_id("x" * 10_000)
    assert len(str(caught.value)) < 150
