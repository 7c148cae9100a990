"""Names that may be one name written twice: Jon and John, `jon ` and Jon."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from itertools import combinations

CLOSE = 0.85  # ratio of Ratcliff and Obershelp (difflib) from which a person should look; Jon and John have 0.86
SHORTEST = 3  # letters; shorter names are alike by chance


def pairs(names: Iterable[str]) -> list[str]:
    """`one / other` for each pair that looks alike, sorted. Numbers at the end tell names apart: `cat 1` and `cat 2` are no pair."""
    found = [f"{one} / {other}" for one, other in combinations(sorted(set(names)), 2) if _alike(_plain(one), _plain(other))]
    return sorted(found)


def _alike(one: str, other: str) -> bool:
    if one == other:
        return True
    digits = [[each for each in name if each.isdigit()] for name in (one, other)]
    if digits[0] != digits[1] or min(len(one), len(other)) < SHORTEST:
        return False
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() >= CLOSE


def _plain(name: str) -> str:
    """Without case, accents, and what is neither letter nor digit."""
    bare = unicodedata.normalize("NFKD", name).casefold()
    return "".join(each for each in bare if each.isalnum())
