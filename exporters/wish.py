"""What a person may choose about an export, whatever its format.

Only values; a format takes what concerns it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from studio.several import Annotators

Pictures = Literal["copy", "link", "none"]


@dataclass(frozen=True, slots=True)
class Wish:
    """annotators: whose word counts where several annotated a task. unverified: boxes that nobody looked at too.

    group_by: key of the task's data whose value keeps pictures on one side of the split; None: equal files. split: train and val apart.
    pictures: copied, hard-linked where the file can stay as it is, or left out. oriented: rotated boxes with their own corners (yolo).
    """

    annotators: Annotators = "agreed"
    unverified: bool = False
    group_by: str | None = None
    split: bool = True
    pictures: Pictures = "copy"
    oriented: bool = False
