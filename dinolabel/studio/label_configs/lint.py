"""What in a label config may not be meant as it stands: names that are nearly alike, names that look like prompts.

A doubt is for a person to judge; nothing is refused because of it.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator

from dinolabel.studio.label_configs.label_config import LabelConfig

SHORTEST_FOR_TYPOS = 4
"""Shorter names are one letter apart by nature (Tom, Tim)."""
NOBODY = frozenset({"none", "nobody", "nothing", "other", "background", "na", "n a", "misc", "other person", "stranger"})
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")


def lint_config(config: LabelConfig) -> list[tuple[str, str]]:
    """(what is doubtful, what to do), in the order of the labels."""
    return [*_lint_similar(config), *_lint_prompts(config), *_lint_placeholders(config), *_lint_scripts(config)]


def _lint_similar(config: LabelConfig) -> Iterator[tuple[str, str]]:
    for one, other in itertools.combinations(config.labels, 2):
        if _bare(one) == _bare(other):
            yield f"{one!r} and {other!r} differ only in how they are written", "If they are one, remove the one without boxes."
        elif min(len(one), len(other)) >= SHORTEST_FOR_TYPOS and _one_typo(_bare(one), _bare(other)):
            yield f"{one!r} and {other!r} are one letter apart", "If one is a typing error, rename its boxes and remove it."


def _lint_prompts(config: LabelConfig) -> Iterator[tuple[str, str]]:
    if not config.generic:
        return  # every label is its own prompt then, and said to be so
    for name in config.learnt:
        for phrase, label in config.prompt_map.items():
            if set(_words(name)) <= set(_words(phrase)):
                yield (
                    f"the name {name!r} reads like the prompt {phrase!r} of {label!r}",
                    f'To look for it, write <Label value="{name}" predicted_values="{name}"/>; as a name to learn it is fine.',
                )
                break


def _lint_placeholders(config: LabelConfig) -> Iterator[tuple[str, str]]:
    for name in config.learnt:
        if " ".join(_words(name)) in NOBODY:
            yield f"the name {name!r} would be learnt like a person's", "For what is none of the names, call the label `unknown`."


def _lint_scripts(config: LabelConfig) -> Iterator[tuple[str, str]]:
    for label in config.labels:
        found = {script for letter in label for script in _SCRIPTS if unicodedata.name(letter, "").startswith(script)}
        if len(found) > 1:
            yield f"{label!r} mixes letters of {' and '.join(sorted(each.title() for each in found))}", "Type it anew on one keyboard."


def _words(text: str) -> list[str]:
    """Lower case, without accents and plural s, letters and digits only."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(each))
    return [re.sub(r"(?<=\w{3})(?<!s)s$", "", each) for each in re.findall(r"\w+", plain.replace("_", " "))]


def _bare(text: str) -> str:
    return "".join(_words(text))


def _one_typo(one: str, other: str) -> bool:
    """One letter more, less, other, or two neighbours swapped. Digits tell names apart on purpose: person1, person2."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    one, other = one[start:], other[start:]
    if any(each.isdigit() for each in one[:1] + other[:1]):
        return False
    swapped = one[:2] == other[1::-1] and one[2:] == other[2:]
    return one[1:] == other[1:] or one[1:] == other or one == other[1:] or (len(one) > 1 and swapped)
