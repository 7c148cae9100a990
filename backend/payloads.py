"""Payloads of Label Studio's requests as frozen values, or a RequestError; answers as its JSON.

The measured shapes are in docs/reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dinolabel.vision.errors import RequestError

Json = Mapping[str, Any]

# Answered when a task could not be done yet: Label Studio stores nothing and asks again. None or a shorter list would cost the batch.
NOT_YET: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class TaskPayload:
    """One task of a request: its id and data (key -> value, the picture's URL among them)."""

    id: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SetupRequest:
    """/setup: asked before every predict, so answered from memory."""

    project: int
    label_config: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """/predict. context: the regions a person drew to ask with, None when nobody did."""

    project: int
    label_config: str = field(repr=False)
    tasks: tuple[TaskPayload, ...]
    context: tuple[Mapping[str, Any], ...] | None = None

    @property
    def interactive(self) -> bool:
        return self.context is not None


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """/webhook. label_config: the project's, where the event carries it."""

    action: str
    project: int | None
    label_config: str | None = field(default=None, repr=False)


def parse_setup(body: object) -> SetupRequest:
    """Raises RequestError that names the field."""
    fields = _fields(body)
    return SetupRequest(project_id(fields.get("project")), _text(fields, "schema"))


def parse_predict(body: object) -> PredictRequest:
    """Raises RequestError that names the field."""
    fields = _fields(body)
    tasks = fields.get("tasks")
    if not isinstance(tasks, list):
        raise RequestError(f"Expected a list `tasks`, got {_shape(tasks)}.")
    return PredictRequest(
        project_id(fields.get("project")),
        _text(fields, "label_config"),
        tuple(_task(each, place) for place, each in enumerate(tasks)),
        _context(fields.get("params")),
    )


def parse_event(body: object) -> WebhookEvent:
    """Raises RequestError when there is no action; an event without a project is about none."""
    fields = _fields(body)
    action = fields.get("action")
    if not isinstance(action, str) or not action:
        raise RequestError(f"Expected a text `action`, got {_shape(action)}.")
    project = fields.get("project")
    if not isinstance(project, dict):
        return WebhookEvent(action, None if project is None else project_id(project))
    label_config = project.get("label_config")
    return WebhookEvent(action, project_id(project.get("id")), label_config if isinstance(label_config, str) else None)


def project_id(value: object) -> int:
    """Label Studio's "<project id>.<created at>", or a plain id. Raises RequestError."""
    head = str(value).partition(".")[0] if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not head.isascii() or not head.isdigit() or len(head) > 18 or int(head) == 0:
        raise RequestError(f'Expected a project like "17.1795348528", got {_shape(value)}.')
    return int(head)


def words(fields: Json) -> str:
    """`words` of a form or of JSON. Raises RequestError."""
    return _text(fields, "words").strip()


def number(fields: Json, name: str) -> float | None:
    """A number of a form or of JSON, None when it is left empty. Raises RequestError."""
    value = fields.get(name)
    if value is None or value == "":
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise RequestError(f"Expected a number `{name}`, got {_shape(value)}.") from error


def prediction(version: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of `results`: only what Label Studio stores."""
    return {"result": stored["result"], "score": stored["score"], "model_version": version}


def predict_answer(version: str, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """/predict's reply: as many results as there were tasks, in their order."""
    return {"results": list(results), "model_version": version}


def _task(value: object, place: int) -> TaskPayload:
    if not isinstance(value, dict):
        raise RequestError(f"Expected tasks[{place}] to be an object, got {_shape(value)}.")
    number, data = value.get("id"), value.get("data")
    if not isinstance(number, int) or isinstance(number, bool):
        raise RequestError(f"Expected tasks[{place}].id to be a number, got {_shape(number)}.")
    if not isinstance(data, dict):
        raise RequestError(f"Expected tasks[{place}].data to be an object, got {_shape(data)}.")
    return TaskPayload(number, data)


def _context(params: object) -> tuple[Mapping[str, Any], ...] | None:
    context = params.get("context") if isinstance(params, dict) else None
    if not isinstance(context, dict):
        return None
    result = context.get("result")
    return tuple(each for each in result if isinstance(each, dict)) if isinstance(result, list) else ()


def _fields(body: object) -> Json:
    if not isinstance(body, dict):
        raise RequestError(f"Expected a JSON object, got {_shape(body)}.")
    return body


def _text(fields: Json, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        raise RequestError(f"Expected a text `{name}`, got {_shape(value)}.")
    return value


def _shape(value: object) -> str:
    """What was there instead, without repeating it at length."""
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
