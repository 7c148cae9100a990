"""Journal of answers: what people decided on the wall, one JSON line an answer, appended and never rewritten."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from dinolabel.vision.errors import RequestError
from dinolabel.vision.storage.json_text import parse_json

FORMAT = 1
UNDONE_AT_MOST = 20
Kind = Literal["name", "not this name", "no object", "hide", "undo"]

CropKey = tuple[int, str]
"""Task and region of a crop."""
Place = tuple[float, float, float, float]
"""x1, y1, x2, y2 as shares of the picture: finds the crop again when another model version made its box anew."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer about some crops. id: its number in the journal, from 1. name: of `name` and `not this name`. undoes: of `undo`.

    places: where each of the crops is.

    who: e-mail or login. page: which page of the wall it was given on. at: UTC, ISO.
    """

    id: int
    kind: Kind
    crops: tuple[CropKey, ...] = ()
    name: str = ""
    who: str = ""
    page: str = ""
    at: str = ""
    undoes: int = 0
    places: tuple[Place, ...] = ()

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Answer:
        """From a line of the journal. Raises KeyError, TypeError or ValueError when it is none."""
        crops = tuple((int(task), str(region)) for task, region in line["crops"])
        places = tuple((float(x1), float(y1), float(x2), float(y2)) for x1, y1, x2, y2 in line["places"])
        known = {name: line[name] for name in ("id", "kind", "name", "who", "page", "at", "undoes")}
        return cls(crops=crops, places=places, **known)


@dataclass(slots=True)
class CropState:
    """What is decided of a crop. decision: the last that counts, None for none. not_names: names that people said it is not."""

    decision: Answer | None = None
    not_names: set[str] = field(default_factory=set)


class Journal:
    """The answers of one project, shared by all who are on its wall, also from several processes.

    path: made with the first answer. Raises RequestError for an answer of an unknown kind. A last line that was cut off by a full disk or
    a killed process is left where it is and not read: nobody was told that it had been taken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._answers: list[Answer] = []
        self._read_to = 0
        self._states: tuple[tuple[int, int], dict[CropKey, CropState]] = ((0, 0), {})

    def answers(self) -> list[Answer]:
        """All of them, oldest first, those of other processes too."""
        with self._lock:
            self._read_on()
            return list(self._answers)

    def append(self, answer: Answer) -> Answer:
        """Write an answer down, on the disk before this returns. Its number and time are given here."""
        if answer.kind not in get_args(Kind):
            raise RequestError(f"There is no answer {answer.kind!r}.", hint=f"One of: {', '.join(get_args(Kind))}.")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, self.path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed: numbers are given once
            self._read_on()
            at = datetime.now(UTC).isoformat(timespec="seconds")
            answer = replace(answer, id=self._answers[-1].id + 1 if self._answers else 1, at=at)
            start = b"" if self._read_to == file.tell() else b"\n"  # what a killed process left unfinished stays a line of its own
            file.write(start + json.dumps({"format": FORMAT, **asdict(answer)}, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            self._read_on()
            return self._answers[-1]

    def undo(self, who: str) -> Answer | None:
        """Take back the last answer of a person that still counts; None when the last twenty hold none."""
        with self._lock:
            self._read_on()
            undone = {each.undoes for each in self._answers}
            mine = [each for each in self._answers if each.who == who and each.kind != "undo"][-UNDONE_AT_MOST:]
            last = next((each for each in reversed(mine) if each.id not in undone), None)
        return last and self.append(replace(last, kind="undo", undoes=last.id))

    def in_force(self) -> list[Answer]:
        """The answers that nobody took back, oldest first."""
        answers = self.answers()
        undone = {each.undoes for each in answers}
        return [each for each in answers if each.kind != "undo" and each.id not in undone]

    def states(self) -> dict[CropKey, CropState]:
        """What is decided of each crop that anybody said something about; not to be changed."""
        answers = self.answers()
        stamp = (len(answers), answers[-1].id if answers else 0)
        if stamp == self._states[0]:
            return self._states[1]
        found: dict[CropKey, CropState] = {}
        for answer in self.in_force():
            for crop in answer.crops:
                state = found.setdefault(crop, CropState())
                if answer.kind == "not this name":
                    state.not_names.add(answer.name)
                else:
                    state.decision = answer
        self._states = (stamp, found)
        return found

    def _read_on(self) -> None:
        """Read what was appended since, by whomever."""
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._read_to:  # `forget` took lines out
                    self._answers, self._read_to = [], 0
                file.seek(self._read_to)
                rest = file.read()
        except FileNotFoundError:
            return
        whole = rest.rpartition(b"\n")[0]
        for line in whole.split(b"\n") if whole else ():
            if (answer := _parse(line)) is not None:
                self._answers.append(answer)
        self._read_to += len(whole) + bool(whole)


def _parse(line: bytes) -> Answer | None:
    """None for a line that was cut off."""
    try:
        return Answer.of(parse_json(line))
    except (ValueError, KeyError, TypeError):
        return None
