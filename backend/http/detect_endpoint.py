"""`POST /v1/detect`: pictures in, boxes and names out, for programs; no Label Studio needed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Request

from dinolabel.backend.errors import Busy, body_of
from dinolabel.backend.inference.batcher import DetectOptions, DynamicBatcher
from dinolabel.vision.decoding.pictures import image_of, open_image
from dinolabel.vision.errors import DinolabelError, MediaError, PromptMissing, RequestError
from dinolabel.vision.proposals.labelled_box import LabelledBox
from dinolabel.vision.types import Image, Prompt, Thresholds

if TYPE_CHECKING:
    from dinolabel.backend.inference.serving_config import ServingConfig
    from dinolabel.studio.media.resolver import MediaResolver
    from dinolabel.vision.pipeline import Pipeline

MOST_IMAGES = 16
"""Of one request; more belong into several, or into `dinolabel detect` on a folder."""
LARGEST = 64 * 2**20
"""Bytes of one picture."""
PACKED = "packed"
"""Stands for the id of an exported folder's own head."""
DEADLINE = 90.0
"""Seconds until a caller is told to ask again."""


@dataclass(frozen=True, slots=True)
class DetectRequest:
    """A request, read: images in order, or why one is none; what to ask of them; the model_version of a project's answer."""

    images: tuple[Image | DinolabelError, ...]
    options: DetectOptions
    version: str | None


class DetectEndpoint:
    """Answers for programs. recipe_of: a project's recipe, as Label Studio shows it."""

    def __init__(
        self, pipeline: Pipeline, media: MediaResolver, batching: DynamicBatcher, recipe_of: Callable[[int], ServingConfig]
    ) -> None:
        self._pipeline, self._media, self._batching, self._recipe_of = pipeline, media, batching, recipe_of

    def read(self, request: Request) -> DetectRequest:
        """Raises RequestError and PromptMissing for what no picture of it can be answered with."""
        fields = _fields(request)
        question, version = self._options(fields)
        sources = _sources(request, fields)
        if not sources:
            raise RequestError(
                "There is no picture in the request.", hint='Send `curl -F image=@photo.jpg`, or JSON {"images": [{"url": …}]}.'
            )
        if len(sources) > MOST_IMAGES:
            raise RequestError(f"{len(sources)} pictures are too many for one request.", hint=f"Send at most {MOST_IMAGES} at once.")
        return DetectRequest(tuple(self._open(each) for each in sources), question, version)

    def answer(self, asked: DetectRequest) -> dict[str, Any]:
        """{"model_version", "results": one per picture, in order: {"width", "height", "found"} or {"error", "hint"}}."""
        good = [each for each in asked.images if isinstance(each, Image)]
        futures = iter(self._batching.submit(asked.options, good))
        results = [_error(each) if isinstance(each, DinolabelError) else _result(each, next(futures)) for each in asked.images]
        return {"model_version": asked.version, "results": results}

    def _options(self, fields: dict[str, Any]) -> tuple[DetectOptions, str | None]:
        words, project = fields.get("prompt"), fields.get("project")
        if project is not None:
            return self._project_options(_integer(project, "project"), words, fields)
        package = self._pipeline.package
        if words is None and package is not None:
            limits = _thresholds(fields, self._pipeline.thresholds)
            prompt, labels = Prompt.of(list(package.labels)), tuple(package.labels.items())
            return DetectOptions(prompt, limits, self._pipeline.bundle, PACKED, labels, tuple(package.names.items())), package.version
        if not isinstance(words, str) or not words.strip():
            raise PromptMissing("There is nothing to look for: the request has no prompt.", hint='Add prompt="human face", or project=N.')
        return DetectOptions(self._typed(words), _thresholds(fields, self._pipeline.thresholds)), None

    def _typed(self, words: str) -> Prompt:
        prompt = Prompt.parse(words)
        self._pipeline.check_prompt(prompt)
        return prompt

    def _project_options(self, project: int, words: Any, fields: dict[str, Any]) -> tuple[DetectOptions, str | None]:
        recipe = self._recipe_of(project)
        own = words is None
        prompt = recipe.config.prompt if own else self._typed(str(words))
        labels, names = tuple(recipe.config.prompt_map.items()), tuple(recipe.names.items())
        limits = _thresholds(fields, recipe.thresholds)
        same = own and limits == recipe.thresholds
        return DetectOptions(prompt, limits, recipe.bundle, recipe.bundle_id, labels, names), recipe.version if same else None

    def _open(self, source: _ImageSource) -> Image | DinolabelError:
        try:
            if source.url is not None:
                if not source.url.startswith(("http://", "https://")):
                    raise RequestError("A url begins with http:// or https://.")
                return open_image(self._media.resolve(source.url))
            if len(source.data) > LARGEST:
                raise RequestError(f"{source.name} is larger than {LARGEST >> 20} MB.", hint="Make it smaller.")
            return image_of(source.data, source.name)
        except (MediaError, RequestError) as error:
            return error


