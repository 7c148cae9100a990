"""Inputs of `dinolabel detect`: the pictures and films that paths, folders, patterns and addresses name, each once and under its own
name."""

from __future__ import annotations

import glob
import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from dinolabel.studio.media import url as address
from dinolabel.vision.decoding import folder_walk
from dinolabel.vision.decoding.pictures import SUFFIXES, image_paths
from dinolabel.vision.decoding.video_frames import VIDEO_SUFFIXES
from dinolabel.vision.errors import DinolabelError, MediaError, MediaRefused, MediaUnavailable, RequestError
from dinolabel.vision.video import ENDINGS

COPY_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
"""Kinds that an annotated copy is written as; of another kind's picture it is a JPEG."""
LONGEST = 100  # letters of a part of an address that becomes a file's name
PATTERN = frozenset("*?[")
ADDRESS_HINT = "Download it first, or give an http or https address of a host in DINOLABEL_MEDIA_HOSTS."
RESULTS, UNFINISHED, TABLE = "detections.json", ".unfinished", ".parquet"
PICTURES_HINT = "JPEG, PNG, WebP, HEIC, TIFF and a few more are looked for."


@dataclass(frozen=True)
class Input:
    """One picture or film. name: relative, with slashes; no other input of the run has it.

    path: the file; of an address the file it was fetched into, None before. url: the address. error: why there is nothing to look at.
    copy: where its annotated copy lies below the result's folder, or of a film what its files' names begin with.
    """

    name: str
    path: Path | None = None
    url: str | None = None
    error: DinolabelError | None = None
    copy: str = ""

    @property
    def film(self) -> bool:
        """By its name; what is really in it the decoder says."""
        return self.error is None and PurePosixPath(self.name).suffix.lower() in VIDEO_SUFFIXES

    def stamp(self) -> str:
        """Of the file as it is now; one that is gone or cannot be asked has none. Of an address the address: it is fetched once."""
        if self.url is not None:
            return self.url
        try:
            stat = self.path.stat() if self.path else None
        except OSError:
            return ""
        return f"{stat.st_size} {stat.st_mtime_ns}" if stat else ""

    def file(self, fetch: Callable[[str], Path] | None = None) -> Path:
        """The file on this machine. fetch: gives the file of an address. Raises MediaError, and what fetch raises."""
        if self.error is not None:
            raise self.error
        if self.path is None and self.url is not None and fetch is not None:
            return fetch(self.url)
        if self.path is None:
            raise MediaUnavailable(f"{self.name} was not fetched.", hint=ADDRESS_HINT)
        return self.path


@dataclass(frozen=True)
class Inputs:
    """Everything that was named, in that order. root: the folder that names are relative to. skipped: films in folders that were named."""

    root: Path
    items: tuple[Input, ...]
    skipped: int = 0

    @property
    def pictures(self) -> list[Input]:
        """With what cannot be looked at, which is listed among them."""
        return [each for each in self.items if not each.film]

    @property
    def films(self) -> list[Input]:
        return [each for each in self.items if each.film]


@dataclass
class _Gathered:
    """What the arguments name so far. homes: folders that were named, or that a named file is in. roots: those that brought a file."""

    files: list[Path | Input] = field(default_factory=list)
    homes: list[Path] = field(default_factory=list)
    roots: list[Path] = field(default_factory=list)
    skipped: int = 0
    _known: set[Path | str] = field(default_factory=set)

    def add(self, home: Path, files: Iterable[Path]) -> None:
        """The files of one argument, without those that an earlier one named: by whatever way, a file is looked at once."""
        found = [(each, _real(each)) for each in files]
        fresh = [each for each, real in found if real not in self._known]
        self.homes.append(home)
        self.roots += [Path(os.path.abspath(home))] if fresh else []
        self.files += fresh
        self._known.update(real for _, real in found)

    def add_other(self, other: Input) -> None:
        """An address, or what cannot be looked at."""
        key = other.url or f"\0{other.name}"
        if key not in self._known:
            self._known.add(key)
            self.files.append(other)


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a link to itself; opening it says so
        return Path(os.path.abspath(path))


