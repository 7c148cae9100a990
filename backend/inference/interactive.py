"""A prompt typed while annotating: boxes for that one task at once, errors said to the person, and what was typed remembered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import structlog

from dinolabel.backend.answers import StoredAnswer
from dinolabel.backend.errors import UNFORESEEN, presentable
from dinolabel.backend.inference.predictor import Failure, Prediction, Predictor
from dinolabel.backend.inference.serving_config import ServingConfig, check_typed
from dinolabel.backend.payloads import TaskPayload
from dinolabel.studio.label_configs.prompt_field import TypedPrompt, offer
from dinolabel.studio.regions.shapes import names_of
from dinolabel.vision.errors import DinolabelError, PromptMissing
from dinolabel.vision.types import Thresholds

log = structlog.get_logger(__name__)

KEPT = 8
"""Wishes remembered for each project; they are for the page, and gone with the process."""

VERSION = "typed"
"""Named in answers when the project's own version is not known; Label Studio stores neither."""


@dataclass(frozen=True, slots=True)
class PromptRequest:
    """Words typed on some tasks. box, text: thresholds typed beside them, or None. boxes: found on the last of these tasks."""

    words: str
    tasks: frozenset[int]
    boxes: int
    box: float | None = None
    text: float | None = None


class InteractivePrompts:
    """Answers typed prompts and remembers them."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._wishes: dict[int, OrderedDict[str, PromptRequest]] = {}
        self._lock = threading.Lock()

    def requests(self, project: int) -> list[PromptRequest]:
        """What people typed in a project, the newest first."""
        with self._lock:
            return list(reversed(self._wishes.get(project, {}).values()))

    def forget(self, project: int, words: str) -> None:
        with self._lock:
            self._wishes.get(project, OrderedDict()).pop(words, None)

    def answer(
        self, typed: TypedPrompt, project: int, recipe_of: Callable[[], ServingConfig], tasks: tuple[TaskPayload, ...]
    ) -> StoredAnswer:
        """One result: boxes and the text area. Never raises: Label Studio would swallow it, and the person would wait for ever."""
        try:
            recipe = recipe_of()
            boxes, said = self._detect(typed, recipe, tasks) if typed.words else ([], [])
            version = recipe.version
        except DinolabelError as error:
            log.info("typed_refused", project=project, error=type(error).__name__, reason=presentable(str(error)))
            boxes, said, version = [], _sentences(error), VERSION
        except Exception:
            log.exception("typed_failed", project=project)
            boxes, said, version = [], list(UNFORESEEN), VERSION
        return {
            "result": [*boxes, typed.reply(said)],
            "score": min((each["score"] for each in boxes), default=0.0),
            "model_version": version,
        }

    def _detect(self, typed: TypedPrompt, recipe: ServingConfig, tasks: tuple[TaskPayload, ...]) -> tuple[list[dict[str, Any]], list[str]]:
        limits = typed.thresholds(recipe.thresholds)
        try:
            config = typed.config(recipe.config)
        except PromptMissing as error:
            raise PromptMissing(f"“{typed.words}” holds no words to look for.", hint="Write for example: dog") from error
        check_typed(config.prompt)
        names = any(config.prompt_map.values())
        asked = replace(recipe, config=config, thresholds=limits, bundle=recipe.bundle if names else None)
        answers = self._predictor.predict(asked, tasks, fresh=True)
        answer = answers[0] if answers else None
        if answer is None:
            return [], ["The model is busy with other pictures.", "Enter the words again in a moment."]
        if isinstance(answer, Failure):
            return [], _sentences(answer.error)
        assert isinstance(answer, Prediction)
        boxes = list(answer.stored["result"])
        self._note(recipe.project, typed, tasks[0].id, len(boxes))
        if not boxes:
            return boxes, [_nothing_found(typed.words, limits)]
        return boxes, [] if all(map(names_of, boxes)) else [offer([each for each, label in config.prompt_map.items() if not label], config)]

    def _note(self, project: int, typed: TypedPrompt, task: int, boxes: int) -> None:
        with self._lock:
            known = self._wishes.setdefault(project, OrderedDict())
            before = known.pop(typed.words, None)
            known[typed.words] = PromptRequest(
                typed.words, (before.tasks if before else frozenset()) | {task}, boxes, typed.box, typed.text
            )
            while len(known) > KEPT:
                known.popitem(last=False)


def _nothing_found(words: str, limits: Thresholds) -> str:
    return f"Nothing looks like “{words}” with a score of {limits.box:g} or more. Try other words, or a lower least score."


def _sentences(error: Exception) -> list[str]:
    if isinstance(error, DinolabelError):
        return [presentable(each) for each in (str(error), error.hint) if each]
    return list(UNFORESEEN)
