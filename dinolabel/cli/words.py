"""Text of the command line: what a person types after --prompt and --names, read; counts and lists in words, written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dinolabel.studio.label_configs.label_names import normalise_name
from dinolabel.vision.errors import PromptMissing, RequestError
from dinolabel.vision.types import Prompt


def prompt_map(texts: Iterable[str]) -> dict[str, str]:
    """phrase -> label. `cat face` is both; `dog=dog face, puppy` calls two phrases dog; commas and full stops separate.

    Raises PromptMissing when no words are left, RequestError when one phrase is given to two labels.
    """
    found: dict[str, str] = {}
    for text in texts:
        label, _, phrases = text.rpartition("=")
        label = normalise_name(label)
        if "=" in text and not label:
            raise RequestError(
                f"The prompt {text!r} has no label before the =.", hint='Write label=phrase, for example "dog=dog face, puppy".'
            )
        for phrase in Prompt.parse(phrases).phrases:
            first = found.setdefault(phrase, label or phrase)
            if first != (label or phrase):
                message = f"The phrase {phrase!r} is given to both {first!r} and {label or phrase!r}."
                raise RequestError(message, hint="Give it to one.")
    if not found:
        raise PromptMissing("There is nothing to look for: no --prompt was given.")
    return found


def names(texts: Iterable[str], *, labels: Iterable[str] = (), look_alikes: bool = False) -> list[str]:
    """`tom,felix` as a list, in order. look_alikes: take `Tom` beside `tom`, for who asks about it.

    Raises RequestError for a name given twice or one that is a prompt's label already.
    """
    found = [name for text in texts for each in re.split(r"[,;\n]", text) if (name := normalise_name(each))]
    taken = {each.casefold(): "a prompt's label" for each in labels}
    for name in found:
        key = name if look_alikes else name.casefold()
        if key in taken:
            raise RequestError(f"The name {name!r} is {taken[key]} already.", hint="Every label must differ from the others.")
        taken[key] = "given"
    return found


def join_words(words: Sequence[str], *, last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`: for sentences."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def count_noun(number: int, noun: str, plural: str | None = None) -> str:
    """`1 picture`, `2,000 pictures`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """`40 s`, `3 min`, `1 h 20 min`: as exact as an estimate deserves."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def size(count: float) -> str:
    """Bytes as `640 kB`, `18 MB`, `1.2 GB`."""
    for unit, limit in (("B", 1e3), ("kB", 1e6), ("MB", 1e9)):
        if count < limit:
            return f"{count / (limit / 1e3):.0f} {unit}"
    return f"{count / 1e9:.1f} GB"
