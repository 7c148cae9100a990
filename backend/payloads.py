"""Payloads of requests, read into frozen values or a RequestError that names the field; OpenAPI is made of them and of answers.

The measured shapes are in docs/label-studio.md.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, TypeVar, cast

from pydantic import BeforeValidator, ConfigDict, Field, StrictInt, StringConstraints, TypeAdapter, ValidationError, WithJsonSchema
from pydantic.dataclasses import dataclass

from dinolabel.vision.errors import RequestError

Json = Mapping[str, Any]
T = TypeVar("T")

TITLE = "dinolabel"
"""Our backend's title in Label Studio; `project.model_version` of this value means: ask that backend."""
SECRET_HEADER = "X-Dinolabel-Secret"
"""Of our webhook, where there is a secret: Label Studio sends no Basic auth with webhooks."""

HINT = "What it takes is described in `v1/openapi.json` of this backend and, to read, at /docs."
MOST_IMAGES = 16
"""Of one request; more belong into several, or into `dinolabel detect` on a folder."""
LONGEST_TEXT = 2**20
"""Characters of a label config: a thousand labels take a tenth of it."""
LONGEST_PROMPT = 10_000

UNSHOWN = {"missing", "too_long", "string_too_long"}
"""Errors whose sentence says it all."""
_BY_NAME = ConfigDict(validate_by_name=True)


def project_id(value: object) -> int:
    """Label Studio's "<project id>.<created at>", or a plain id. Raises RequestError."""
    head = str(value).partition(".")[0] if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not head.isascii() or not head.isdigit() or len(head) > 18 or int(head) == 0:
        raise RequestError(f'Expected a project like "17.1795348528", got {_shape(value)}.')
    return int(head)


def _decode(value: object) -> bytes:
    """Raises ValueError, also for what is beyond ASCII."""
    try:
        return base64.b64decode(cast(str, value), validate=True)
    except (ValueError, TypeError) as error:
        raise ValueError("is no base64") from error


PROJECT_SCHEMA = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^0*[1-9]\d{0,17}(\..*)?$"}]}
ProjectId = Annotated[int, BeforeValidator(project_id), WithJsonSchema(PROJECT_SCHEMA)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_TEXT)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_PROMPT)]
Share = Annotated[float, Field(ge=0, le=1)]


def _list(value: object) -> list[Any]:
    """Nothing, where Label Studio or somebody else sends what is no list."""
    return value if isinstance(value, list) else []


MaybeShare = Annotated[Share | None, BeforeValidator(lambda value: None if value == "" else value)]
"""Forms send an empty field for what is left out."""
Regions = Annotated[tuple[Json, ...], BeforeValidator(lambda value: [each for each in _list(value) if isinstance(each, dict)])]


@dataclass(frozen=True, slots=True)
class TaskPayload:
    """One task of a request: its id and data (key -> value, the picture's URL among them)."""

    id: StrictInt
    data: Json


@dataclass(frozen=True, slots=True)
class Context:
    """Regions that a person drew or typed to ask with."""

    result: Regions = ()


def _lenient(value: object) -> object:
    return value if isinstance(value, dict | Context | PredictParams) else None


@dataclass(frozen=True, slots=True)
class PredictParams:
    """What Label Studio sends beside the tasks; of its login nothing is kept."""

    context: Annotated[Context | None, BeforeValidator(_lenient)] = None


@dataclass(frozen=True, slots=True, config=_BY_NAME)
class SetupRequest:
    """/setup: asked before every predict, so answered from memory."""

    project: ProjectId
    label_config: Annotated[Text, Field(alias="schema")] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """/predict. params: holds the regions a person drew to ask with, where somebody did."""

    project: ProjectId
    label_config: Text = field(repr=False)
    tasks: tuple[TaskPayload, ...]
    params: Annotated[PredictParams | None, BeforeValidator(_lenient)] = None

    @property
    def context(self) -> tuple[Json, ...] | None:
        """The regions; None when nobody drew any."""
        found = self.params.context if self.params else None
        return found.result if found else None

    @property
    def interactive(self) -> bool:
        return self.context is not None


