"""Texts in tables that people open in a spreadsheet: no formula comes out, and the text comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinolabel.vision.storage.spreadsheet import FORMULA, from_cell, to_cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-cmd", "@SUM(A1)", "\t=1", "'=1", "''@x", "=HYPERLINK(1)"])
def test_what_a_spreadsheet_would_compute_becomes_text(text: str) -> None:
    assert to_cell(text) == "'" + text


@pytest.mark.parametrize("text", ["jason", "O'Hara", "'quoted'", "a=b", "", "3 cats"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert to_cell(text) == text == from_cell(text)


@given(st.text())
def test_each_text_comes_back_and_none_is_a_formula(text: str) -> None:
    assert from_cell(to_cell(text)) == text
    assert not to_cell(text).startswith(FORMULA)
