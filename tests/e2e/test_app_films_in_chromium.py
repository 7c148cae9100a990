"""The app under real hands in Chromium: films run, cancelled, downloaded; wrong and huge files; several people; a restart; no weights."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dinolabel.app.page import RunningPage, serve
from dinolabel.app.page import page as app_page
from dinolabel.demo.screens import FLAGS, chromium
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.errors import WeightsMissing
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.storage.cache import Cache
from tests import waiting
from tests.doubles.drawn_films import Disc, DiscDetector, film
from tests.doubles.scripted_models import BLUE, RED, ColourEmbedder, colour_bundle

pytestmark = pytest.mark.e2e
LONG = 180_000


@dataclass
class App:
    """gate: closed, the detector waits before each pass. passes: how many it was asked for."""

    served: RunningPage
    store: BundleStore
    detector: DiscDetector
    gate: threading.Event = field(default_factory=threading.Event)

    @property
    def passes(self) -> int:
        return len(self.detector.asked)

    @property
    def stopping(self) -> bool:
        """Whether the server knows that the film is to stop."""
        return any(each.is_set() for each in self.served._page.films._on.values())

    def left_over(self) -> list[str]:
        folder = self.served._page.shelf.folder
        return sorted(each.name for each in folder.rglob("*") if each.is_file()) if folder.exists() else []


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., App]]:
    running: list[App] = []

    def begin(*, port: int = 0, max_mb: int = 100, missing: threading.Event | None = None) -> App:
        gate = threading.Event()
        gate.set()
        detector = DiscDetector(RED, BLUE, before=lambda: gate.wait(120) and None)
        store = BundleStore(tmp_path / "bundles")
        if not store.projects():
            store.publish("3", colour_bundle(tom=RED))
        pipeline = Pipeline(detector, ColourEmbedder(), cache=Cache(tmp_path / f"cache-{len(running)}.sqlite", max_mb=16))

        def load() -> Pipeline:
            if missing is not None and not missing.is_set():
                raise WeightsMissing("The weights of detector X are not here.")
            return pipeline

        running.append(App(serve(app_page(load, store), host="127.0.0.1", port=port, max_mb=max_mb), store, detector, gate))
        return running[-1]

    yield begin
    for each in running:
        each.gate.set()
        each.served.close()


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    discs = [Disc(RED, lambda n: (40 + n, 60)), Disc(BLUE, lambda n: (250 - n, 170))]
    return film(tmp_path_factory.mktemp("films") / "walk.mp4", discs, frames=90, sound="aac")


def visit(browser: Browser, app: App) -> Page:
    page = browser.new_context(viewport={"width": 1200, "height": 900}).new_page()
    page.goto(app.served.url)
    expect(page.locator("#status")).to_contain_text("Add a picture", timeout=LONG)
    return page


def begin_film(page: Page, path: Path) -> None:
    page.get_by_role("tab", name="Video").click()
    page.locator("#film input[type=file]").set_input_files(path)
    expect(page.locator("#film")).to_contain_text(path.stem, timeout=LONG)
    find_in_film(page)


def find_in_film(page: Page) -> None:
    """With the film that is there."""
    page.get_by_label("What to look for").locator("visible=true").fill("cat")
    page.get_by_role("button", name="Find in film").click()


def test_a_film_is_watched_named_and_downloaded(browser: Browser, start: Callable[..., App], walk: Path, tmp_path: Path) -> None:
    app = start()
    page = visit(browser, app)
    page.get_by_role("tab", name="Video").click()
    page.get_by_label("Names").locator("visible=true").click()
    page.get_by_role("option", name="Project 3").first.click()
    begin_film(page, walk)
    status = page.locator("#film-status")
    expect(status).to_contain_text("2 tracks", timeout=LONG)
    expect(status).to_contain_text("named: tom")
    assert app.passes == 6, "every fifteenth of ninety frames"
    expect(page.locator("#film-timeline button img")).to_have_count(2)
    page.wait_for_function("() => document.querySelector('#film-found video')?.readyState >= 1", timeout=LONG)
    assert page.evaluate("document.querySelector('#film-found video').duration") == pytest.approx(3.0, abs=0.2)
    row = page.locator("#film-timeline button").last
    row.evaluate("row => { row.dataset.seek = '2.00' }")
    row.press("Enter")
    page.wait_for_function("() => document.querySelector('#film-found video').currentTime >= 2", timeout=LONG)
    with page.expect_download(timeout=LONG) as waited:
        page.locator("#film-files a[download], #film-files a[href*='tracks.json']").locator("visible=true").nth(1).click()
    waited.value.save_as(tmp_path / "got.json")
    assert {each["label"] for each in json.loads((tmp_path / "got.json").read_text())["tracks"]} == {"tom", "cat"}


def test_cancel_really_stops_the_work(browser: Browser, start: Callable[..., App], walk: Path) -> None:
    app = start()
    app.gate.clear()
    page = visit(browser, app)
    begin_film(page, walk)
    cancel = page.locator("#cancel-film")
    expect(cancel).to_be_enabled(timeout=LONG)
    _until(lambda: app.served._page.shelf.folder.exists() and bool(list(app.served._page.shelf.folder.rglob("film"))))
    cancel.click()
    expect(cancel).to_contain_text("Cancelling", timeout=LONG)
    _until(lambda: app.stopping)
    app.gate.set()
    expect(page.locator("#film-status")).to_contain_text("Cancelled", timeout=LONG)
    assert app.passes <= 1, "the pass that was on, and no other"
    assert app.left_over() == []
    find_in_film(page)
    expect(page.locator("#film-status")).to_contain_text("2 tracks", timeout=LONG)


def test_wrong_files_are_told_by_name(browser: Browser, start: Callable[..., App], tmp_path: Path) -> None:
    page = visit(browser, start())
    (tmp_path / "page.mp4").write_text("<html>")
    begin_film(page, tmp_path / "page.mp4")
    expect(page.get_by_text("is no video that we can decode").first).to_be_visible(timeout=LONG)
    expect(page.get_by_role("button", name="Find in film")).to_be_enabled(timeout=LONG)
    page.get_by_role("tab", name="Image").click()
    (tmp_path / "page.jpg").write_text("<html>")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "page.jpg")
    expect(page.get_by_text("is a web page, not a picture").first).to_be_visible(timeout=LONG)


def test_a_huge_file_is_refused_while_it_is_sent(browser: Browser, start: Callable[..., App], tmp_path: Path) -> None:
    app = start(max_mb=1)
    page = visit(browser, app)
    (tmp_path / "huge.mp4").write_bytes(b"\0" * 3_000_000)
    page.get_by_role("tab", name="Video").click()
    page.locator("#film input[type=file]").set_input_files(tmp_path / "huge.mp4")
    expect(page.get_by_text("maximum").or_(page.get_by_text("exceed")).or_(page.get_by_text("too large")).first).to_be_visible(timeout=LONG)
    assert app.passes == 0


def test_two_people_at_once_and_a_third_waits(browser: Browser, start: Callable[..., App], walk: Path) -> None:
    app = start()
    app.gate.clear()
    pages = [visit(browser, app) for _ in range(3)]
    for page in pages[:2]:
        begin_film(page, walk)
    _until(lambda: len(list(app.served._page.shelf.folder.rglob("film"))) == 2)
    begin_film(pages[2], walk)
    expect(pages[2].locator("#film-status")).to_contain_text("Waiting: 2 films before yours", timeout=LONG)
    app.gate.set()
    for page in pages:
        expect(page.locator("#film-status")).to_contain_text("2 tracks", timeout=LONG)


def test_a_restart_in_the_middle_leaves_nothing_and_the_page_works_again(browser: Browser, start: Callable[..., App], walk: Path) -> None:
    app = start()
    app.gate.clear()
    page = visit(browser, app)
    begin_film(page, walk)
    _until(lambda: bool(list(app.served._page.shelf.folder.rglob("film"))))
    app.served.close()
    app.gate.set()
    again = start(port=int(app.served.url.rstrip("/").rsplit(":", 1)[1]))
    page.goto(again.served.url)
    expect(page.locator("#status")).to_contain_text("Add a picture", timeout=LONG)
    begin_film(page, walk)
    expect(page.locator("#film-status")).to_contain_text("2 tracks", timeout=LONG)
    _until(lambda: app.left_over() == [])


def test_without_weights_the_page_says_what_to_do(browser: Browser, start: Callable[..., App], walk: Path) -> None:
    there = threading.Event()
    page = visit(browser, start(missing=there))
    problem = page.locator("#problem")
    expect(problem).to_contain_text("The weights of detector X are not here.")
    expect(problem).to_contain_text("nano")
    begin_film(page, walk)
    expect(page.locator("#film-status")).to_contain_text("The weights of detector X are not here.", timeout=LONG)
    there.set()
    problem.get_by_role("button", name="Try again").click()
    expect(problem).to_be_hidden(timeout=LONG)
    find_in_film(page)
    expect(page.locator("#film-status")).to_contain_text("2 tracks", timeout=LONG)


_until = partial(waiting.eventually, seconds=180.0, every=0.05)
