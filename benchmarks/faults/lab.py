"""Lab: one Label Studio behind the faulty proxy, one project, and our commands as processes that can be killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.faults.proxy import FaultyProxy
from benchmarks.studio.stand import CONFIG, SECRET, WEIGHTS, Stand, until
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.server.process import LocalStudio
from tests.doubles.coloured_things import GREEN, RED, bundle
from tests.e2e.started import SCENES

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("felix", "tom")


@dataclass(frozen=True)
class Row:
    """what: the fault and how it is made. promised, seen: in words. value, goal: the figure. holds: whether it is as promised."""

    what: str
    promised: str
    seen: str
    value: Any
    goal: str
    holds: bool


@dataclass
class Lab:
    """stand: as the other benches have it; project: attached, filled, half of it answered. pictures: on disk."""

    stand: Stand
    proxy: FaultyProxy
    project: int = 0
    changes: int = 0

    def environment(self, **more: Any) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DINOLABEL_")}
        settings = self.stand.settings(**({"studio_url": self.proxy.url, "port": 0, "poll_seconds": 1.0} | more))
        return kept | settings.environment() | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}

    def start(self, *arguments: str, log: Path | None = None, **more: Any) -> subprocess.Popen[bytes]:
        """`dinolabel …` in the background."""
        with (log or self.stand.folder / "command.log").open("wb") as output:
            command = [sys.executable, "-P", "-m", "dinolabel", *arguments]
            given = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, "start_new_session": True}
            return subprocess.Popen(command, env=self.environment(**more), cwd=self.stand.folder, **given)  # type: ignore[call-overload,no-any-return]

    def run(self, *arguments: str, **more: Any) -> tuple[int, str]:
        """To its end: exit code, and what it said."""
        log = self.stand.folder / "command.log"
        code = self.start(*arguments, log=log, **more).wait(300)
        return code, log.read_text(encoding="utf-8", errors="replace")

    def change_version(self) -> None:
        """Another threshold: every task wants another prediction."""
        self.changes += 1
        xml = CONFIG.replace('model_box_threshold="0.05"', f'model_box_threshold="{0.05 + self.changes / 10_000:.4f}"')
        self.stand.studio.projects.set_label_config(self.project, xml)

    def rows(self) -> list[Any]:
        return list(self.stand.studio.tasks.list(self.project))

    def annotations(self) -> int:
        return sum(len(task["annotations"]) for task in self.stand.studio.projects.export(self.project))

    def shown(self, *, known: str = "") -> tuple[bool, str]:
        """Whether each unfinished task has one prediction of the version on show, another one than `known`; and that version."""
        version = self.stand.studio.projects.get(self.project).model_version or ""
        lacking = [each for each in self.rows() if not each.finished and version not in each.versions]
        return bool(version) and version != known and not lacking, version

    def doubled(self) -> int:
        """Tasks with two predictions of the version on show."""
        version = self.stand.studio.projects.get(self.project).model_version
        tasks = self.stand.studio.projects.task_bodies(self.project)
        return sum([each.get("model_version") for each in task["predictions"]].count(version) > 1 for task in tasks)

    @contextmanager
    def serving(self, **more: Any) -> Iterator[Backend]:
        log = self.stand.folder / "serve.log"
        made = Backend(self.start("serve", log=log, **more), log)
        try:
            until(lambda: made.url or made.ended(), "the backend", seconds=120)
            yield made
        finally:
            made.end()


@dataclass
class Backend:
    """A `dinolabel serve`."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str | None:
        found = re.search(r"at (http://[\d.]+:\d+)", self.said())
        return found[1] if found else None

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def ended(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        """kill -9 of the server alone."""
        self.process.kill()
        self.process.wait()

    def end(self, seconds: float = 30) -> tuple[int | None, float]:
        """SIGTERM; its exit code, and the seconds it took."""
        begun = time.monotonic()
        if not self.ended():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds), time.monotonic() - begun
        except subprocess.TimeoutExpired:
            self.kill()
            return None, time.monotonic() - begun


@contextmanager
def lab(folder: Path, *, pictures: int) -> Iterator[Lab]:
    """Everything started, the project filled once, its first half answered."""
    documents = folder / "documents"
    documents.mkdir(parents=True)
    scenes = sorted(SCENES.glob("*.jpg"))
    for number in range(pictures):
        (documents / f"{number:03}.jpg").write_bytes(scenes[number % len(scenes)].read_bytes() + bytes([number]))
    with LocalStudio(folder / "studio", documents=documents) as local:
        proxy = FaultyProxy(local.url)
        made = Lab(Stand(folder, local, LabelStudio(local.url, local.token, timeout=120)), proxy)
        made.project = made.stand.project("Faults", sorted(documents.glob("*.jpg")))
        try:
            with made.serving():
                until(lambda: made.shown()[0], "the first filling", seconds=300)
            _answer(made, pictures // 2)
            yield made
        finally:
            proxy.close()


@contextmanager
def alone(folder: Path) -> Iterator[Lab]:
    """Without a Label Studio: a data folder with a project and two heads, for what needs no more."""
    documents = folder / "documents"
    documents.mkdir(parents=True)
    (documents / "a.jpg").write_bytes(next(SCENES.glob("*.jpg")).read_bytes())
    nobody: Any = SimpleNamespace(url=None, token=None)
    made = Lab(Stand(folder, nobody, nobody), nobody, project=1)
    made.stand.projects().add(1, weights=WEIGHTS, title="Alone")
    for other in ("lacy", "mina"):
        made.stand.store().publish("1", bundle({"jason": RED, other: GREEN}), {"format": 2})
    yield made


def _answer(lab: Lab, count: int) -> None:
    """As a person would: the boxes that were shown get names, in turn."""
    studio = lab.stand.studio
    for task in list(studio.projects.task_bodies(lab.project))[:count]:
        result = []
        for number, region in enumerate(task["predictions"][0]["result"]):
            value = {**region["value"], "rectanglelabels": [NAMES[number % 2]]}
            result.append({key: each for key, each in region.items() if key != "score"} | {"value": value, "origin": "prediction-changed"})
        studio.annotations.create(int(task["id"]), result, lead_time=4.0)


def measured(ready: Callable[[], bool], *, seconds: float) -> float | None:
    """Until it is so; None when it did not come to it."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        if ready():
            return time.monotonic() - begun
        time.sleep(0.2)
    return None


__all__ = ["SECRET", "Backend", "Lab", "Row", "lab", "measured", "until"]
