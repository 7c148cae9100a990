"""The page on a real socket, driven by Gradio's own client."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import PIL.Image
import PIL.ImageDraw
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from dinolabel import app
from dinolabel.app.common.model_handle import ModelHandle
from dinolabel.app.page import RunningPage, _header, page, serve
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.errors import SettingsError
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.proposals.candidates import Candidate
from dinolabel.vision.storage.cache import Cache
from dinolabel.vision.types import Box
from tests.doubles.drawn_films import Disc, film
from tests.doubles.scripted_models import BLUE, RED, ColourEmbedder, ScriptedDetector, colour_bundle


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    return BundleStore(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def served(store: BundleStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPage]:
    detector = ScriptedDetector(Candidate(Box(20, 20, 60, 60), "cat", 0.9, 0.5), Candidate(Box(100, 20, 140, 60), "cat", 0.4, 0.3))
    pipeline = Pipeline(detector, ColourEmbedder(), cache=Cache(tmp_path_factory.mktemp("cache") / "cache.sqlite", max_mb=16))
    running = serve(page(pipeline, store), host="127.0.0.1", port=0)
    yield running
    running.close()


@pytest.fixture(scope="module")
def client(served: RunningPage) -> Client:
    return Client(served.url, verbose=False)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    picture = PIL.Image.new("RGB", (160, 120), (128, 128, 128))
    PIL.ImageDraw.Draw(picture).ellipse((20, 20, 60, 60), fill=RED)
    PIL.ImageDraw.Draw(picture).ellipse((100, 20, 140, 60), fill=BLUE)
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    picture.save(path)
    return path


def _status(url: str, host: str) -> int:
    try:
        with urlopen(Request(url, headers={"Host": host})) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


@pytest.mark.parametrize("path", ["", "config", "gradio_api/info", "gradio_api/startup-events"])
def test_without_a_password_it_answers_to_names_of_this_machine_only(served: RunningPage, path: str) -> None:
    """A web site whose name points at 127.0.0.1 must not press our buttons."""
    port = urlsplit(served.url).port
    assert [_status(served.url + path, each) for each in (f"elsewhere.example:{port}", "elsewhere.example", "10.0.0.1")] == [403] * 3
    assert {_status(served.url + path, each) for each in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}")} == {200}


def test_behind_a_password_it_answers_to_any_name(store: BundleStore) -> None:
    pipeline = Pipeline(ScriptedDetector(), ColourEmbedder())
    running = serve(page(pipeline, store), host="127.0.0.1", port=0, auth=("dinolabel", "correct-horse"))
    try:
        assert _status(running.url, "app.example") == 200, "the page that asks for the password"
    finally:
        running.close()


@pytest.mark.parametrize(("weights", "told"), [("nano", True), ("org/rf-detr-nano", False), ("scripted", False)])
def test_the_head_of_the_page_says_what_the_weights_cannot_do(weights: str, told: bool) -> None:
    detector = ScriptedDetector()
    detector.weights = weights
    assert ("knows drawn things only, not photos" in _header(ModelHandle.of(Pipeline(detector)))) is told


def test_a_picture_and_words_give_boxes(client: Client, photo: Path) -> None:
    annotated, table, found, status = client.predict(handle_file(str(photo)), "cat", 0.3, 0.1, "", api_name="/find")
    assert PIL.Image.open(annotated).size == (160, 120)
    assert [row[0] for row in table["data"]] == ["cat", "cat"]
    assert [row["box"] for row in found] == [[20, 20, 60, 60], [100, 20, 140, 60]]
    assert status.startswith("**2 found**")


def test_a_slider_picks_again(client: Client, photo: Path) -> None:
    *_, found, _ = client.predict(handle_file(str(photo)), "cat", 0.5, 0.1, "", api_name="/again")
    assert len(found) == 1


def test_a_head_that_is_published_meanwhile_can_be_chosen(client: Client, store: BundleStore, photo: Path) -> None:
    bundle_id = store.publish("3", colour_bundle(tom=RED))
    choices = client.predict(api_name="/versions")["choices"]
    assert ["3/latest", f"3/{bundle_id}"] == [each[1] for each in choices if each[1]]
    *_, found, _ = client.predict(handle_file(str(photo)), "cat", 0.3, 0.1, f"3/{bundle_id}", api_name="/find")
    assert [row["label"] for row in found] == ["tom", "cat"]


@pytest.mark.parametrize(
    ("name", "content", "prompt", "words"),
    [
        ("page.jpg", b"<html>log in</html>", "cat", "is a web page, not a picture"),
        ("cut.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF", "cat", "cut.jpg"),
        (None, b"", "", "nothing to look for"),
    ],
)
def test_errors_are_a_sentence_and_a_hint(
    client: Client, photo: Path, tmp_path: Path, name: str | None, content: bytes, prompt: str, words: str
) -> None:
    path = photo if name is None else tmp_path / name
    if name:
        path.write_bytes(content)
    with pytest.raises(AppError, match=words) as caught:
        client.predict(handle_file(str(path)), prompt, 0.3, 0.1, "", api_name="/find")
    assert "<small>" in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_the_page_fetches_nothing_from_elsewhere(served: RunningPage) -> None:
    html = urlopen(served.url).read().decode()
    fetched = re.findall(r'(?:src|href)="?(https?://[^">\s]+)', html) + re.findall(r"url\(['\"]?(https?://[^)'\"]+)", html)
    assert [each for each in fetched if not each.startswith(served.url.rstrip("/"))] == []
    assert "dinolabel" in html
    assert '"analytics_enabled":false' in html


def test_a_password_is_asked_for(store: BundleStore, photo: Path) -> None:
    running = serve(page(Pipeline(ScriptedDetector()), store), host="127.0.0.1", port=0, auth=("jason", "horse"))
    try:
        with pytest.raises(Exception, match=r"(?i)login|auth|401|invalid|config"):
            Client(running.url, verbose=False)
        client = Client(running.url, verbose=False, auth=("jason", "horse"))
        assert client.predict(handle_file(str(photo)), "cat", 0.3, 0.1, "", api_name="/find")[2] == []
    finally:
        running.close()


def test_a_taken_port_is_named(served: RunningPage, store: BundleStore) -> None:
    port = int(served.url.rstrip("/").rsplit(":", 1)[1])
    with pytest.raises(SettingsError, match=f"Port {port}"):
        serve(page(Pipeline(ScriptedDetector()), store), host="127.0.0.1", port=port)


def test_gradio_wrote_nothing_into_our_source() -> None:
    assert not list(Path(app.__path__[0]).glob("*.pyi"))


def test_the_documented_example_runs(served: RunningPage, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(app.__path__[0]).parents[1] / "docs" / "app.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    monkeypatch.chdir(tmp_path)
    shutil.copy(photo, "photo.png")
    film(Path("film.mp4"), [Disc(RED, lambda n: (40, 40))], frames=10, size=(160, 120))
    said: list[str] = []
    names = {"print": lambda *words: said.append(" ".join(map(str, words)))}
    exec(example.replace("http://127.0.0.1:7860", served.url), names)
    assert said[:2] == ["cat 0.9 [20.0, 20.0, 60.0, 60.0]", "cat 0.4 [100.0, 20.0, 140.0, 60.0]"]
    assert said[2].startswith("**2 tracks**")


def test_every_name_in_the_docs_is_there(client: Client) -> None:
    text = (Path(app.__path__[0]).parents[1] / "docs" / "app.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(/[a-z_]+)`", text))
    assert len(told) > 10
    assert told <= set(client.view_api(return_format="dict", print_info=False)["named_endpoints"])


def test_no_button_stands_on_the_page_that_nothing_was_laid_out_for(client: Client) -> None:
    words = {each["props"].get("value") for each in client.config["components"] if each["type"] == "button"}
    assert "Run" not in words, "Gradio's word for a button that was made without one"
