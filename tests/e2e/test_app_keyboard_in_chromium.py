"""The app without a mouse: every main action by Tab, Enter, space and arrow keys, and the focus to be seen wherever it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.doubles.scripted_models import BLUE, RED, colour_bundle
from tests.e2e.test_app_films_in_chromium import LONG, App, browser, start, walk  # noqa: F401 - fixtures
from tests.e2e.test_app_in_chromium import photo  # noqa: F401 - fixture

pytestmark = pytest.mark.e2e
MOST_TABS = 50
MARGIN = 24  # pixels around what has the focus in which its ring is looked for: a field has padding
FOCUS = """() => {
  const it = document.activeElement, { x, y, width, height } = it.getBoundingClientRect();
  const words = it.getAttribute('aria-label') || it.labels?.[0]?.innerText || it.innerText || it.getAttribute('href') || it.className;
  return { tag: it.tagName, type: it.type ?? '', role: it.getAttribute('role') ?? '', words: String(words).trim().slice(0, 60),
    x, y, width, height, shown: it.checkVisibility({ opacityProperty: true }), box: it.closest('[id]')?.id ?? '' };
}"""
UNRINGED = "[role=gridcell] { box-shadow: none !important; }"  # a table's ring is a shadow, which only the cell with the focus has
UNRINGED += ":root:root:root:root:root:root * { outline-color: transparent !important; }"  # outdoes the page's own rules
Place = dict[str, Any]


@pytest.fixture(params=["light", "dark"])
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[[App], Page]]:  # noqa: F811
    context = browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme=request.param, reduced_motion="reduce")

    def opened(app: App) -> Page:
        page = context.new_page()
        page.on("filechooser", lambda _: None)  # from the first key on: choosers that nobody waits for do not open
        page.goto(app.served.url)
        expect(page.locator("#status")).to_contain_text("Add a picture", timeout=LONG)
        return page

    yield opened
    context.close()


def ringed(page: Page, at: Place) -> bool:
    """Whether a ring is seen around it: whether the pixels change when outlines lose their colour."""
    left, top = max(0, at["x"] - MARGIN), max(0, at["y"] - MARGIN)
    right, bottom = min(1200, at["x"] + at["width"] + MARGIN), min(900, at["y"] + at["height"] + MARGIN)
    if right <= left or bottom <= top:
        return False
    clip: Any = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    with_it = page.screenshot(clip=clip, animations="disabled", caret="hide")
    return with_it != page.screenshot(clip=clip, animations="disabled", caret="hide", style=UNRINGED)


def walk_to(page: Page, wanted: Callable[[Place], bool], *, key: str = "Tab") -> Place:
    """Press Tab until the focus is on what is wanted; wherever it is on the way, it has to be seen."""
    passed: list[Place] = []
    for _ in range(MOST_TABS):
        page.keyboard.press(key)
        at: Place = page.evaluate(FOCUS)
        passed.append(at)
        if at["tag"] == "BODY":
            continue  # between the last and the first
        assert at["shown"] and at["width"] > 0, f"the focus is on something that nobody sees: {at}"
        assert ringed(page, at), f"nothing shows that the focus is here: {at}"
        if wanted(at):
            return at
    raise AssertionError(f"{key} leads only to {[(each['tag'], each['role'], each['words']) for each in passed]}")


def called(*words: str) -> Callable[[Place], bool]:
    return lambda at: any(at["words"].startswith(each) for each in words)


def choose_tab(page: Page, name: str) -> None:
    walk_to(page, lambda at: at["role"] == "tab" and at["words"] == name)
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")


def upload(page: Page, path: Path, button: Callable[[Place], bool], key: str) -> None:
    walk_to(page, button)
    with page.expect_file_chooser(timeout=15_000) as chooser:
        page.keyboard.press(key)
    chooser.value.set_files(path)


def test_a_picture_without_a_mouse(visit: Callable[[App], Page], start: Callable[..., App], photo: Path) -> None:  # noqa: F811
    app = start()
    page = visit(app)
    upload(page, photo, called("Drop an image file"), "Enter")
    status = page.locator("#status")
    expect(status).to_contain_text("say what to look for", timeout=LONG)
    walk_to(page, called("What to look for"))
    page.keyboard.type("cat")
    walk_to(page, called("Names"))
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option", name="Project 3").first).to_be_visible(timeout=LONG)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    walk_to(page, called("Find"))
    page.keyboard.press("Enter")
    expect(status).to_contain_text("found", timeout=LONG)
    walk_to(page, called("range slider for Box threshold"))
    before, passes = float(page.evaluate("document.activeElement.value")), app.passes
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert float(page.evaluate("document.activeElement.value")) == pytest.approx(before + 0.03)
    page.keyboard.press("End")  # 1.0: nothing is as sure as that
    expect(status).not_to_contain_text("**", timeout=LONG)
    expect(status).to_contain_text("Nothing", timeout=LONG)
    assert app.passes == passes, "no other look at the picture"
    page.keyboard.press("Home")
    expect(status).to_contain_text("found", timeout=LONG)
    walk_to(page, called("Save JSON"))
    with page.expect_download(timeout=LONG) as waited:
        page.keyboard.press("Space")
    assert waited.value.suggested_filename == "photo.json"


def test_a_film_without_a_mouse(visit: Callable[[App], Page], start: Callable[..., App], walk: Path) -> None:  # noqa: F811
    app = start()
    page = visit(app)
    choose_tab(page, "Video")
    upload(page, walk, lambda at: at["box"] == "film", "Space")
    expect(page.locator("#film")).to_contain_text(walk.stem, timeout=LONG)
    expect(page.locator("#film-strip img").last).to_be_visible(timeout=LONG)  # what comes in above moves what the keyboard is on
    page.wait_for_function("() => document.querySelector('#film-own video')?.readyState >= 2", timeout=LONG)
    walk_to(page, called("What to look for"))
    page.keyboard.type("cat")
    walk_to(page, called("Find in film"))
    app.gate.clear()
    page.keyboard.press("Enter")
    cancel, status = page.locator("#cancel-film"), page.locator("#film-status")
    expect(cancel).to_be_enabled(timeout=LONG)
    walk_to(page, called("Cancel"))
    page.keyboard.press("Enter")
    expect(cancel).to_contain_text("Cancelling", timeout=LONG)
    app.gate.set()
    expect(status).to_contain_text("Cancelled", timeout=LONG)
    walk_to(page, called("Find in film"), key="Shift+Tab")
    page.keyboard.press("Space")
    expect(status).to_contain_text("2 tracks", timeout=LONG)
    expect(page.locator("#film-files a").first).to_be_visible(timeout=LONG)
    expect(cancel).to_be_disabled(timeout=LONG)  # or the next Tab leads to a button that is just going
    walk_to(page, lambda at: at["tag"] == "A" and at["box"] == "film-files")
    with page.expect_download(timeout=LONG) as waited:
        page.keyboard.press("Enter")
    assert waited.value.suggested_filename.startswith("walk-")


def test_a_head_is_pinned_without_a_mouse(visit: Callable[[App], Page], start: Callable[..., App]) -> None:  # noqa: F811
    page = visit(start())
    choose_tab(page, "Models")
    walk_to(page, called("Pin this head"))
    page.keyboard.press("Enter")
    expect(page.locator("#heads-status")).to_contain_text("Pinned", timeout=LONG)


def test_a_receipt_is_read_without_a_mouse(visit: Callable[[App], Page], start: Callable[..., App]) -> None:  # noqa: F811
    app = start()
    words = "<img src=x onerror=\"document.title = 'ran'\">" + "".join(f"<p>Line {n}</p>" for n in range(80)) + "<p id=last>The end.</p>"
    app.store.publish("3", colour_bundle(tom=RED, ann=BLUE), beside=lambda folder: (folder / "receipt.html").write_text(words))
    page = visit(app)
    choose_tab(page, "Models")
    last = page.frame_locator("iframe.receipt").locator("#last")
    expect(last).to_be_visible(timeout=LONG)
    expect(last).not_to_be_in_viewport()
    walk_to(page, called("Roll back"))
    for _ in range(20):
        page.keyboard.press("PageDown")
    expect(last).to_be_in_viewport(timeout=LONG)
    frame = page.locator("iframe.receipt")
    inner = frame.evaluate("it => it.contentDocument.documentElement.scrollHeight - it.clientHeight")
    assert inner <= 0, "the receipt has no scrollbar of its own"
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_timeout(300)
    assert frame.evaluate("it => it.contentDocument.documentElement.scrollHeight - it.clientHeight") <= 0
    assert page.title() == "dinolabel", "nothing in a receipt runs"
