"""What is measured: one Label Studio and one `dinolabel serve`, started as a person would start them, and a project per question."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from dinolabel.backend.project_registry import ProjectRegistry
from dinolabel.local.backend import BackendProcess
from dinolabel.projects import connect
from dinolabel.settings import Settings
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.server.process import LocalStudio
from dinolabel.vision.bundles.registry import BundleStore
from tests import studio_calls

T = TypeVar("T")
WEIGHTS = ("nano", "nano")
SECRET = "a secret of the bench"
PORT = 9471
# Low enough that the embedded detector gives five boxes a picture: what is measured is how they travel, not whether they are right.
CONFIG = """<View><Image name="image" value="$image"/>
<RectangleLabels name="label" toName="image" model_box_threshold="0.05" model_text_threshold="0.05">
<Label value="cat" hotkey="0" predicted_values="cat face"/><Label value="felix" hotkey="1"/><Label value="tom" hotkey="2"/>
</RectangleLabels></View>"""


@dataclass
class Stand:
    """folder: everything on disk. studio: a client of the Label Studio that runs. data: of the backend."""

    folder: Path
    local: LocalStudio
    studio: LabelStudio
    backend: BackendProcess | None = None
    made: list[int] = field(default_factory=list)

    @property
    def documents(self) -> Path:
        return self.folder / "documents"

    def settings(self, data: str = "data", **more: Any) -> Settings:
        given = {
            "data_dir": self.folder / data,
            "detector_weights": WEIGHTS[0],
            "embedder_weights": WEIGHTS[1],
            "studio_url": self.local.url,
            "studio_token": self.local.token,
            "local_files_root": self.documents,
            "secret": SECRET,
            "port": PORT,
            "train_after": 0,
        }
        return Settings.load(**(given | more))

    def projects(self, data: str = "data") -> ProjectRegistry:
        return ProjectRegistry(self.folder / data / "projects.json")

    def store(self) -> BundleStore:
        return BundleStore(self.folder / "data" / "bundles")

    def project(self, title: str, pictures: Sequence[Path], *, data: str = "data", **fields: Any) -> int:
        """A project with a task per picture, served by Label Studio from its document root, noted as attached."""
        number = self.studio.projects.create(title, CONFIG).id
        self.made.append(number)
        for each in {path.parent for path in pictures}:
            self.studio.local_storages.create(number, each)
        studio_calls.import_tasks(
            self.studio, number, [{"image": f"/data/local-files/?d={each.relative_to(self.documents)}"} for each in pictures]
        )
        registry = self.projects(data)
        registry.add(number, weights=WEIGHTS, title=title, before={"model_version": ""})
        registry.update(number, **fields)
        return number

    def connect(self, project: int) -> None:
        assert self.backend is not None
        connect.connect(self.studio, project, self.backend.url, secret=SECRET)

    def run(self, *arguments: str, data: str = "data") -> str:
        """`dinolabel …` to its end; what it printed. Raises RuntimeError when it failed."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DINOLABEL_")}
        done = subprocess.run(
            [sys.executable, "-m", "dinolabel", *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=kept | self.settings(data).environment(),
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"dinolabel {' '.join(arguments)}: {done.stderr[-2000:]}")
        return done.stdout

    def state(self, project: int) -> dict[str, Any]:
        """What the backend says of a project."""
        import requests

        assert self.backend is not None
        answer = requests.get(f"{self.backend.url}/jobs", auth=("bench", SECRET), headers={"Accept": "application/json"}, timeout=30)
        answer.raise_for_status()
        return next((each for each in answer.json()["projects"] if each["project"] == project), {})

    def stored(self, project: int, version: str) -> int:
        """Read back: predictions of a version that Label Studio holds."""
        return self.studio.projects.model_versions(project).get(version, 0)


@contextmanager
def stand(folder: Path) -> Iterator[Stand]:
    """Start both; end both. The folder may be one of an earlier run: pictures and caches are kept, projects are new."""
    (folder / "documents").mkdir(parents=True, exist_ok=True)
    for stale in ("data/projects.json", "data/bundles", "data/jobs"):
        path = folder / stale
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    with LocalStudio(folder / "studio", documents=folder / "documents") as local:
        made = Stand(folder, local, LabelStudio(local.url, local.token, timeout=300))
        try:
            with BackendProcess(made.settings(), folder / "serve.log") as backend:
                made.backend = backend
                until(backend.ready, "the backend", seconds=300)
                yield made
        finally:
            for each in made.made:
                studio_calls.delete_project(made.studio, each)


def until(ready: Callable[[], T], what: str, *, seconds: float = 900, every: float = 0.1) -> T:
    """The first true answer."""
    end = time.monotonic() + seconds
    while not (found := ready()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for {what} in vain")
        time.sleep(every)
    return found


Row = dict[str, Any]
"""`what`, `value`, `goal` and whether it `holds`."""


def write(path: Path, rows: Sequence[Row]) -> None:
    """Into the file's list, in place of rows that say the same."""
    there: list[Row] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    new = {each["what"]: each for each in rows}
    merged = [new.pop(each["what"], each) for each in there] + [each for each in rows if each["what"] in new]
    path.write_text(json.dumps(merged, indent=1) + "\n", encoding="utf-8")
