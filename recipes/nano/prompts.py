"""Writes prompts: which nouns a scene is asked for, under which of their names, as text and as tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recipes.nano.vocabulary import Noun, all_phrases, plural

Rng = np.random.Generator

PAD, UNKNOWN, CLS, SEP, MASK, DOT, QUESTION = 0, 100, 101, 102, 103, 1012, 1029  # as in BERT: the model looks for them
FIRST_LETTER, FIRST_WORD, WORDS = 110, 1100, 1536
LONGEST = 20  # phrases in one training prompt
NOTHING_OF_ONE, NOTHING_OF_MANY = 0.5, 0.15  # how often nothing of what is asked is there
ALIKE = 0.5  # share of absent phrases whose things look like something that is there


def write_word_list(nouns: tuple[Noun, ...]) -> list[str]:
    """vocab.txt: BERT's special ids, letters to spell what is not a word, then every word of the prompt language."""
    lines = [f"[unused{i}]" for i in range(WORDS)]
    special = {PAD: "[PAD]", UNKNOWN: "[UNK]", CLS: "[CLS]", SEP: "[SEP]", MASK: "[MASK]", DOT: ".", QUESTION: "?"}
    for place, token in special.items():
        lines[place] = token
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    for offset, token in enumerate([*letters, *(f"##{c}" for c in letters), ",", "-", "'"]):
        lines[FIRST_LETTER + offset] = token
    words = sorted({w for phrase in all_phrases(nouns) for w in phrase.split()} - set(letters))
    lines[FIRST_WORD : FIRST_WORD + len(words)] = words
    if len(lines) != WORDS:
        raise ValueError(f"expected {WORDS} lines, got {len(lines)}")
    return lines


@dataclass(frozen=True)
class Prompt:
    """Phrases in order, and the noun that each stands for."""

    phrases: tuple[str, ...]
    nouns: tuple[str, ...]

    @property
    def text(self) -> str:
        return " . ".join(self.phrases) + " ."


class Prompter:
    """Draws prompts for scenes; `progress` (0-1) moves from long prompts, which teach, to short ones, which people write."""

    def __init__(self, nouns: tuple[Noun, ...], rivals: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.names = {n.name: (n.name, *n.synonyms) for n in nouns}
        self.all = list(self.names)
        self.rivals = rivals or {}

    def draw(self, rng: Rng, present: list[str], progress: float) -> Prompt:
        length = self.draw_length(rng, progress)
        there = [n for n in dict.fromkeys(present) if rng.random() < 0.85 or length == 1]
        if rng.random() < (NOTHING_OF_MANY if length > 1 else NOTHING_OF_ONE):
            there = []  # nothing of what is asked is there
        rng.shuffle(there)
        nouns = there[:length] + self.draw_absent(rng, present, max(length - len(there), 0))
        rng.shuffle(nouns)
        return Prompt(tuple(self.wording(rng, n) for n in nouns), tuple(nouns))

    def draw_absent(self, rng: Rng, present: list[str], count: int) -> list[str]:
        """Nouns that are not there: half of them drawn like something that is."""
        absent = [n for n in self.all if n not in present]
        alike = [n for n in dict.fromkeys(r for p in dict.fromkeys(present) for r in self.rivals.get(p, ())) if n not in present]
        rng.shuffle(alike)
        picked = alike[: sum(rng.random() < ALIKE for _ in range(count))]
        others = [n for n in absent if n not in picked]
        return picked + [others[i] for i in rng.choice(len(others), count - len(picked), replace=False)]

    def draw_length(self, rng: Rng, progress: float) -> int:
        long = 0.45 - 0.2 * min(2 * progress, 1)
        single = 0.2 + 0.25 * min(2 * progress, 1)
        roll = rng.random()
        if roll < single:
            return 1
        if roll < single + long:
            return int(rng.integers(9, LONGEST + 1))
        return int(rng.integers(2, 9))

    def wording(self, rng: Rng, noun: str) -> str:
        names = self.names[noun]
        phrase = names[0] if rng.random() < 0.6 else names[int(rng.integers(len(names)))]
        roll = rng.random()
        if roll < 0.05:
            return plural(phrase)
        if roll < 0.12:
            return ("an " if phrase[0] in "aeiou" else "a ") + phrase
        return ("the " + phrase) if roll < 0.14 else phrase


class Encoder:
    """Text to token ids, the same as the shipped BertTokenizer for the words it knows."""

    def __init__(self, nouns: tuple[Noun, ...]) -> None:
        self.ids = {token: i for i, token in enumerate(write_word_list(nouns))}

    def encode(self, prompt: Prompt) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids and each phrase's (first, past last) token."""
        tokens, spans = [CLS], []
        for phrase in prompt.phrases:
            words = [self.ids[w] for w in phrase.split()]
            spans.append((len(tokens), len(tokens) + len(words)))
            tokens += [*words, DOT]
        return [*tokens, SEP], spans
