"""Pictures of Label Studio's editor in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dinolabel.vision.errors import DinolabelError

# What Debian's Chromium needs on a machine without a screen and without a route to Google.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
REGIONS_DRAWN = "() => window.Htx?.annotationStore?.selected && document.querySelectorAll('canvas').length > 0"


def chromium() -> str | None:
    """Path of the browser of this machine, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def editor(url: str, cookies: Mapping[str, str], *, width: int = 1400, height: int = 850) -> Iterator[Any]:
    """A playwright page logged in to the Label Studio at url. Raises DinolabelError when there is no browser."""
    executable = chromium()
    if executable is None:
        raise DinolabelError("There is no Chromium on this machine.", hint="Debian: apt-get install chromium.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=FLAGS)
        context = browser.new_context(viewport={"width": width, "height": height})
        context.add_cookies([{"name": name, "value": value, "url": url} for name, value in cookies.items()])
        try:
            yield context.new_page()
        finally:
            browser.close()


def photograph(page: Any, url: str, project: int, task: int, to: Path) -> Path:
    """Open one task in the editor, wait until it has drawn, save a PNG."""
    page.goto(f"{url}/projects/{project}/data?task={task}", wait_until="domcontentloaded")
    page.wait_for_function(REGIONS_DRAWN, timeout=60_000)
    page.wait_for_timeout(1_500)
    to.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(to))
    return to
