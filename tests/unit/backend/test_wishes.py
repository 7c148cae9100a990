"""Asked first: a new head waits for a yes, which only moves to that head; and the description tells verdicts only where it should."""

from __future__ import annotations

from typing import Any

from dinolabel.backend import desired_version
from tests.doubles.coloured_things import GREEN, RED, bundle
from tests.unit.backend.test_switch_steps import until_in_step


def test_a_head_waits_for_a_yes_and_then_is_shown(world: Any) -> None:
    project = world.project(2)
    service = world.service()
    until_in_step(service, project)
    before = world.studio.projects.get(project).model_version
    world.projects.update(project, publish="ask")
    head = world.store.publish(str(project), bundle({"jason": RED, "lacy": GREEN}))
    outcome = until_in_step(service, project)
    assert world.studio.projects.get(project).model_version == before
    assert head in outcome.note and "dinolabel heads approve" in outcome.hint
    world.projects.update(project, agreed=head)
    outcome = until_in_step(service, project)
    assert world.studio.projects.get(project).model_version != before and "waits" not in outcome.note
    newer = world.store.publish(str(project), bundle({"jason": GREEN, "lacy": RED}))
    until_in_step(service, project)
    assert world.store.current(str(project)) == head, "a yes is to one head"
    assert desired_version.awaiting_approval(world.projects.get(project), world.store) == newer


def test_a_pin_needs_no_yes(world: Any) -> None:
    project = world.project(1)
    world.projects.update(project, publish="ask")
    head = world.store.publish(str(project), bundle({"jason": RED, "lacy": GREEN}))
    world.store.pin(str(project), head)
    until_in_step(world.service(), project)
    assert world.store.current(str(project)) == head


def test_verdicts_are_told_in_the_description_where_asked_and_peoples_words_stay(world: Any) -> None:
    project = world.project(1)
    world.studio.set(project, description="Our party.\nAsk Kim.")
    service = world.service()
    world.store.add_verdict(str(project), {"at": "2026-11-22T12:00:00+00:00", "published": False, "reason": "Too few of lacy."})
    until_in_step(service, project)
    assert world.studio.projects.get(project).description == "Our party.\nAsk Kim."
    world.projects.update(project, describe=True)
    for _ in range(2):
        until_in_step(service, project)
    said = world.studio.projects.get(project).description
    assert said.startswith("Our party.\nAsk Kim.\n") and said.count("2026-11-22 12:00 not published: Too few of lacy.") == 1
    assert world.studio.calls.count("describe") == 1
    world.projects.update(project, describe=False)
    until_in_step(service, project)
    assert world.studio.projects.get(project).description == "Our party.\nAsk Kim."
