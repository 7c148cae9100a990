"""docs/glossary.md: short entries, no dead words in it, and every word of docs/design.md §10."""

from __future__ import annotations

import re

import pytest

from tests import docs

PAGE = docs.ROOT / "docs" / "glossary.md"
TEXT = PAGE.read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r"^### (.+)\n(.+)$", TEXT, re.MULTILINE))
TERMS = {term for heading in ENTRIES for term in re.split(r", | and ", heading.lower())}


def term(words: str) -> str:
    """As it stands in a heading: singular, small, without underscores."""
    plain = words.lower().replace("_", " ").strip()
    return next((each for each in (plain, plain.removesuffix("s"), f"{plain}s") if each in TERMS or each in map(str.lower, ENTRIES)), plain)


@pytest.mark.parametrize("heading", ENTRIES)
def test_an_entry_is_short(heading: str) -> None:
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z*`0-9])", ENTRIES[heading])
    assert len(sentences) <= 2 and len(ENTRIES[heading]) <= 260


def test_every_heading_has_one_entry() -> None:
    assert list(ENTRIES) == re.findall(r"^### (.+)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("words", sorted(set(re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", TEXT.partition("\n## ")[2]))))
def test_a_word_in_italics_is_explained(words: str) -> None:
    assert term(words) in TERMS | {each.lower() for each in ENTRIES}


def design_words() -> list[str]:
    """The words of docs/design.md §10, one by one."""
    design = (docs.ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    section = re.findall(r"^## 10\. .*\n(.*?)\nNot:", design, re.MULTILINE | re.DOTALL)[0]
    plain = re.sub(r"\([^)]*\)|`[^`]+`( / `[^`]+`)?", "", section).replace("\n", " ").rstrip(". ")
    return [word.strip() for word in re.split(r"·|,| and ", plain) if word.strip()]


@pytest.mark.parametrize("word", design_words())
def test_a_word_of_the_design_is_in_the_glossary(word: str) -> None:
    assert term(word) in TERMS


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_a_newcomers_page_leads_to_the_words(page: str) -> None:
    linked = {anchor for path, anchor in docs.links(docs.ROOT / page) if path.endswith("glossary.md")}
    assert {"", "head", "generic", "confidence"} <= linked