def find(arguments: Sequence[str], *, out: Path | None = None) -> Inputs:
    """What the arguments name: files, folders (all pictures below), patterns such as `*.jpg` or `2024/**`, http(s) addresses.

    Files below `out` are left out of folders, because we made them. What names nothing is an input with its error, so that it is listed and
    costs the others nothing; when it is all there is it is raised: MediaError. Raises RequestError when out would overwrite pictures.
    """
    gathered = _Gathered()
    for argument in arguments:
        try:
            _gather(gathered, argument, out)
        except MediaError as error:
            gathered.add_other(Input(argument, error=error))
    root = _root(gathered.roots)
    items = tuple(_named(gathered.files, root))
    faults = [each.error for each in items if each.error is not None]
    if len(faults) == len(items):
        raise faults[0] if faults else MediaUnavailable("No picture was named.", hint="Name a picture, a folder or a film.")
    if out is not None:
        _refuse_home(items, gathered.homes, out)
        _refuse_overwriting(items, out)
    return Inputs(root, items, gathered.skipped)


def _gather(gathered: _Gathered, argument: str, out: Path | None) -> None:
    if not argument.strip():
        raise MediaUnavailable("An empty name was given.", hint="Look at the variable or the quotes it came from.")
    scheme = None if os.path.lexists(argument) else address.scheme(argument)
    if scheme in address.WEB:
        gathered.add_other(Input("", url=_checked(argument.strip())))
        return
    if scheme not in (None, "file"):
        raise MediaRefused(f"An address that begins with {scheme}: is not read here.", hint=ADDRESS_HINT)
    path = Path(url2pathname(urlsplit(argument).path) if scheme else argument).expanduser()
    if os.path.lexists(path) or PATTERN.isdisjoint(str(path)):
        _gather_path(gathered, path, out)
        return
    for each in _matches(path):
        _gather_path(gathered, each, out)


def _checked(url: str) -> str:
    """Raises MediaRefused for what begins like an address and is none."""
    try:
        if urlsplit(url).hostname:
            return url
    except ValueError as error:
        raise MediaRefused(f"{url} is no address: {error}.", hint="Copy it anew from the browser.") from error
    raise MediaRefused(f"{url} is no address: it names no host.", hint="Copy it anew from the browser.")


def _matches(pattern: Path) -> list[Path]:
    """What fits, sorted, without what operating systems leave behind; of `**`, which fits folders and all that is in them, the files."""
    fixed = next(at for at, part in enumerate(pattern.parts) if not PATTERN.isdisjoint(part))
    found = [Path(each) for each in sorted(glob.glob(str(pattern), recursive=True))]
    kept = [each for each in found if not folder_walk.in_hidden(each.parts[fixed:]) and not ("**" in pattern.parts and each.is_dir())]
    if not kept:
        raise MediaUnavailable(
            f"There is no file or folder {pattern}, and nothing fits it as a pattern.",
            hint="Check the path: * stands for any name, ** for all folders below.",
        )
    return kept


def _gather_path(gathered: _Gathered, path: Path, out: Path | None) -> None:
    if not path.is_dir():
        gathered.add(path.parent, image_paths(path))
        return
    found, films = _pictures_and_films(path)
    if out is not None:
        home = _real(out)
        if _real(path) == home:
            _refuse_unless_ours(out)
            return
        if home.is_relative_to(_real(path)):
            found = [each for each in found if not _real(each).is_relative_to(home)]
    if not found:
        hint = f"There are films in it: name them, for example {path / '*.mp4'}." if films else PICTURES_HINT
        raise MediaError(f"There are no pictures in {path}.", hint=hint)
    gathered.skipped += films
    gathered.add(path, found)


def _pictures_and_films(folder: Path) -> tuple[list[Path], int]:
    """The pictures below, as image_paths gives them, and how many films there are; the folder is walked once."""
    pictures: list[Path] = []
    films = 0
    for each in folder_walk.files(folder):
        suffix = each.suffix.lower()
        films += suffix in VIDEO_SUFFIXES
        pictures += [each] if suffix in SUFFIXES else []
    return sorted(pictures), films


def _refuse_unless_ours(out: Path) -> None:
    """A folder of results among what a pattern fits is nobody's wish to look at; a folder of pictures must not become one."""
    if not _is_ours(out):
        raise RequestError(f"{out} holds the pictures themselves.", hint="Name another folder after --out.")


