"""What `import` could not read of a picture is noted in a region, and counts until a person submitted the annotation."""

from __future__ import annotations

from typing import Any

import pytest

from dinolabel.studio.regions.unread import Unread
from dinolabel.studio.reviews.annotations import PARTLY, imported_in_part

NOTE = f"{PARTLY}: 1 outline"
FOUND = (Unread("a", "imported in part", NOTE),)


@pytest.mark.parametrize(
    ("meta", "more", "expected"),
    [
        ({"text": [NOTE]}, {}, FOUND),
        ({"text": ["imported from coco: old", NOTE]}, {}, FOUND),
        ({"text": NOTE}, {}, FOUND),  # as the editor's own field once kept it
        ({"text": [NOTE]}, {"lead_time": 3.0}, ()),
        ({"text": ["imported from coco: old"]}, {}, ()),
        ({"text": None}, {}, ()),
        (None, {}, ()),
        ("imported in part", {}, ()),
    ],
)
def test_the_note_counts_until_somebody_submits(meta: Any, more: dict[str, Any], expected: tuple[Unread, ...]) -> None:
    assert imported_in_part({"id": 1, "result": [{"id": "a", "meta": meta}, "damaged"], "lead_time": None, **more}) == expected
