"""The journal: every answer kept, shared by all, undone one by one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from dinolabel.vision.errors import RequestError
from dinolabel.wall.journal import Answer, Journal

A, B = (1, "a"), (2, "b")
PLACE = (0.1, 0.1, 0.5, 0.5)


def named(name: str, *crops: tuple[int, str], who: str = "jason") -> Answer:
    return Answer(0, "name", crops, name, who, "groups", places=(PLACE,) * len(crops))


def test_the_last_answer_counts_and_undo_brings_the_one_before_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "1.jsonl")
    journal.append(named("maria", A, B))
    journal.append(named("lacy", A))
    assert journal.states()[A].decision.name == "lacy"
    assert journal.undo("jason").undoes == 2
    assert journal.states()[A].decision.name == "maria"
    assert journal.undo("jason").undoes == 1
    assert journal.states() == {}
    assert journal.undo("jason") is None


def test_everybody_takes_back_only_their_own(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "1.jsonl")
    journal.append(named("maria", A, who="jason"))
    journal.append(named("lacy", B, who="lacy"))
    journal.undo("jason")
    assert list(journal.states()) == [B]


def test_two_processes_see_each_other_and_number_answers_once(tmp_path: Path) -> None:
    one, other = Journal(tmp_path / "1.jsonl"), Journal(tmp_path / "1.jsonl")

    def write(journal: Journal, who: str) -> None:
        for _ in range(50):
            journal.append(named("maria", A, who=who))

    threads = [threading.Thread(target=write, args=(journal, who)) for journal, who in ((one, "jason"), (other, "lacy"))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.id for each in one.answers()] == list(range(1, 101))
    assert one.answers() == other.answers() == Journal(one.path).answers()


def test_a_line_that_was_cut_off_costs_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "1.jsonl")
    journal.append(named("maria", A))
    with journal.path.open("ab") as file:
        file.write(b'{"format": 1, "id": 2, "kind": "na')  # a full disk
    again = Journal(journal.path)
    again.append(named("lacy", B))
    assert [(each.name, each.crops) for each in Journal(journal.path).answers()] == [("maria", (A,)), ("lacy", (B,))]
    assert again.answers() == Journal(journal.path).answers()


def test_what_it_is_not_is_remembered_beside_what_it_is(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "1.jsonl")
    journal.append(Answer(0, "not this name", (A,), "maria", "jason"))
    journal.append(named("lacy", A))
    assert journal.states()[A].not_names == {"maria"}
    assert journal.states()[A].decision.name == "lacy"


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no answer 'delete'"):
        Journal(tmp_path / "1.jsonl").append(Answer(0, "delete", (A,)))  # type: ignore[arg-type]
    assert not (tmp_path / "1.jsonl").exists()
