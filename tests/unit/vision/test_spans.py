from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from dinolabel.vision.errors import PromptMissing, RequestError
from dinolabel.vision.proposals.token_spans import PromptChunk, SpecialTokens, chunk_prompt, phrase_scores
from dinolabel.vision.types import Prompt
from tests.tiny_models import tiny_detector

MARKS = SpecialTokens(begin=101, end=102, stop=1012, others=frozenset({1029}))


def letters(phrase: str) -> list[int]:
    """A tokeniser anybody can follow: one token a letter, `a` is 2097; a full stop and a question mark are BERT's."""
    return [{".": 1012, "?": 1029}.get(letter, 2000 + ord(letter)) for letter in phrase if letter != " "]


def test_one_pass_as_the_model_reads_it() -> None:
    (only,) = chunk_prompt(Prompt.of(["ab", "c"]), letters, MARKS, room=256)
    assert only == PromptChunk((101, 2097, 2098, 1012, 2099, 1012, 102), ("ab", "c"), ((1, 3), (4, 5)))


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        (11, [("ab", "c", "def")]),
        (10, [("ab", "c"), ("def",)]),
        (7, [("ab", "c"), ("def",)]),
        (6, [("ab",), ("c",), ("def",)]),
    ],
)
def test_a_long_prompt_is_split_between_phrases(room: int, expected: list[tuple[str, ...]]) -> None:
    """`[CLS] ab . c . def . [SEP]` takes 11 tokens."""
    found = chunk_prompt(Prompt.of(["ab", "c", "def"]), letters, MARKS, room=room)
    assert [each.phrases for each in found] == expected
    for each in found:
        assert len(each.ids) <= room
        assert ["".join(chr(token - 2000) for token in each.ids[start:stop]) for start, stop in each.spans] == list(each.phrases)


def test_what_would_part_a_phrase_is_left_out() -> None:
    (only,) = chunk_prompt(Prompt(("a?b", "c.d")), letters, MARKS, room=256)
    assert only.ids == (101, 2097, 2098, 1012, 2099, 2100, 1012, 102)
    assert only.phrases == ("a?b", "c.d")


def test_a_phrase_without_words_is_skipped() -> None:
    (only,) = chunk_prompt(Prompt(("?", "a")), letters, MARKS, room=256)
    assert only.phrases == ("a",)


def test_no_words_at_all() -> None:
    with pytest.raises(PromptMissing, match="nothing to look for"):
        chunk_prompt(Prompt(("?",)), letters, MARKS, room=256)


def test_a_phrase_too_long_for_the_model() -> None:
    with pytest.raises(RequestError, match="has 6 tokens; the detector reads 5"):
        chunk_prompt(Prompt(("a", "abcdef")), letters, MARKS, room=8)


def test_tokens_are_those_of_the_whole_text(tmp_path: Path) -> None:
    """Phrase by phrase gives what the tokeniser makes of the text, so spans never drift; words in pieces included."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_detector(tmp_path))
    prompt = Prompt.of(["human face", "dogs", "x-ray", "o'hare cat", "日本", "zebra crossing 2"])
    (only,) = chunk_prompt(prompt, lambda phrase: tokenizer(phrase, add_special_tokens=False)["input_ids"], MARKS, room=256)
    assert list(only.ids) == tokenizer(" . ".join(prompt.phrases) + " .")["input_ids"]
    decoded = [tokenizer.decode(only.ids[start:stop]).replace(" ", "") for start, stop in only.spans]
    assert decoded == ["humanface", "dogs", "x-ray", "o'harecat", "[UNK][UNK]", "zebracrossing2"]


FACE_AND_HAND = ((1, 3), (4, 6))  # [CLS] human face . human hand .


@pytest.mark.parametrize(
    ("row", "spans", "expected"),
    [
        pytest.param([0, 0.8, 0.7, 0, 0.82, 0.1], FACE_AND_HAND, (0, 0.8, 0.75), id="a shared word does not name"),
        pytest.param([0, 0.2, 0.1, 0, 0.3, 0.9], FACE_AND_HAND, (1, 0.9, 0.6), id="the second phrase"),
        pytest.param([0, 0.9, 0.1, 0.2, 0.1, 0, 0.4], ((1, 5), (6, 7)), (0, 0.9, 0.325), id="a long phrase with one sure word"),
        pytest.param([0.99, 0.3, 0.2, 0.99, 0.1, 0.1], FACE_AND_HAND, (0, 0.3, 0.25), id="[CLS] and full stops do not count"),
        pytest.param([0, 0.5, 0.5, 0, 0.5, 0.5], FACE_AND_HAND, (0, 0.5, 0.5), id="a tie goes to the first"),
    ],
)
def test_suits(row: list[float], spans: tuple[tuple[int, int], ...], expected: tuple[int, float, float]) -> None:
    winner, score, text_score = phrase_scores(np.array([row], dtype=np.float32), spans)
    assert (winner[0], score[0], text_score[0]) == (expected[0], pytest.approx(expected[1]), pytest.approx(expected[2]))


def test_the_mean_never_exceeds_the_best() -> None:
    """Seven times 0.7 in float32 averages to a little more than 0.7."""
    equal = np.full((50, 8), np.linspace(0.01, 0.99, 50)[:, None], dtype=np.float32)
    _, score, text_score = phrase_scores(equal, ((1, 8),))
    assert (text_score <= score).all()


def test_every_query_gets_its_own_answer() -> None:
    rows = np.array([[0, 0.9, 0.1], [0, 0.1, 0.9]], dtype=np.float32)
    assert phrase_scores(rows, ((1, 2), (2, 3)))[0].tolist() == [0, 1]
