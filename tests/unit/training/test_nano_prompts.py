"""The nano vocabulary and prompts: distinct names, words that the tokenizer knows, phrases that own their tokens."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from recipes.nano.crops import HELD_OUT
from recipes.nano.demo_scenes import NAMES, NOUN, UNKNOWN
from recipes.nano.prompts import DOT, Encoder, Prompt, Prompter, write_word_list
from recipes.nano.vocabulary import COLOUR_FREE, load_nouns, plural, write_vocabulary

NOUNS = load_nouns()
ROOT = Path(__file__).resolve().parents[3]


def test_at_least_a_hundred_distinct_nouns() -> None:
    names = [w for n in NOUNS for w in (n.name, *n.synonyms)]
    assert len(NOUNS) >= 100
    assert len(set(names)) == len(names)
    assert len({n.codepoint for n in NOUNS}) == len(NOUNS)


def test_every_mention_of_a_noun_is_a_noun() -> None:
    names = {n.name for n in NOUNS}
    assert {NOUN, *HELD_OUT, *COLOUR_FREE} <= names


def test_the_demo_is_held_out_of_the_embedder() -> None:
    assert NOUN in HELD_OUT
    assert UNKNOWN not in NAMES


@pytest.mark.parametrize(
    ("one", "many"),
    [("cat face", "cat faces"), ("cherry", "cherries"), ("fox", "foxes"), ("jeans", "jeans"), ("monkey", "monkeys")],
)
def test_plural(one: str, many: str) -> None:
    assert plural(one) == many


def test_word_list_places_special_tokens_like_bert() -> None:
    lines = write_word_list(NOUNS)
    assert [lines[i] for i in (0, 100, 101, 102, 103, 1012, 1029)] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?"]
    assert len(set(lines)) == len(lines)


def test_spans_own_their_words() -> None:
    encoder = Encoder(NOUNS)
    ids, spans = encoder.encode(Prompt(("cat face", "key"), ("cat face", "key")))
    assert [ids[a:b] for a, b in spans] == [[encoder.ids["cat"], encoder.ids["face"]], [encoder.ids["key"]]]
    assert ids[spans[0][1]] == DOT


def test_prompts_vary_and_name_each_noun_once() -> None:
    prompter = Prompter(NOUNS)
    rng = np.random.default_rng(0)
    lengths = []
    empty = 0
    for _ in range(400):
        prompt = prompter.draw(rng, ["key", "lion"], 1.0)
        assert len(set(prompt.nouns)) == len(prompt.nouns) == len(prompt.phrases)
        lengths.append(len(prompt.nouns))
        empty += not {"key", "lion"} & set(prompt.nouns)
    assert lengths.count(1) > 100
    assert max(lengths) > 8
    assert 60 < empty < 240


def test_vocabulary_file_is_current(tmp_path: Path) -> None:
    write_vocabulary(tmp_path / "v.json")
    shipped = json.loads((ROOT / "dinolabel" / "nano" / "vocabulary.json").read_text(encoding="utf-8"))
    assert shipped == json.loads((tmp_path / "v.json").read_text(encoding="utf-8"))
