"""`dinolabel names`: what is one name and what are two, whatever keyboard or file system wrote them."""

from __future__ import annotations

import json
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.cli import console
from dinolabel.erasure.registry import ErasureRegistry
from dinolabel.exporters.video_crops.video_list import find
from dinolabel.projects import send_frames
from dinolabel.studio.label_configs.label_config import LabelConfig, add_name
from dinolabel.studio.label_configs.label_names import find_label, look_alikes, normalise_name
from dinolabel.studio.label_configs.rename import add_alias, rename_label
from dinolabel.studio.regions.writing import regions
from dinolabel.vision.errors import LabelConfigError
from tests.doubles.annotated import region, xml
from tests.doubles.scripted_studio import ScriptedStudio

COMPOSED, APART = "Jos\u00e9", "Jose\u0301"
GREEK, GREEK_APART = "Άννα", unicodedata.normalize("NFD", "Άννα")


@pytest.mark.parametrize(
    ("name", "labels", "found", "alike"),
    [
        (COMPOSED, [APART], APART, []),
        (APART, [COMPOSED, APART], APART, []),
        (GREEK_APART, ["lacy", GREEK], GREEK, []),
        (" mary  ann", ["mary ann"], "mary ann", []),
        ("jason", ["Jason"], None, ["Jason"]),
        ("maryann", ["mary ann"], None, ["mary ann"]),
        ("Ｔｏｍ", ["tom"], None, ["tom"]),
        ("STRASSE", ["Straße"], None, ["Straße"]),
        ("jason\u200b", ["jason"], None, ["jason"]),
        ("mary\u00a0ann", ["mary ann"], "mary ann", []),
        ("Jose", [COMPOSED], None, []),
        ("tim", ["tom"], None, []),
    ],
)
def test_one_name_or_two(name: str, labels: list[str], found: str | None, alike: list[str]) -> None:
    assert find_label(name, labels) == found
    assert look_alikes(name, labels) == alike
    assert normalise_name(APART) == COMPOSED


@pytest.mark.parametrize(("label", "given"), [(COMPOSED, APART), (APART, COMPOSED)], ids=["config composed", "config apart"])
def test_boxes_count_under_the_label_as_the_config_spells_it(label: str, given: str) -> None:
    config = LabelConfig.parse(xml(label, "lacy"))
    assert [each.label for each in regions([region("a", (0, 0, 9, 9), given)], config)] == [label]
    assert config.kind_of(config.current_name(given)) == "named"
    assert send_frames.missing_labels(xml(label), [given]) == []
    for change in (lambda: add_name(xml(label), given), lambda: add_name(add_alias(xml("tom"), "tom", label), given)):
        with pytest.raises(LabelConfigError, match=r"already|earlier name"):
            change()
    assert LabelConfig.parse(rename_label(xml(label, "tom"), given, "tom")).labels == ("face", "tom")
    assert LabelConfig.parse(rename_label(xml(label, "tom"), "tom", given)).labels == ("face", label)
    assert LabelConfig.parse(add_alias(xml("tom"), "tom", label)).current_name(given) == "tom"


def test_videos_of_a_mac_and_of_a_keyboard_show_one_person(tmp_path: Path) -> None:
    for name in (f"{APART}_0.mp4", f"{COMPOSED}_1.mp4", "lacy_0.mp4"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / APART).mkdir()
    (tmp_path / APART / "party.mp4").write_bytes(b"")
    assert find(tmp_path).labels == (COMPOSED, "lacy")


def test_who_was_forgotten_in_one_form_is_in_the_other(tmp_path: Path) -> None:
    ErasureRegistry(tmp_path).add(1, [APART])
    assert ErasureRegistry(tmp_path).has(1, COMPOSED) and ErasureRegistry(tmp_path).has(1, APART)
    assert ErasureRegistry(tmp_path).lift(1, COMPOSED) and not ErasureRegistry(tmp_path).has(1, APART)


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedStudio:
    made = ScriptedStudio()
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    for each in (console.out, console.err):
        monkeypatch.setattr(each, "width", 400)
    monkeypatch.setattr(factory, "studio", lambda settings: made)
    return made


