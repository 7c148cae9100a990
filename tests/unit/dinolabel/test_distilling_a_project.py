"""`dinolabel distil` and `dinolabel students` on a project: what is read of it, and which detector answers afterwards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.models import student_pictures
from dinolabel.settings import Settings
from dinolabel.training.distillation import distil, fitting, pictures
from dinolabel.vision.progress import ignore
from dinolabel.vision.students.store import StudentStore
from dinolabel.vision.students.student import Student
from tests.doubles.coloured_things import FolderMedia
from tests.doubles.scripted_studio import ScriptedStudio
from tests.tiny_models import tiny_detector, tiny_student

CONFIG = """<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">
<Label value="cat" predicted_values="cat"/><Label value="tom"/></RectangleLabels></View>"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Six pictures: three answered (one with nothing in it), one skipped, two that nobody opened, one of which is lost."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(6):
        pixels = np.random.default_rng(number).integers(80, 160, (100, 100, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(photos / f"{number}.png")
    studio = ScriptedStudio()
    made = studio.add_project(CONFIG)
    tasks = studio.add_tasks(made, [f"/data/{number}.png" for number in range(6)])
    for task, label in zip(tasks[:2], ("tom", "cat"), strict=True):
        studio.annotate(task, [label])
    studio.annotate(tasks[2], [])
    studio.annotate(tasks[3], [], cancelled=True)
    (photos / "5.png").unlink()
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DINOLABEL_DETECTOR_WEIGHTS", str(tiny_detector(tmp_path / "tiny")))
    monkeypatch.setattr(factory, "studio", lambda settings: studio)
    monkeypatch.setattr(factory, "media", lambda settings, **how: FolderMedia(photos))
    return made


def test_answers_teach_and_the_rest_is_for_the_teacher(project: int, tmp_path: Path) -> None:
    found = student_pictures.collect(Settings.load(), project, tmp_path / "out", ignore)
    answered = pictures.read(found.folder)
    assert sorted(row.labels for row in answered.rows) == [(), ("cat",), ("tom",)]
    assert [path.name for path in found.others] == ["4.png"]
    assert found.phrases == {"cat": "cat"}


@pytest.mark.slow
def test_a_project_is_distilled_and_what_was_offered_is_used(
    project: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fitting, "STEPS", 3)
    monkeypatch.setattr(distil, "SIDES", range(96, 97))
    assert run(["distil", "--project", str(project)]) == 0
    assert "Not published" in capsys.readouterr().out
    store = StudentStore(tmp_path / "data" / "students")
    (offered,) = store.offers(str(project))
    assert store.desired(str(project)) is None
    assert run(["students", "use", offered[:5], "--project", str(project)]) == 0
    assert store.desired(str(project)) == offered
    assert not (tmp_path / "data" / "distilling" / str(project) / "pictures").exists()


def test_back_to_the_one_before_and_to_the_detector(project: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, name = StudentStore(tmp_path / "data" / "students"), str(project)
    first, second = (store.publish(name, Student.load(tiny_student(tmp_path / f"s{seed}", seed=seed))) for seed in range(2))
    assert store.desired(name) == second
    for expected in (first, None):
        assert run(["students", "rollback", "--project", name]) == 0
        assert store.desired(name) == expected
    assert run(["students", "list", "--project", name]) == 0
    assert "the detector of the settings answers" in capsys.readouterr().out
    assert run(["students", "unpin", "--project", name]) == 0
    assert store.desired(name) == second