def _is_ours(out: Path) -> bool:
    """Whether a run of ours wrote into the folder."""
    return any((out / each).exists() for each in (RESULTS, UNFINISHED))


def _root(homes: Sequence[Path]) -> Path:
    """The innermost folder that holds all of them; the working folder where there is none."""
    try:
        return Path(os.path.commonpath(homes)) if homes else Path.cwd()
    except ValueError:  # on different drives
        return Path.cwd()


def _named(files: Sequence[Path | Input], root: Path) -> list[Input]:
    """Each with a name and a copy's name of its own, pictures first: what a film leaves must not lie where a picture's copy does."""
    alone = len(files) == 1
    items = [each if isinstance(each, Input) else Input(_below(root, each), each) for each in files]
    items = [replace(each, name=_name_of(each.url, alone=alone)) if each.url else each for each in items]
    names, copies = _Taken(str), _Taken(_folded)
    named = [replace(each, name=names.free(each.name)) for each in items]
    placed = {each.name: copies.free(_copy(each.name)) for each in named if not each.film and each.error is None}
    placed |= {each.name: copies.free(each.name.rpartition(".")[0], ENDINGS) for each in named if each.film}
    return [replace(each, copy=placed.get(each.name, "")) for each in named]


def _below(root: Path, path: Path) -> str:
    whole = Path(os.path.abspath(path))
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else whole.as_posix().lstrip("/")


def _name_of(url: str, *, alone: bool) -> str:
    """Host and path of an address, without what may be a secret in it (user, query); of a single one its file's name."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].replace(":", "_")
    path = [_part(each) for each in unquote(parts.path).replace("\\", "/").split("/") if each not in ("", ".", "..")]
    return path[-1] if alone and path else "/".join([_part(host) or "address", *(path or ["picture"])])


def _part(text: str) -> str:
    """As a file may be called: without control characters, its ending kept when it is shortened."""
    plain = "".join("_" if unicodedata.category(each).startswith("C") else each for each in text)
    stem, dot, ending = plain.rpartition(".")
    return plain if len(plain) <= LONGEST else f"{stem[: LONGEST - len(ending) - 1]}{dot}{ending}"[:LONGEST]


def _copy(name: str) -> str:
    return name if PurePosixPath(name).suffix.lower() in COPY_SUFFIXES else f"{name}.jpg"


class _Taken:
    """Names that are given already. same: two names are one when it gives the same for both."""

    def __init__(self, same: Callable[[str], str]) -> None:
        self._same = same
        self._names: set[str] = set()

    def free(self, name: str, endings: Sequence[str] = ("",)) -> str:
        """The name, or the first of `name-2`, `name-3`, … that is free with each of these endings; it is taken then."""
        suffix = PurePosixPath(name).suffix if endings == ("",) else ""
        tried, number = name, 1
        while any(self._same(tried + end) in self._names for end in endings):
            number += 1
            tried = f"{name.removesuffix(suffix)}-{number}{suffix}"
        self._names.update(self._same(tried + end) for end in endings)
        return tried


def _folded(name: str) -> str:
    """As a file system compares that knows neither case nor how a letter is composed."""
    return unicodedata.normalize("NFC", name).casefold()


def _refuse_home(items: Sequence[Input], homes: Sequence[Path], out: Path) -> None:
    """Raises RequestError for a result among the pictures: the next run would look at it."""
    if _real(out) in map(_real, homes):
        what = "film itself" if all(each.film for each in items) else "pictures themselves"
        raise RequestError(f"{out} holds the {what}.", hint="Name another folder after --out.")


def _refuse_overwriting(items: Sequence[Input], out: Path) -> None:
    """Raises RequestError where a copy would lie on a picture of the run, or on a file in a folder that no run of ours wrote into."""
    own = {_real(each.path) for each in items if each.path is not None}
    ours = out.suffix == TABLE or _is_ours(out)
    for each in items:
        targets = [out / f"{each.copy}{end}" for end in (ENDINGS if each.film else ("",))]
        if any(_real(target) in own for target in targets):
            raise RequestError(f"{out} holds the pictures themselves.", hint="Name another folder after --out.")
        if not (ours or each.film or each.error) and targets[0].exists():
            raise RequestError(f"{out} holds a file {each.copy} that is not of ours.", hint="Name another folder after --out.")
