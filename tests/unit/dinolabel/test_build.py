"""Settings become objects; a running `up` is found where nothing is set; one project is chosen without asking."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dinolabel import factory
from dinolabel.cli import project_option
from dinolabel.local import up_state
from dinolabel.settings import Settings
from dinolabel.vision.errors import RequestError, SettingsError


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[up_state.UpState]:
    note = up_state.UpState("http://127.0.0.1:8081", "f" * 40, 2, os.getpid())
    with up_state.claim(tmp_path):
        up_state.announce(tmp_path, note)
        yield note


def settings(tmp_path: Path, **values: object) -> Settings:
    return Settings.load(data_dir=tmp_path, **values)


def test_the_one_in_the_settings_comes_first(tmp_path: Path, up: up_state.UpState) -> None:
    found = factory.studio(settings(tmp_path, studio_url="http://other:8080/", studio_token="a" * 40, studio_aliases=("http://b/",)))
    assert (found.url, found.aliases) == ("http://other:8080", ("http://b",))


@pytest.mark.parametrize("values", [{}, {"studio_url": "http://127.0.0.1:8081"}])
def test_a_running_up_is_found(tmp_path: Path, up: up_state.UpState, values: dict[str, object]) -> None:
    assert factory.studio(settings(tmp_path, **values)).url == up.url


@pytest.mark.parametrize(("values", "missing"), [({}, "DINOLABEL_STUDIO_URL"), ({"studio_url": "http://x"}, "DINOLABEL_STUDIO_TOKEN")])
def test_what_is_missing_is_named(tmp_path: Path, values: dict[str, object], missing: str) -> None:
    assert factory.studio_if_set(settings(tmp_path, **values)) is None
    with pytest.raises(SettingsError, match=missing):
        factory.studio(settings(tmp_path, **values))


def test_a_running_up_does_not_lend_its_token_to_another_address(tmp_path: Path, up: up_state.UpState) -> None:
    assert factory.studio_if_set(settings(tmp_path, studio_url="http://elsewhere:8080")) is None


def test_the_data_folder_is_made_and_holds_everything(tmp_path: Path) -> None:
    chosen = settings(tmp_path / "new")
    factory.cache(chosen)
    factory.store(chosen).pin("1", None)
    factory.projects(chosen).add(1, weights=("nano", "nano"))
    factory.media(chosen)
    factory.jobs(chosen)
    names = {each.name for each in (tmp_path / "new").iterdir()}
    assert {"cache.sqlite", "bundles", "projects.json", "media", "jobs"} <= names


def test_a_child_runs_this_very_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/before")
    child = factory.environment(settings(tmp_path, secret="s3cret"))
    assert child["PYTHONPATH"].split(os.pathsep) == [str(factory.ROOT), "/before"]
    assert (child["DINOLABEL_SECRET"], child["PATH"]) == ("s3cret", os.environ["PATH"])


def test_the_only_project_needs_no_number(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    with pytest.raises(RequestError, match="no project yet"):
        project_option.resolve_number(chosen, None)
    factory.projects(chosen).add(7, weights=("nano", "nano"), title="Cats")
    assert project_option.resolve_number(chosen, None) == 7
    factory.projects(chosen).add(2, weights=("nano", "nano"))
    with pytest.raises(RequestError, match=r"2, 7 \(Cats\)"):
        project_option.resolve_number(chosen, None)
    assert project_option.resolve_number(chosen, 5) == 5


def test_the_project_on_show_is_meant(tmp_path: Path, up: up_state.UpState) -> None:
    chosen = settings(tmp_path)
    for number in (1, 2):
        factory.projects(chosen).add(number, weights=("nano", "nano"))
    assert project_option.resolve_number(chosen, None) == up.project


def test_a_training_gets_what_it_needs_and_no_secret_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_SECRET_ACCESS_KEY": "k", "DATABASE_PASSWORD": "p", "https_proxy": "http://p:1", "HF_HUB_OFFLINE": "1"}.items():
        monkeypatch.setenv(name, value)
    child = factory.training_environment(settings(tmp_path, secret="s3cret", studio_url="http://x", studio_token="t0ken"))
    assert not {"AWS_SECRET_ACCESS_KEY", "DATABASE_PASSWORD", "DINOLABEL_SECRET"} & {*child}
    assert (child["DINOLABEL_STUDIO_TOKEN"], child["https_proxy"], child["HF_HUB_OFFLINE"]) == ("t0ken", "http://p:1", "1")
    assert {"PATH", "HOME", "PYTHONPATH", "DINOLABEL_DATA_DIR"} <= {*child}
