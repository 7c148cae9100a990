"""A mark in a picture that we could not use: while there is one, nobody may say of the picture that nothing else is in it.

Only the value; every reader of annotations (Label Studio's regions, files of other tools) makes it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unread:
    """region: the mark's id, or its place in a file. kind: what it is, in one or two words (`outline`, `brush`, `two names`); counted by.

    why: a short sentence without a full stop, for a person.
    """

    region: str
    kind: str
    why: str
