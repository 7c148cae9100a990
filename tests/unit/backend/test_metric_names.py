"""What `/metrics` counts and what the docs say it counts are the same: names, types, labels."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dinolabel.backend.observability.metrics import Metrics
from dinolabel.backend.observability.snapshot import Snapshot
from dinolabel.backend.project_status import ProjectStatus
from dinolabel.vision.storage.cache import Cache
from dinolabel.vision.types import Box, Detection
from tests import docs
from tests.unit.backend.conftest import World

TABLE = re.compile(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)
SECTION = re.compile(r"## Watch it\n(.*?)\n## ", re.DOTALL)
Counted = dict[str, tuple[str, frozenset[str]]]


def families(page: str) -> Counted:
    """Each metric as Prometheus knows it, with its type and labels."""
    found = {}
    for family in text_string_to_metric_families(page):
        if family.name.endswith("_created"):  # the library's own, beside each counter and histogram
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, frozenset(label for sample in family.samples for label in sample.labels) - {"le"})
    return found


@pytest.fixture
def counted(world: World, tmp_path: Path) -> Counted:
    """After everything was counted once."""
    service = world.service()
    meters, job = Metrics(), _job(service, world)
    meters.predict_seconds.observe(1.0)
    meters.predictions.labels("ready").inc()
    meters.job_ended(job, "exit_4")
    meters.request_ended("GET", "/health", 200, 0.1)
    meters.refused(ValueError())
    meters.studio_asked("GET", None, "ConnectTimeout", 0.1)
    meters.boxes_answered(1, "a.b", [Detection(Box(0, 0, 9, 9), "face", 0.5)])
    with meters.stage("detect"):
        pass
    build = {"version": "1", "detector": "nano", "embedder": "nano", "device": "cpu", "precision": "float32", "engine": ""}
    meters.watch(Snapshot(service.queue, service.jobs, Cache(tmp_path / "cache.sqlite", max_mb=16), tmp_path, build))
    return families(meters.render([ProjectStatus(project=1)]).decode())


def _job(service: Any, world: World) -> Any:
    """One that runs, and what it is when it has ended."""
    job = service.jobs.get(service.jobs.train(1, why="asked"))
    service.jobs._table.take(1.0)
    return replace(job, state="failed", verdict={"published": False})


def test_the_table_is_what_is_counted(counted: Counted) -> None:
    section = SECTION.search((docs.ROOT / "docs" / "production.md").read_text(encoding="utf-8"))
    assert section is not None
    told = {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in TABLE.findall(section[1])}
    assert told == counted


def test_every_metric_that_a_page_names_is_counted(counted: Counted) -> None:
    """Label Studio's settings file of ours, `dinolabel_settings.py`, is none."""
    named = {name for page in docs.PAGES for name in re.findall(r"\bdinolabel_[a-z_]+\b(?!\.py)", page.read_text(encoding="utf-8"))}
    assert named == {each for each in counted if each.startswith("dinolabel_")}
