"""What a person reads when tasks fail: a line a reason with what to mend; "Run it again" only where that can help."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.cli import console
from dinolabel.cli.failures import TaskFailure, lines
from dinolabel.commands.preannotate import AGAIN
from dinolabel.vision.errors import DinolabelError, MediaLate, MediaRefused, MediaUnavailable, MediaUnreadable
from tests.doubles.coloured_things import FolderMedia
from tests.unit.backend.conftest import World


@pytest.mark.parametrize(
    ("failures", "said"),
    [
        ([TaskFailure(5, "A", "It is gone.", "Mend it.")], ["task 5: It is gone."]),
        ([TaskFailure(5, "A", "It is gone.", "Mend it.", boxes=1)], ["task 5 (1 box): It is gone."]),
        ([TaskFailure(None, "A", "It is gone.", "Mend it.")], ["1 task: It is gone."]),
        ([TaskFailure(each, "A", "Gone.", "Mend it.", boxes=2) for each in (1, 2)], ["2 tasks (1 and 2; 4 boxes): Gone."]),
        (
            [
                *(TaskFailure(each, "A", f"{each}.jpg is gone.", "Mend it.") for each in range(1, 1201)),
                TaskFailure(7, "B", "Broken.", "Save it."),
            ],
            ["1,200 tasks (1, 2, 3 and 1,197 more): for example 1.jpg is gone.", "task 7: Broken."],
        ),
    ],
)
def test_reasons_are_lines(failures: list[TaskFailure], said: list[str]) -> None:
    assert [line for line, _ in lines(failures)] == said


class Faulty(FolderMedia):
    """Some of its pictures cannot be had."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.errors: dict[str, DinolabelError] = {}

    def resolve(self, url: str, *, task: int | None = None) -> Path:
        if url in self.errors:
            raise self.errors[url]
        return super().resolve(url, task=task)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    made.media = Faulty(made.photos)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(factory, "studio", lambda settings: made.studio)
    monkeypatch.setattr(factory, "media", lambda settings: made.media)
    monkeypatch.setattr(factory, "pipeline", lambda settings, **how: made.pipeline())
    monkeypatch.setattr(console.out, "width", 200)
    return made


LATE = MediaLate("cdn.example.com is too slow.")
BROKEN = MediaUnreadable("a.jpg is no picture that we can decode.")
CLOSED = MediaRefused("Pictures are not fetched from x.org.", hint="If you trust it: DINOLABEL_MEDIA_HOSTS=x.org")
GONE = MediaUnavailable("x.org answers 404 Not Found for the picture.")


@pytest.mark.parametrize(
    ("errors", "says", "again"),
    [
        ([LATE], ["task 2: cdn.example.com is too slow.", "1 task of 3 got no boxes, for reasons that may pass."], True),
        ([BROKEN], ["task 2: a.jpg is no picture", "Re-save the file as JPEG or PNG."], False),
        ([CLOSED, CLOSED], ["2 tasks (2 and 3): Pictures are not fetched from x.org.", "DINOLABEL_MEDIA_HOSTS=x.org"], False),
        ([GONE], ["task 2: x.org answers 404", "Open the task in Label Studio"], False),
        ([LATE, BROKEN], ["2 tasks of 3 got no boxes; 1 of them for a reason that may pass.", "Mend what is named"], False),
    ],
)
def test_preannotate_says_what_to_mend(
    place: World, capsys: pytest.CaptureFixture[str], errors: list[DinolabelError], says: list[str], again: bool
) -> None:
    project = place.project(3)
    rows = list(place.studio.tasks.list(project))
    place.media.errors = {row.data["image"]: error for row, error in zip(rows, errors, strict=False)}  # type: ignore[attr-defined]
    assert run(["preannotate", "--yes", "--patience", "0"]) == 1
    told = capsys.readouterr().err
    assert all(each in told for each in says), told
    assert (AGAIN in told) is again
    assert not [line for line in told.splitlines() if line.startswith("{")], "no log line among a person's"
    log = place.root / "data" / "logs" / "preannotate.log"
    noted = [json.loads(line) for line in log.read_text().splitlines()]
    assert [each["task"] for each in noted if each["event"] == "task_failed"] == [row.id for row in rows[: len(errors)]]
    assert str(log) in told


def test_a_word_that_the_detector_does_not_know_is_told_before_the_work(
    place: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dinolabel.studio.label_configs.label_config import build as label_config

    place.project(1, label_config=label_config({"thing": "thing", "人脸": "face"}, []))
    run(["preannotate", "--yes", "--patience", "0"])
    assert "the detector knows no word of “人脸”" in " ".join(capsys.readouterr().err.split())
    place.studio.projects.set_label_config(1, label_config({"人脸": "face"}, []))
    assert run(["preannotate", "--yes", "--patience", "0"]) == 2
    assert "The detector knows no word of “人脸”. (PromptUnknown)" in capsys.readouterr().err


@pytest.mark.parametrize("noted", ["cats", "it's", None])
def test_drop_names_the_project_of_the_crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted: str | None) -> None:
    from dinolabel.commands.exclude_crops import _project
    from dinolabel.erasure.exports import crops

    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    folder = tmp_path / "my crops"
    if noted is not None:
        crops.note(tmp_path / "data", noted, folder, "bootstrap")
    assert _project(folder) == (noted or "my crops")


@pytest.mark.parametrize("command", [["export", "nothing"], ["import", "nothing", "x", "--yes"]])
def test_a_format_that_is_not_there_is_told_with_those_that_are(
    place: World, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert run(command) == 2
    told = capsys.readouterr().err
    assert "there are: c" in told
    assert "The file name is the name" not in told and "Choose one of those." in told
