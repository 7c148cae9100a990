"""Whether a person's annotation holds a name, however it is written in it."""

from __future__ import annotations

from typing import Any

import pytest

from dinolabel.erasure.label_studio import holds
from dinolabel.erasure.text_search import Mention


@pytest.mark.parametrize(
    ("name", "region", "held"),
    [
        ("jason", {"value": {"rectanglelabels": ["jason"]}}, True),
        ("jason", {"meta": {"text": ["cat 0.9\n", "perhaps jason 0.4\n"]}}, True),
        ("jason", {"meta": {"text": "cat 0.9\njason was here"}}, True),  # a line end directly before it
        ("jason", {"meta": {"text": ["cat 0.9\n\njason"]}}, True),
        ('O\'Brien "Jr"', {"value": {"text": ['both quotes: O\'Brien "Jr"']}}, True),
        ("jason", {"meta": {"text": ["jasons\n"]}}, False),
        ("njason", {"meta": {"text": "cat\njason"}}, False),
        ("jason", {}, False),
    ],
)
def test_a_name_is_found_in_values_and_notes(name: str, region: dict[str, Any], held: bool) -> None:
    assert holds({"result": [region, "odd"]}, Mention([name])) is held
    assert holds({"result": None}, Mention([name])) is False
