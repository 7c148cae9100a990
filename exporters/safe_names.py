"""Labels and region ids as names of folders and files, on every file system.

The true label is in the manifest; these names are for people who look into the folder.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable

LONGEST = 48  # characters: four UTF-8 bytes each stay below the 255 that file systems allow
RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}  # Windows


def folder_names(labels: Iterable[str]) -> dict[str, str]:
    """A folder name for each label: readable, and different even where case does not count.

    A name that had to change, or that another label shares, gets a short digest of its label, so none depends on what comes later.
    """
    plain = {label: safe(label) for label in set(labels)}
    shared = Counter(name.casefold() for name in plain.values())
    return {label: name if name == label and shared[name.casefold()] == 1 else f"{name}-{digest(label)}" for label, name in plain.items()}


def safe(text: str) -> str:
    """Letters, digits, `-`, `_` and single spaces of any script; the rest becomes `_`; never empty, reserved, hidden or long."""
    normal = " ".join(unicodedata.normalize("NFC", text).split())
    kept = "".join(each if each.isalnum() or each in "-_ " else "_" for each in normal)
    name = kept[:LONGEST].strip() or "_"
    return f"_{name}" if name.upper() in RESERVED else name


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
