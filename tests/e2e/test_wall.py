"""The wall in real Chromium on a real Label Studio: groups named by keys, what Label Studio then has, and the way back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from dinolabel import Pipeline
from dinolabel.demo import screens
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.label_configs.label_config import LabelConfig, build
from dinolabel.studio.regions.notes import find_note
from dinolabel.studio.regions.writing import to_prediction, to_result
from dinolabel.studio.reviews.annotations import GROUPED
from dinolabel.studio.reviews.decisions import review_task
from tests.e2e.started import until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
SCENES = sorted((Path(__file__).resolve().parents[2] / "dinolabel" / "nano" / "demo").glob("*.jpg"))[:8]
VERSION = "detect-1"


@dataclass(frozen=True)
class Hung:
    """A project with predictions, and its wall."""

    studio: LabelStudio
    project: int
    url: str
    process: subprocess.Popen[str]

    @property
    def config(self) -> LabelConfig:
        return LabelConfig.parse(self.studio.projects.get(self.project).label_config)

    def bodies(self) -> list[dict[str, Any]]:
        return list(self.studio.projects.task_bodies(self.project))


def labels(result: list[dict[str, Any]]) -> list[str]:
    return [each["value"]["rectanglelabels"][0] for each in result]


@pytest.fixture
def environment(studio: LabelStudio, studio_server: Any, tmp_path: Path) -> dict[str, str]:
    at = {"DINOLABEL_STUDIO_URL": studio.url, "DINOLABEL_STUDIO_TOKEN": studio_server.token, "DINOLABEL_DATA_DIR": str(tmp_path / "data")}
    return {**os.environ, **at, "DINOLABEL_DETECTOR_WEIGHTS": "nano", "DINOLABEL_EMBEDDER_WEIGHTS": "nano"}


@pytest.fixture
def hung(studio: LabelStudio, project_of: Callable[[str], int], environment: dict[str, str]) -> Iterator[Hung]:
    number = project_of(build({"cat face": "cat face"}, ["tom", "felix"]))
    tasks = studio.tasks.upload_images(number, SCENES)
    config, pipeline = LabelConfig.parse(studio.projects.get(number).label_config), Pipeline.load("nano")
    found = [pipeline.predict([scene], config.prompt, labels=config.prompt_map)[0] for scene in map(_open, SCENES)]
    made = [
        to_prediction(
            task, to_result(boxes, config, width=_open(scene).width, height=_open(scene).height, task=task, version=VERSION), VERSION
        )
        for task, scene, boxes in zip(tasks, SCENES, found, strict=True)
    ]
    studio.predictions.import_many(number, made)
    studio.projects.set_model_version(number, VERSION)
    command = [sys.executable, "-P", "-m", "dinolabel", "names", "wall", "--project", str(number), "--port", "0", "--no-browser"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        url = (process.stdout.readline() if process.stdout else "").strip()
        assert url.startswith("http://127.0.0.1:"), f"the wall did not start: {process.poll()}"
        try:
            yield Hung(studio, number, url, process)
        finally:
            process.terminate()
            process.wait(60)


def _open(path: Path) -> Any:
    from dinolabel.vision.decoding.pictures import open_image

    return open_image(path)


@pytest.fixture
def page(hung: Hung) -> Iterator[Page]:
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=screens.chromium(), args=screens.FLAGS)
        made = chromium.new_page(viewport={"width": 1200, "height": 850})
        errors: list[str] = []
        made.on("pageerror", lambda error: errors.append(str(error)))
        made.goto(hung.url)
        expect(made.locator("#left")).to_contain_text("to name")
        yield made
        assert not errors
        chromium.close()


def decide_everything(page: Page) -> None:
    """The first group is tom, and what the wall suggests on the first page; all others are felix."""
    page.keyboard.press("1")
    expect(page.locator("#message")).to_contain_text("tom")
    if page.locator(".pile").count():
        page.keyboard.press("Enter")
    for _ in range(60):
        page.wait_for_timeout(300)
        if page.locator("#left").inner_text() == "Every crop is decided.":
            return
        page.keyboard.press("Escape" if page.locator(".pile").count() else "2")
    raise AssertionError(f"still {page.locator('#left').inner_text()}")


def test_groups_are_named_by_keys_and_label_studio_knows(hung: Hung, page: Page) -> None:
    person = next(each for each in hung.bodies() if each["predictions"][0]["result"])
    decide_everything(page)
    until(lambda: all(each["annotations"] for each in hung.bodies() if each["predictions"][0]["result"]), seconds=120)
    for body in hung.bodies():
        review = review_task(body, hung.config)
        approved = [each for each in review.boxes if each.verdict == "approved"]
        assert len(approved) == len(body["predictions"][0]["result"])
        assert all(each.label in ("tom", "felix") for each in approved)
        if approved:
            assert review.state() == "undecided"  # its names teach; nobody looked at the whole picture
            assert all(find_note(each, GROUPED) and each["origin"] for each in body["annotations"][0]["result"])
        assert not [each for each in review.boxes if each.verdict == "rejected"]

    # A person opens one in the editor and submits: it is looked at.
    task = next(each for each in hung.bodies() if each["id"] == person["id"])
    hung.studio.api.json(
        "PATCH", f"/api/annotations/{task['annotations'][0]['id']}/", json={"result": task["annotations"][0]["result"], "lead_time": 3.0}
    )
    assert review_task(hung.studio.tasks.get(task["id"]), hung.config).state() == "looked at"

    # The last answers are taken back: their annotations go, their boxes have their label again, the person's stays.
    before = {each["id"] for each in hung.bodies() if each["annotations"]}
    for _ in range(20):
        page.keyboard.press("u")
        page.wait_for_timeout(150)
    expect(page.locator("#left")).to_contain_text("to name")
    until(lambda: {each["id"] for each in hung.bodies() if each["annotations"]} != before, seconds=60)
    until(lambda: page.locator("#sync").inner_text() == "" or "left alone" in page.locator("#sync").inner_text(), seconds=60)
    for body in hung.bodies():
        if body["id"] == person["id"]:
            assert body["annotations"]
        elif not body["annotations"]:
            assert "cat face" in labels(body["predictions"][0]["result"]) or not body["predictions"][0]["result"]


def test_a_new_name_is_asked_about_and_a_task_that_a_person_took_meanwhile_is_left(hung: Hung, page: Page) -> None:
    first = page.evaluate("fetch('/api/groups?from=0').then(r => r.json()).then(t => t.groups[0].crops.map(c => c.task))")
    taken = hung.studio.tasks.get(first[0])
    hung.studio.annotations.create(first[0], taken["predictions"][0]["result"], lead_time=4.0)
    page.on("dialog", lambda dialog: dialog.accept())
    page.keyboard.press("Enter")
    page.keyboard.type("maria")
    page.keyboard.press("Enter")
    expect(page.locator("#names")).to_contain_text("maria")
    assert "maria" in hung.config.learnt
    until(lambda: "left alone" in page.locator("#sync").inner_text(), seconds=60)
    assert "a person submitted it" in page.locator("#sync").inner_text()
    assert len(hung.studio.tasks.get(first[0])["annotations"]) == 1


def test_a_wall_that_is_ended_tells_label_studio_first(hung: Hung) -> None:
    crop = json.load(urllib.request.urlopen(f"{hung.url}api/groups?from=0"))["groups"][0]["crops"][0]
    body = json.dumps({"kind": "name", "name": "tom", "crops": [[crop["task"], crop["region"]]]}).encode()
    asked = urllib.request.Request(f"{hung.url}api/answers", body, {"Content-Type": "application/json"})
    assert json.load(urllib.request.urlopen(asked))["crops"] == 1
    hung.process.terminate()
    assert hung.process.wait(60) == 0
    named = labels(hung.studio.tasks.get(crop["task"])["predictions"][0]["result"])
    assert "tom" in named


def test_all_like_one_box_are_found_and_stand_in_a_tab(hung: Hung, environment: dict[str, str]) -> None:
    task = next(each for each in hung.bodies() if len(each["predictions"][0]["result"]) > 1)
    command = [sys.executable, "-P", "-m", "dinolabel", "find", "--json", "--project", str(hung.project), "--task", str(task["id"])]
    asked = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert asked.returncode != 0 and "--region" in asked.stderr  # which of them?
    command += ["--region", task["predictions"][0]["result"][0]["id"], "--below", "0.1"]
    told = json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    likeness = [each["likeness"] for each in told["found"]]
    assert likeness == sorted(likeness, reverse=True) and task["id"] not in [each["task"] for each in told["found"]]
    tab = next(each for each in hung.studio.tabs.list(hung.project) if str(each["id"]) == told["tab"].rpartition("=")[2])
    assert len(tab["data"]["filters"]["items"]) == len(told["found"])
