"""When two spellings are one name: the same letters, however a keyboard, a Mac's file system or stray blanks store them.

Composed and decomposed accents are one name (Unicode's NFC); names that differ in case are two.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def normalise_name(name: str) -> str:
    """The form in which a new name is made: composed, without outer and double blanks."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def find_label(name: str, labels: Iterable[str]) -> str | None:
    """The label that a name is, spelled as the label is; None where there is none. One of exactly this spelling comes first."""
    known = list(labels)
    if name in known:
        return name
    wanted = normalise_name(name)
    return next((each for each in known if normalise_name(each) == wanted), None)


def look_alikes(name: str, labels: Iterable[str]) -> list[str]:
    """Labels that are other names and yet differ only in case, in blanks and signs that nobody
    sees, or in how their letters are written (wide, ligatures)."""
    wanted = _bare(name)
    return [each for each in labels if normalise_name(each) != normalise_name(name) and _bare(each) == wanted]


def _bare(name: str) -> str:
    """Without case, blanks, ways of writing, and signs that nobody sees."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(each for each in folded if not each.isspace() and unicodedata.category(each) != "Cf")
