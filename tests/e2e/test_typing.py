"""A prompt typed in Label Studio's editor, in real Chromium: boxes as suggestions for this one picture, and errors a person can read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dinolabel.backend.http.server import Server, create_app
from dinolabel.demo import screens
from dinolabel.projects import connect
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.label_configs.edit import add_prompt_field
from dinolabel.studio.label_configs.label_config import build
from tests.doubles.coloured_things import GREEN, RED, picture
from tests.e2e import loop
from tests.e2e.started import until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
SECRET = "typed-secret"


@pytest.fixture
def served(studio: LabelStudio, tmp_path: Path) -> Iterator[tuple[Any, str]]:
    """A backend on real HTTP with a secret, as `serve` runs it."""
    service = loop.service(tmp_path / "data", studio)
    server = Server(create_app(service, secret=SECRET), "127.0.0.1", 0, secret=SECRET)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield service, server.url
    server.close()
    thread.join(10)


@pytest.fixture
def project(studio: LabelStudio, served: tuple[Any, str], project_of: Callable[[str], int], tmp_path: Path) -> int:
    number = project_of(add_prompt_field(build({"coloured thing": "thing"}, ["jason"])))
    studio.tasks.upload_images(number, [picture(tmp_path / "one.png", (RED, (8, 8, 32, 36)), (GREEN, (8, 52, 36, 84)))])
    studio.backends.create(number, served[1], connect.TITLE, username=connect.TITLE, password=SECRET)  # as before people could type
    connect.connect(studio, number, served[1], secret=SECRET)
    return number


@pytest.fixture
def page(studio: LabelStudio, studio_server: Any, project: int) -> Iterator[Any]:
    (task,) = studio.tasks.list(project)
    cookies = studio.session_cookies(studio_server.username, studio_server.password)
    with screens.editor(studio.url, cookies) as made:
        made.goto(f"{studio.url}/projects/{project}/data?task={task.id}", wait_until="domcontentloaded", timeout=180_000)
        made.wait_for_function(screens.REGIONS_DRAWN, timeout=180_000)
        made.get_by_test_id("textarea-input").wait_for(timeout=60_000)
        yield made


def enter(page: Any, words: str) -> None:
    field = page.get_by_test_id("textarea-input")
    field.click()
    field.press_sequentially(words)
    field.press("Enter")


def suggestions(page: Any) -> list[Any]:
    return list(page.evaluate("() => [...Htx.annotationStore.selected.suggestions.values()].map(each => each.labels ?? [])"))


def boxes(page: Any) -> int:
    return int(
        page.evaluate("() => Htx.annotationStore.selected.regionStore.regions.filter(each => each.type === 'rectangleregion').length")
    )


def lines(page: Any) -> list[str]:
    return [str(each) for each in page.evaluate("() => Htx.annotationStore.selected.names.get('prompt').selectedValues()")]


def test_words_typed_are_boxes_on_this_picture_and_errors_are_read(
    page: Any, served: tuple[Any, str], studio: LabelStudio, project: int, tmp_path: Path
) -> None:
    service, _ = served
    assert [each.interactive for each in studio.backends.list(project)] == [True]
    before = boxes(page)
    enter(page, "dog")
    until(lambda: len(suggestions(page)) == 2, seconds=60, what=lambda: (suggestions(page), lines(page)))
    assert suggestions(page) == [[], []] and lines(page)[0] == "dog" and "“thing=dog”" in lines(page)[1]
    label, area = page.get_by_text("jason").first.bounding_box(), page.get_by_test_id("textarea-input").bounding_box()
    assert label is not None and area is not None and label["y"] < area["y"], "labels are pushed down by the lines of the field"
    page.screenshot(path=str(tmp_path / "typed.png"))

    page.get_by_text("Auto-Annotation").first.click()
    page.get_by_test_id("bottombar-accept-suggestions-button").click(timeout=60_000)
    until(lambda: boxes(page) == before + 2, seconds=60, what=lambda: boxes(page))

    page.locator("input[type=number]").first.fill("0.95")
    enter(page, "horse")
    until(lambda: any("Nothing looks like “horse”" in each for each in lines(page)), seconds=60, what=lambda: lines(page))
    place = page.get_by_text("Nothing looks like “horse”").bounding_box()
    assert place is not None and 0 < place["y"] < page.viewport_size["height"] - 120, "it is said where nobody looks"
    assert "0.95" in " ".join(lines(page))
    page.screenshot(path=str(tmp_path / "nothing.png"))

    page.locator("input[type=number]").first.fill("0.3")
    enter(page, "coloured thing")
    until(lambda: len(suggestions(page)) == 2, seconds=60, what=lambda: (suggestions(page), lines(page)))
    assert suggestions(page) == [["thing"], ["thing"]] and lines(page) == ["coloured thing"]
    assert [each.words for each in service.typing.requests(project)] == ["coloured thing", "horse", "dog"]

    service.set_prompt(project, "dog", box=0.4)
    assert 'predicted_values="dog"' in studio.projects.get(project).label_config
    assert 'model_box_threshold="0.4"' in studio.projects.get(project).label_config
