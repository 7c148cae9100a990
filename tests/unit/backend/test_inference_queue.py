"""The queue before the models: one pass at a time, people first, those that ask the same together, late ones not at all, an end to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dinolabel.backend.errors import Busy, ServerStopping
from dinolabel.backend.inference.inference_queue import (
    FAIR_SHARE,
    FOR_PEOPLE,
    MOST_REQUESTS,
    MOST_WAITING,
    DetectOptions,
    InferenceQueue,
    Priority,
)
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.errors import ModelError
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.types import Image, Prompt, Thresholds
from tests.doubles.coloured_things import RED, ColourSense, ThingDetector, bundle, scene

DOG, CAT = DetectOptions(Prompt.of(["dog"])), DetectOptions(Prompt.of(["cat"]))
INTERACTIVE, REQUEST, BACKGROUND = Priority


class Bench:
    """A queue, the detector behind it, and its pictures. order: sha256 of what was looked at, pass by pass."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.detector, self.now, self.order = folder, ThingDetector(), 0.0, []
        plain = self.detector.candidates
        self.failing: set[str] = set()

        def candidates(images: Any, prompt: Any, **limits: Any) -> Any:
            self.order.append([each.sha256 for each in images])
            if self.failing & {each.sha256 for each in images}:
                raise ModelError("No.")
            return plain(images, prompt, **limits)

        self.detector.candidates = candidates  # type: ignore[method-assign]
        self.queue = InferenceQueue(Pipeline(self.detector, ColourSense(), batch_size=4), clock=lambda: self.now)

    def image(self, number: int) -> Image:
        return open_image(scene(self.folder, number))

    def ask(self, *numbers: int, options: DetectOptions = DOG, priority: Priority = REQUEST, **how: Any) -> list[Any]:
        return self.queue.submit([self.image(each) for each in numbers], options, priority=priority, **how)

    def looked_at(self) -> list[list[int]]:
        known = {self.image(each).sha256: each for each in range(12)}
        return [[known[each] for each in part] for part in self.order]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.queue.stop()


def test_people_go_first_then_requests_then_what_nobody_waits_for(bench: Bench) -> None:
    with bench.detector.held() as entered:
        first = bench.ask(0, priority=BACKGROUND)
        assert entered.wait(30)
        waiting = [*bench.ask(1, options=CAT, priority=BACKGROUND), *bench.ask(2, options=CAT, priority=REQUEST), *bench.ask(3)]
        waiting += bench.ask(4, options=DetectOptions(Prompt.of(["bird"])), priority=INTERACTIVE)
    assert all(len(each.result(30)) == 2 for each in [*first, *waiting])
    assert bench.looked_at() == [[0], [4], [2, 1], [3]], "what asks the same comes along"


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        ((DOG, DOG, DOG), [[0], [1, 2, 3]]),
        ((DOG, CAT, DOG), [[0], [1, 3], [2]]),
        ((DOG, DetectOptions(DOG.prompt, Thresholds(0.5)), DOG), [[0], [1, 3], [2]]),
        ((DOG, DetectOptions(DOG.prompt, keeps=True), DOG), [[0], [1, 3], [2]]),
        ((DOG, *(DetectOptions(DOG.prompt, bundle=bundle({"jason": RED})) for _ in range(2))), [[0], [1], [2], [3]]),
    ],
    ids=["the same", "other words", "other thresholds", "other use", "another project's head"],
)  # fmt: skip
def test_those_that_ask_the_same_share_a_pass(bench: Bench, options: tuple[DetectOptions, ...], passes: list[list[int]]) -> None:
    with bench.detector.held() as entered:
        first = bench.ask(0, options=CAT)
        assert entered.wait(30)
        waiting = [each for number, one in enumerate(options, 1) for each in bench.ask(number, options=one)]
    assert all(each.result(30) for each in [*first, *waiting])
    assert bench.looked_at() == passes


def test_a_pass_takes_as_many_as_the_models_do_and_one_is_at_it_at_a_time(bench: Bench) -> None:
    inside, most = [0], [0]

    def look() -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        threading.Event().wait(0.002)
        inside[0] -= 1

    bench.detector.looking = look
    answers = [each for number in range(10) for each in bench.ask(number, priority=Priority(number % 3))]
    assert all(each.result(30) for each in answers)
    assert most == [1] and max(map(len, bench.order)) <= 4