@dataclass(frozen=True, slots=True)
class EventProject:
    """label_config: the project's, where the event carries it."""

    id: ProjectId
    label_config: Annotated[str | None, BeforeValidator(lambda value: value if isinstance(value, str) else None)] = field(
        default=None, repr=False
    )


def _event_project(value: object) -> object:
    return value if value is None or isinstance(value, dict | EventProject) else {"id": value}


@dataclass(frozen=True, slots=True, config=_BY_NAME)
class WebhookEvent:
    """/webhook. An event without a project is about none."""

    action: Text
    about: Annotated[EventProject | None, BeforeValidator(_event_project), Field(alias="project")] = None

    @property
    def project(self) -> int | None:
        return self.about.id if self.about else None

    @property
    def label_config(self) -> str | None:
        return self.about.label_config if self.about else None


@dataclass(frozen=True, slots=True)
class ProjectRequest:
    """/train: which project."""

    project: ProjectId


@dataclass(frozen=True, slots=True)
class VersionsRequest:
    """/versions: of one project, or of all. Label Studio's GET carries none, though it means one."""

    project: ProjectId | None = None


@dataclass(frozen=True, slots=True)
class AdoptRequest:
    """/prompt: words that a project shall look for, and the least scores of a box and of its phrase."""

    project: ProjectId
    words: Words
    box: MaybeShare = None
    text: MaybeShare = None


@dataclass(frozen=True, slots=True)
class ImageSource:
    """One image: either address (of Label Studio or of a host in DINOLABEL_MEDIA_HOSTS) or bytes."""

    url: Annotated[str | None, Field(description="Of Label Studio, or of a host it may fetch from (DINOLABEL_MEDIA_HOSTS).")] = None
    base64: Annotated[bytes, BeforeValidator(_decode), WithJsonSchema({"type": "string", "format": "byte"})] | None = None

    def __post_init__(self) -> None:
        if (self.url is None) == (self.base64 is None):
            raise ValueError('is neither a url nor base64; expected {"url": "…"} or {"base64": "…"}')


@dataclass(frozen=True, slots=True)
class DetectFields:
    """What is asked of the pictures of one /v1/detect."""

    prompt: Annotated[
        str | None, Field(max_length=LONGEST_PROMPT, description="What to look for: phrases with commas or full stops between them.")
    ] = None
    project: Annotated[
        ProjectId | None, Field(description="Answer as this Label Studio project does: its prompt, thresholds and head.")
    ] = None
    box_threshold: Annotated[Share | None, Field(description="Least score of a box.")] = None
    text_threshold: Annotated[Share | None, Field(description="Least mean token score of the phrase.")] = None


@dataclass(frozen=True, slots=True)
class DetectRequest(DetectFields):
    """The same with the pictures, where it comes as JSON."""

    images: Annotated[tuple[ImageSource, ...], Field(max_length=MOST_IMAGES)] = ()


def parse(kind: type[T], fields: object) -> T:
    """A request out of JSON, a form or a query. Raises RequestError that names the field."""
    if not isinstance(fields, dict):
        raise RequestError(f"Expected a JSON object, got {_shape(fields)}.", hint=HINT)
    try:
        return TypeAdapter(kind).validate_python(fields)
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False, include_context=False)
        place = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in first["loc"]).removeprefix(".")
        told = "is missing" if first["type"] == "missing" else re.sub(r"^(Value error,|Input|String|Tuple) ", "", first["msg"])
        told = told.replace("tuple", "list").replace(" after validation", "")
        got = "" if first["type"] in UNSHOWN else f", got {_shape(first['input'])}"
        raise RequestError(f"`{place}` {told}{got}.", hint=HINT) from error


def _shape(value: object) -> str:
    """What was there instead, without repeating it at length."""
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
