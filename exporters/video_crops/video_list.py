"""Which videos are to be learnt from, who is on each, and which are kept for testing: by file name, by folder, or by a CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dinolabel.studio.label_configs.label_names import normalise_name
from dinolabel.vision.bundles.split import Side
from dinolabel.vision.decoding import folder_walk
from dinolabel.vision.decoding.video_frames import VIDEO_SUFFIXES
from dinolabel.vision.errors import RequestError

STEM = re.compile(r"(?P<label>.+?)[_ -](?P<part>\d+|test[_ -]?\d*)", re.IGNORECASE)
TEST = re.compile(r"(.*[_ -])?test[_ -]?\d*", re.IGNORECASE)
SPLITS: dict[str, Side] = {"train": "train", "": "train", "test": "held_out", "held_out": "held_out"}
HINT = "Name them Class_0.mp4, …, Class_test.mp4; or make a folder per class; or name a CSV with the columns video,class,split."


@dataclass(frozen=True)
class NamedVideo:
    """path: the file. label: who or what is on it. split: train or held out, None when nobody chose (no video is for testing)."""

    path: Path
    label: str
    split: Side | None


@dataclass(frozen=True)
class VideoList:
    """root: what paths are shown relative to. films: by label, then path. nameless: videos whose name tells no class."""

    root: Path
    videos: tuple[NamedVideo, ...]
    nameless: tuple[Path, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(film.label for film in self.videos))

    def relative_path(self, path: Path) -> str:
        """The path as people are told it, with forward slashes."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()


def find(source: Path) -> VideoList:
    """Videos of a folder or of a CSV. Raises RequestError when there are none, or none with a class.

    A folder: files directly in it by their names (`jason_0.mp4`, `mary_ann_test.mov`: the class is all before the last part), files in its
    folders by the folder's name; there a file or a folder called `test`, or ending in `_test`, is for testing.
    """
    if source.is_file() and source.suffix.lower() == ".csv":
        return _from_csv(source)
    if not source.is_dir():
        raise RequestError(f"There is no folder of videos {source}.", hint=HINT)
    seen = sorted(each for each in folder_walk.files(source) if each.suffix.lower() in VIDEO_SUFFIXES)
    if not seen:
        raise RequestError(f"There are no videos in {source}.", hint="MP4, MOV, MKV, WebM, AVI and a few more are looked for.")
    known = {path: (_by_name(path.stem) if path.parent == source else _by_folder(path.relative_to(source))) for path in seen}
    films = [NamedVideo(path, *each) for path, each in known.items() if each is not None]
    return _check(source, films, nameless=[path for path, each in known.items() if each is None])


def _by_name(stem: str) -> tuple[str, Side] | None:
    found = STEM.fullmatch(stem)
    if found is None:
        return None
    return normalise_name(found["label"]), "held_out" if found["part"].lower().startswith("test") else "train"


def _by_folder(relative: Path) -> tuple[str, Side]:
    label, *inner = relative.parts
    tested = TEST.fullmatch(relative.stem) or any(part.lower() == "test" for part in inner[:-1])
    return normalise_name(label), "held_out" if tested else "train"


def _from_csv(path: Path) -> VideoList:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RequestError(f"{path} cannot be read: {error}.") from error
    films = [_row(path, number, row) for number, row in enumerate(rows, 2)]
    return _check(path.parent, films)


def _row(path: Path, line: int, row: dict[str, str | None]) -> NamedVideo:
    video, label, split = (" ".join((row.get(key) or "").split()) for key in ("video", "class", "split"))
    label = normalise_name(label)
    if not video or not label or split.lower() not in SPLITS:
        raise RequestError(
            f"{path.name}, line {line}: a video, a class and, if you like, train or test are needed; got {list(row.values())}.",
            hint="The first line says video,class,split; videos are named relative to the CSV.",
        )
    return NamedVideo(path.parent / video, label, SPLITS[split.lower()])


def _check(root: Path, films: Iterable[NamedVideo], *, nameless: Sequence[Path] = ()) -> VideoList:
    """Sorted; without a video for testing no side was chosen. Raises RequestError when there is no class, or two differ only in case."""
    ordered = sorted(films, key=lambda film: (film.label.casefold(), film.path))
    if not ordered:
        raise RequestError(f"No video of {root} tells its class by its name.", hint=HINT)
    spelled: dict[str, str] = {}
    for film in ordered:
        if spelled.setdefault(film.label.casefold(), film.label) != film.label:
            raise RequestError(f"{spelled[film.label.casefold()]} and {film.label} differ only in case.", hint="Spell the class one way.")
    if not any(film.split == "held_out" for film in ordered):
        ordered = [NamedVideo(film.path, film.label, None) for film in ordered]
    return VideoList(root, tuple(ordered), tuple(nameless))
