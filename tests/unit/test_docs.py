"""What the docs tell people to type exists: commands parse, links lead somewhere, each line is run by a test or says why not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

import dinolabel.vision.errors
from dinolabel.__main__ import application
from dinolabel.docgen import error_codes as reference_errors
from tests import docs, docs_table

COMMANDS = [(page.relative_to(docs.ROOT).as_posix(), line) for page in docs.PAGES for line in docs.commands(page)]
OURS = sorted({line for _, line in COMMANDS if docs.words(line)[:1] == ["dinolabel"]})
NAMED = sorted({line for page in docs.PAGES for line in docs.inline(page)})
GENERATED = "reference.md"  # made from the commands themselves
ROOT = typer.main.get_command(application())


def found(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words begin with, and the rest of them."""
    command: Any = ROOT
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("line", OURS)
def test_a_command_is_taken_by_the_real_command_line(line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Command, options and the kinds of their values; nothing is run."""
    monkeypatch.chdir(tmp_path)
    command, rest = found(docs.words(line)[1:])
    assert command is not ROOT, f"there is no such command: {line}"
    command.make_context("dinolabel", rest)


@pytest.mark.parametrize("line", NAMED)
def test_a_command_in_a_sentence_is_there(line: str) -> None:
    """Its options too; arguments may be left out in a sentence."""
    command, rest = found(re.split(r"\s+", line)[1:])
    assert command is not ROOT or rest[0].startswith("--"), line
    options = {"--help"} | {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    assert not [each for each in rest if re.fullmatch(r"--[a-z-]+", each) and each not in options], line


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_each_line_is_run_or_says_why_not(page: str, line: str) -> None:
    test, reason = docs_table.run_by(page, line), docs_table.excepted(page, line)
    assert test or reason, "name its test, or the reason why there is none, in tests/docs_table.py"
    for each in re.findall(r"tests/[\w/.]+", f"{test or ''} {reason or ''}"):
        assert (docs.ROOT / each).exists(), each


@pytest.mark.parametrize("page", sorted({*docs_table.EXCEPTIONS, *docs_table.RUN_BY} - {"*"}))
def test_no_row_of_the_table_is_for_nothing(page: str) -> None:
    lines = docs.commands(docs.ROOT / page)
    for begin in (*docs_table.EXCEPTIONS.get(page, {}), *docs_table.RUN_BY.get(page, {})):
        assert any(line.startswith(begin) for line in lines), begin


def test_python_is_run_somewhere() -> None:
    pages = {block.page for page in docs.PAGES for block in docs.blocks(page) if block.kind == "python"}
    assert pages == set(docs_table.PYTHON)
    for test in docs_table.PYTHON.values():
        assert (docs.ROOT / test).exists()


@pytest.mark.parametrize("page", docs.PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in docs.links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {path}"
        if anchor:
            assert anchor in docs.anchors(target), f"{page.name}: {path}#{anchor}"


@pytest.mark.parametrize("page", [page for page in docs.PAGES if page.name not in ("README.md", GENERATED)], ids=lambda page: page.name)
def test_every_page_is_in_the_index(page: Path) -> None:
    index = docs.ROOT / "docs" / "README.md"
    assert page in {(index.parent / path).resolve() for path, _ in docs.links(index)}


def test_every_error_that_is_loaded_is_in_the_table() -> None:
    """The table is read off the source; here are classes that really are."""

    def below(kind: type) -> set[type]:
        return {each for own in kind.__subclasses__() for each in (own, *below(own))}

    ours = {each.__name__ for each in below(dinolabel.vision.errors.DinolabelError) if each.__module__.split(".")[0] == "dinolabel"}
    assert ours and ours <= set(reference_errors.names())


def test_every_error_is_in_troubleshooting_and_every_error_there_is_one() -> None:
    text = (docs.ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert told == set(reference_errors.names())
    spoken = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", text))
    assert spoken <= told, "a name that is none of our errors"


def test_what_doctor_is_said_to_print_is_what_it_looks_at() -> None:
    """Symptoms point to doctor's lines by the words in front of them."""
    sources = [*(docs.ROOT / "dinolabel" / "doctor").glob("*.py")]
    known = set(re.findall(r'"(?:ok|warn|bad)",\s*"([a-z ]+)"|level, "([a-z ]+)"', " ".join(each.read_text() for each in sources)))
    lines = {first or second for first, second in known} | {"detector", "embedder"}
    text = (docs.ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    named = set(re.findall(r"doctor: \*([a-z ]+)\*", text))
    assert named and named <= lines, named - lines


def test_a_page_is_read_as_people_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Continued lines, comments, settings in front, a pipe behind; no words of an output."""
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("# A (b)\n```sh\nA_B=1 dinolabel up \\\n  x   # why\nfound 2\n```\nsee `dinolabel app`, [up](#a-b)\n")
    assert docs.commands(page) == ["A_B=1 dinolabel up    x"]
    assert docs.words("A_B=1 dinolabel up x > log &") == ["dinolabel", "up", "x"]
    assert docs.inline(page) == ["dinolabel app"]
    assert list(docs.links(page)) == [("", "a-b")] and docs.anchors(page) == {"a-b"}
    assert docs_table.run_by("page.md", "dinolabel up") is None
