"""Notes beside a region: one a line on the screen, read back whoever wrote them and however long ago."""

from __future__ import annotations

from typing import Any

import pytest

from dinolabel.studio.regions.notes import find_note, read_notes, write_notes
from dinolabel.studio.reviews.annotations import (
    ACCEPTED,
    PARTLY,
    UNVERIFIED,
    imported_in_part,
    is_auto_accepted,
    unverified,
)

LINES = "cat face 0.67\nperhaps felix 0.68\nmost like task 17 (0.30)\n"


def test_what_the_screen_runs_together_is_one_note_a_line() -> None:
    notes = ["cat face 0.67", "perhaps felix 0.68", "most like task 17 (0.30)"]
    written = write_notes(notes)
    assert "".join(written) == LINES  # as Label Studio prints the list
    assert list(read_notes({"meta": {"text": written}})) == notes and write_notes(read_notes({"meta": {"text": written}})) == written


@pytest.mark.parametrize(
    ("region", "notes"),
    [
        ({"meta": {"text": ["cat 0.6", "perhaps felix 0.5"]}}, ("cat 0.6", "perhaps felix 0.5")),  # of an earlier release
        ({"meta": {"text": ["cat 0.6", "perhaps felix 0.5\n"]}}, ("cat 0.6", "perhaps felix 0.5")),  # half and half
        ({"meta": {"text": "by hand\r\n"}}, ("by hand",)),
        ({"meta": {"text": ["", None, " \n", 7]}}, ("7",)),
        ({"meta": {"text": ["two\nlines"]}}, ("two\nlines",)),
        ({"meta": {"text": None}}, ()),
        ({"meta": {}}, ()),
        ({"meta": "x"}, ()),
        ({}, ()),
    ],
)
def test_notes_are_read_as_they_were_meant(region: dict[str, Any], notes: tuple[str, ...]) -> None:
    assert read_notes(region) == notes


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_marks_are_known_with_and_without_a_line_end(end: str) -> None:
    def region(mark: str) -> dict[str, Any]:
        return {"id": "r", "meta": {"text": [f"cat 0.6{end}", f"{mark}{end}"]}}

    assert is_auto_accepted(region(f"{ACCEPTED}: v ≥ 0.9")) and not is_auto_accepted(region(f"not {ACCEPTED}"))
    assert unverified(region(UNVERIFIED)) and not unverified(region(ACCEPTED))
    (left,) = imported_in_part({"result": [region(f"{PARTLY}: 1 outline")]})
    assert left.why == f"{PARTLY}: 1 outline"
    assert find_note(region("x"), "y") is None
