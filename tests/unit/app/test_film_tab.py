"""Films of several people: two at once, the others in line; stopped at once, running or waiting; a picture never waits for a film."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dinolabel.app.common import film_rows
from dinolabel.app.common.downloads import DownloadFolder
from dinolabel.app.common.model_handle import ModelHandle
from dinolabel.app.tabs.image import ImageTab
from dinolabel.app.tabs.video import VideoTab, VideoTabRequest, VideoUpdate
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.errors import MediaUnavailable, MediaUnreadable, RequestError
from dinolabel.vision.pipeline import Pipeline
from tests.doubles.drawn_films import Disc, DiscDetector, film
from tests.doubles.scripted_models import RED, ColourEmbedder

ASK = VideoTabRequest("cat", 0.3, 0.1)


@pytest.fixture
def detector() -> DiscDetector:
    return DiscDetector(RED)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[DownloadFolder]:
    made = DownloadFolder(root=tmp_path)
    yield made
    made.clear()


@pytest.fixture
def tab(detector: DiscDetector, shelf: DownloadFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VideoTab:
    monkeypatch.setattr("dinolabel.app.tabs.video.WAIT_SECONDS", 0.01)
    monkeypatch.setattr("dinolabel.app.tabs.video.TELL_SECONDS", 0.0)
    sight = ModelHandle.of(Pipeline(detector, ColourEmbedder()))
    return VideoTab(sight, ImageTab(sight, BundleStore(tmp_path / "bundles")), shelf)


@pytest.fixture
def walk(tmp_path: Path) -> str:
    return str(film(tmp_path / "walk.mp4", [Disc(RED, lambda n: (40 + n, 60))], frames=40, size=(160, 120)))


def test_progress_then_the_answer(tab: VideoTab, walk: str) -> None:
    news = list(tab.run(walk, ASK, who="one"))
    stages = [each.progress.stage for each in news if each.progress]
    assert stages == ["watching"] * 40 + ["writing"] * 40
    assert any(each.preview is not None for each in news)
    assert news[-1].answer is not None
    assert news[-1].answer.video.is_file()
    last = [each.progress for each in news if each.progress][-1]
    assert (last.done, last.of, last.left) == (40, 40, 0)


def test_each_track_has_a_row_with_its_face_and_where_to_seek(tab: VideoTab, walk: str) -> None:
    *_, last = tab.run(walk, ASK, who="one")
    assert last.answer is not None
    rows = film_rows.track_rows(last.answer, last.faces)
    assert rows.count("<button") == len(last.answer.people) == rows.count("<img") == 1
    assert all(f'data-seek="{begins:.2f}"' in rows for each in last.answer.people for begins, _ in each.spans)
    (face,) = last.faces.values()
    red, _, blue = face.mean(axis=(0, 1))
    assert red > blue + 40, "the disc fills its crop"
    assert film_rows.strip(walk).count("<img") == film_rows.FRAMES


def test_stop_keeps_nothing_and_asks_the_detector_no_more(tab: VideoTab, walk: str, detector: DiscDetector, shelf: DownloadFolder) -> None:
    running = tab.run(walk, ASK, who="one")
    next(running)
    assert tab.stop("one")
    assert list(running) == [VideoUpdate(stopped=True)]
    assert len(detector.asked) == 1
    assert [each for each in shelf.folder.rglob("*") if each.is_file()] == []
    assert not tab.stop("one"), "there is none any more"


def test_two_run_and_the_third_waits_until_one_is_done(tab: VideoTab, walk: str) -> None:
    first, second, third = (tab.run(walk, ASK, who=who) for who in ("one", "two", "three"))
    assert next(first).progress
    assert next(second).progress
    assert next(third).waiting == 2
    assert next(third).waiting == 2
    list(first)
    assert next(third).progress
    second.close()  # type: ignore[attr-defined]
    assert list(third)[-1].answer


def test_one_film_a_person(tab: VideoTab, walk: str) -> None:
    running = tab.run(walk, ASK, who="one")
    next(running)
    with pytest.raises(RequestError, match="on already"):
        next(tab.run(walk, ASK, who="one"))
    running.close()  # type: ignore[attr-defined]
    assert list(tab.run(walk, ASK, who="one"))[-1].answer


def test_who_waits_can_go(tab: VideoTab, walk: str) -> None:
    first, second, third = (tab.run(walk, ASK, who=who) for who in ("one", "two", "three"))
    for each in (first, second, third):
        next(each)
    assert tab.stop("three")
    assert list(third) == [VideoUpdate(stopped=True)]
    for each in (first, second):
        assert list(each)[-1].answer


def test_what_is_wrong_is_said_and_the_seat_is_given_back(tab: VideoTab, walk: str, tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_text("<html>")
    for _ in range(3):
        with pytest.raises(MediaUnreadable):
            list(tab.run(str(tmp_path / "no.mp4"), ASK, who="one"))
    with pytest.raises(MediaUnavailable, match="no film yet"):
        list(tab.run(None, ASK, who="one"))
    assert list(tab.run(walk, ASK, who="one"))[-1].answer
