"""What a person types into a TextArea while annotating: words to look for on this one picture, thresholds beside them, and our reply.

Label Studio sends the text areas and numbers of the task as `context` once a line is entered (measured, docs/label-studio.md). It drops
the error of a backend without a word, so whatever goes wrong is said in the text area itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.vision.errors import RequestError
from dinolabel.vision.types import Prompt, Thresholds

SIGN = "⚠ "
"""Begins a line of ours, so that it is never taken for a person's."""

NUMBERS = {"box_threshold": "box", "text_threshold": "text"}
"""Names of the Number tags we read -> the threshold they turn."""


@dataclass(frozen=True, slots=True)
class TypedPrompt:
    """control, object_name: of the TextArea. words: the line entered last, "" when all were removed. box, text: thresholds, or None."""

    control: str
    object_name: str
    words: str
    box: float | None = None
    text: float | None = None

    @classmethod
    def of(cls, context: Iterable[Mapping[str, Any]] | None) -> TypedPrompt | None:
        """None when no text area is among the regions of a request's context. A box drawn to ask with is none."""
        regions = list(context or ())
        areas = [each for each in regions if each.get("type") == "textarea" and isinstance(each.get("value"), Mapping)]
        if not areas:
            return None
        numbers = {NUMBERS[name]: _number(each) for each in regions if (name := str(each.get("from_name"))) in NUMBERS}
        area = areas[-1]
        return cls(str(area.get("from_name")), str(area.get("to_name")), _last(area["value"].get("text")), **numbers)

    def thresholds(self, ours: Thresholds) -> Thresholds:
        """The project's, unless a number was given. Raises RequestError for numbers that are none from 0 to 1."""
        for name, value in (("box", self.box), ("text", self.text)):
            if value is not None and not 0.0 <= value <= 1.0:
                raise RequestError(f"The {name} threshold {value:g} is no number from 0 to 1.", hint="Write for example 0.3.")
        box, text = (ours.box if self.box is None else self.box), (ours.text if self.text is None else self.text)
        # A box passes by its best token, its phrase by the mean of them: a lower box threshold alone would change little.
        return replace(ours, box=box, text=min(text, box) if self.text is None else text)

    def config(self, project: LabelConfig) -> LabelConfig:
        """The project's label config, looking for these words instead. Raises PromptMissing, RequestError."""
        return replace(project, prompt_map=labels_of(self.words, project))

    def reply(self, messages: Sequence[str] = ()) -> dict[str, Any]:
        """The text area as it shall stand now: the words asked for, and under them what we have to say."""
        lines = [*filter(None, [self.words]), *(SIGN + each for each in messages)]
        about = {"id": "dinolabel", "from_name": self.control, "to_name": self.object_name, "type": "textarea"}
        return about | {"value": {"text": lines}}


def labels_of(words: str, config: LabelConfig) -> dict[str, str]:
    """phrase -> label for `dog, puppy` or `label=dog, puppy`. "" for a phrase that no label of the project is about.

    Such boxes are sent without a label: calling a dog `cat face` would be a lie that exports repeat. Raises PromptMissing, RequestError.
    """
    label, named, phrases = words.rpartition("=")
    label = " ".join(label.split())
    if named and label not in config.labels:
        there = ", ".join(config.labels)
        raise RequestError(f"There is no label {label!r} in this project.", hint=f"There are: {there}. Or leave out “{label}=”.")
    own = {name.casefold(): name for name in config.labels}
    return {each: label or config.prompt_map.get(each) or own.get(each, "") for each in Prompt.parse(phrases).phrases}


def offer(phrases: Sequence[str], config: LabelConfig) -> str:
    """What we say where boxes came without a label: how to give them one. phrases: those that no label is about."""
    words = " or ".join(f"“{each}”" for each in phrases)
    label = (config.generic or config.labels)[0]
    return f"No label is about {words}: choose a box and press a label's key, or enter “{label}={', '.join(phrases)}”."


def _last(lines: Any) -> str:
    texts = [lines] if isinstance(lines, str) else lines if isinstance(lines, list) else []
    own = [" ".join(each.split()) for each in texts if isinstance(each, str) and not each.startswith(SIGN)]
    return own[-1] if own else ""


def _number(region: Mapping[str, Any]) -> float | None:
    value = region.get("value")
    number = value.get("number") if isinstance(value, Mapping) else None
    return float(number) if isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number) else None
