"""Where what was trained is kept, of any kind: per project a history, what is pinned, and what the project shows now.

Other processes need no message: everything is read from disk when asked, and a publish appears
by one rename, so that a reader sees all of it or nothing.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import structlog

from dinolabel.vision.errors import RequestError
from dinolabel.vision.storage.atomic_files import sync
from dinolabel.vision.storage.json_text import parse_json

log = structlog.get_logger(__name__)

PROJECT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
ENTRY = re.compile(r"(\d{6,})-([0-9a-f]{12})")
ID_DIGITS = 12
UNFINISHED = ".writing-"
FORGOTTEN = "forgotten"  # ids of bundles that were removed with somebody in them


class Storable(Protocol):
    """What can be kept."""

    @property
    def digest(self) -> str:
        """Hex digest of all that decides its answers."""

    def save(self, folder: Path) -> None:
        """Write its files into a folder, which is made if need be."""


Kept = TypeVar("Kept", bound=Storable)


@dataclass(frozen=True, slots=True)
class PublishedBundle:
    """One publish. id: its first digits. at: ISO time of the training. labels, metrics: its card's."""

    id: str
    at: str
    labels: tuple[str, ...]
    metrics: Mapping[str, Any] = field(repr=False)


class VersionStore(ABC, Generic[Kept]):
    """root: a folder of one folder per project; made when first written to. card: the JSON file in each publish that tells of it.

    word: what is kept, for sentences.
    """

    card = ""
    word = ""

    def __init__(self, root: Path) -> None:
        self._root = root

    def projects(self) -> list[str]:
        """Every project something was published for, numbers in order."""
        try:
            names = os.listdir(self._root)
        except FileNotFoundError:
            return []
        found = [name for name in names if PROJECT.fullmatch(name) and self._folders(name)]
        return sorted(found, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))

    def publish(
        self,
        project: str,
        bundle: Kept,
        receipt: Mapping[str, Any] | None = None,
        *,
        beside: Callable[[Path], object] = lambda folder: None,
    ) -> str:
        """Keep a bundle (and the receipt of its training) as the project's newest; the answer is its id.

        beside: given the unfinished folder, writes more files there (the receipt's page), which appear with the bundle.
        Publishing the same content again makes it the newest again. Raises RequestError for an impossible project name.
        """
        home = self._home(project)
        home.mkdir(parents=True, exist_ok=True)
        bundle_id = bundle.digest[:ID_DIGITS]
        unfinished = home / f"{UNFINISHED}{secrets.token_hex(8)}"
        try:
            bundle.save(unfinished)
            (unfinished / "receipt.json").write_text(json.dumps(dict(receipt or {}), indent=1, sort_keys=True), encoding="utf-8")
            beside(unfinished)
            for each in sorted(unfinished.rglob("*")):
                sync(each)
            _rename_to_next(unfinished, home, bundle_id)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        sync(home)
        return bundle_id

    def history(self, project: str) -> list[PublishedBundle]:
        """Every publish, oldest first. One whose card is damaged is left out and logged."""
        return [each for each in (_entry(folder, self.card) for folder in self._folders(project)) if each is not None]

    def heads(self, project: str) -> list[PublishedBundle]:
        """Each head once, where it was published last; oldest first."""
        newest_first: dict[str, PublishedBundle] = {}
        for entry in reversed(self.history(project)):
            newest_first.setdefault(entry.id, entry)
        return list(reversed(newest_first.values()))

    @abstractmethod
    def get(self, project: str, bundle_id: str) -> Kept:
        """Raises RequestError when the project has no such bundle, BundleMismatch when it is damaged."""

    def folder(self, project: str, bundle_id: str) -> Path:
        """Where a bundle and its receipt.json lie. Raises RequestError when the project has no such bundle."""
        for folder in reversed(self._folders(project)):
            if _id(folder) == bundle_id:
                return folder
        if bundle_id in self.forgotten_ids(project):
            raise RequestError(
                f"{self.word.capitalize()} {bundle_id} is gone: somebody in it was forgotten.", hint="Choose a newer one, or train again."
            )
        there = ", ".join(dict.fromkeys(map(_id, self._folders(project)))) or "none"
        raise RequestError(f"Project {project} has no {self.word} {bundle_id}.", hint=f"It has: {there}.")

    def newest(self, project: str) -> str | None:
        folders = self._folders(project)
        return _id(folders[-1]) if folders else None

    def pin(self, project: str, bundle_id: str | None) -> None:
        """Hold the project at one bundle; None lets go. Raises RequestError when the project has no such bundle."""
        self._write_pointer(project, "pinned", bundle_id)

    def pinned(self, project: str) -> str | None:
        return self._read_pointer(project, "pinned")

    def desired(self, project: str) -> str | None:
        """What the project should show: the pinned bundle, else the newest, else None."""
        return self.pinned(project) or self.newest(project)

    def set_current(self, project: str, bundle_id: str | None) -> None:
        """Note what the switch has shown. Raises RequestError when the project has no such bundle."""
        self._write_pointer(project, "current", bundle_id)

    def current(self, project: str) -> str | None:
        return self._read_pointer(project, "current")

    def forget(self, project: str, bundle_ids: Iterable[str]) -> None:
        """Remove bundles for good, wherever they are in the history; pins on them are let go, and asking for one says why it is gone."""
        ids = set(bundle_ids)
        if not ids:
            return
        for name in ("current", "pinned"):
            if self._read_pointer(project, name) in ids:
                self._write_pointer(project, name, None)
        with (self._home(project) / FORGOTTEN).open("a", encoding="ascii") as notes:
            notes.writelines(f"{each}\n" for each in sorted(ids - self.forgotten_ids(project)))
        for folder in self._folders(project):
            if _id(folder) in ids:
                shutil.rmtree(folder)

    def forgotten_ids(self, project: str) -> set[str]:
        """Bundles that were removed because somebody in them was forgotten."""
        path = self._home(project) / FORGOTTEN
        return set(path.read_text(encoding="ascii").split()) if path.is_file() else set()

    def is_refused(self, project: str, at: str) -> Path:
        """A new folder for the receipt of a training that was not published. at: ISO time of it."""
        home = self._home(project) / "refused"
        name = re.sub(r"[^0-9A-Za-z]+", "-", at).strip("-")
        for number in itertools.count(1):
            folder = home / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            break
        return folder

    def add_verdict(self, project: str, verdict: Mapping[str, Any]) -> None:
        """Append the outcome of a training, published or refused."""
        path = self._home(project) / "verdicts.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(dict(verdict), sort_keys=True, ensure_ascii=False) + "\n"
        # One write to a file opened for appending: two processes' lines do not mix.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, line.encode())
            os.fsync(handle)
        finally:
            os.close(handle)

    def verdicts(self, project: str) -> list[dict[str, Any]]:
        """Every training's outcome, oldest first. A line that a crash cut short is left out."""
        try:
            lines = (self._home(project) / "verdicts.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        return [each for each in map(_parse_line, lines) if each is not None]

    def _home(self, project: str) -> Path:
        if not PROJECT.fullmatch(project):
            raise RequestError(f"{project!r} cannot be a project.", hint="Use Label Studio's project number, for example 1.")
        return self._root / project

    def _folders(self, project: str) -> list[Path]:
        """Finished publishes, oldest first."""
        try:
            names = os.listdir(self._home(project))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [self._home(project) / name for name in sorted(filter(ENTRY.fullmatch, names), key=_order)]

    def _write_pointer(self, project: str, name: str, bundle_id: str | None) -> None:
        if bundle_id is not None:
            self.folder(project, bundle_id)
        self._write_text(project, name, bundle_id or "")

    def _write_text(self, project: str, name: str, text: str) -> None:
        home = self._home(project)
        home.mkdir(parents=True, exist_ok=True)
        unfinished = home / f"{UNFINISHED}{secrets.token_hex(8)}"
        unfinished.write_text(text, encoding="ascii")
        sync(unfinished)
        os.replace(unfinished, home / name)
        sync(home)

    def _read_pointer(self, project: str, name: str) -> str | None:
        try:
            return (self._home(project) / name).read_text(encoding="ascii").strip() or None
        except FileNotFoundError:
            return None


def _rename_to_next(unfinished: Path, home: Path, bundle_id: str) -> None:
    while True:
        number = max((_order(name)[0] for name in os.listdir(home) if ENTRY.fullmatch(name)), default=0) + 1
        try:
            os.rename(unfinished, home / f"{number:06d}-{bundle_id}")
        except OSError:
            # Another process published the same bundle under the same number in this moment: take the next one.
            if not (home / f"{number:06d}-{bundle_id}").exists():
                raise
        else:
            return


def _order(name: str) -> tuple[int, str]:
    number, bundle_id = name.split("-")
    return int(number), bundle_id


def _id(folder: Path) -> str:
    return folder.name.split("-")[1]


def _entry(folder: Path, name: str) -> PublishedBundle | None:
    try:
        card = parse_json((folder / name).read_text(encoding="utf-8"))
        return PublishedBundle(_id(folder), card["created_at"], tuple(card["labels"]), card["metrics"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("bundle_damaged", project=folder.parent.name, bundle=folder.name, error=str(error))
        return None


def _parse_line(line: str) -> dict[str, Any] | None:
    try:
        value = parse_json(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
