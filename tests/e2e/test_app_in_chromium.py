"""The app as a person meets it: in Chromium, with a picture, words, a slider and a trained head."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import PIL.Image
import PIL.ImageDraw
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from dinolabel.app.page import page as app_page
from dinolabel.app.page import serve
from dinolabel.app.tabs.image import ImageRequest, ImageResult, ImageTab
from dinolabel.demo.screens import FLAGS, chromium
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.proposals.candidates import Candidate
from dinolabel.vision.storage.cache import Cache
from dinolabel.vision.types import Box
from tests.doubles.scripted_models import BLUE, RED, ColourEmbedder, ScriptedDetector, colour_bundle

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("app")
    detector = ScriptedDetector(Candidate(Box(20, 20, 60, 60), "cat", 0.9, 0.5), Candidate(Box(100, 20, 140, 60), "cat", 0.4, 0.3))
    store = BundleStore(folder / "bundles")
    store.publish("3", colour_bundle(tom=RED))
    running = serve(
        app_page(Pipeline(detector, ColourEmbedder(), cache=Cache(folder / "cache.sqlite", max_mb=16)), store), host="127.0.0.1", port=0
    )
    yield running.url
    running.close()


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    picture = PIL.Image.new("RGB", (160, 120), (128, 128, 128))
    PIL.ImageDraw.Draw(picture).ellipse((20, 20, 60, 60), fill=RED)
    PIL.ImageDraw.Draw(picture).ellipse((100, 20, 140, 60), fill=BLUE)
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    picture.save(path)
    return path


@pytest.fixture
def browser_page() -> Iterator[Page]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser.new_page(viewport={"width": 1400, "height": 900})
        browser.close()


def test_a_person_tries_it(browser_page: Page, url: str, photo: Path) -> None:
    hosts: set[str] = set()
    complaints: list[str] = []
    browser_page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    browser_page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    browser_page.goto(url)
    status = browser_page.locator("#status")
    expect(status).to_contain_text("Add a picture", timeout=30_000)

    find = browser_page.get_by_role("button", name="Find")
    expect(find).to_be_disabled()
    expect(browser_page.get_by_role("button", name="Save JSON")).to_be_disabled()
    browser_page.locator(".gallery-item").first.click()
    expect(browser_page.get_by_label("What to look for")).to_have_value("cat face, dog face")
    expect(find).to_be_enabled()
    browser_page.get_by_label("What to look for").fill("")
    expect(find).to_be_disabled()

    browser_page.locator("input[type=file]").first.set_input_files(photo)
    expect(status).to_contain_text("say what to look for")
    browser_page.get_by_label("What to look for").fill("cat")
    browser_page.get_by_role("button", name="Find").click()
    expect(status).to_contain_text("2 found")
    expect(browser_page.locator("#found img")).to_be_visible()
    expect(browser_page.get_by_role("button", name="Save JSON")).to_be_enabled()

    browser_page.get_by_label("number input for Box threshold").fill("0.5")
    browser_page.get_by_label("number input for Box threshold").press("Enter")
    expect(status).to_contain_text("1 found")

    browser_page.get_by_label("Names").click()
    browser_page.get_by_role("option", name="Project 3").first.click()
    expect(status).to_contain_text("1 named")
    before = browser_page.locator("#found img").get_attribute("src")
    browser_page.get_by_role("gridcell", name="tom").first.click()
    expect(browser_page.locator("#why")).to_contain_text("tom: most like")
    expect(browser_page.locator("#found img")).not_to_have_attribute("src", str(before))

    assert {host for host in hosts if host} == {urlsplit(url).netloc}, "everything comes from the app itself"
    assert complaints == []


AGAIN = ImageTab.refresh_from_cache
SLIDE = """async (slider, places) => {
  for (const place of places) {
    slider.value = place; slider.dispatchEvent(new Event('input', { bubbles: true }));
    for (let i = 0; i < 8; i++) await Promise.resolve();  // less than Gradio needs to note that it has asked
  }
}"""


@dataclass
class Held:
    """Holds back the first answer to a place of the slider until one to its last place has come. raced: that came to pass."""

    newest: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    asked: list[float] = field(default_factory=list)
    raced: bool = False

    def answer(self, tab: ImageTab, path: str | None, ask: ImageRequest) -> ImageResult:
        self.asked.append(ask.box)
        held = ask.box == 0.35 and self.asked.count(0.35) == 1
        if held:
            self.raced = self.newest.wait(8)  # in vain where Gradio takes the other one of the two for its last request
        look = AGAIN(tab, path, ask)
        if ask.box == 1:
            self.newest.set()
        if held:
            self.done.set()
        return look


def test_a_late_answer_to_an_old_question_does_not_stay(browser_page: Page, url: str, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser_page.goto(url)
    status = browser_page.locator("#status")
    expect(status).to_contain_text("Add a picture")
    browser_page.locator("input[type=file]").first.set_input_files(photo)
    expect(status).to_contain_text("say what to look for")
    browser_page.get_by_label("What to look for").fill("cat")
    browser_page.get_by_role("button", name="Find").click()
    slider = browser_page.get_by_label("range slider for Box threshold").locator("visible=true")
    for _ in range(10):
        expect(status).to_contain_text("2 found")
        held = Held()
        monkeypatch.setattr(ImageTab, "refresh_from_cache", lambda tab, path, ask, held=held: held.answer(tab, path, ask))
        slider.evaluate(SLIDE, [0.34, 0.35])
        browser_page.wait_for_timeout(300)
        slider.evaluate(SLIDE, [1.0])
        assert held.done.wait(60), held.asked
        browser_page.wait_for_timeout(500)
        expect(status).to_contain_text("Nothing scores 1.00")
        if held.raced:
            return
        slider.evaluate(SLIDE, [0.3])
    pytest.fail("the two answers never came the other way round, so this showed nothing")
