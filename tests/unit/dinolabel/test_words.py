from __future__ import annotations

import pytest

from dinolabel.cli import words
from dinolabel.vision.errors import PromptMissing, RequestError


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["human face"], {"human face": "human face"}),
        (["Human  Face."], {"human face": "human face"}),
        (["cat face, dog face"], {"cat face": "cat face", "dog face": "dog face"}),
        (["cat face. dog face."], {"cat face": "cat face", "dog face": "dog face"}),
        (["cat face", "dog=dog face, puppy"], {"cat face": "cat face", "dog face": "dog", "puppy": "dog"}),
        (["Face=human face"], {"human face": "Face"}),
        (["dog=puppy", "dog=hound"], {"puppy": "dog", "hound": "dog"}),
        (["cat", "cat"], {"cat": "cat"}),
    ],
)
def test_prompts(texts: list[str], expected: dict[str, str]) -> None:
    assert words.prompt_map(texts) == expected
    assert list(words.prompt_map(texts)) == list(expected)


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        ([], PromptMissing, "nothing to look for"),
        (["  "], PromptMissing, "nothing to look for"),
        (["dog="], PromptMissing, "nothing to look for"),
        (["=dog"], RequestError, "no label"),
        (["cat=kitty", "pet=kitty"], RequestError, "both 'cat' and 'pet'"),
        (["kitty", "cat=kitty"], RequestError, "both"),
    ],
)
def test_prompts_that_make_no_sense(texts: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        words.prompt_map(texts)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["jason,lacy"], ["jason", "lacy"]),
        (["jason, Lacy Mae ", "tom"], ["jason", "Lacy Mae", "tom"]),
        ([], []),
        ([" , "], []),
        (["José,李"], ["José", "李"]),
    ],
)
def test_names(texts: list[str], expected: list[str]) -> None:
    assert words.names(texts, labels=["face"]) == expected


@pytest.mark.parametrize(
    ("texts", "message"), [(["tom,tom"], "given already"), (["Tom,tom"], "given already"), (["tom,Face"], "a prompt's label")]
)
def test_names_must_differ(texts: list[str], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        words.names(texts, labels=["face"])


@pytest.mark.parametrize(("items", "expected"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_listed(items: list[str], expected: str) -> None:
    assert words.join_words(items) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "1 s"), (40.4, "40 s"), (89, "89 s"), (90, "2 min"), (600, "10 min"), (4800, "80 min"), (6000, "1 h 40 min")],
)
def test_duration(seconds: float, expected: str) -> None:
    assert words.duration(seconds) == expected


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 B"), (999, "999 B"), (18_200_000, "18 MB"), (689_359_096, "689 MB"), (1_240_000_000, "1.2 GB")]
)
def test_size(count: int, expected: str) -> None:
    assert words.size(count) == expected


@pytest.mark.parametrize(("number", "expected"), [(0, "0 pictures"), (1, "1 picture"), (2000, "2,000 pictures")])
def test_counted(number: int, expected: str) -> None:
    assert words.count_noun(number, "picture") == expected
