"""A Label Studio that takes pictures and annotations, for imports: uploads in a folder, tasks in a dictionary."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dinolabel.vision.errors import MediaUnavailable
from tests.doubles.annotated import annotation, xml
from tests.doubles.studio_parts import StudioParts


@dataclass
class Shelf(StudioParts):
    """A Label Studio that keeps uploads in a folder and annotations in a list. dies_after: annotations it takes before it is gone."""

    folder: Path
    config: str = xml("jason", "lacy", "unknown")
    url: str = "http://studio.test"
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    dies_after: int | None = None

    def projects_get(self, number: int) -> Any:
        return SimpleNamespace(id=number, title="Party", label_config=self.config)

    def tasks_list(self, number: int) -> Iterator[Any]:
        for identity, task in self.rows.items():
            live = [each for each in task["annotations"] if not each["was_cancelled"]]
            cancelled = len(live) < len(task["annotations"])
            yield SimpleNamespace(id=identity, data=task["data"], annotated=bool(live), cancelled=cancelled)

    def tasks_upload_images(self, number: int, paths: list[Path]) -> list[int]:
        return [self.put(path) for path in paths]

    def put(self, path: Path) -> int:
        """As Label Studio does: eight digits before the name, blanks as underscores."""
        identity = len(self.rows) + 101
        name = f"{identity:08x}-{path.name.replace(' ', '_')}"
        self.folder.mkdir(exist_ok=True)
        shutil.copy(path, self.folder / name)
        self.rows[identity] = {"id": identity, "data": {"image": f"/data/upload/1/{name}"}, "annotations": []}
        return identity

    def annotations_create(self, task: int, result: list[dict[str, Any]], *, lead_time: float | None) -> None:
        stored = sum(len(each["annotations"]) for each in self.rows.values())
        if self.dies_after is not None and stored >= self.dies_after:
            raise KeyboardInterrupt
        made = annotation(stored + 1, *json.loads(json.dumps(result)), lead_time=lead_time)
        self.rows[task]["annotations"].append(made)

    def resolve(self, address: str) -> Path:
        path = self.folder / Path(address).name
        if not path.exists():
            raise MediaUnavailable(f"{path.name} is gone.")
        return path
