"""What a person may choose about an export, whatever its format.

Only values; a format takes what concerns it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from dinolabel.studio.reviews.annotator_policy import Annotators

Pictures = Literal["copy", "link", "none"]
Layout = Literal["splits", "flat"]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """annotators: whose word counts where several annotated a task. unverified: boxes that nobody looked at too.

    group_by: key of the task's data whose value keeps pictures on one side of the split; None: equal files. split: train and val apart.
    pictures: copied, hard-linked where the file can stay as it is, or left out. oriented: rotated boxes with their own corners (yolo).
    undecided: pictures too in which a mark was not used, with the boxes that were. control: the one that a person chose of several.
    layout: of crops, with sides or without; None: as their folder is. allow_missing: replace an earlier export that holds more pictures.
    """

    annotators: Annotators = "agreed"
    unverified: bool = False
    group_by: str | None = None
    split: bool = True
    pictures: Pictures = "copy"
    oriented: bool = False
    undecided: bool = False
    layout: Layout | None = None
    control: str | None = None
    allow_missing: bool = False

    @property
    def terms(self) -> dict[str, Any]:
        """What decides which boxes leave and how; not what may be replaced."""
        return {name: value for name, value in asdict(self).items() if name != "allow_missing"}

    def with_undecided(self) -> ExportOptions:
        """For formats that say what is there and never that nothing else is."""
        return replace(self, undecided=True)
