"""Instructions of a project: every label with its key, safe as HTML, renewed with the labels and never over a person's words."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from dinolabel.studio.label_configs.instructions import LISTED, renew_instructions, write_instructions
from dinolabel.studio.label_configs.label_config import add_name, build
from dinolabel.studio.label_configs.rename import remove_label

XML = build({"cat face": "cat face"}, ["tom", "felix"])
TEXT = write_instructions(XML, next_key="n", submit_key="space")
HARD = ["O'Brien <b>Jr</b>", 'a "b" & c', "日本", "</p><script>x</script>"]


class Reader(HTMLParser):
    """The words and tags that a browser makes of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words, self.tags = "", set[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_it_says_what_to_do_and_which_key_is_which() -> None:
    words = Reader(TEXT).words
    for each in ("next box (n)", "backspace deletes", "Submit (space)", "0 cat face · 1 tom · 2 felix", "stays “cat face”"):
        assert each in words


@pytest.mark.parametrize("name", HARD)
def test_names_are_words_and_never_tags(name: str) -> None:
    page = Reader(write_instructions(build({"cat": "cat"}, [name]), next_key="alt+.", submit_key="ctrl+enter"))
    assert f"1 {name}" in page.words and page.tags <= {"p", "b", "i", "br"}


def test_many_names_do_not_make_it_a_wall() -> None:
    words = Reader(write_instructions(build({"cat": "cat"}, [f"n{each}" for each in range(100)]), next_key="n", submit_key="space")).words
    assert words.count(" · ") < LISTED and "n99" not in words


@pytest.mark.parametrize("name", ["maria", *HARD])
def test_it_follows_the_labels_and_the_way_back_is_the_same(name: str) -> None:
    more = renew_instructions(TEXT, add_name(XML, name))
    assert more is not None and f"3 {name}" in Reader(more).words and "Submit (space)" in Reader(more).words
    assert renew_instructions(more, add_name(XML, name)) is None, "nothing changed"
    assert renew_instructions(more, XML) == TEXT
    gone = renew_instructions(TEXT, remove_label(XML, "tom"))
    assert gone is not None and "tom" not in gone


@pytest.mark.parametrize(
    "theirs",
    [
        "",
        "Mark every cat.",
        TEXT.replace("deletes the box", "is your friend"),
        TEXT + "<p>And be quick.</p>",
        "<p>Read this first.</p>" + TEXT,
        TEXT.replace('title="dinolabel ', 'title="'),
    ],
)
def test_what_a_person_wrote_stays(theirs: str) -> None:
    assert renew_instructions(theirs, add_name(XML, "maria")) is None