def test_who_waited_too_long_is_told_and_not_computed(bench: Bench) -> None:
    with bench.detector.held() as entered:
        first = bench.ask(0)
        assert entered.wait(30)
        (late,), (patient,), (gone,) = bench.ask(1, deadline=5.0), bench.ask(2, deadline=50.0), bench.ask(3)
        assert gone.cancel()
        bench.now = 10.0
    assert first[0].result(30) and patient.result(30)
    with pytest.raises(Busy, match="too long"):
        late.result(30)
    assert bench.looked_at() == [[0], [2]]


def test_what_waits_is_bounded_and_the_background_is_not_turned_away(bench: Bench) -> None:
    queue = InferenceQueue(bench.queue.pipeline, most_images=2, most_requests=1)
    with bench.detector.held() as entered:
        image = bench.image(0)
        queue.submit([image], DOG, priority=REQUEST)
        assert entered.wait(30)
        queue.submit([image] * 4, DOG, priority=BACKGROUND)
        queue.submit([image] * 2, DOG, priority=REQUEST)
        with pytest.raises(Busy, match="pictures"):
            queue.submit([image], DOG, priority=REQUEST)
        queue.submit([image] * 2, DOG, priority=INTERACTIVE)
        with pytest.raises(Busy, match="pictures"):
            queue.submit([image], DOG, priority=INTERACTIVE)
        with queue.admit(), pytest.raises(Busy, match="requests"), queue.admit():
            pytest.fail("one place was given twice")
        with queue.admit():  # the place is given back
            pass
    assert queue.stop()


def test_one_bad_picture_costs_no_other(bench: Bench) -> None:
    bench.failing = {bench.image(1).sha256}
    with bench.detector.held() as entered:
        bench.ask(9, options=CAT)
        assert entered.wait(30)
        good, bad, other = (bench.ask(number)[0] for number in range(3))
    assert good.result(30) and other.result(30)
    with pytest.raises(ModelError):
        bad.result(30)
    assert bench.ask(3)[0].result(30), "the queue lives on"


def test_the_end_answers_all_that_wait_and_waits_for_the_pass(bench: Bench) -> None:
    with bench.detector.held() as entered:
        running = bench.ask(0)[0]
        assert entered.wait(30)
        waiting = [*bench.ask(1), *bench.ask(2, priority=BACKGROUND)]
        assert not bench.queue.stop(0.0), "the pass is under way"
        for each in (running, *waiting):
            with pytest.raises(ServerStopping):
                each.result(0)
        with pytest.raises(ServerStopping):
            bench.ask(3)
    assert bench.queue.stop(30)
    assert bench.looked_at() == [[0]]


def test_programs_that_never_pause_do_not_stop_the_filling(bench: Bench) -> None:
    with bench.detector.held() as entered:
        bench.ask(0, options=DOG, priority=REQUEST)
        assert entered.wait(30)
        filling = bench.ask(1, options=CAT, priority=BACKGROUND)
        words = [DetectOptions(Prompt.of([f"thing {number}"])) for number in range(20)]
        asked = [bench.ask(2, options=each)[0] for each in words]
    assert filling[0].result(30)
    for each in asked:
        each.result(30)
    place = bench.looked_at().index([1])
    assert place == FAIR_SHARE, "one pass in so many is for what waits longest; with urgent ones in between"


def test_places_are_kept_for_people(bench: Bench) -> None:
    with ExitStack() as programs:
        for _ in range(MOST_REQUESTS - FOR_PEOPLE):
            programs.enter_context(bench.queue.admit())
        with pytest.raises(Busy), bench.queue.admit():
            pass
        with ExitStack() as people:
            for _ in range(FOR_PEOPLE):
                people.enter_context(bench.queue.admit(INTERACTIVE))
            with pytest.raises(Busy), bench.queue.admit(INTERACTIVE):
                pass


def test_a_person_is_not_refused_for_the_pictures_of_programs(bench: Bench) -> None:
    with bench.detector.held() as entered:
        bench.ask(0)
        assert entered.wait(30)
        waiting = [bench.ask(1)[0] for _ in range(MOST_WAITING)]
        with pytest.raises(Busy):
            bench.ask(2)
        person = bench.ask(2, options=CAT, priority=INTERACTIVE)
    assert person[0].result(30)
    for each in waiting:
        each.result(30)
