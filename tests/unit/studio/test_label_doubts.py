from __future__ import annotations

import pytest

from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.label_configs.lint import lint_config


def config(*names: str, prompt: str = "human face") -> LabelConfig:
    labels = "".join(f'<Label value="{each}"/>' for each in names)
    return LabelConfig.parse(
        f'<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image"><Label value="face" '
        f'predicted_values="{prompt}"/>{labels}</RectangleLabels></View>'
    )


def said(*names: str, prompt: str = "human face") -> list[str]:
    return [doubt for doubt, _ in lint_config(config(*names, prompt=prompt))]


@pytest.mark.parametrize(
    ("one", "other"), [("jason", "Jason"), ("tom cat", "tom_cat"), ("José", "Jose"), ("O'Hara", "OHara"), ("jasons", "jason")]
)
def test_names_that_differ_only_in_writing(one: str, other: str) -> None:
    assert said(one, other) == [f"{one!r} and {other!r} differ only in how they are written"]


@pytest.mark.parametrize(("one", "other"), [("jason", "jasn"), ("jason", "jasson"), ("jason", "jasen"), ("jason", "jsaon")])
def test_names_one_letter_apart(one: str, other: str) -> None:
    assert said(one, other) == [f"{one!r} and {other!r} are one letter apart"]


@pytest.mark.parametrize(
    ("one", "other"), [("tom", "tim"), ("person1", "person2"), ("cat-01", "cat-11"), ("jason", "lacy"), ("anna", "hannah")]
)
def test_names_that_are_told_apart(one: str, other: str) -> None:
    assert said(one, other) == []


@pytest.mark.parametrize("name", ["human", "Human Face", "faces", "human faces"])
def test_names_that_read_like_a_prompt(name: str) -> None:
    assert [each for each in said(name) if "reads like the prompt 'human face' of 'face'" in each]


def test_a_config_where_every_name_is_its_own_prompt_is_not_doubted_for_it() -> None:
    bare = LabelConfig.parse(
        '<View><Image name="i" value="$image"/><RectangleLabels name="l" toName="i"><Label value="cat"/><Label value="dog"/>'
        "</RectangleLabels></View>"
    )
    assert lint_config(bare) == []


@pytest.mark.parametrize("name", ["none", "Nobody", "N/A", "other person", "Background"])
def test_names_for_nobody(name: str) -> None:
    (only,) = lint_config(config(name))
    assert "learnt like a person" in only[0] and "`unknown`" in only[1]


def test_unknown_is_what_it_should_be() -> None:
    assert said("unknown", "jason") == []


def test_letters_of_two_alphabets() -> None:
    assert said("j\u0430son") == ["'j\u0430son' mixes letters of Cyrillic and Latin"]
    assert said("Ольга", "Ξένια") == []
