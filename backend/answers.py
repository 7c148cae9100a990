"""Answers of the routes: shapes of dictionaries, so nothing is copied to say what they are; OpenAPI is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import (
    Annotated,
    Any,
    NotRequired,  # pydantic wants this one below Python 3.12
)

from pydantic import Field
from typing_extensions import TypedDict

from dinolabel.backend.payloads import Share
from dinolabel.backend.project_status import ProjectPhase


class SetupAnswer(TypedDict):
    model_version: str


class StoredAnswer(TypedDict, total=False):
    """What Label Studio stores of one task; empty for one that is not ready."""

    result: list[dict[str, Any]]
    score: float
    model_version: str


NOT_YET: StoredAnswer = {}
"""Of a task that could not be done yet: Label Studio stores nothing and asks again. None or a shorter list would cost the batch."""


class PredictAnswer(TypedDict):
    """As many results as there were tasks, in their order."""

    results: Sequence[StoredAnswer]
    model_version: str


class VersionsAnswer(TypedDict):
    versions: list[str]


class NotedAnswer(TypedDict):
    noted: Annotated[bool, Field(description="Whether there may be work in it.")]


class TrainAnswer(TypedDict):
    job: str


class AdoptAnswer(TypedDict):
    looks_for: str


class HealthAnswer(TypedDict):
    status: str
    model_class: str
    detector: str
    embedder: str
    device: str
    precision: str
    engine: str


class ReadyAnswer(TypedDict):
    """checked: what was looked at, and found well."""

    ready: bool
    checked: list[str]


class JobAnswer(TypedDict):
    """Times are seconds since the epoch. verdict: what the training decided, in words."""

    id: str
    kind: str
    project: int
    state: str
    why: str
    progress: str
    step: int
    steps: int
    created_at: float
    started_at: float | None
    finished_at: float | None
    verdict: str | None
    published: bool | None
    commands: list[str]


class StatusAnswer(TypedDict):
    """One project: its phase, and how far it is. answers: what people answered, None when nothing was counted yet."""

    project: int
    title: str
    phase: ProjectPhase
    state: Annotated[str, Field(description="The phase by the word of 0.1; gone in 0.3.")]
    note: str
    hint: str
    shown: str | None
    wanted: str | None
    bundle: str | None
    done: int
    total: int
    failed: int
    eta_seconds: float | None
    approvals: int | None
    answers: dict[str, Any] | None


class JobsAnswer(TypedDict):
    jobs: list[JobAnswer]
    projects: list[StatusAnswer]


class Refusal(TypedDict):
    """error: a sentence. hint: what to do. request: the id under which the log has it."""

    error: str
    hint: str
    request: NotRequired[str]


class Found(TypedDict):
    label: Annotated[str, Field(description="The name when it is known, else the generic label.")]
    phrase: Annotated[str, Field(description="What the words matched.")]
    score: Annotated[Share, Field(description="The detector's.")]
    confidence: Annotated[Share | None, Field(description="Of the name, calibrated; null when there is none.")]
    guess: Annotated[str | None, Field(description="The nearest name of what is not known.")]
    box: Annotated[
        list[float], Field(min_length=4, max_length=4, description="x1, y1, x2, y2 in pixels of the upright picture.")
    ]  # fmt: skip
    because: Annotated[list[dict[str, Any]], Field(description="The approved crops it leans on: crop, label, distance.")]


class ImageAnswer(TypedDict):
    """One picture's."""

    width: int
    height: int
    found: list[Found]


class DetectAnswer(TypedDict):
    """One result for each picture, in order. model_version: of a project's answer."""

    model_version: str | None
    results: Sequence[ImageAnswer | Refusal]
