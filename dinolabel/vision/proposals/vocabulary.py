"""Which phrases of a prompt a detector cannot read: read off its tokeniser, and off the letters they are written in."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from dinolabel.vision.errors import PromptUnknown

FILE = "tokenizer.json"


def find_unknown_phrases(phrases: Iterable[str], encode: Callable[[str], Sequence[int]], unknown_id: int | None) -> tuple[str, ...]:
    """Those of which every token is the unknown one: to the model they are all the same word. encode: ids of a phrase, no marks around."""
    return tuple(each for each in phrases if (ids := encode(each)) and all(found == unknown_id for found in ids))


def find_unknown_phrases_by_weights(folder: Path, phrases: Iterable[str]) -> tuple[str, ...]:
    """The same by the tokeniser's file in a folder of weights, without loading them; () where there is none to ask."""
    if not (folder / FILE).is_file():
        return ()
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / FILE))
    token = getattr(tokenizer.model, "unk_token", None)
    if token is None:
        return ()
    return find_unknown_phrases(phrases, lambda each: tokenizer.encode(each, add_special_tokens=False).ids, tokenizer.token_to_id(token))


def refuse_unknown(phrases: Sequence[str]) -> None:
    """Raises PromptUnknown, by name, for what `find_unknown_phrases` found; nothing when that is nothing."""
    if phrases:
        raise PromptUnknown(f"The detector knows no word of {' and '.join(f'“{each}”' for each in phrases)}.")


def foreign_phrases(phrases: Iterable[str]) -> tuple[str, ...]:
    """Those with a letter that is not Latin."""
    return tuple(each for each in phrases if any(letter.isalpha() and "LATIN" not in unicodedata.name(letter, "LATIN") for letter in each))
