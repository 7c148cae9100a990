"""Where students are kept, and which detector a project asks: a student, or the one of the settings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import structlog

from dinolabel.vision.errors import ModelError, RequestError
from dinolabel.vision.storage.versions import ID_DIGITS, VersionStore
from dinolabel.vision.students.student import CARD, Student

log = structlog.get_logger(__name__)

TEACHER = "teacher"


class StudentStore(VersionStore[Student]):
    """root: a folder of one folder per project; made when first written to."""

    card, word = CARD, "student"
    TEACHER = TEACHER

    def get(self, project: str, bundle_id: str) -> Student:
        """Raises RequestError when the project has no such student, ModelError when it is damaged."""
        return _read(self.folder(project, bundle_id))

    def pin(self, project: str, bundle_id: str | None) -> None:
        """Hold the project at one student, or at TEACHER: at none. None lets go, and the newest serves."""
        if bundle_id == TEACHER:
            self._write_text(project, "pinned", TEACHER)
        else:
            super().pin(project, bundle_id)

    def desired(self, project: str) -> str | None:
        """The student that should answer; None: the detector of the settings does."""
        pinned = self.pinned(project)
        return None if pinned == TEACHER else pinned or self.newest(project)

    def follow(self, project: str, student_id: str | None) -> None:
        """Note what the switch has shown, where that changed."""
        if self.current(project) != student_id:
            self.set_current(project, student_id)

    def for_prompt(self, project: str, student_id: str | None, prompt_map: Mapping[str, str]) -> Student | None:
        """That student where it was trained for this prompt; a prompt that was changed since is the teacher's again, and so is a project
        whose student is gone or damaged."""
        if student_id is None:
            return None
        try:
            found = _read(self.folder(project, student_id))
        except (ModelError, RequestError) as error:
            log.warning("student_unusable", project=project, student=student_id, reason=str(error))
            return None
        return found if found.answers(prompt_map) else None

    @staticmethod
    def read(folder: Path) -> Student:
        """The student of a folder. Raises ModelError."""
        return _read(folder)

    def offers(self, project: str) -> dict[str, Path]:
        """Students that were made and not published, oldest first: id -> folder."""
        home = self._home(project) / "refused"
        found: dict[str, Path] = {}
        for folder in sorted(home.iterdir() if home.is_dir() else ()):
            try:
                found[_read(folder).digest[:ID_DIGITS]] = folder
            except ModelError:
                continue
        return found

    def folders(self, project: str) -> dict[str, Path]:
        """Every student, published and offered: id -> folder."""
        return self.offers(project) | {each.id: self.folder(project, each.id) for each in self.heads(project)}


@lru_cache(maxsize=64)
def _read(folder: Path) -> Student:
    """Folders never change once they are there, so what was read is kept."""
    return Student.load(folder).check()
