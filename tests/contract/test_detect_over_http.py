"""`POST /v1/detect` over a real socket: what programs send, what they get, what they are refused; and Label Studio's boxes are the same."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests

from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.writing import regions
from dinolabel.vision.types import Image
from tests.doubles.coloured_things import GREEN, RED, bundle, scene
from tests.doubles.door import Door
from tests.doubles.scripted_studio import CONFIG
from tests.unit.backend.conftest import World
from tests.waiting import eventually

SECRET = "a-secret-with-ümlaut"
PROMPT = "human face"


@pytest.fixture
def door(world: World) -> Iterator[Door]:
    made = Door.at_work(world)
    yield made
    made.close()


def found(answer: requests.Response) -> list[list[dict[str, Any]]]:
    assert answer.status_code == 200, answer.text
    return [each["found"] for each in answer.json()["results"]]


def test_a_form_json_and_plain_bytes_say_the_same(world: World, door: Door) -> None:
    data = scene(world.photos, 1).read_bytes()
    by_form = door.detect(files={"image": ("a.png", data)}, data={"prompt": PROMPT})
    by_json = door.detect(json={"images": [{"base64": base64.b64encode(data).decode()}], "prompt": PROMPT})
    by_bytes = door.detect(data=data, params={"prompt": PROMPT}, headers={"Content-Type": "image/png"})
    assert found(by_form) == found(by_json) == found(by_bytes)
    assert [each["label"] for each in found(by_form)[0]] == [PROMPT, PROMPT]
    assert by_form.json()["results"][0]["width"] == 96


def test_answers_and_refusals_are_as_described(world: World, door: Door) -> None:
    told = door.session.get(door.server.url + "/v1/openapi.json", timeout=30).json()
    data = scene(world.photos, 1).read_bytes()
    answer = door.detect(files=[("image", ("a.png", data)), ("image", ("b.jpg", b"no picture"))], data={"prompt": PROMPT}).json()
    refusal = door.detect(files={"image": ("a.png", data)})
    components = {"components": told["components"]}
    jsonschema.validate(answer, {"$ref": "#/components/schemas/DetectAnswer", **components})
    jsonschema.validate(refusal.json(), {"$ref": "#/components/schemas/Refusal", **components})
    assert str(refusal.status_code) in told["paths"]["/v1/detect"]["post"]["responses"]


def test_one_bad_picture_costs_no_other(world: World, door: Door) -> None:
    good = scene(world.photos, 2).read_bytes()
    cut = good[: len(good) // 2]  # its header is whole: that it is cut short shows only when it is decoded
    files = [("image", (name, data)) for name, data in (("a.png", good), ("cut.png", cut), ("page.png", b"<html>"), ("d.png", good))]
    rows = door.detect(files=files, data={"prompt": PROMPT}).json()["results"]
    assert [sorted(row) for row in rows] == [
        ["found", "height", "width"],
        ["error", "hint"],
        ["error", "hint"],
        ["found", "height", "width"],
    ]
    assert rows[0] == rows[3]


@pytest.mark.parametrize("error", [ZeroDivisionError, TimeoutError])
def test_a_bug_met_by_one_picture_costs_no_other(world: World, door: Door, error: type[Exception]) -> None:
    good, bad = (scene(world.photos, each) for each in (2, 3))
    plain, digest = world.detector.candidates, sha256(bad.read_bytes()).hexdigest()

    def candidates(images: Sequence[Image], *given: Any, **named: Any) -> Any:
        if any(each.sha256 == digest for each in images):
            raise error
        return plain(images, *given, **named)

    world.detector.candidates = candidates  # type: ignore[method-assign]
    answer = door.detect(files=[("image", (each.name, each.read_bytes())) for each in (good, bad, good)], data={"prompt": PROMPT})
    assert [sorted(row)[0] for row in answer.json()["results"]] == ["found", "error", "found"]


@pytest.mark.parametrize(
    ("how", "status", "says"),
    [
        ({"data": {"prompt": PROMPT}}, 400, "no picture"),
        ({"json": {"images": [{"base64": ""}]}}, 422, "no prompt"),
        ({"json": [1]}, 400, "Expected a JSON object"),
        ({"json": {"images": "a.png", "prompt": PROMPT}}, 400, "`images` should be a valid list"),
        ({"json": {"images": [{"path": "/etc/passwd"}], "prompt": PROMPT}}, 400, "neither a url nor base64"),
        ({"json": {"images": [{"base64": "%%%"}], "prompt": PROMPT}}, 400, "`images[0].base64` is no base64"),
        ({"json": {"images": [{"url": "http://a/b.png"}] * 17, "prompt": PROMPT}}, 400, "at most 16 items, not 17"),
        (
            {"json": {"images": [{"base64": "aaaa"}], "prompt": PROMPT, "box_threshold": 3}},
            400,
            "`box_threshold` should be less",
        ),
        (
            {"json": {"images": [{"base64": "aaaa"}], "prompt": PROMPT, "box_threshold": "much"}},
            400,
            "`box_threshold` should be a valid",
        ),
        ({"json": {"images": [{"base64": "aaaa"}], "prompt": ",".join(f"a{n}" for n in range(301))}}, 400, "301 phrases are too many"),
        ({"json": {"images": [{"base64": "aaaa"}], "prompt": "a" * 10_001}}, 400, "at most 10000 characters"),
        ({"json": {"images": [{"base64": "aaaa"}], "project": "one"}}, 400, "Expected a project"),
    ],
)
def test_what_cannot_be_answered_says_why(door: Door, how: dict[str, Any], status: int, says: str) -> None:
    answer = door.detect(**how)
    assert (answer.status_code, says in answer.json()["error"]) == (status, True), answer.text


@pytest.mark.parametrize("url", ["/data/local-files/?d=secret.png", "file:///etc/passwd", "s3://bucket/a.png"])
def test_only_web_addresses_are_fetched(door: Door, url: str) -> None:
    (row,) = door.detect(json={"images": [{"url": url}], "prompt": PROMPT}).json()["results"]
    assert "http://" in row["error"]


def test_a_project_answers_as_label_studio_shows_it(world: World) -> None:
    number = world.project(2)
    world.store.publish(str(number), bundle({"jason": RED, "lacy": GREEN}))
    door = Door.at_work(world)
    try:
        eventually(lambda: door.service.reconcile(number).complete, 60)
        shown = world.studio.projects.get(number).model_version
        task = next(iter(world.studio.tasks.list(number)))
        (stored,) = [each for each in world.studio._tasks[task.id].predictions if each["model_version"] == shown]
        data = (world.photos / Path(task.data["image"]).name).read_bytes()
        answer = door.detect(files={"image": ("a.png", data)}, data={"project": str(number)})
    finally:
        door.close()
    assert answer.json()["model_version"] == shown
    theirs = {(each.label, each.box.quantise().xyxy) for each in regions(stored["result"], LabelConfig.parse(CONFIG))}
    assert {(each["label"], tuple(each["box"])) for each in found(answer)[0]} == theirs
    assert {label for label, _ in theirs} == {"jason", "lacy"}


def test_without_a_label_studio_there_are_no_projects(world: World) -> None:
    door = Door.at_work(world, studio=None)
    try:
        answer = door.detect(files={"image": ("a.png", scene(world.photos, 1).read_bytes())}, data={"project": "1"})
    finally:
        door.close()
    assert answer.status_code == 400 and "no Label Studio" in answer.json()["error"]


def test_the_secret_is_a_bearer_token_too(world: World) -> None:
    door = Door.at_work(world, secret=SECRET)
    try:
        how: dict[str, Any] = {"files": {"image": ("a.png", scene(world.photos, 1).read_bytes())}, "data": {"prompt": PROMPT}}
        statuses = [door.detect(headers={"Authorization": f"Bearer {each}".encode()}, **how).status_code for each in (SECRET, "wrong", "")]
    finally:
        door.close()
    assert statuses == [200, 401, 401]


def test_callers_at_once_share_passes(world: World, door: Door) -> None:
    pictures = [scene(world.photos, number).read_bytes() for number in range(8)]
    with ThreadPoolExecutor(8) as pool, world.detector.held() as entered:
        first = pool.submit(door.detect, files={"image": ("z.png", scene(world.photos, 9).read_bytes())}, data={"prompt": PROMPT})
        assert entered.wait(30)
        asked = [pool.submit(door.detect, files={"image": ("a.png", each)}, data={"prompt": PROMPT}) for each in pictures]
        eventually(lambda: door.service.queue.depth == 7, 60)  # the eighth has no thread before the first is answered
    assert first.result().status_code == 200 and world.detector.sizes[:2] == [1, 4], "four that waited are one pass"
    answers = [found(each.result()) for each in asked]
    assert [len(each[0]) for each in answers] == [2] * 8
    alone = [found(door.detect(files={"image": ("a.png", each)}, data={"prompt": PROMPT})) for each in pictures]
    assert answers == alone


def test_too_many_at_once_are_told_to_come_again(world: World, door: Door) -> None:
    data = scene(world.photos, 1).read_bytes()
    sixteen = [("image", (f"{n}.png", data)) for n in range(16)]
    with ThreadPoolExecutor(6) as pool, world.detector.held():
        asked = [pool.submit(door.detect, files=sixteen, data={"prompt": PROMPT}) for _ in range(6)]
        eventually(lambda: any(each.done() for each in asked), 60)
    statuses = [each.result().status_code for each in asked]
    assert 503 in statuses and 200 in statuses and set(statuses) == {200, 503}
    assert all(int(each.result().headers["Retry-After"]) > 0 for each in asked if each.result().status_code == 503)
