"""What a crop is known by in manifests, heads and reports: `task/annotation/region/view`. A region's own name may hold slashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class CropId:
    """One view of one object. task, annotation: Label Studio's numbers. region: its id there. view: person or detector."""

    task: int
    annotation: int
    region: str
    view: str

    def __str__(self) -> str:
        return f"{self.object_id}/{self.view}"

    @property
    def object_id(self) -> str:
        """The same for all views of one object."""
        return f"{self.task}/{self.annotation}/{self.region}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for what is no id of a crop."""
        task, annotation, rest = text.split("/", 2)
        region, slash, view = rest.rpartition("/")
        if not slash:
            raise ValueError(f"expected task/annotation/region/view, got {text!r}")
        return cls(int(task), int(annotation), region, view)


def object_of(crop_id: str) -> str:
    """The object whose view an id names; of any text with a view at its end."""
    return crop_id.rpartition("/")[0]
