"""The project of a folder and a prompt: the one made for them before, else a new one; with the photos in it.

Remembers in `up.json` of the data folder which project belongs to what, so that running `up` again resumes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinolabel.local import up_state
from dinolabel.local.photos import PATTERN, PhotoFolder
from dinolabel.projects import hotkeys, tabs
from dinolabel.vision.errors import PromptMissing, RequestError
from dinolabel.vision.storage.json_text import parse_json

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio, Project

MEMORY = "up.json"


@dataclass(frozen=True, slots=True)
class LocalProject:
    """A project made for a folder and its prompt (phrase -> label)."""

    folder: str
    prompts: Mapping[str, str]
    project: int


@dataclass(frozen=True, slots=True)
class UpMemory:
    """root: the document root of this data folder's Label Studio, fixed by the first folder; tasks' addresses are relative to it."""

    root: str | None = None
    made: tuple[LocalProject, ...] = ()

    @classmethod
    def read(cls, data_dir: Path) -> UpMemory:
        """Empty when there is none yet or it cannot be read: the projects themselves are safe in Label Studio."""
        with suppress(FileNotFoundError, ValueError, TypeError, KeyError):
            stored = parse_json((data_dir / MEMORY).read_text(encoding="utf-8"))
            return cls(stored["root"], tuple(LocalProject(**each) for each in stored["made"]))
        return cls()

    def write(self, data_dir: Path) -> None:
        up_state.write_private(data_dir / MEMORY, json.dumps(asdict(self), indent=1, ensure_ascii=False))

    def root_for(self, photos: PhotoFolder) -> Path:
        """The document root under which the folder can be served. Raises RequestError when this data folder serves another place."""
        root = Path(self.root) if self.root else photos.root
        if root not in photos.folder.parents:
            raise RequestError(
                f"This data folder serves photos below {root}; {photos.folder} is not there.",
                hint=f'Give these photos a data folder of their own: add --data "{Path.home() / "dinolabel" / photos.folder.name}".',
            )
        return root

    def find(self, photos: PhotoFolder, prompts: Mapping[str, str] | None) -> LocalProject | None:
        """The newest project of the folder, with this prompt when one is given."""
        of_folder = [each for each in self.made if each.folder == str(photos.folder)]
        matching = [each for each in of_folder if prompts is None or dict(each.prompts) == dict(prompts)]
        return matching[-1] if matching else None

    def with_project(self, made: LocalProject, root: Path) -> UpMemory:
        kept = tuple(each for each in self.made if each.project != made.project)
        return UpMemory(str(root), (*kept, made))


def find_or_make(
    studio: LabelStudio, memory: UpMemory, photos: PhotoFolder, prompts: Mapping[str, str] | None, names: Sequence[str]
) -> tuple[Project, LocalProject]:
    """The project, with every name as a label. Raises PromptMissing for a new one without words."""
    known = memory.find(photos, prompts)
    project = _still_there(studio, known) if known else None
    if known is None or project is None:
        if not prompts:
            raise PromptMissing(f"{photos.folder.name} is new here, and there is nothing to look for.")
        project = _make(studio, photos, prompts, names)
        known = LocalProject(str(photos.folder), dict(prompts), project.id)
    else:
        project = _with_names(studio, project, names)
    return project, known


def _still_there(studio: LabelStudio, made: LocalProject) -> Project | None:
    from dinolabel.studio.errors import StudioRefused

    try:
        return studio.projects.get(made.project)
    except StudioRefused as error:
        if error.status == 404:
            return None
        raise


def _make(studio: LabelStudio, photos: PhotoFolder, prompts: Mapping[str, str], names: Sequence[str]) -> Project:
    from dinolabel.studio.label_configs.instructions import write_instructions
    from dinolabel.studio.label_configs.label_config import build

    xml = build(prompts, names)
    told = write_instructions(xml, next_key=hotkeys.OURS[hotkeys.NEXT], submit_key=hotkeys.OURS[hotkeys.SUBMIT])
    title = f"{photos.folder.name}: {', '.join(dict.fromkeys(prompts.values()))}"
    project = studio.projects.create(title[:50].ljust(3, "."), xml, description=f"Pictures of {photos.folder}", instruction=told)
    tabs.make(studio, project.id)
    return project


def _with_names(studio: LabelStudio, project: Project, names: Sequence[str]) -> Project:
    """The project with the names it lacks; nothing else of its label config changes."""
    from dinolabel.studio.label_configs.label_config import LabelConfig, add_name

    xml = project.label_config
    for name in names:
        if name not in LabelConfig.parse(xml).labels:
            xml = add_name(xml, name)
    if xml != project.label_config:
        studio.projects.set_label_config(project.id, xml)
        return studio.projects.get(project.id)
    return project


def give_embedder(studio: LabelStudio, project: Project, embedder: str) -> Project:
    """The project with this embedder in its label config; nothing else of it changes."""
    from dinolabel.studio.label_configs.edit import set_embedder
    from dinolabel.studio.label_configs.label_config import LabelConfig

    if LabelConfig.parse(project.label_config).embedder != embedder:
        studio.projects.set_label_config(project.id, set_embedder(project.label_config, embedder))
        return studio.projects.get(project.id)
    return project


def import_photos(studio: LabelStudio, project: int, photos: PhotoFolder, root: Path) -> int:
    """Let Label Studio serve the folder and make a task of every picture that has none yet; how many are new. Safe to repeat.

    root: Label Studio's document root.
    """
    storage = studio.local_storages.list(project).get(str(photos.folder))
    if storage is None:
        storage = studio.local_storages.create(project, photos.folder, pattern=PATTERN)
    drop_hidden(studio, project, photos, root)  # of a sync that a person started in Label Studio: they are not new
    new = studio.local_storages.sync(storage)
    return new - drop_hidden(studio, project, photos, root)


def drop_hidden(studio: LabelStudio, project: int, photos: PhotoFolder, root: Path) -> int:
    """Take away the tasks that Label Studio made of hidden files, and nobody has begun; how many.

    Its storage can be told which names to take, but not which folders (measured), so a sync takes thumbnails in hidden folders along.
    """
    if not photos.hidden:
        return 0
    rows = [each for each in studio.tasks.list(project) if _served_hidden(each.data, photos, root)]
    gone = [each for each in rows if not (each.annotated or each.cancelled or each.drafted)]
    for each in gone:
        studio.tasks.delete(each.id)
    return len(gone)


def _served_hidden(data: Mapping[str, Any], photos: PhotoFolder, root: Path) -> bool:
    from dinolabel.studio.media.url import local_file

    named = [local_file(each) for each in data.values() if isinstance(each, str)]
    return any(photos.hides(root / each) for each in named if each is not None)
