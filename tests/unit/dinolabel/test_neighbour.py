"""A command in the second terminal takes the settings of the `up` or `serve` that runs on its data folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dinolabel import factory, running_settings
from dinolabel.__main__ import run
from dinolabel.cli import console
from dinolabel.doctor import machine
from dinolabel.local import up_state
from dinolabel.projects import detach
from dinolabel.settings import Settings
from dinolabel.vision.errors import RequestError
from tests.doubles.scripted_studio import ScriptedStudio

UP = "http://127.0.0.1:8081"
DEFAULT = str(Settings.model_fields["detector_weights"].default)
NANO = {"detector_weights": "nano", "embedder_weights": "nano"}


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(console.out, "width", 400)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def start(stack: ExitStack, folder: Path, kind: str, **settings: Any) -> None:
    """Leave the note of one that runs with these settings."""
    note = running_settings.note(Settings(data_dir=folder, **settings))
    if kind == "up":
        stack.enter_context(up_state.claim(folder))
        up_state.announce(folder, up_state.UpState(UP, "f" * 40, 3, os.getpid(), note))
    else:
        stack.enter_context(up_state.serving(folder, up_state.Serving("http://127.0.0.1:9090", os.getpid(), note)))


@pytest.mark.parametrize("kind", ["up", "serve"])
@pytest.mark.parametrize(
    ("theirs", "here", "flags", "expected"),
    [
        (NANO, {}, {}, NANO),
        (NANO, {"DINOLABEL_DETECTOR_WEIGHTS": DEFAULT}, {}, {"detector_weights": DEFAULT, "embedder_weights": "nano"}),
        (NANO, {}, {"detector_weights": "mine"}, {"detector_weights": "mine", "embedder_weights": "nano"}),
        (NANO, {}, {"embedder_weights": None}, NANO),
        ({"detector": "owlv2", "detector_weights": "owl"}, {}, {}, {"detector": "owlv2", "detector_weights": "owl"}),
        # weights are read by the plug they were made for
        ({"detector": "owlv2", "detector_weights": "owl"}, {"DINOLABEL_DETECTOR": "grounding_dino"}, {}, {"detector_weights": DEFAULT}),
        (NANO, {"DINOLABEL_DETECTOR": "grounding_dino"}, {}, NANO),
        ({"detector": "owlv2", "detector_weights": "owl"}, {}, {"detector_weights": "nano"}, {"detector": "grounding_dino"}),
        ({"input_size": 320, "precision": "bfloat16"}, {}, {}, {"input_size": 320, "precision": "bfloat16"}),
        ({"box_threshold": 0.5, "nms_iou": 0.4}, {"DINOLABEL_BOX_THRESHOLD": "0.2"}, {}, {"box_threshold": 0.2, "nms_iou": 0.4}),
        ({"models_dir": Path("/weights")}, {}, {}, {"models_dir": Path("/weights")}),
        ({"device": "cuda:7", "port": 1234}, {}, {}, {"device": "auto", "port": 9090}),
    ],
)
def test_what_nobody_set_here_is_as_it_is_there(
    stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, theirs: Any, here: Any, flags: Any, expected: Any
) -> None:
    start(stack, tmp_path, kind, **theirs)
    for name, value in here.items():
        monkeypatch.setenv(name, value)
    found = running_settings.settings(**flags)
    assert {name: getattr(found, name) for name in expected} == expected


def test_what_was_taken_does_not_count_as_set_here(stack: ExitStack, tmp_path: Path) -> None:
    start(stack, tmp_path, "serve", **NANO, input_size=320)
    assert running_settings.settings().model_fields_set == {"data_dir"}


def test_nothing_runs_so_nothing_is_taken(stack: ExitStack, tmp_path: Path) -> None:
    with ExitStack() as earlier:
        start(earlier, tmp_path, "up", **NANO)
        start(earlier, tmp_path, "serve", **NANO)
    assert running_settings.find(tmp_path) is None
    assert running_settings.settings() == Settings.load()


def test_up_counts_before_its_own_serve(stack: ExitStack, tmp_path: Path) -> None:
    start(stack, tmp_path, "serve", detector_weights="other")
    start(stack, tmp_path, "up", **NANO)
    found = running_settings.find(tmp_path)
    assert found is not None and (found.name, found.settings["detector_weights"]) == ("dinolabel up", "nano")


@pytest.mark.parametrize(
    ("here", "flags", "said"),
    [
        ({"DINOLABEL_DETECTOR_WEIGHTS": "big"}, {}, "runs with detector_weights nano; your settings name detector_weights big"),
        ({"DINOLABEL_INPUT_SIZE": "320"}, {}, "runs with no input_size; your settings name input_size 320"),
        ({"DINOLABEL_DETECTOR_WEIGHTS": "nano"}, {}, ""),
        ({}, {"detector_weights": "big"}, ""),
        ({}, {}, ""),
    ],
)
def test_what_is_set_on_purpose_and_differs_is_said(
    stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here: Any, flags: Any, said: str
) -> None:
    start(stack, tmp_path, "up", **NANO)
    for name, value in here.items():
        monkeypatch.setenv(name, value)
    running_settings.settings(**flags)
    told = capsys.readouterr()
    assert told.out == "" and (said in told.err if said else not told.err), told.err


def test_a_serve_lends_its_address_and_never_a_token(stack: ExitStack, tmp_path: Path) -> None:
    start(stack, tmp_path, "serve", studio_url="http://ls.example", studio_token="t0ken-of-somebody", secret="s3cret")
    found = running_settings.settings()
    assert (found.studio_url, found.studio_token, found.secret) == ("http://ls.example", None, None)
    assert not any(each in (tmp_path / up_state.SERVING).read_text() for each in ("t0ken", "s3cret"))


def test_a_token_of_here_is_not_sent_to_the_label_studio_of_up(stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start(stack, tmp_path, "up")
    monkeypatch.setenv("DINOLABEL_STUDIO_TOKEN", "a" * 40)
    studio = factory.studio(running_settings.settings())
    assert (studio.url, studio.api.token.header(str)) == (UP, "Token " + "f" * 40)


def test_doctor_names_the_one_that_runs_and_what_differs(stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start(stack, tmp_path, "up", **NANO)
    found = {each.level: each.text for each in machine.settings_read(running_settings.settings()) if each.about == "running"}
    assert list(found) == ["ok"] and "`dinolabel up` with this data folder, with nano and nano" in found["ok"]
    assert next(each.text for each in machine.weights_here(running_settings.settings())).startswith("nano (embedded")
    monkeypatch.setenv("DINOLABEL_EMBEDDER_WEIGHTS", "big")
    found = {each.level: each.text for each in machine.settings_read(running_settings.settings()) if each.about == "running"}
    assert "your settings name embedder_weights big" in found["warn"]


@pytest.mark.parametrize(
    "arguments", [["attach", "--project", "3", "--yes"], ["attach", "--project", "3", "--detach", "--yes"], ["detach", "--project", "3"]]
)
def test_what_would_break_the_project_of_up_is_refused(
    stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.setattr(factory, "studio", lambda settings: ScriptedStudio())
    registry = factory.projects(Settings.load())
    registry.add(3, weights=("nano", "nano"))
    before = registry.path.read_bytes()
    start(stack, tmp_path, "up", **NANO)
    assert run(arguments) == 2
    assert "`dinolabel up` runs with this project 3; stop it first" in capsys.readouterr().err
    assert registry.path.read_bytes() == before


def test_another_project_can_be_left_beside_up(stack: ExitStack, tmp_path: Path) -> None:
    start(stack, tmp_path, "up", **NANO)
    up_state.check_free(tmp_path, 4)
    with pytest.raises(RequestError, match="not attached"):
        detach.detach_project(Settings.load(), ScriptedStudio(), 4, yes=True)  # type: ignore[arg-type]
