"""A harvest of videos in a real Label Studio: frames, the video's class on the boxes, and the facts an export needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dinolabel.exporters.formats.crops import OUR_GROUP, OUR_SPLIT
from dinolabel.exporters.video_crops.extract import ExtractionConfig, extract_crops
from dinolabel.exporters.video_crops.filters import CropFilters
from dinolabel.exporters.video_crops.video_list import find
from dinolabel.projects.send_frames import send_frames
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.vision.types import Box, CropPolicy, Detection, Image
from tests.films import film, numbered

pytestmark = pytest.mark.e2e
CONFIG = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">'
    '<Label value="face" predicted_values="human face"/><Label value="jason"/></RectangleLabels></View>'
)


def test_frames_arrive_with_their_class_and_their_side(tmp_path: Path, studio: LabelStudio, project_of: Callable[[str], int]) -> None:
    def detect(images: Sequence[Image]) -> list[list[Detection]]:
        return [[Detection(Box(10, 10, 70, 60), "human face", 0.8)] for _ in images]

    (tmp_path / "videos").mkdir()
    pictures = list(numbered(30))
    film(tmp_path / "videos" / "jason_0.mp4", pictures[:15], rate=5)
    film(tmp_path / "videos" / "maria_test.mp4", pictures[15:], rate=5)
    rules = CropFilters(every=1.5, sharpness=0.0, near=-1)
    extract_crops(
        ExtractionConfig(find(tmp_path / "videos"), detect, rules, CropPolicy(), "bootstrap.x", "2026-11-22T12:00:00+00:00"),
        tmp_path / "out",
    )
    project = project_of(CONFIG)
    first = send_frames(studio, project, tmp_path / "out", root=tmp_path / "videos")
    assert (first.tasks, first.boxes, first.labels) == (4, 4, ("maria",))
    assert send_frames(studio, project, tmp_path / "out", root=tmp_path / "videos").there == 4
    config = LabelConfig.parse(studio.projects.get(project).label_config)
    assert "maria" in config.learnt and studio.projects.get(project).model_version == first.version
    for row in studio.tasks.list(project):
        task = studio.tasks.get(row.id)
        (region,) = task["predictions"][0]["result"]
        assert region["value"]["rectanglelabels"] == [task["data"]["video"].partition("_")[0]]
        assert task["data"][OUR_SPLIT] == ("held_out" if "test" in task["data"]["video"] else "train")
        assert len(task["data"][OUR_GROUP]) == 64 and task["data"]["image"].startswith("/data/upload/")
