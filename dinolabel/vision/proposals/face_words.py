"""Words that mean a human face: the whole vocabulary of the detector `faces`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dinolabel.vision.errors import PromptUnknown

WORDS = frozenset(
    {"face", "faces", "human face", "human faces", "person face", "person's face", "people's faces", "face of a person", "faces of people"}
)


def is_face(phrase: str) -> bool:
    plain = " ".join(phrase.lower().replace("’", "'").split())
    return plain.removeprefix("a ").removeprefix("the ") in WORDS


def unknown_words(phrases: Iterable[str]) -> tuple[str, ...]:
    """Those that do not mean a human face; what holds no letter is no phrase."""
    return tuple(each for each in phrases if any(map(str.isalnum, each)) and not is_face(each))


def refuse_others(phrases: Sequence[str]) -> None:
    """Raises PromptUnknown, by name, for what `unknown_words` found; nothing when that is nothing."""
    if phrases:
        others = " and ".join(f"“{each}”" for each in phrases)
        hint = "Say “human face”; other things need another detector: --weights hub, or a folder of weights."
        raise PromptUnknown(f"The detector `faces` finds human faces only, not {others}.", hint=hint)
