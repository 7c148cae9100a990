"""A phrase of which the detector knows no word is refused by every command that takes a prompt, before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.studio.label_configs.label_config import build as label_config
from tests.doubles.coloured_things import picture
from tests.doubles.scripted_studio import ScriptedStudio


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedStudio:
    made = ScriptedStudio()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DINOLABEL_DETECTOR_WEIGHTS", "nano")
    monkeypatch.setenv("DINOLABEL_EMBEDDER_WEIGHTS", "nano")
    monkeypatch.setattr(factory, "studio", lambda settings: made)
    (tmp_path / "p").mkdir()
    picture(tmp_path / "p" / "a.png")
    project = made.add_project(label_config({"cat": "cat"}, []))
    factory.projects(factory.Settings.load()).add(project, weights=("nano", "nano"), title="Party", before={})
    return made


@pytest.mark.parametrize(
    "command",
    [
        ["detect", "p", "--prompt", "cat face, 人脸"],
        ["detect", "p", "--prompt", "Gesicht=😀"],
        ["init", "--title", "Cats", "--prompt", "人脸"],
        ["up", "p", "--prompt", "人脸", "--no-browser"],
        ["prompt", "add", "лицо=лицо кошки", "--project", "1"],
        ["prompt", "add", "人脸"],
    ],
)
def test_it_is_refused_by_name(studio: ScriptedStudio, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    before = studio.projects.get(1).label_config
    assert run(command) == 2
    told = capsys.readouterr().err
    assert "The detector knows no word of “" in told and "The detector reads English words" in told
    assert studio.projects.get(1).label_config == before
    assert not Path("found").exists()


def test_a_word_in_other_letters_beside_an_english_one_gets_a_line(studio: ScriptedStudio, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["detect", "p", "--prompt", "cat лицо"]) == 0
    assert "the detector reads English; “cat лицо” may find nothing" in " ".join(capsys.readouterr().err.split())
    assert run(["prompt", "add", "кот=cat кот"]) == 0
    told = capsys.readouterr()
    assert "the detector reads English" in told.err and "“cat кот” → кот" in told.out
    assert run(["detect", "p", "--prompt", "кот=cat"]) == 0
    assert "reads English" not in capsys.readouterr().err
