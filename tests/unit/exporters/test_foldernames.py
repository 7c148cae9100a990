"""Names of folders that every file system takes."""

from __future__ import annotations

import pytest

from dinolabel.exporters.safe_names import digest, folder_names, safe


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("jason", "jason"),
        ("Anna Lena", "Anna Lena"),
        ("a/b", "a_b"),
        ("..", "__"),
        (".hidden", "_hidden"),
        ("CON", "_CON"),
        ("con", "_con"),
        ("com7", "_com7"),
        ("name.", "name_"),
        ("  a \n b ", "a b"),
        ("😀", "_"),
        ("", "_"),
        ("Jürgen 猫", "Jürgen 猫"),
        ("Ju\u0308rgen", "Jürgen"),
        ("x" * 300, "x" * 48),
    ],
)
def test_safe(label: str, expected: str) -> None:
    assert safe(label) == expected


def test_a_name_that_stays_as_it_is_has_no_digest() -> None:
    assert folder_names(["jason", "Anna Lena"]) == {"jason": "jason", "Anna Lena": "Anna Lena"}


def test_names_that_only_differ_by_case_or_by_what_was_replaced_stay_apart() -> None:
    names = folder_names(["Jason", "jason", "a/b", "a_b"])
    assert names == {
        "Jason": f"Jason-{digest('Jason')}",
        "jason": f"jason-{digest('jason')}",
        "a/b": f"a_b-{digest('a/b')}",
        "a_b": f"a_b-{digest('a_b')}",
    }


def test_order_and_repetition_do_not_count() -> None:
    assert folder_names(["b", "a", "b"]) == folder_names(["a", "b"])
