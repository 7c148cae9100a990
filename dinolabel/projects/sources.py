"""Where annotated tasks come from: a project of Label Studio, or an export file of it; gone through one by one, as often as needed."""

from __future__ import annotations

import json
import mmap
import tempfile
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dinolabel import factory
from dinolabel.erasure.registry import ErasureRegistry
from dinolabel.vision.errors import MediaError, RequestError
from dinolabel.vision.storage.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from dinolabel.settings import Settings
    from dinolabel.studio.client import LabelStudio
    from dinolabel.studio.label_configs.label_config import LabelConfig
    from dinolabel.vision.types import Image

JSON_HINT = "Export the project as JSON, not JSON-MIN."
CHUNK = 200  # tasks of a project asked for at once


@dataclass(frozen=True)
class TaskSource:
    """Annotated tasks, how to read them, and how to find their pictures. xml: the label config as written, None when it was read off the
    tasks. words: for the plan. name: for a folder."""

    tasks: Iterable[dict[str, Any]]
    config: LabelConfig
    resolve: Callable[[str], Path]
    xml: str | None
    words: str
    name: str

    def find(self, value: Any) -> Path:
        """The file of a task's picture, from what the task says it is. Raises MediaError."""
        if not isinstance(value, str):
            raise MediaError("What the task has for its picture is no address.", hint="Import the task again with one picture in it.")
        return self.resolve(value)

    def open(self, value: Any) -> Image:
        """The picture of a task. Raises MediaError."""
        from dinolabel.vision.decoding.pictures import open_image

        return open_image(self.find(value))


def from_project(settings: Settings, number: int, *, control: str | None = None) -> TaskSource:
    """control: which of several RectangleLabels is meant, by name; None: the one that the label config marks."""
    studio = factory.studio(settings)
    project = studio.projects.get(number)
    where = f"project {number}, {project.title}, on {studio.url}"
    xml, config = project.label_config, factory.label_config(settings, project, control=control)
    forgotten = ErasureRegistry(factory.data_dir(settings))
    tasks = (forgotten.without(number, task) for task in _export_tasks(studio, number))
    return TaskSource(TaskSpool(tasks), config, factory.media(settings).resolve, xml, where, str(number))


def _export_tasks(studio: LabelStudio, number: int) -> Iterator[dict[str, Any]]:
    ids = [row.id for row in studio.tasks.list(number) if row.annotated or row.cancelled]
    for start in range(0, len(ids), CHUNK):
        for task in studio.projects.export(number, tasks=ids[start : start + CHUNK]):
            yield with_predictions(task, studio)


def with_predictions(task: dict[str, Any], studio: LabelStudio) -> dict[str, Any]:
    """The task with the predictions its annotations began from. Label Studio's export has them only while the project shows that version
    (measured); without them nobody could tell which boxes a person removed, nor what the detector's own box was."""
    lacking = any(
        each.get("parent_prediction") and (each.get("prediction") or {}).get("id") != each["parent_prediction"]
        for each in task["annotations"]
    )
    return {**task, "predictions": studio.predictions.list(task["id"])} if lacking else task


class TaskSpool:
    """Tasks that came over the network once, on disk: they can be gone through again without being in memory."""

    def __init__(self, tasks: Iterable[dict[str, Any]]) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this
        self._file.writelines(json.dumps(task).encode() + b"\n" for task in tasks)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self._file.seek(0)
        return (parse_json(line) for line in self._file)


class ExportFile:
    """A JSON export of Label Studio; single tasks in it may make no sense. Raises RequestError when it is none."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[dict[str, Any]]:
        import ijson

        from dinolabel.studio.reviews.task_json import find_fault

        try:
            with self.path.open("rb") as file:
                head = file.read(64)
                if head.removeprefix(BOM_UTF8).lstrip()[:1] != b"[":
                    raise RequestError(f"{self.path} is no JSON export of Label Studio.", hint=JSON_HINT)
                file.seek(len(BOM_UTF8) if head.startswith(BOM_UTF8) else 0)
                whole = broken = 0
                for task in _read_whole(file) if _holds_no_numbers(self.path) else ijson.items(file, "item", use_float=True):
                    whole, broken = (whole + 1, broken) if find_fault(task) is None else (whole, broken + 1)
                    yield task
                if broken and not whole:
                    raise RequestError(f"{self.path} is no JSON export of Label Studio: no task in it can be read.", hint=JSON_HINT)
        except (OSError, ValueError, RecursionError, ijson.JSONError) as error:
            why = str(error).partition("\n")[0].rstrip(".")
            raise RequestError(f"{self.path} cannot be read: {why}.", hint=JSON_HINT) from error


def _holds_no_numbers(path: Path) -> bool:
    """Whether NaN or Infinity may be in a file: scripts write them, no standard has them, and what reads task by task ends at them."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return text.find(b"NaN") >= 0 or text.find(b"Infinity") >= 0


def _read_whole(file: IO[bytes]) -> Any:
    """All tasks at once, with a word in place of what is no number: whoever reads a box says so of that box alone."""
    return parse_json(file.read(), constant=str)


def refuse_parts_of_a_file(media: Path | None, label_config: Path | None) -> None:
    """A project has its own pictures and label config. Raises RequestError where others were named, which nobody would look at."""
    given = [name for name, value in (("--media", media), ("--label-config", label_config)) if value is not None]
    if given:
        raise RequestError(
            f"{given[0]} goes with an export file, and none was named.", hint="Name the file with --from, or leave it away for a project."
        )


def from_file(
    settings: Settings, file: Path, media: Path | None, label_config: Path | None, *, wants: Sequence[str], control: str | None = None
) -> TaskSource:
    """wants: which of `media` and `label config` this use cannot do without. control: which of several is meant; None: the one that the
    label config marks, without one the one that most boxes belong to. Raises RequestError."""
    from dinolabel.exporters.media_lookup import finder
    from dinolabel.studio.label_configs.label_config import LabelConfig
    from dinolabel.studio.reviews.infer_config import infer_config

    given = {"--media": media, "--label-config": label_config}
    if any(given[each] is None for each in wants):
        raise RequestError(f"--from needs {' and '.join(wants)} too.", hint="An export file holds neither pictures nor label config.")
    if media is not None and not media.is_dir():
        raise RequestError(f"There is no folder {media}.", hint="Name the folder that holds the pictures.")
    tasks = ExportFile(file)
    try:
        xml = label_config.read_text(encoding="utf-8") if label_config else None
    except (OSError, ValueError) as error:
        raise RequestError(f"{label_config} cannot be read: {error}.", hint="Name the XML of the project's labelling interface.") from error
    config = LabelConfig.parse(xml, control=control) if xml is not None else infer_config(tasks, control)
    where = f"{file}, pictures in {media}" if media else str(file)
    return TaskSource(tasks, config, _offline(settings, finder(media or file.parent)), xml, where, file.stem)


def _offline(settings: Settings, find: Callable[[str], Path]) -> Callable[[str], Path]:
    """Files of the folder, and the pictures that addresses hold themselves."""
    from dinolabel.studio.media.url import is_inline

    # Only made for an address that holds its picture: its cache is a folder, and a dry run writes nothing.
    inline = cache(lambda: factory.media(settings, alone=True))
    return lambda address: inline().resolve(address) if is_inline(address.strip()) else find(address)
