"""What is no JSON is a ValueError, however odd it is; and nothing of ours reads JSON past it."""

from __future__ import annotations

import re

import pytest

from dinolabel.vision.storage.json_text import parse_json
from tests.unit.test_imports import FILES, name_of

MAY = (
    "dinolabel/vision/storage/json_text.py",
    "dinolabel/vision/originals/groundingdino_package.py",
    "dinolabel/docgen/",
    "dinolabel/demo/",
)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, b"\xff", "", "{", "9" * 5000])
def test_what_is_none(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each reader says it in words of its own
        parse_json(text)


def test_the_rest_is_read_as_ever() -> None:
    assert parse_json(b'{"a": [1, null]}') == {"a": [1, None]}


def test_nothing_of_ours_reads_json_past_it() -> None:
    """json.loads lets a RecursionError out, which no reader expects."""
    past = [name_of(path) for path in FILES if re.search(r"\bjson\.loads?\(", path.read_text(encoding="utf-8"))]
    assert [each for each in past if not each.startswith(MAY)] == []
