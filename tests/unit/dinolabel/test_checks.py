from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dinolabel import __main__, datafolder
from dinolabel.doctor import label_studio, machine
from dinolabel.doctor.machine import Finding
from dinolabel.settings import Settings
from dinolabel.vision.errors import WeightsMissing


def texts(findings: Iterator[Finding], level: str) -> list[str]:
    return [f"{each.about}: {each.text}" for each in findings if each.level == level]


def test_an_error_of_ours_becomes_a_finding_and_the_rest_goes_on() -> None:
    def fails(_settings: Settings) -> Iterator[Finding]:
        raise WeightsMissing("None here.")
        yield

    def works(_settings: Settings) -> Iterator[Finding]:
        yield Finding("ok", "this", "works")

    bad, good = machine.run(Settings(), [fails, works])
    assert (bad.level, bad.about, bad.text) == ("bad", "fails", "None here.")
    assert bad.fix == WeightsMissing.hint
    assert good.level == "ok"


def test_what_is_in_the_way_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not texts(iter(machine.packages(Settings())), "warn")
    monkeypatch.setattr(machine, "IN_THE_WAY", ("json", "no_such_package"))
    assert texts(iter(machine.packages(Settings())), "warn") == ["packages: json in this environment can break GroundingDINO"]


def test_a_setting_that_is_not_used_any_more_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not texts(machine.settings_read(Settings()), "warn")
    monkeypatch.setenv("DINOLABEL_QUEUE", "redis://queue:6379/0")
    assert texts(machine.settings_read(Settings()), "warn") == [
        "settings: DINOLABEL_QUEUE is not used any more: jobs are kept in the data folder"
    ]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PACKAGES", ("torch", "no-such-package"))
    assert texts(iter(machine.packages(Settings())), "bad") == ["packages: missing: no-such-package"]


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = list(machine.run(Settings(data_dir=tmp_path / "file" / "data"), [machine.data_folder]))
    assert found[0].level == "bad" and "DINOLABEL_DATA_DIR" in found[0].fix


def test_the_probe_leaves_nothing_but_the_mark(tmp_path: Path) -> None:
    assert [each.level for each in machine.data_folder(Settings(data_dir=tmp_path / "new"))] == ["ok"]
    assert [each.name for each in (tmp_path / "new").iterdir()] == [datafolder.MARK]


@pytest.mark.parametrize(
    ("name", "level"), [("org/name-nobody-has", "warn"), ("/no/such/folder", "bad"), ("./nowhere", "bad"), ("nowhere", "bad")]
)
def test_weights_that_are_not_here(name: str, level: str) -> None:
    assert next(iter(machine.weights_here(Settings(detector_weights=name)))).level == level


@pytest.mark.parametrize(("weights", "code", "said"), [("/no/such/folder", 1, "broken"), ("org/name-nobody-has", 0, "to look at")])
def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], weights: str, code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(label_studio, "label_studio", lambda _settings: [])
    monkeypatch.setattr(machine, "EVERYWHERE", (machine.settings_read, machine.data_folder, machine.weights_here))
    assert __main__.run(["doctor", "--weights", weights]) == code
    told = capsys.readouterr().out
    assert said in told and "→" in told
