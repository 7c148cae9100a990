"""Who is due when."""

from __future__ import annotations

from dinolabel.backend.reconciler.work_queue import LONGEST_REST, REST, WorkQueue


def test_newcomers_are_due_at_once_and_the_gone_are_forgotten() -> None:
    agenda = WorkQueue()
    assert agenda.retain([2, 1]) == []
    assert agenda.ready(0.0) == [1, 2]
    assert agenda.retain([2]) == [1]
    assert agenda.ready(0.0) == [2]


def test_planned_woken_and_brought_forward() -> None:
    agenda = WorkQueue()
    agenda.add_after(1, 60.0)
    agenda.add_after(2, 90.0)
    assert (agenda.ready(59.0), agenda.next_ready_at(1000.0)) == ([], 60.0)
    agenda.add_earlier(2, 30.0)
    agenda.add_earlier(1, 80.0)
    assert agenda.ready(60.0) == [1, 2]
    agenda.add_after(1, 60.0)
    agenda.add_after(2, 60.0)
    agenda.add(2)
    assert agenda.ready(1.0) == [2]
    agenda.add()
    assert agenda.ready(1.0) == [1, 2]


def test_a_long_visit_is_followed_by_a_rest_even_when_woken() -> None:
    agenda = WorkQueue()
    agenda.add_after(1, 0.0)
    agenda.rest(1, begun=100.0, ended=105.0)
    agenda.add(1)
    assert agenda.ready(105.0 + REST * 5 - 0.1) == []
    assert agenda.next_ready_at(1000.0) == 105.0 + REST * 5
    assert agenda.ready(105.0 + REST * 5) == [1]
    agenda.rest(1, begun=0.0, ended=1000.0)
    assert agenda.ready(1000.0 + LONGEST_REST) == [1]


def test_nobody_known_means_the_latest() -> None:
    assert WorkQueue().next_ready_at(60.0) == 60.0
