"""One backend over a scripted Label Studio and a world of coloured things, with the real pipeline, store, registry and jobs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dinolabel.backend.inference.predictor import Deadlines
from dinolabel.backend.jobs.runner import JobRunner
from dinolabel.backend.project_registry import ProjectRegistry
from dinolabel.backend.project_status import ProjectState
from dinolabel.backend.service import Service, ServiceOptions
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.storage.cache import Cache
from tests.doubles.coloured_things import ColourSense, FolderMedia, ThingDetector, scene
from tests.doubles.scripted_studio import CONFIG, ScriptedStudio

NANO = ("nano", "nano")


class World:
    """Everything a test of the backend touches. program: what jobs run instead of our command line."""

    def __init__(self, root: Path) -> None:
        self.root, self.photos = root, root / "photos"
        self.photos.mkdir(parents=True)
        self.studio = ScriptedStudio()
        self.media = FolderMedia(self.photos)
        self.detector = ThingDetector()
        self.projects = ProjectRegistry(root / "data" / "projects.json")
        self.store = BundleStore(root / "data" / "bundles")
        self.program = [sys.executable, "-c", "print('Trained.')"]
        self.services: list[Service] = []

    def pipeline(self) -> Pipeline:
        return Pipeline(self.detector, ColourSense(), cache=Cache(self.root / "cache.sqlite", max_mb=16))

    def jobs(self, **options: Any) -> JobRunner:
        given = {"program": self.program, "environment": dict(os.environ), "exports": self.root / "data" / "exports"} | options
        return JobRunner(self.root / "data" / "jobs", **given)

    def service(self, *, studio: Any = ..., **options: Any) -> Service:
        """A new one on the same disk, as after a restart."""
        client = self.studio if studio is ... else studio
        given = {"weights": NANO, "poll_seconds": 0.2, "quiet_seconds": 0.0, "deadlines": Deadlines(single=2, batch=4)} | options
        service = Service(
            client, self.media, self.pipeline(), ProjectState(self.store, self.projects), self.jobs(), ServiceOptions(**given)
        )
        self.services.append(service)
        return service

    def project(self, pictures: int = 3, *, label_config: str = CONFIG, attach: bool = True, **fields: Any) -> int:
        """A project with that many scenes, attached."""
        number = self.studio.add_project(label_config, **fields)
        self.add(number, pictures)
        if attach:
            self.projects.add(number, weights=NANO, title="Party", before={"model_version": fields.get("model_version", "")})
        return number

    def add(self, project: int, pictures: int) -> list[int]:
        begin = len(list(self.photos.iterdir()))
        return self.studio.add_tasks(project, [f"/data/{scene(self.photos, begin + each).name}" for each in range(pictures)])

    def ids(self, project: int) -> list[int]:
        return [each.id for each in self.studio.tasks.list(project)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    for each in made.services:
        each.stop()
