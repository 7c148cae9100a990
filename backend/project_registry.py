"""The registry of projects this backend looks after: one small JSON file that commands write and the server reads each round."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from dinolabel.studio.label_roles import LabelRoles
from dinolabel.vision.errors import RequestError, SettingsError
from dinolabel.vision.storage.json_text import parse_json

LOOK_SECONDS = 0.1


class ProjectBusy(RequestError):
    """Another process of this data folder is writing to the project now."""

    hint = "Commands wait a minute for it; `dinolabel jobs` and the page of the backend show who is at work. Try again, or stop it."


@dataclass(frozen=True, slots=True)
class ProjectRecord:
    """One project.

    weights: detector's and embedder's, as named when it was attached; other weights never push to it.
    before: what Label Studio held when we came ({"model_version": …}), so that `detach` can put it back.
    versions: the model_versions we pushed, the one that was shown last at the end.
    switched_at: ISO time of the last switch, for the grace after which older predictions go.
    publish: auto, or ask: then a new bundle is shown when somebody agreed to it. agreed: the bundle somebody agreed to.
    describe: whether the project's description in Label Studio tells the last verdicts. decoding: the rules by which all pictures of its
    predictions were decoded (dinolabel.vision.decoding.pictures.RULES); empty where an earlier version filled it.
    roles: what its labels are for, where that was said beside the label config. colours: label -> #rrggbb, as Label Studio showed them
    when the backend last looked.
    """

    project: int
    weights: tuple[str, str]
    title: str = ""
    attached_at: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    paused: bool = False
    versions: tuple[str, ...] = ()
    switched_at: str | None = None
    publish: str = "auto"
    agreed: str | None = None
    describe: bool = False
    decoding: str = ""
    roles: LabelRoles | None = None
    colours: Mapping[str, str] = field(default_factory=dict)

    def owns(self, version: str) -> bool:
        return version in self.versions

    def with_version(self, version: str) -> ProjectRecord:
        """The same with ``version`` newest."""
        return replace(self, versions=(*(each for each in self.versions if each != version), version))


class ProjectRegistry:
    """Reads and writes ``path`` atomically; several processes may, changes are seen at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> list[ProjectRecord]:
        """By project id. Raises SettingsError when the file is no registry."""
        try:
            stored = parse_json(self.path.read_text(encoding="utf-8"))
            return [_record(int(project), fields) for project, fields in sorted(stored.items(), key=lambda each: int(each[0]))]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise SettingsError(
                f"The registry of projects {self.path.name} cannot be read: {error}.",
                hint="Mend it by hand or remove it, then run `dinolabel attach --project N` for each project.",
            ) from error

    def get(self, project: int) -> ProjectRecord | None:
        return next((each for each in self.all() if each.project == project), None)

    def roles(self, project: int) -> LabelRoles | None:
        """What its labels are for, where that was said beside the label config."""
        entry = self.get(project)
        return None if entry is None else entry.roles

    def add(
        self,
        project: int,
        *,
        weights: Sequence[str],
        title: str = "",
        before: Mapping[str, Any] | None = None,
        attached_at: str | None = None,
        roles: LabelRoles | None = None,
    ) -> ProjectRecord:
        """Note a project, replacing an older note but keeping what we pushed and what was there before us; roles None: as they are."""
        from dinolabel.vision.decoding.pictures import RULES

        with self._locked() as entries:
            known = entries.get(project)
            fresh = ProjectRecord(project, _pair(weights), before=dict(before or {}), decoding=RULES)
            kept = replace(known or fresh, paused=False, weights=_pair(weights))
            kept = kept if roles is None else replace(kept, roles=roles)
            entries[project] = replace(kept, title=title, attached_at=attached_at or datetime.now(UTC).isoformat())
            return entries[project]

    def remove(self, project: int) -> ProjectRecord | None:
        """Forget a project; the note that was there, if any."""
        with self._locked() as entries:
            return entries.pop(project, None)

    def update(self, project: int, **fields: Any) -> ProjectRecord:
        """Change some fields. Raises KeyError for a project that is not noted, TypeError for a field there is not."""
        with self._locked() as entries:
            entries[project] = replace(entries[project], **fields)
            return entries[project]

    def learn(self, project: int, names: Iterable[str]) -> None:
        """Learn names that the label config got, where it was said beside it which are learnt; else its labels say so themselves."""
        entry = self.get(project)
        if entry is not None and entry.roles is not None:
            self.update(project, roles=entry.roles.with_learnt(names))

    def note_colours(self, project: int, colours: Mapping[str, str]) -> None:
        """Keep what its labels look like. Writes nothing where that is known."""
        entry = self.get(project)
        if entry is not None and dict(entry.colours) != dict(colours):
            self.update(project, colours=dict(colours))

    def note_version(self, project: int, version: str) -> ProjectRecord:
        """Put ``version`` at the end of what we pushed: before its first prediction leaves. Writes nothing when it stands there."""
        known = self.get(project)
        if known is not None and known.versions[-1:] == (version,):
            return known
        with self._locked() as entries:
            entries[project] = entries[project].with_version(version)
            return entries[project]

    @contextmanager
    def write_lock(self, project: int, *, timeout: float = 0.0) -> Iterator[None]:
        """Be the only one who writes to this project. Raises ProjectBusy when somebody else is. Ends with the process, however it ends.

        patience: seconds to wait for the other. Who waits is next: a backend that writes in visits, one right after the other, lets it in.
        """
        folder = self.path.parent / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + timeout
        with (folder / f"{project}.next").open("w") as turn, (folder / f"{project}.lock").open("w") as lock:
            for each in (turn, lock):
                _acquire(each, project, end)
            fcntl.flock(turn, fcntl.LOCK_UN)
            yield

    @contextmanager
    def _locked(self) -> Iterator[dict[int, ProjectRecord]]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(f"{self.path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = {each.project: each for each in self.all()}
            yield entries
            self._write(entries)

    def _write(self, entries: Mapping[int, ProjectRecord]) -> None:
        stored = {str(entry.project): asdict(entry) for entry in entries.values()}
        for fields in stored.values():
            del fields["project"]
        half = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with half.open("w", encoding="utf-8") as file:
            json.dump(stored, file, indent=1, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, self.path)


def _acquire(lock: IO[str], project: int, end: float) -> None:
    """The lock, before ``end`` (monotonic seconds). Raises ProjectBusy."""
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= end:
                raise ProjectBusy(f"Another dinolabel is writing to project {project}.") from error
            time.sleep(LOOK_SECONDS)
        else:
            return


def _record(project: int, fields: Mapping[str, Any]) -> ProjectRecord:
    known = {name: value for name, value in fields.items() if name in ProjectRecord.__dataclass_fields__ and name != "project"}
    roles = None if (said := known.get("roles")) is None else LabelRoles.from_json(said)
    read = {"weights": _pair(known["weights"]), "versions": tuple(known.get("versions", ())), "roles": roles}
    return ProjectRecord(project, **(known | read))


def _pair(weights: Sequence[str]) -> tuple[str, str]:
    detector, embedder = weights
    return (str(detector), str(embedder))
