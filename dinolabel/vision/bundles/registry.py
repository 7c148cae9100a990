"""Where bundles are kept (dinolabel/vision/storage/versions.py)."""

from __future__ import annotations

from functools import cached_property

from dinolabel.vision.bundles.bundle import CARD, Bundle
from dinolabel.vision.storage.versions import ENTRY, ID_DIGITS, PROJECT, PublishedBundle, VersionStore
from dinolabel.vision.students.store import StudentStore

__all__ = ["ENTRY", "ID_DIGITS", "PROJECT", "BundleStore", "PublishedBundle"]


class BundleStore(VersionStore[Bundle]):
    """root: a folder of one folder per project; made when first written to."""

    card, word = CARD, "bundle"

    @cached_property
    def students(self) -> StudentStore:
        """The projects' own detectors, in the folder `students` beside this one."""
        return StudentStore(self._root.parent / "students")

    def get(self, project: str, bundle_id: str) -> Bundle:
        """Raises RequestError when the project has no such bundle, BundleMismatch when it is damaged."""
        return Bundle.load(self.folder(project, bundle_id))
