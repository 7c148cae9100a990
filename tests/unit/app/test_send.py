"""Sending to Label Studio: a new task with the picture, a prediction that fits the project's labels, nothing else touched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import PIL.Image
import pytest

from dinolabel.app.tabs.send import Sender
from dinolabel.studio.client import Project
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.errors import RequestError
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.types import Box, Detection, Named, Thresholds
from tests.doubles.scripted_models import RED, ScriptedDetector, colour_bundle
from tests.doubles.scripted_studio import ScriptedStudio

THING = Detection(Box(10, 10, 30, 50), "coloured thing", 0.8)


class Uploads(ScriptedStudio):
    """Label Studio in memory that also takes files."""

    def projects_list(self) -> list[Project]:
        return list(self._projects.values())

    def tasks_upload_images(self, project: int, paths: Sequence[Path]) -> list[int]:
        self._called("upload")
        return self.add_tasks(project, [f"/data/upload/{path.name}" for path in paths])


@pytest.fixture
def photo(tmp_path: Path) -> str:
    PIL.Image.new("RGB", (100, 100), RED).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def send(studio: Uploads, project: int, photo: str, *detections: Detection) -> str:
    sender = Sender(studio)  # type: ignore[arg-type]
    image = open_image(Path(photo))
    pipeline = Pipeline(ScriptedDetector())
    return sender.send(
        photo, image, detections, project=project, pipeline=pipeline, thresholds=Thresholds(), bundle=colour_bundle(jason=RED)
    )


def test_a_task_and_its_prediction(photo: str) -> None:
    studio = Uploads()
    project = studio.add_project()
    old = studio.add_tasks(project, ["/data/upload/old.png"])
    url = send(studio, project, photo, THING.with_answer(Named("jason", 0.97)), THING)
    task = max(studio._tasks)
    assert url == f"http://studio.test/projects/{project}/data?task={task}"
    (version,) = studio.versions_of(task)
    assert studio.labels_of(task, version) == ["jason", "thing"]
    assert studio.versions_of(old[0]) == []
    assert [call for call in studio.calls if call not in ("project", "tasks")] == ["upload", "create prediction"], (
        "an import of one costs every task of the project"
    )


def test_a_project_that_has_no_such_label_gets_nothing(photo: str) -> None:
    studio = Uploads()
    project = studio.add_project()
    with pytest.raises(RequestError, match="no label for dog") as caught:
        send(studio, project, photo, Detection(Box(1, 1, 9, 9), "dog", 0.9))
    assert "coloured thing" in caught.value.hint
    assert studio._tasks == {}


def test_projects_are_listed_newest_first() -> None:
    studio = Uploads()
    first, second = studio.add_project(title="Cats"), studio.add_project(title="Dogs")
    assert Sender(studio).projects() == [(f"Dogs · {second}", second), (f"Cats · {first}", first)]  # type: ignore[arg-type]
