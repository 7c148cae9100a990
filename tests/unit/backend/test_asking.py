"""Being asked: as many answers as tasks, in time, the rest in the background, and never a queue that nobody sees the end of."""

from __future__ import annotations

import threading
import time

import pytest

from dinolabel.backend.inference.predictor import Deadlines
from dinolabel.backend.payloads import PredictRequest, SetupRequest, TaskPayload
from tests.doubles.coloured_things import GREEN, RED, bundle
from tests.doubles.scripted_studio import CONFIG
from tests.waiting import eventually

INTERACTIVE = {"context": {"result": [{"id": "prompt", "type": "rectanglelabels"}]}}


def asked(world, project: int, count: int, **how) -> PredictRequest:
    tasks = tuple(TaskPayload(each.id, each.data) for each in world.studio.tasks.list(project)[:count])
    return PredictRequest(project, CONFIG, tasks, **how)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_as_many_as_there_were_in_order(world, count: int) -> None:
    project = world.project(5)
    service = world.service()
    question = asked(world, project, count)
    answer = service.predict(question)
    assert len(answer["results"]) == count
    version = service.setup(SetupRequest(project, CONFIG))
    assert answer["model_version"] == version
    assert all(each["model_version"] == version and len(each["result"]) == 2 for each in answer["results"])
    assert all(set(each) == {"result", "score", "model_version"} for each in answer["results"])


def test_five_hundred_at_once(world) -> None:
    project = world.project(500)
    begun = time.monotonic()
    answer = world.service(deadlines=Deadlines(batch=60)).predict(asked(world, project, 500))
    assert [len(each.get("result", [])) for each in answer["results"]] == [2] * 500
    assert time.monotonic() - begun < 60


def test_what_is_not_ready_is_empty_and_done_later(world) -> None:
    world.detector.seconds = 0.3
    project = world.project(16, attach=False)
    service = world.service(deadlines=Deadlines(batch=2.0))
    service.start()
    question = asked(world, project, 16)
    begun = time.monotonic()
    answer = service.predict(question)
    assert time.monotonic() - begun < 3
    ready = [bool(each) for each in answer["results"]]
    assert 0 < sum(ready) < 16 and ready == sorted(ready, reverse=True)
    eventually(lambda: world.detector.passes >= 16)
    world.detector.seconds = 0.0
    assert all(service.predict(question)["results"])
    assert world.detector.passes <= 20, "what was begun when the time was over may be looked at twice, nothing else"


def test_a_single_task_has_its_own_shorter_deadline(world) -> None:
    world.detector.seconds = 1.0
    project = world.project(1)
    begun = time.monotonic()
    answer = world.service(deadlines=Deadlines(single=0.2, batch=30)).predict(asked(world, project, 1))
    assert answer["results"] == [{}]
    assert time.monotonic() - begun < 0.9


def test_beyond_two_at_a_time_nothing_is_ready_at_once(world) -> None:
    world.detector.seconds = 0.4
    project = world.project(3)
    service = world.service(deadlines=Deadlines(single=5), most_requests=2)
    answers: list[float] = []

    def ask(index: int) -> None:
        task = world.studio.tasks.list(project)[index]
        begun = time.monotonic()
        results = service.predict(PredictRequest(project, CONFIG, (TaskPayload(task.id, task.data),)))["results"]
        answers.append(time.monotonic() - begun if results != [{}] else -(time.monotonic() - begun))

    threads = [threading.Thread(target=ask, args=(each,)) for each in range(3)]
    for each in threads:
        each.start()
        time.sleep(0.05)
    for each in threads:
        each.join(20)
    turned_away = [-each for each in answers if each < 0]
    assert len(turned_away) == 1 and turned_away[0] < 0.2
    assert service.predict(asked(world, project, 1))["results"] != [{}], "the places are given back"


def test_a_person_goes_before_the_filling(world) -> None:
    world.detector.seconds = 0.1
    project = world.project(40)
    other = world.project(1, attach=False)
    service = world.service(deadlines=Deadlines(single=8))
    service.start()
    eventually(lambda: world.detector.passes > 0)
    begun = time.monotonic()
    assert service.predict(asked(world, other, 1))["results"] != [{}]
    assert time.monotonic() - begun < 1.5
    assert world.studio.without_boxes(project), "the filling was still at work"


def test_an_interactive_answer_has_fresh_ids(world) -> None:
    project = world.project(1)
    service = world.service()

    def ids(**how) -> set[str]:
        return {each["id"] for each in service.predict(asked(world, project, 1, **how))["results"][0]["result"]}

    assert ids() == ids()
    assert not ids(params=INTERACTIVE) & ids(params=INTERACTIVE)


def test_one_bad_task_is_empty_and_the_rest_is_there(world) -> None:
    project = world.project(3)
    tasks = [*asked(world, project, 3).tasks]
    tasks[1] = TaskPayload(tasks[1].id, {"image": "/data/gone.png"})
    results = world.service().predict(PredictRequest(project, CONFIG, tuple(tasks)))["results"]
    assert [bool(each) for each in results] == [True, False, True]
    assert results[1] == {}


def test_a_project_nobody_attached_is_answered_with_its_newest_head(world) -> None:
    project = world.project(1, attach=False)
    service = world.service()
    before = service.setup(SetupRequest(project, CONFIG))
    world.store.publish(str(project), bundle({"jason": RED, "lacy": GREEN}))
    answer = service.predict(asked(world, project, 1))
    assert [each["value"]["rectanglelabels"] for each in answer["results"][0]["result"]] == [["jason"], ["lacy"]]
    assert answer["model_version"] == service.setup(SetupRequest(project, CONFIG)) != before