@dataclass(frozen=True, slots=True)
class _ImageSource:
    name: str
    data: bytes = b""
    url: str | None = None


def _fields(request: Request) -> dict[str, Any]:
    if not request.is_json:
        return {**request.args, **request.form}
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise RequestError("The request's body is no JSON object.")
    return {**request.args, **body}


def _sources(request: Request, fields: dict[str, Any]) -> list[_ImageSource]:
    """From a form's files, from JSON, or the body itself when its type says that it is a picture."""
    if request.files:
        return [_ImageSource(each.filename or "the picture", each.read()) for each in request.files.getlist("image")]
    if request.is_json:
        listed = fields.get("images")
        if not isinstance(listed, list):
            raise RequestError("images is no list.", hint='Expected {"images": [{"url": "…"}, {"base64": "…"}]}.')
        return [_json_source(each) for each in listed]
    data = request.get_data() if (request.content_type or "").startswith(("image/", "application/octet-stream")) else b""
    return [_ImageSource("the picture", data)] if data else []


def _json_source(entry: Any) -> _ImageSource:
    match entry:
        case {"url": str(url)}:
            return _ImageSource(url, url=url)
        case {"base64": str(text)}:
            try:
                return _ImageSource("the picture", base64.b64decode(text, validate=True))
            except binascii.Error as error:
                raise RequestError("One of the images is no base64.") from error
    raise RequestError("An image is neither a url nor base64.", hint='Expected {"url": "…"} or {"base64": "…"}.')


def _thresholds(fields: dict[str, Any], ours: Thresholds) -> Thresholds:
    box, text = (_fraction(fields.get(name), name, own) for name, own in (("box_threshold", ours.box), ("text_threshold", ours.text)))
    return Thresholds(box, text, ours.nms_iou)


def _fraction(value: Any, name: str, otherwise: float) -> float:
    try:
        number = otherwise if value is None else float(value)
    except (TypeError, ValueError) as error:
        raise RequestError(f"{name} is no number: {value!r}.") from error
    if not 0 <= number <= 1:
        raise RequestError(f"{name} is {number:g}; it lies between 0 and 1.")
    return number


def _integer(value: Any, name: str) -> int:
    try:
        return int(str(value))
    except ValueError as error:
        raise RequestError(f"{name} is no whole number: {value!r}.") from error


def _result(image: Image, future: Future[list[LabelledBox]]) -> dict[str, Any]:
    try:
        found: Sequence[LabelledBox] = future.result(DEADLINE)
    except TooLate as error:
        raise Busy("The pictures before yours take too long.") from error
    except DinolabelError as error:
        return _error(error)
    return {"width": image.width, "height": image.height, "found": [each.row() for each in found]}


def _error(error: DinolabelError) -> dict[str, Any]:
    return dict(body_of(error))
