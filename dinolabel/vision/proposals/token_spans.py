"""Which tokens of a GroundingDINO prompt belong to which phrase, and how well a box suits a phrase by them.

The library's decoded strings are never used: they merge phrases
("car taxi") and cut words ("tri", "##van") (IDEA-Research/GroundingDINO #63, #85, #421).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dinolabel.vision.errors import PromptMissing, RequestError
from dinolabel.vision.types import Prompt

Scores = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Token ids with a meaning of their own. others: what else parts phrases in the model, and so cannot be inside one (`?`)."""

    begin: int
    end: int
    stop: int
    others: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class PromptChunk:
    """One prompt as the model reads it: `[CLS] a . b . [SEP]`. spans: (start, stop) of each phrase's tokens in `ids`."""

    ids: tuple[int, ...]
    phrases: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


def chunk_prompt(prompt: Prompt, encode: Callable[[str], Sequence[int]], marks: SpecialTokens, *, room: int) -> list[PromptChunk]:
    """The prompt in as few passes of at most `room` tokens as keep the phrases whole and in order.

    encode: token ids of a phrase without [CLS] and [SEP]. A model cuts a longer prompt silently, and the phrases behind the
    cut are never found. Raises PromptMissing when no phrase has a token, RequestError when one alone is too long.
    """
    groups: list[list[tuple[str, list[int]]]] = [[]]
    used = 2  # [CLS] and [SEP]
    for phrase in prompt.phrases:
        ids = [each for each in encode(phrase) if each not in marks.others | {marks.begin, marks.end, marks.stop}]
        if len(ids) > room - 3:
            raise RequestError(f"The phrase {phrase[:40]!r}… has {len(ids)} tokens; the detector reads {room - 3}.", hint="Shorten it.")
        if used + len(ids) + 1 > room:
            groups.append([])
            used = 2
        if ids:
            groups[-1].append((phrase, ids))
            used += len(ids) + 1
    if not groups[0]:
        raise PromptMissing(f"There is nothing to look for in {str(prompt)!r}.")
    return [_join_phrases(group, marks) for group in groups]


def _join_phrases(group: list[tuple[str, list[int]]], marks: SpecialTokens) -> PromptChunk:
    ids, spans = [marks.begin], []
    for _, tokens in group:
        spans.append((len(ids), len(ids) + len(tokens)))
        ids += [*tokens, marks.stop]
    return PromptChunk((*ids, marks.end), tuple(phrase for phrase, _ in group), tuple(spans))


def phrase_scores(probabilities: Scores, spans: Sequence[tuple[int, int]]) -> tuple[Indices, Scores, Scores]:
    """For each query its phrase's index, the score (best token of the phrase) and the text score (mean over the phrase).

    probabilities: (Q, T), the sigmoid of the token logits. The phrase with the largest sum of both wins: by the best token
    alone a face would be a "human hand" whenever "human" fires in both; by the mean alone, as in the authors' COCO
    evaluation, long phrases lose to short ones. Returns three arrays of length Q.
    """
    best = np.stack([probabilities[:, start:stop].max(axis=1) for start, stop in spans], axis=1)
    mean = np.stack([probabilities[:, start:stop].mean(axis=1) for start, stop in spans], axis=1)
    mean = np.minimum(mean, best)  # rounding of equal tokens
    winner = (best + mean).argmax(axis=1)
    rows = np.arange(len(winner))
    return winner, best[rows, winner], mean[rows, winner]
