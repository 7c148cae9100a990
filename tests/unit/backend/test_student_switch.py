"""A published student is switched to as a head is: every task filled first, then shown; and back again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.vision.students.student import Student
from tests import waiting
from tests.doubles.scripted_studio import CONFIG
from tests.tiny_models import tiny_student


@pytest.fixture
def student(tmp_path: Path) -> Student:
    """Of random weights, which finds the project's label nearly everywhere."""
    folder = tiny_student(tmp_path / "student")
    card = json.loads((folder / "student.json").read_text())
    phrases = dict(LabelConfig.parse(CONFIG).prompt_map)
    card |= {"phrases": phrases, "labels": [*dict.fromkeys(phrases.values()), "b", "c"][:3], "threshold": 0.05}
    (folder / "student.json").write_text(json.dumps(card))
    made = Student.load(folder)
    made.save(folder)
    return Student.load(folder)


def test_there_and_back(world, student: Student) -> None:
    number = world.project(3)
    service, name = world.service(), str(number)
    waiting.until_in_step(service, number, visits=20)
    before = world.studio.projects.get(number).model_version
    made = world.store.students.publish(name, student)
    assert world.store.students.current(name) is None
    waiting.until_in_step(service, number, visits=20)
    after = world.studio.projects.get(number).model_version
    assert after.startswith("student-gdino-tiny.")
    assert world.store.students.current(name) == made
    assert all(after in world.studio.versions_of(task) for task in world.ids(number))
    world.store.students.pin(name, "teacher")
    waiting.until_in_step(service, number, visits=20)
    assert world.studio.projects.get(number).model_version == before
    assert world.store.students.current(name) is None


def test_until_it_is_shown_setup_says_the_earlier_version(world, student: Student) -> None:
    from dinolabel.backend.payloads import SetupRequest

    number = world.project(2)
    service = world.service()
    waiting.until_in_step(service, number, visits=20)
    asked = SetupRequest(number, CONFIG)
    before = service.setup(asked)
    world.store.students.publish(str(number), student)
    assert service.setup(asked) == before
    waiting.until_in_step(service, number, visits=20)
    assert service.setup(asked) == world.studio.projects.get(number).model_version != before
