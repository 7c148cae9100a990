"""The app's pictures in docs/images, by a real browser: light, dark and on a telephone.

    python -m benchmarks.app_screens --out docs/images

Uses the embedded models, the demo's scenes and a film drawn for it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.drawn_world import DEMO, PROMPT, train_from_demo, write_film
from dinolabel.app.page import page, serve
from dinolabel.demo.screens import FLAGS, chromium
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.storage.cache import Cache

LONG = 180_000
SCENE = "scene-003.jpg"
LOADED = "() => [...document.images].every(each => each.complete && each.naturalWidth)"
LOOKS = (("light", "light", 1400, 1000), ("phone", "light", 390, 844), ("dark", "dark", 1400, 1000))


def shoot(url: str, out: Path, film: Path) -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=FLAGS)
        for name, scheme, width, height in LOOKS:
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
            shown = context.new_page()
            shown.goto(url)
            expect(shown.locator("#status")).to_contain_text("Add a picture", timeout=LONG)
            if name == "light":
                shown.wait_for_function(LOADED)  # the examples
                shown.screenshot(path=out / "app-empty.png")
            _image(shown)
            shown.screenshot(path=out / f"app-image-{name}.png", full_page=name == "phone")
            _video(shown, film)
            shown.screenshot(path=out / f"app-video-{name}.png", full_page=True)
            _models(shown)
            shown.screenshot(path=out / f"app-models-{name}.png", full_page=name == "phone")
            _check_width(shown, width)
            context.close()
        browser.close()


def _head(shown: Page, label: str) -> None:
    shown.get_by_label(label).locator("visible=true").first.click()
    shown.get_by_role("option", name="Project 1").first.click()


def _image(shown: Page) -> None:
    shown.locator("input[type=file]").first.set_input_files(DEMO / SCENE)
    shown.get_by_label("What to look for").locator("visible=true").fill(PROMPT)
    _head(shown, "Names")
    shown.get_by_role("button", name="Find", exact=True).click()
    expect(shown.locator("#status")).to_contain_text("found", timeout=LONG)
    shown.wait_for_timeout(1_000)  # the picture fades in


def _video(shown: Page, film: Path) -> None:
    shown.get_by_role("tab", name="Video").click()
    shown.locator("#film input[type=file]").set_input_files(film)
    shown.get_by_label("What to look for").locator("visible=true").fill(PROMPT)
    _head(shown, "Names")
    shown.get_by_role("button", name="Find in film").click()
    expect(shown.locator("#film-status")).to_contain_text("track", timeout=LONG)
    expect(shown.locator("#film-timeline button").first).to_be_visible(timeout=LONG)
    shown.locator("#film-found video").evaluate("video => { video.currentTime = 1.5 }")
    shown.wait_for_timeout(1_500)


def _models(shown: Page) -> None:
    shown.get_by_role("tab", name="Models").click()
    expect(shown.locator("#heads-curve svg")).to_be_visible(timeout=LONG)
    receipt = shown.locator("#receipt iframe")
    expect(receipt.content_frame.locator("h1")).to_be_visible(timeout=LONG)
    if (size := shown.viewport_size) and size["width"] < size["height"]:
        # Chromium paints no frame below the window, not even for a picture of the whole page: a window as high as the page
        shown.set_viewport_size({"width": size["width"], "height": shown.evaluate("document.documentElement.scrollHeight")})
        shown.wait_for_timeout(1000)
    shown.wait_for_timeout(1_000)
    shown.evaluate("scrollTo(0, 0)")


def _check_width(shown: Page, width: int) -> None:
    """Nothing may stick out to the side, and little of the window may be wasted on margins."""
    used: Any = shown.evaluate("() => document.querySelector('#tabs').clientWidth")
    assert used >= 0.9 * width, f"{used} pixels of a window of {width} are used"
    wide: Any = shown.evaluate("() => document.documentElement.scrollWidth")
    assert wide <= width, f"the page is {wide} pixels wide in a window of {width}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        pipeline = Pipeline.load("nano", cache=Cache(home / "cache.sqlite", max_mb=64))
        store = BundleStore(home / "bundles")
        for scenes in (16, 40):
            train_from_demo(pipeline, store, scenes=scenes)
        film = write_film(home / "cats.mp4", seed=42, seconds=3.0)
        served = serve(page(pipeline, store), host="127.0.0.1", port=0)
        try:
            shoot(served.url, asked.out, film.path)
        finally:
            served.close()


if __name__ == "__main__":
    main()
