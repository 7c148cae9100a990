"""`POST /v1/detect`: pictures in, boxes and names out, for programs; no Label Studio needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import structlog
from flask import Request

from dinolabel.backend.answers import DetectAnswer, Found, ImageAnswer, Refusal
from dinolabel.backend.errors import UNFORESEEN, Busy, body_of
from dinolabel.backend.inference.inference_queue import DetectOptions, InferenceQueue, Priority
from dinolabel.backend.inference.serving_config import ServingConfig, check_typed
from dinolabel.backend.payloads import MOST_IMAGES, DetectRequest, ImageSource
from dinolabel.vision.decoding.pictures import image_of, open_image
from dinolabel.vision.errors import DinolabelError, MediaError, PromptMissing, RequestError
from dinolabel.vision.proposals.labelled_box import LabelledBox, without_suppressed
from dinolabel.vision.types import Detection, Image, Prompt, Thresholds

if TYPE_CHECKING:
    from dinolabel.studio.media.resolver import MediaResolver

log = structlog.get_logger(__name__)

LARGEST = 64 * 2**20
"""Bytes of one picture."""
DEADLINE = 90.0
"""Seconds until a caller is told to ask again."""


Upload = tuple[str, bytes]
"""A file's name and bytes."""


@dataclass(frozen=True, slots=True)
class _Question:
    """options: for the models. labels, names: as LabelledBox.of takes them. version: the model_version of a project's answer."""

    options: DetectOptions
    labels: Mapping[str, str] | None = None
    names: Mapping[str, str] | None = None
    version: str | None = None


class DetectEndpoint:
    """Answers for programs. recipe_of: a project's recipe, as Label Studio shows it."""

    def __init__(self, queue: InferenceQueue, media: MediaResolver, recipe_of: Callable[[int], ServingConfig]) -> None:
        self._queue, self._pipeline, self._media, self._recipe_of = queue, queue.pipeline, media, recipe_of

    def answer(self, asked: DetectRequest, uploads: Sequence[Upload]) -> DetectAnswer:
        """One result for each picture, in order. Raises RequestError and PromptMissing for what no picture can be answered with, Busy."""
        question = self._question(asked)
        sources: list[Upload | ImageSource] = [*uploads, *asked.images]
        if not sources:
            raise RequestError(
                "There is no picture in the request.", hint='Send `curl -F image=@photo.jpg`, or JSON {"images": [{"url": …}]}.'
            )
        if len(sources) > MOST_IMAGES:
            raise RequestError(f"{len(sources)} pictures are too many for one request.", hint=f"Send at most {MOST_IMAGES} at once.")
        deadline = self._queue.clock() + DEADLINE
        with self._queue.admit():
            images = [self._open(each) for each in sources]
            good = [each for each in images if isinstance(each, Image)]
            futures = self._queue.submit(good, question.options, priority=Priority.REQUEST, deadline=deadline)
            rest = iter(futures)
            try:
                results = [
                    body_of(each) if isinstance(each, DinolabelError) else self._result(each, next(rest), question) for each in images
                ]
            finally:
                for each in futures:
                    each.cancel()
        return {"model_version": question.version, "results": results}

    def _question(self, asked: DetectRequest) -> _Question:
        words, package, head = asked.prompt, self._pipeline.package, self._pipeline.bundle
        if asked.project is not None:
            return self._project_question(self._recipe_of(asked.project), words, asked)
        limits = _thresholds(asked, self._pipeline.thresholds)
        if words is None and package is not None:
            options = DetectOptions(Prompt.of(list(package.labels)), limits, head, tuple(package.labels.items()))
            return _Question(options, package.labels, package.names, package.version)
        if words is None or not words.strip():
            raise PromptMissing("There is nothing to look for: the request has no prompt.", hint='Add prompt="human face", or project=N.')
        return _Question(DetectOptions(self._typed(words), limits, head))

    def _project_question(self, recipe: ServingConfig, words: str | None, asked: DetectRequest) -> _Question:
        prompt = recipe.config.prompt if words is None else self._typed(words)
        limits = _thresholds(asked, recipe.thresholds)
        options = DetectOptions(prompt, limits, recipe.bundle, tuple(recipe.config.prompt_map.items()))
        same = words is None and limits == recipe.thresholds
        return _Question(options, recipe.config.prompt_map, recipe.names, recipe.version if same else None)

    def _typed(self, words: str) -> Prompt:
        prompt = Prompt.parse(words)
        check_typed(prompt)
        self._pipeline.check_prompt(prompt)
        return prompt

    def _result(self, image: Image, future: Future[list[Detection]], question: _Question) -> ImageAnswer | Refusal:
        try:
            detections = future.result(DEADLINE)
        except TooLate as error:
            if not future.done():
                raise Busy("The pictures before yours take too long.") from error
            log.exception("detect_failed")
            return {"error": UNFORESEEN[0], "hint": UNFORESEEN[1]}
        except Busy:
            raise
        except DinolabelError as error:
            return body_of(error)
        except Exception:
            log.exception("detect_failed")
            return {"error": UNFORESEEN[0], "hint": UNFORESEEN[1]}
        rows = [LabelledBox.of(each, question.labels, question.names).row() for each in without_suppressed(detections)]
        return {"width": image.width, "height": image.height, "found": [cast("Found", each) for each in rows]}

    def _open(self, source: Upload | ImageSource) -> Image | DinolabelError:
        try:
            if isinstance(source, ImageSource) and source.url is not None:
                if not source.url.startswith(("http://", "https://")):
                    raise RequestError("A url begins with http:// or https://.")
                return open_image(self._media.resolve(source.url))
            name, data = source if isinstance(source, tuple) else ("the picture", source.base64 or b"")
            if len(data) > LARGEST:
                raise RequestError(f"{name} is larger than {LARGEST >> 20} MB.", hint="Make it smaller.")
            return image_of(data, name)
        except (MediaError, RequestError) as error:
            return error


def uploads(request: Request) -> list[Upload]:
    """A form's files, or the body itself when its type says that it is a picture."""
    if request.files:
        return [(each.filename or "the picture", each.read()) for each in request.files.getlist("image")]
    data = request.get_data() if request.mimetype.startswith(("image/", "application/octet-stream")) else b""
    return [("the picture", data)] if data else []


def _thresholds(asked: DetectRequest, ours: Thresholds) -> Thresholds:
    box, text = asked.box_threshold, asked.text_threshold
    return Thresholds(ours.box if box is None else box, ours.text if text is None else text, ours.nms_iou)
