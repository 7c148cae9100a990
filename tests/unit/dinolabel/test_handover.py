"""A harvest goes to Label Studio to be corrected, and comes back with its test videos still set apart."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from dinolabel.exporters.formats import crops
from dinolabel.exporters.formats.crops import OUR_SPLIT
from dinolabel.exporters.output.crop_manifest import MANIFEST
from dinolabel.exporters.video_crops.exclude import exclude, rows_of
from dinolabel.exporters.video_crops.extract import ExtractionConfig, extract_crops
from dinolabel.exporters.video_crops.filters import CropFilters
from dinolabel.exporters.video_crops.video_list import find
from dinolabel.projects.send_frames import missing_labels, send_frames
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.training.data.manifest import read
from dinolabel.vision.decoding.pictures import from_pillow
from dinolabel.vision.errors import MediaUnreadable
from dinolabel.vision.types import Box, CropPolicy, Detection, Image
from tests.doubles.scripted_studio import CONFIG, ScriptedStudio
from tests.films import film, numbered


class UploadingStudio(ScriptedStudio):
    """Keeps what is uploaded, under the names that Label Studio gives."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}

    def tasks_upload_images(self, project: int, paths: Sequence[Path]) -> list[int]:
        urls = [f"/data/upload/{project}/{len(self.files) + at:08x}-{path.name}" for at, path in enumerate(paths)]
        self.files |= {url: path.read_bytes() for url, path in zip(urls, paths, strict=True)}
        return self.add_tasks(project, urls)

    def tasks_add_data(self, task: int, data: Mapping[str, Any]) -> None:
        self._tasks[task].data = {**data, **self._tasks[task].data}


def detect(images: Sequence[Image]) -> list[list[Detection]]:
    return [[Detection(Box(10, 10, 70, 60), "coloured thing", 0.8)] for _ in images]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    videos = tmp_path / "videos"
    videos.mkdir()
    for number, name in enumerate(("jason_0.mp4", "jason_test.webm", "maria_0.mp4", "maria_test.mp4")):
        film(videos / name, list(numbered(60))[number * 15 : number * 15 + 15], rate=5)
    rules = CropFilters(every=1.0, sharpness=0.0, near=-1)
    extract_crops(ExtractionConfig(find(videos), detect, rules, CropPolicy(), "bootstrap.x", "2026-11-22T12:00:00+00:00"), tmp_path / "out")
    return tmp_path


def send(studio: UploadingStudio, project: int, place: Path) -> Any:
    return send_frames(studio, project, place / "out", root=place / "videos")  # type: ignore[arg-type]


def test_frames_become_tasks_with_the_videos_class_as_a_prediction(place: Path) -> None:
    studio = UploadingStudio()
    project = studio.add_project()
    assert missing_labels(CONFIG, ["jason", "maria"]) == ["maria"]
    handed = send(studio, project, place)
    rows = rows_of(place / "out" / MANIFEST)
    assert (handed.tasks, handed.boxes, handed.there, handed.labels) == (12, 12, 0, ("maria",))
    config = LabelConfig.parse(studio.projects.get(project).label_config)
    assert config.labels == ("thing", "jason", "lacy", "maria")
    shown = {studio.labels_of(task.id, handed.version)[0] for task in studio.tasks.list(project)}
    assert shown == {"jason", "maria"} and studio.projects.get(project).model_version == handed.version
    facts = {(task.data["video"], task.data["frame"]): task.data for task in studio.tasks.list(project)}
    assert set(facts) == {(row["video"], row["frame"]) for row in rows}
    assert {data[OUR_SPLIT] for (video, _), data in facts.items() if "test" in video} == {"held_out"}
    picture = PIL.Image.open(io.BytesIO(studio.files[next(iter(facts.values()))["image"]]))
    assert picture.size == (96, 64)


def test_sending_again_sends_only_what_is_new(place: Path) -> None:
    studio = UploadingStudio()
    project = studio.add_project(model_version="somebody's choice")
    dropped = exclude(place / "out", {1})
    first = send(studio, project, place)
    assert first.tasks == 11 and studio.projects.get(project).model_version == "somebody's choice"
    assert send(studio, project, place).there == 11 and len(studio.files) == 11
    assert dropped[0]["number"] == 1


def test_a_replaced_video_is_noticed(place: Path) -> None:
    film(place / "videos" / "jason_0.mp4", list(numbered(40))[20:], rate=5)
    studio = UploadingStudio()
    project = studio.add_project()
    with pytest.raises(MediaUnreadable, match="another file"):
        send(studio, project, place)


def test_what_comes_back_keeps_its_video_and_its_side(place: Path) -> None:
    studio = UploadingStudio()
    project = studio.add_project()
    send(studio, project, place)
    config = LabelConfig.parse(studio.projects.get(project).label_config)
    tasks = []
    for row in studio.tasks.list(project):
        result = [{**each, "origin": "prediction"} for each in studio._tasks[row.id].predictions[0]["result"]]
        done = {"id": row.id, "completed_by": 1, "was_cancelled": False, "lead_time": 2.0, "updated_at": "2026-11-22T13:00:00Z"}
        tasks.append({"id": row.id, "data": dict(row.data), "annotations": [{**done, "result": result}], "predictions": []})

    def opened(url: Any) -> Image:
        return from_pillow(PIL.Image.open(io.BytesIO(studio.files[url])))

    crops.export(tasks, config, place / "back", open_image=opened)
    back = read(place / "back").rows
    assert len(back) == 12
    before = {row.group: row.side for row in read(place / "out").rows}
    assert {row.group: row.side for row in back} == before and set(before.values()) == {"train", "held_out"}
