"""Reads Label Studio's JSON export, and the tasks of an export of ours: what people approved there, as its own reading has it.

Answers that were skipped, and tasks without one, do not arrive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dinolabel.exporters.importers.common.containment import DatasetFolder
from dinolabel.exporters.importers.common.picture_search import PictureFinder
from dinolabel.exporters.importers.common.reading import ImportLog, Recognition
from dinolabel.exporters.importers.common.records import ImportedBox, ImportedImage, ImportUnreadable, read_json, size_of
from dinolabel.exporters.importers.layouts.structured_files import holds
from dinolabel.exporters.pipeline.records import original_name
from dinolabel.exporters.pipeline.report import unread_of
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.reading import size_of as size_of_result
from dinolabel.studio.regions.unread import Unread
from dinolabel.studio.reviews.annotations import is_made_by_button
from dinolabel.studio.reviews.annotator_policy import review_by_policy
from dinolabel.studio.reviews.decisions import ReviewedBox
from dinolabel.studio.reviews.infer_config import infer_config
from dinolabel.vision.decoding.frame_sizes import Size, frame_of
from dinolabel.vision.decoding.turns import SIDEWAYS
from dinolabel.vision.errors import LabelConfigError, MediaError, SizeMismatch

CONFIG = "label_config.xml"
Json = Mapping[str, Any]


def read(path: Path, media: Path | None, reading: ImportLog | None = None) -> Iterator[ImportedImage]:
    """path: the JSON file, or a folder of such; labels are read by `label_config.xml` beside, else off the regions.

    media: folder with the pictures, found by their addresses; by default the folder named. Raises ImportUnreadable, LabelConfigError.
    """
    files = [path] if path.is_file() else sorted(path.glob("tasks-*.json")) or sorted(path.glob("*.json"))
    tasks = [task for file in files for task in _tasks(file)]
    if not tasks:
        raise ImportUnreadable(f"There is no task in {path}.", hint="Name the file that Label Studio's Export button gives as JSON.")
    config_file = (path.parent if path.is_file() else path) / CONFIG
    config = LabelConfig.parse(config_file.read_text(encoding="utf-8")) if config_file.is_file() else _infer(tasks)
    inside = DatasetFolder(path if path.is_dir() else path.parent, media)
    near = PictureFinder(media if media is not None else path if path.is_dir() else None)
    reading = reading or ImportLog()
    for task in tasks:
        arriving = _image(task, config, near, inside, reading)
        if arriving is not None:
            yield arriving


def recognise(path: Path) -> Recognition | None:
    """By a list of tasks with annotations."""
    files = [path] if path.is_file() else sorted(path.glob("*.json"))
    file = next((each for each in files if each.suffix.lower() == ".json" and holds(each, "data", "annotations", begins="[")), None)
    return None if file is None else Recognition(f"Label Studio's JSON, by {file.name}")


def _infer(tasks: list[Json]) -> LabelConfig:
    try:
        return infer_config(tasks)
    except LabelConfigError as error:
        raise ImportUnreadable(f"{error}", hint=f"Put the project's label config beside it, as {CONFIG}.") from error


def _tasks(file: Path) -> list[Json]:
    """With a number each, which tasks of ours have in their meta."""
    content = read_json(file)
    if not isinstance(content, list):
        return []
    if not all(isinstance(each, Mapping) and isinstance(each.get("data"), Mapping) for each in content):
        raise ImportUnreadable(f"{file} is no JSON export of Label Studio.", hint="Choose JSON there, not JSON-MIN or another format.")
    return [{**each, "id": _number(each) or 0} for each in content]


def _number(task: Json) -> int | None:
    meta = task.get("meta")
    ours = meta.get("dinolabel") if isinstance(meta, Mapping) else None
    number = ours.get("task") if isinstance(ours, Mapping) else task.get("id")
    return number if isinstance(number, int) else None


def _image(task: Json, config: LabelConfig, near: PictureFinder, inside: DatasetFolder, reading: ImportLog) -> ImportedImage | None:
    address = task["data"].get(config.data_key)
    if not isinstance(address, str):
        return None
    found = near.find(address)
    file = found if found is not None and inside.holds(found) else None
    size = _measure(file)
    sized = task if size is None else _resize(task, size)
    review = review_by_policy(sized, config)
    looked_at = review.answers > 0
    chosen = [each for each in review.boxes if each.verdict in ("approved", "unverified")]
    unread = unread_of(review, unverified=True)
    if not chosen and not unread and not looked_at:
        return None
    if size is not None and not _fits(task, original_name(address), size, reading):
        return None
    width, height = size or next(((each.width, each.height) for each in chosen), (0, 0))
    boxes = [_box(each, width, height) for each in chosen]
    return ImportedImage(
        name=original_name(address),
        file=file,
        width=width,
        height=height,
        boxes=tuple(each for each in boxes if isinstance(each, ImportedBox)),
        task=task["id"] or None,
        address=address,
        unread=(*unread, *(each for each in boxes if isinstance(each, Unread))),
        looked_at=looked_at,
    )


def _fits(task: Json, name: str, size: Size, reading: ImportLog) -> bool:
    """Whether the picture has the shape of the one that people saw, or that before a turn, which it may have lost since; else refused."""
    answers = [each for each in task.get("annotations") or [] if isinstance(each, Mapping) and not each.get("was_cancelled")]
    results = (each.get("result") for each in answers if not is_made_by_button(each, task))  # theirs came with predictions
    stated = next(filter(None, map(size_of_result, results)), None)
    try:
        frame = frame_of(stated, size, lambda: min(SIDEWAYS), seen_upright=True)
    except SizeMismatch as error:
        reading.refuse(name, str(error), error.hint)
        return False
    if frame.said is not None:
        reading.note(frame.said, name)
    return True


def _measure(file: Path | None) -> tuple[int, int] | None:
    try:
        return None if file is None else size_of(file)
    except MediaError:
        return None


def _resize(task: Json, size: tuple[int, int]) -> Json:
    """Regions are shares of the picture as it was shown; the size beside them may be one from before its turn."""
    own = {"original_width": size[0], "original_height": size[1]}
    answers = [each for each in task.get("annotations") or [] if isinstance(each, Mapping)]
    return {**task, "annotations": [_resize_answer(each, own) for each in answers]}


def _resize_answer(answer: Json, own: Json) -> Json:
    """What is no list of regions stays as it is, and is said where it is read."""
    regions = answer.get("result")
    if not isinstance(regions, list):
        return answer
    return {**answer, "result": [{**region, **own} if isinstance(region, Mapping) else region for region in regions]}


def _box(judged: ReviewedBox, width: int, height: int) -> ImportedBox | Unread:
    box, quad = judged.on(width, height)
    if box is None:
        return Unread(judged.region, "outside", "less than a pixel of it lies in the picture")
    return ImportedBox(judged.label, box, quad, f"region {judged.region}", judged.verdict == "approved", judged.score)
