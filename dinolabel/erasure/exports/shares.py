"""What an export's folder has of somebody: which files of ours go or are written anew, and which others stay.

Only the value; exports of crops and of other formats find it in ways of their own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHANGED = "was changed since the export"
UNKNOWN = "cannot be told from somebody's own file"
RUNNING = "an export is being written there: forget again when it has ended"


@dataclass
class ExportShare:
    """folder: of an export, or the hidden place of a stopped one. remove, rewrite: relative paths of our files.

    kept: (relative path, why) of files that may still show the person. rows, objects: of crops that go, `task/annotation/region`.
    """

    folder: Path
    export: str
    remove: list[str] = field(default_factory=list)
    rewrite: list[str] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    objects: set[str] = field(default_factory=set)
    others: int = 0

    @property
    def is_touched(self) -> bool:
        return bool(self.remove or self.rewrite)

    def sentence(self) -> str:
        """One line for a plan: `removes 12 files, rewrites 2, keeps 3 files that are not the export's`."""
        counts = [f"removes {_files(len(self.remove))}"] if self.remove else []
        counts += [f"rewrites {_files(len(self.rewrite))}"] if self.rewrite else []
        counts += [f"keeps {_files(self.others)} of others"] if self.others and self.is_touched else []
        counts += [
            f"keeps {_files(number)} that may still show them ({why})" for why, number in Counter(why for _, why in self.kept).items()
        ]
        return ", ".join(counts) or "has nothing of them"


def _files(number: int) -> str:
    return f"{number:,} {'file' if number == 1 else 'files'}"
