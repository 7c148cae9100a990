"""Words typed while annotating: which line is asked for, what it is called, what is said back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dinolabel.backend import payloads
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.label_configs.prompt_field import SIGN, TypedPrompt, labels_of
from dinolabel.vision.errors import PromptMissing, RequestError
from dinolabel.vision.types import Thresholds

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
CONFIG = LabelConfig.parse(
    '<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">'
    '<Label value="face" predicted_values="human face,head"/><Label value="Dog" predicted_values="dog face"/><Label value="jason"/>'
    "</RectangleLabels></View>"
)


def area(*lines: str, name: str = "prompt") -> dict[str, Any]:
    return {"id": "x", "from_name": name, "to_name": "image", "type": "textarea", "value": {"text": list(lines)}}


def number(value: Any, name: str = "box_threshold") -> dict[str, Any]:
    return {"id": "y", "from_name": name, "to_name": "image", "type": "number", "value": {"number": value}}


def test_the_recorded_request_asks_for_its_last_line() -> None:
    asked = payloads.parse(payloads.PredictRequest, json.loads((FIXTURES / "predict_request_typed.json").read_text()))
    assert TypedPrompt.of(asked.context) == TypedPrompt("prompt", "image", "key", box=0.4)


def test_a_box_drawn_to_ask_with_is_nothing_typed() -> None:
    asked = payloads.parse(payloads.PredictRequest, json.loads((FIXTURES / "predict_request_interactive.json").read_text()))
    assert asked.interactive and TypedPrompt.of(asked.context) is None
    assert TypedPrompt.of(None) is None and TypedPrompt.of([]) is None


@pytest.mark.parametrize(
    ("lines", "words"),
    [(["dog"], "dog"), (["cat", " red \n dog "], "red dog"), (["dog", SIGN + "Nothing"], "dog"), ([SIGN + "Nothing"], ""), ([], "")],
)
def test_our_own_lines_are_never_asked_for(lines: list[str], words: str) -> None:
    typed = TypedPrompt.of([area(*lines)])
    assert typed is not None and typed.words == words


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("human face", {"human face": "face"}),
        ("HEAD, dog", {"head": "face", "dog": "Dog"}),
        ("ambulance", {"ambulance": ""}),
        ("Dog=puppy, wolf", {"puppy": "Dog", "wolf": "Dog"}),
        ("jason", {"jason": "jason"}),
    ],
)
def test_a_phrase_keeps_to_the_labels_there_are(words: str, expected: dict[str, str]) -> None:
    assert labels_of(words, CONFIG) == expected


def test_what_cannot_be_asked_is_named() -> None:
    with pytest.raises(RequestError, match="no label 'cat'"):
        labels_of("cat=kitty", CONFIG)
    with pytest.raises(PromptMissing):
        labels_of(" . , ", CONFIG)
    with pytest.raises(RequestError, match=r"1\.5"):
        TypedPrompt("prompt", "image", "dog", box=1.5).thresholds(Thresholds())


@pytest.mark.parametrize(
    ("box", "text", "expected"), [(None, None, (0.3, 0.25)), (0.1, None, (0.1, 0.1)), (0.5, None, (0.5, 0.25)), (0.2, 0.15, (0.2, 0.15))]
)
def test_a_lower_box_threshold_lowers_the_other_with_it(box: float | None, text: float | None, expected: tuple[float, float]) -> None:
    limits = TypedPrompt("prompt", "image", "dog", box=box, text=text).thresholds(Thresholds(0.3, 0.25))
    assert (limits.box, limits.text) == expected


@pytest.mark.parametrize("value", [None, True, "0.3", float("nan")])
def test_a_number_that_is_none_leaves_the_project_s_own(value: Any) -> None:
    typed = TypedPrompt.of([area("dog"), number(value)])
    assert typed is not None and typed.box is None


def test_the_reply_stands_in_the_text_area_itself() -> None:
    (reply,) = [TypedPrompt("prompt", "image", "dog").reply(["Nothing found."])]
    assert (reply["from_name"], reply["to_name"], reply["type"]) == ("prompt", "image", "textarea")
    assert reply["value"] == {"text": ["dog", SIGN + "Nothing found."]}
