"""The table in docs/label-studio.md of what users suffer from: every row is there, and names tests that are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(r"^\| (\d+) \|(.*)\|$", (ROOT / "docs" / "label-studio.md").read_text(encoding="utf-8"), re.MULTILINE)
TESTS = [(number, name) for number, line in ROWS for name in re.findall(r"`(tests/[^`]+::[^`]+)`", line)]


def test_each_of_the_fourteen_has_one() -> None:
    assert {int(number) for number, _ in TESTS} >= set(range(1, 15))


@pytest.mark.parametrize(("number", "name"), TESTS)
def test_it_is_there(number: str, name: str) -> None:
    path, _, test = name.partition("::")
    assert re.search(rf"^def {re.escape(test)}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), name
