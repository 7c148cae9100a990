"""What pre-annotation embedded is found again by training: through Label Studio's percent and back, without one forward pass."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dinolabel.exporters.formats.crops import export
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.writing import to_prediction, to_result
from dinolabel.training.data.features import embed
from dinolabel.training.data.manifest import read
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.storage.cache import Cache
from dinolabel.vision.types import Box, Crop, Detection, Embeddings

CONFIG = LabelConfig.parse(
    """<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">
    <Label value="face" predicted_values="human face"/><Label value="jason"/></RectangleLabels></View>"""
)


class Corner:
    """An embedder that looks at one pixel of a crop and counts how many it was given."""

    name, digest, dim = "corner", "c0", 4

    def __init__(self) -> None:
        self.asked = 0

    def embed(self, crops: Sequence[Crop]) -> Embeddings:
        self.asked += len(crops)
        rows = np.stack([[1.0, *crop.pixels[crop.pixels.shape[0] // 2, crop.pixels.shape[1] // 2] / 255] for crop in crops])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class Untouchable:
    """The detector is not part of this."""

    name, digest = "none", "none"

    def candidates(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("asked to detect")


def submitted(task: int, prediction: dict[str, Any], *, move: float = 0.0) -> dict[str, Any]:
    """What Label Studio exports when a person names every box, moving it by so many per cent of the width."""
    kept = json.loads(json.dumps(prediction["result"]))
    for region in kept:
        region |= {"origin": "prediction-changed"}
        region["value"] |= {"rectanglelabels": ["jason"], "x": max(0.0, region["value"]["x"] - move)}
    inline = json.loads(json.dumps({"id": task, **prediction}))
    annotation = {"id": task, "completed_by": 1, "was_cancelled": False, "lead_time": 3.0, "updated_at": "2026-11-22T11:00:00Z"}
    annotation |= {"result": kept, "parent_prediction": task, "prediction": inline}
    return {"id": task, "data": {"image": f"{task}.png"}, "annotations": [annotation]}


@pytest.mark.parametrize(("move", "fresh"), [(0.0, 0), (3.0, 1)], ids=["named", "moved"])
def test_training_embeds_only_what_a_person_moved(tmp_path: Path, move: float, fresh: int) -> None:
    rng, tasks, boxes_of_all = np.random.default_rng(0), [], 0
    cache = Cache(tmp_path / "cache.sqlite", max_mb=20)
    pipeline = Pipeline(Untouchable(), Corner(), cache=cache)
    for task, (width, height) in enumerate([(333, 217), (640, 480), (97, 1001), (1027, 771)]):
        PIL.Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(tmp_path / f"{task}.png")
        image = open_image(tmp_path / f"{task}.png")
        boxes = []
        for cell in range(6):  # apart from each other, so that a moved box is still its own
            left, top = width * (0.05 + 0.3 * (cell % 3)), height * (0.05 + 0.45 * (cell // 3))
            boxes.append(Box(left + rng.random(), top + rng.random(), left + width * 0.2, top + height * 0.3).quantise())
        pipeline.embed(image, boxes)
        boxes_of_all += len(boxes)
        detections = [Detection(box, "human face", 0.8) for box in boxes]
        result = to_result(detections, CONFIG, width=width, height=height, task=task, version="v")
        tasks.append(submitted(task, dict(to_prediction(task, result, "v")), move=move))
    export(tasks, CONFIG, tmp_path / "out", open_image=lambda value: open_image(tmp_path / value))
    manifest, embedder = read(tmp_path / "out"), Corner()
    found = embed(manifest.rows, folder=manifest.folder, policy=manifest.policy, embedder=embedder, cache=cache)
    assert embedder.asked == fresh * boxes_of_all
    assert found.cached == boxes_of_all
    assert len(found.rows) == boxes_of_all * (1 + fresh)


def test_a_crop_file_gives_the_embedding_that_serving_would(tmp_path: Path) -> None:
    """Train and serve cut alike: the same box through a PNG and straight from the picture."""
    PIL.Image.fromarray(np.random.default_rng(1).integers(0, 256, (300, 500, 3), dtype=np.uint8)).save(tmp_path / "0.png")
    image = open_image(tmp_path / "0.png")
    boxes = [Box(10.25, 20, 60, 80.5), Box(0, 0, 490, 290), Box(450, 250, 500, 300)]
    served = Pipeline(Untouchable(), Corner()).embed(image, boxes)
    result = to_result([Detection(box, "human face", 0.8) for box in boxes], CONFIG, width=500, height=300, task=0, version="v")
    tasks = [submitted(0, dict(to_prediction(0, result, "v")))]
    export(tasks, CONFIG, tmp_path / "out", open_image=lambda value: open_image(tmp_path / value))
    manifest = read(tmp_path / "out")
    trained = embed(manifest.rows, folder=manifest.folder, policy=manifest.policy, embedder=Corner(), cache=None)
    by_box = {row.box: vector for row, vector in zip(trained.rows, trained.embeddings, strict=True)}
    assert np.array_equal(np.stack([by_box[box] for box in boxes]), served)