def labels(studio: ScriptedStudio, project: int) -> tuple[str, ...]:
    return LabelConfig.parse(studio.projects.get(project).label_config).labels


def test_a_comma_makes_two_names_and_that_is_said(studio: ScriptedStudio, capsys: pytest.CaptureFixture[str]) -> None:
    project = studio.add_project(xml("lacy"))
    assert run(["names", "add", "O'Brien, Jr", "--project", str(project)]) == 0
    assert "Adds 2 names: O'Brien and Jr; a comma separates names." in capsys.readouterr().err
    assert labels(studio, project) == ("face", "lacy", "O'Brien", "Jr")
    assert run(["names", "add", "one", "two", "--project", str(project)]) == 0
    assert "comma" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "told"),
    [("lacy", "a name that is learnt"), ("face", "what the project looks for"), ("unknown", "none of the names"),
     (APART, "a name that is learnt"), ("tommy", "an earlier name of 'lacy'")],
)  # fmt: skip
def test_a_name_that_is_there_says_what_it_is(studio: ScriptedStudio, capsys: pytest.CaptureFixture[str], name: str, told: str) -> None:
    config = add_alias(xml("lacy", "unknown", COMPOSED), "lacy", "tommy")
    project = studio.add_project(config)
    assert run(["names", "add", name, "--project", str(project)]) != 0
    assert told in capsys.readouterr().err
    assert studio.projects.get(project).label_config == config


