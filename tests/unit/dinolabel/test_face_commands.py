"""What commands say of the face models: fetched only when told to, chosen by project, proposed where they fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from dinolabel import factory
from dinolabel.commands.attach import _roles
from dinolabel.doctor import weights
from dinolabel.models import face_packages
from dinolabel.settings import Settings
from dinolabel.studio.calls.projects import Project
from dinolabel.studio.label_configs.label_config import build
from dinolabel.studio.label_roles import LabelRoles
from dinolabel.vision.errors import PromptUnknown, RequestError, UnknownPlug
from dinolabel.vision.loading import dlib_models
from tests import faces


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def test_what_is_missing_is_told_with_size_and_licence_and_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dlib_models, "find_folder", lambda weights="": None)
    monkeypatch.setattr(face_packages, "_install", lambda: pytest.fail("nobody said yes"))
    with pytest.raises(RequestError):  # no terminal to ask at
        face_packages.fetch_faces(yes=False)
    shown = "".join(capsys.readouterr())
    for told in ("105 MB", "CC0 1.0", "Boost", "68 landmarks", *dlib_models.REQUIREMENTS):
        assert told in " ".join(shown.split())


@faces.needed
def test_what_is_there_is_checked_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    face_packages.fetch_faces(yes=False)
    assert "checked" in capsys.readouterr().out


def test_one_word_stands_for_both() -> None:
    both = {"detector_weights": "faces", "embedder_weights": "faces"}
    assert weights.flags("faces") == both
    assert weights.flags("nano", "faces") == {"detector_weights": "nano", "embedder": "faces", "embedder_weights": "faces"}
    assert Settings(detector="faces").detector_weights == "faces" and Settings(embedder="faces").embedder_weights == "faces"
    assert Settings(embedder="faces", embedder_weights="/models/faces").embedder_weights == "/models/faces"
    with pytest.raises(RequestError, match="cannot choose the embedder 'dinov2'"):
        weights.flags(None, "dinov2")
    with pytest.raises(UnknownPlug):
        weights.flags(None, "nobody")


def test_weights_of_faces_are_read_by_their_plugs_whatever_else_is_set(settings: Settings) -> None:
    """A project that was attached with them is known by their names alone."""
    mine = settings.model_copy(update=weights.flags("faces"))
    assert [(each.name, each.where) for each in weights.find(mine)] == [("faces", "package")] * 2
    assert factory.crop_policy(mine).margin == 0.8 and factory.crop_policy(settings).margin == 0.2
    assert factory.crop_policy(settings, "faces").margin == 0.8
    with pytest.raises(PromptUnknown, match="human faces only, not “dog”"):
        weights.check_prompt(mine, ["human face", "dog"])
    weights.check_prompt(mine, ["Human face"])


@faces.needed
def test_it_is_proposed_where_human_faces_are_looked_for(settings: Settings) -> None:
    assert weights.suits_faces(settings, ["human face"]) and weights.face_lines(settings, ["face"])
    assert not weights.suits_faces(settings, ["cat face"]) and not weights.suits_faces(settings, [])
    assert not weights.suits_faces(settings, ["human face"], chosen="faces")
    assert not weights.suits_faces(settings.model_copy(update=weights.flags("faces")), ["human face"])


def test_attach_keeps_the_embedder_beside_the_label_config(settings: Settings) -> None:
    shown = Project.of({"id": 1, "label_config": build({"human face": "face"}, ["jason"])})
    assert _roles(settings, shown, [], None, "faces") == LabelRoles(embedder="faces")
    factory.projects(settings).add(1, weights=("a", "b"), roles=LabelRoles(embedder="faces"))
    assert _roles(settings, shown, [], None, None) == LabelRoles(embedder="faces")
    both = _roles(settings, shown, ["face=human face"], None, None)
    assert both is not None and both.embedder == "faces" and both.prompt == {"human face": "face"}
    assert factory.label_config(settings, shown).embedder == "faces"
    with pytest.raises(RequestError):
        _roles(settings, shown, [], None, "dinov2")


def test_a_training_takes_the_embedder_that_the_project_chose(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"embedder": "faces"}')
    assert factory.with_chosen_embedder(settings, tmp_path).embedder_weights == "faces"
    assert factory.with_chosen_embedder(settings, tmp_path / "none") == settings
