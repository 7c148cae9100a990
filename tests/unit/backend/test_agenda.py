"""Who is due when."""

from __future__ import annotations

from dinolabel.backend.agenda import LONGEST_REST, REST, Agenda


def test_newcomers_are_due_at_once_and_the_gone_are_forgotten() -> None:
    agenda = Agenda()
    assert agenda.keep([2, 1]) == []
    assert agenda.due(0.0) == [1, 2]
    assert agenda.keep([2]) == [1]
    assert agenda.due(0.0) == [2]


def test_planned_woken_and_brought_forward() -> None:
    agenda = Agenda()
    agenda.plan(1, 60.0)
    agenda.plan(2, 90.0)
    assert (agenda.due(59.0), agenda.next_at(1000.0)) == ([], 60.0)
    agenda.sooner(2, 30.0)
    agenda.sooner(1, 80.0)
    assert agenda.due(60.0) == [1, 2]
    agenda.plan(1, 60.0)
    agenda.plan(2, 60.0)
    agenda.wake(2)
    assert agenda.due(1.0) == [2]
    agenda.wake()
    assert agenda.due(1.0) == [1, 2]


def test_a_long_visit_is_followed_by_a_rest_even_when_woken() -> None:
    agenda = Agenda()
    agenda.plan(1, 0.0)
    agenda.visited(1, begun=100.0, ended=105.0)
    agenda.wake(1)
    assert agenda.due(105.0 + REST * 5 - 0.1) == []
    assert agenda.next_at(1000.0) == 105.0 + REST * 5
    assert agenda.due(105.0 + REST * 5) == [1]
    agenda.visited(1, begun=0.0, ended=1000.0)
    assert agenda.due(1000.0 + LONGEST_REST) == [1]


def test_nobody_known_means_the_latest() -> None:
    assert Agenda().next_at(60.0) == 60.0