def test_a_name_that_differs_in_case_is_asked_about(
    studio: ScriptedStudio, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = studio.add_project(xml("Jason"))
    assert run(["names", "add", "jason", "--project", str(project)]) != 0
    told = capsys.readouterr().err
    assert "'jason' differs from 'Jason' only in how it is written" in told and "--yes" in told and "names alias" in told
    assert labels(studio, project) == ("face", "Jason")
    for answer, expected in ((False, ("face", "Jason")), (True, ("face", "Jason", "jason"))):
        monkeypatch.setattr("dinolabel.commands.names.confirm", lambda answer=answer, **_: answer)
        assert run(["names", "add", "jason", "--project", str(project)]) == 0
        assert labels(studio, project) == expected


def test_yes_adds_it_unasked_and_both_stay_two_names(studio: ScriptedStudio) -> None:
    project = studio.add_project(xml("Jason"))
    assert run(["names", "add", "jason", "--yes", "--project", str(project)]) == 0
    config = LabelConfig.parse(studio.projects.get(project).label_config)
    assert config.learnt == ("Jason", "jason")
    found = regions([region("a", (0, 0, 9, 9), "jason"), region("b", (20, 0, 29, 9), "Jason")], config)
    assert [each.label for each in found] == ["jason", "Jason"]


@pytest.mark.parametrize(
    ("asked", "about"),
    [
        (["add", "maryann", "mary ann"], "'mary ann' differs from 'maryann'"),
        (["rename", "lacy", "Jason"], "'Jason' differs from 'jason'"),
    ],
)
def test_a_name_that_differs_from_another_new_one_or_by_renaming_is_asked_about_too(
    studio: ScriptedStudio, capsys: pytest.CaptureFixture[str], asked: list[str], about: str
) -> None:
    project = studio.add_project(xml("jason", "lacy"))
    assert run(["names", *asked, "--project", str(project)]) != 0
    assert about in capsys.readouterr().err
    assert labels(studio, project) == ("face", "jason", "lacy")
    assert run(["names", *asked, "--project", str(project), "--yes"]) == 0


def test_a_name_may_change_its_own_case_unasked(studio: ScriptedStudio) -> None:
    project = studio.add_project(xml("jason", "lacy"))
    assert run(["names", "rename", "jason", "Jason", "--project", str(project)]) == 0
    assert labels(studio, project) == ("face", "Jason", "lacy")


def test_a_new_name_is_made_composed(studio: ScriptedStudio) -> None:
    project = studio.add_project(xml("lacy"))
    assert run(["names", "add", APART, "--project", str(project)]) == 0
    assert labels(studio, project) == ("face", "lacy", COMPOSED)


@pytest.mark.parametrize("name", [COMPOSED, APART])
def test_a_name_without_boxes_can_be_removed(studio: ScriptedStudio, name: str) -> None:
    project = studio.add_project(xml("lacy", APART))
    (task,) = studio.add_tasks(project, ["/a.png"])
    studio.annotate(task, ["lacy"])
    assert run(["names", "remove", name, "--project", str(project)]) == 0
    assert labels(studio, project) == ("face", "lacy")


@pytest.mark.parametrize(
    ("given", "name", "told"),
    [(["tom", "tom"], "tom", "2 boxes in 1 task are named 'tom'"), (["tommy"], "tom", "1 box in 1 task is named 'tom'"),
     (["tommy"], "tommy", "1 box in 1 task is named 'tommy'"), (["tom"], "face", "no name"), (["tom"], "nobody", "has no name 'nobody'")],
)  # fmt: skip
def test_a_name_with_boxes_stays(
    studio: ScriptedStudio, capsys: pytest.CaptureFixture[str], given: list[str], name: str, told: str
) -> None:
    config = add_alias(xml("lacy", "tom"), "tom", "tommy")
    project = studio.add_project(config)
    (task,) = studio.add_tasks(project, ["/a.png"])
    studio.annotate(task, given)
    assert run(["names", "remove", name, "--project", str(project)]) != 0
    printed = capsys.readouterr().err
    assert told in printed
    assert ("rename" in printed and "forget" in printed) == (" named " in printed)
    assert studio.projects.get(project).label_config == config


def test_an_earlier_name_without_boxes_is_no_longer_remembered(studio: ScriptedStudio) -> None:
    project = studio.add_project(add_alias(xml("lacy", "tom"), "tom", "tommy"))
    (task,) = studio.add_tasks(project, ["/a.png"])
    studio.annotate(task, ["tom"])
    assert run(["names", "remove", "tommy", "--project", str(project)]) == 0
    assert LabelConfig.parse(studio.projects.get(project).label_config).aliases == {}
    assert labels(studio, project) == ("face", "lacy", "tom")


class Taking(ScriptedStudio):
    """With what only importing asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[Any] = []

    def tasks_upload_images(self, project: int, paths: list[Path]) -> list[int]:
        return self.add_tasks(project, [f"/{each.name}" for each in paths])

    def annotations_create(self, task: int, result: list[Any], *, lead_time: float | None) -> None:
        self.made += result


@pytest.mark.parametrize("label", [COMPOSED, APART], ids=["config composed", "config apart"])
@pytest.mark.parametrize("folder", [COMPOSED, APART], ids=["folder composed", "folder apart"])
def test_an_import_writes_the_label_as_the_config_spells_it(
    tmp_path: Path, studio: ScriptedStudio, monkeypatch: pytest.MonkeyPatch, label: str, folder: str
) -> None:
    import PIL.Image

    there = Taking()
    monkeypatch.setattr(factory, "studio", lambda settings: there)
    project = there.add_project(xml(label))
    place = tmp_path / "crops" / folder
    place.mkdir(parents=True)
    PIL.Image.new("RGB", (20, 20)).save(place / "a.png")
    assert run(["import", "crops", str(tmp_path / "crops"), "--project", str(project), "--yes"]) == 0
    assert [each["value"]["rectanglelabels"] for each in there.made] == [[label]]
    shutil.rmtree(tmp_path / "crops")
    assert json.dumps(labels(there, project)) == json.dumps(("face", label))
