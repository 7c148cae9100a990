"""Tokens of phrases that a detector looks for one by one, each in a row of its own."""

from __future__ import annotations

from typing import Any

from dinolabel.vision.errors import PromptMissing, RequestError
from dinolabel.vision.types import Prompt


def phrase_tokens(prompt: Prompt, tokenizer: Any, *, room: int) -> tuple[list[str], list[list[int]]]:
    """The phrases that say something, and each one's token ids, a mark at either end. tokenizer: transformers' own of the checkpoint.

    room: tokens that the model has positions for; a phrase that is longer is refused, not cut. Raises PromptMissing, RequestError.
    """
    phrases = [each for each in prompt.phrases if any(letter.isalnum() for letter in each)]
    if not phrases:
        raise PromptMissing(f"There is nothing to look for in {str(prompt)!r}.")
    rows = [list(tokenizer(each, verbose=False)["input_ids"]) for each in phrases]
    for phrase, row in zip(phrases, rows, strict=True):
        if len(row) > room:
            told = f"The phrase {phrase[:40]!r}… has {len(row) - 2} tokens; the detector reads {room - 2}."
            raise RequestError(told, hint="Shorten it.")
    return phrases, rows
