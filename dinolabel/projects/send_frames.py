"""Sends a harvest's frames and boxes to a project of Label Studio, to be corrected there: where the two roads meet.

Adds tasks, predictions and missing labels; changes no annotation and nobody's predictions. Frames that were sent before are left alone.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL.Image

from dinolabel.exporters.formats.crops import OUR_GROUP, OUR_SPLIT
from dinolabel.exporters.output.crop_manifest import MANIFEST
from dinolabel.exporters.safe_names import safe
from dinolabel.exporters.video_crops.exclude import rows_of
from dinolabel.studio.label_configs.label_config import LabelConfig, add_name
from dinolabel.studio.label_configs.label_names import find_label
from dinolabel.studio.media.picture_key import value_at
from dinolabel.studio.regions.writing import to_prediction, to_result
from dinolabel.vision.decoding.video_frames import open_frame
from dinolabel.vision.errors import MediaUnreadable
from dinolabel.vision.progress import Listener, Progress, ignore
from dinolabel.vision.types import Box, Detection, Named

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio

QUALITY = 95
AT_ONCE = 20  # frames on disk at a time
Row = Mapping[str, Any]


@dataclass(frozen=True)
class SentFrames:
    """tasks, boxes: sent now. there: frames that had been sent before. version: of the predictions. labels: added to the label config."""

    tasks: int
    boxes: int
    there: int
    version: str
    labels: tuple[str, ...]


def missing_labels(label_config: str, labels: Sequence[str]) -> list[str]:
    """Classes that a label config has no label for."""
    known = LabelConfig.parse(label_config).labels
    return [label for label in labels if find_label(label, known) is None]


def send_frames(studio: LabelStudio, project: int, folder: Path, *, root: Path, listener: Listener = ignore) -> SentFrames:
    """One task a frame that has a kept crop, with a prediction that carries the video's class. root: what the rows' videos are relative to.

    The tasks' data say which video a frame is of and which side of the split it is on, so that an export trains as the harvest does.
    Raises StudioError, MediaError.
    """
    rows = rows_of(folder / MANIFEST)
    frames: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        frames.setdefault((row["image"], row["frame"]), []).append(row)
    labels = tuple(missing_labels(studio.projects.get(project).label_config, list(dict.fromkeys(row["label"] for row in rows))))
    for label in labels:
        studio.projects.set_label_config(project, add_name(studio.projects.get(project).label_config, label))
    config = LabelConfig.parse(studio.projects.get(project).label_config)
    version = (
        f"bootstrap.{hashlib.sha256(repr(sorted((row['image'], row['region'], row['label']) for row in rows)).encode()).hexdigest()[:8]}"
    )
    sent = {str(value_at(task.data, config.data_key) or "").rpartition("/")[2].partition("-")[2] for task in studio.tasks.list(project)}
    new = {_name(own[0]): own for own in frames.values() if _name(own[0]) not in sent}
    for start in range(0, len(new), AT_ONCE):
        part = dict(list(new.items())[start : start + AT_ONCE])
        _send(studio, project, config, part, root=root, version=version)
        listener(Progress("Sending", min(start + AT_ONCE, len(new)), len(new)))
    if new and not studio.projects.get(project).model_version:
        studio.projects.set_model_version(project, version)
    return SentFrames(len(new), sum(map(len, new.values())), len(frames) - len(new), version, labels)


def _send(studio: LabelStudio, project: int, config: LabelConfig, part: Mapping[str, list[Row]], *, root: Path, version: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        paths = [_frame(Path(place) / name, own[0], root) for name, own in part.items()]
        tasks = studio.tasks.upload_images(project, paths)
    predictions = []
    for task, own in zip(tasks, part.values(), strict=True):
        studio.tasks.add_data(task, _facts(own[0]))
        found = [_detection(row, config) for row in own]
        result = to_result(found, config, width=own[0]["width"], height=own[0]["height"], task=task, version=version)
        predictions.append(to_prediction(task, result, version))
    studio.predictions.import_many(project, predictions)


def _name(row: Row) -> str:
    """The same for the same frame of the same file, and telling. Label Studio puts eight digits and a `-` before it."""
    return f"{safe(Path(row['video']).stem).replace(' ', '_')}-{row['frame']:06}-{row['image'][:12]}.jpg"


def _frame(path: Path, row: Row, root: Path) -> Path:
    image = open_frame(root / row["video"], row["frame"])
    if image.sha256 != row["image"]:
        raise MediaUnreadable(f"{row['video']} is another file than the one that was looked at.", hint="Run `dinolabel bootstrap` again.")
    PIL.Image.fromarray(image.pixels).save(path, quality=QUALITY)
    return path


def _facts(row: Row) -> dict[str, Any]:
    facts = {"video": row["video"], "frame": row["frame"], "seconds": row["seconds"], OUR_GROUP: row["group"]}
    return {**facts, OUR_SPLIT: row["split"]} if row["split"] else facts


def _detection(row: Row, config: LabelConfig) -> Detection:
    phrase = row["phrase"] if row["phrase"] in config.prompt_map else next(iter(config.prompt_map))
    return Detection(Box(*row["box"]), phrase, row["score"], Named(row["label"], row["score"]))
