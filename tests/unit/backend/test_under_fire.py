"""Reconcile under fire: whatever happens in whatever order, and wherever it is killed, what should be is there in the end.

Seeds choose from what can happen to a project; after the last of it, quiet visits must lead to the one right state, with every
colleague's prediction as it was and never a task without boxes once there were some.
"""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import pytest

from dinolabel.backend.payloads import WebhookEvent
from tests.doubles.coloured_things import BLUE, GREEN, RED, bundle
from tests.doubles.scripted_studio import CONFIG
from tests.unit.backend.test_switch_steps import STEPS, Killed, killer, until_in_step

HEADS = [{"jason": RED, "lacy": GREEN}, {"jason": GREEN, "lacy": RED}, {"jason": RED}, {"lacy": BLUE}]
CONFIGS = [CONFIG, CONFIG.replace('value="thing"', 'value="object"'), CONFIG.replace("coloured thing", "bright thing")]
EVENTS = ["TASKS_CREATED", "ANNOTATION_CREATED", "ANNOTATIONS_DELETED", "PROJECT_UPDATED", "TASKS_DELETED", "NEVER_HEARD_OF"]


class Fire:
    """One project, and everything that can happen to it."""

    def __init__(self, world: Any, seed: int) -> None:
        self.world, self.chance = world, random.Random(seed)
        self.project = world.project(6)
        self.theirs = world.ids(self.project)[1]
        self.foreign = {"task": self.theirs, "result": [], "score": 0.5, "model_version": "yolo-7"}
        world.studio.predictions.import_many(self.project, [self.foreign])
        self.service = world.service()

    def visit(self) -> None:
        self.service.reconcile(self.project, seconds=self.chance.choice([0.0, 5.0]))

    def killed(self) -> None:
        step = self.chance.choice(STEPS)
        with suppress(Killed):
            self.world.service(listener=killer(step)).reconcile(self.project)
        self.service = self.world.service()

    def arrive(self) -> None:
        self.world.add(self.project, 1)

    def annotate(self) -> None:
        self.world.studio.annotate(self.chance.choice(self.world.ids(self.project)), ["jason"])

    def skip(self) -> None:
        self.world.studio.annotate(self.chance.choice(self.world.ids(self.project)), [], cancelled=True)

    def delete(self) -> None:
        """Also in the middle of a chunk: right before Label Studio looks at an import."""
        gone = self.chance.choice([each for each in self.world.ids(self.project) if each != self.theirs] or [None])
        if gone is None:
            return
        if self.chance.random() < 0.5:
            self.world.studio.remove_task(gone)
        else:
            self.world.studio.before_import.append(lambda: gone in self.world.ids(self.project) and self.world.studio.remove_task(gone))

    def publish(self) -> None:
        self.world.store.publish(str(self.project), bundle(self.chance.choice(HEADS)))

    def pin(self) -> None:
        heads = [each.id for each in self.world.store.history(str(self.project))]
        self.world.store.pin(str(self.project), self.chance.choice([*heads, None]))

    def configure(self) -> None:
        self.world.studio.set(self.project, label_config=self.chance.choice(CONFIGS))

    def event(self) -> None:
        """Twice, and about what never happened: events are hints."""
        event = WebhookEvent(self.chance.choice(EVENTS), self.project)
        self.service.event(event)
        self.service.event(event)

    def go(self, steps: int) -> list[str]:
        ways = [self.visit, self.visit, self.killed, self.arrive, self.annotate, self.skip]
        ways += [self.delete, self.publish, self.pin, self.configure, self.event]
        done = []
        for _ in range(steps):
            way = self.chance.choice(ways)
            done.append(way.__name__)
            way()
        return done


@pytest.mark.parametrize("seed", range(24))
def test_whatever_happens_the_right_state_comes(world: Any, seed: int) -> None:
    fire = Fire(world, seed)
    until_in_step(fire.service, fire.project)
    bare: list[int] = []
    known = set(world.ids(fire.project))
    world.studio.watchers.append(lambda: bare.extend(known & set(world.studio.without_boxes(fire.project))))
    done = fire.go(14)
    world.studio.watchers.clear()
    world.studio.before_import.clear()
    until_in_step(fire.service, fire.project)

    shown = world.studio.projects.get(fire.project).model_version
    rows = world.studio.tasks.list(fire.project)
    assert all(world.studio.versions_of(each.id).count(shown) == 1 for each in rows if not each.finished), done
    assert all(len(set(versions := world.studio.versions_of(each.id))) == len(versions) for each in rows), (done, "stored twice")
    assert world.store.current(str(fire.project)) == world.store.desired(str(fire.project)), done
    assert world.studio.versions_of(fire.theirs)[0] == "yolo-7", done
    assert bare == [], done


def test_projects_have_their_own_prompts_heads_and_pins_on_one_backend(world: Any) -> None:
    cats = world.project(2)
    dogs = world.project(2, label_config=CONFIG.replace("coloured thing", "bright thing").replace('value="thing"', 'value="dog"'))
    first = world.store.publish(str(dogs), bundle({"jason": RED, "lacy": GREEN}))
    world.store.publish(str(dogs), bundle({"jason": GREEN, "lacy": RED}))
    world.store.pin(str(dogs), first)
    service = world.service()
    for project in (cats, dogs):
        until_in_step(service, project)
    shown = {each: world.studio.projects.get(each).model_version for each in (cats, dogs)}
    assert len(set(shown.values())) == 2
    assert [world.studio.labels_of(each, shown[cats]) for each in world.ids(cats)] == [["thing", "thing"]] * 2
    assert [world.studio.labels_of(each, shown[dogs]) for each in world.ids(dogs)] == [["jason", "lacy"]] * 2
    assert (world.store.current(str(cats)), world.store.current(str(dogs))) == (None, first)


def test_a_project_deleted_in_the_middle_of_a_push_is_said(world: Any) -> None:
    project = world.project(3)
    world.studio.before_import.append(lambda: world.studio.remove_project(project))
    other = world.project(2)
    service = world.service()
    assert service.reconcile(project).state == "not_found"
    assert service.reconcile(other).complete
