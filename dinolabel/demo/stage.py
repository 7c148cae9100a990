"""The demo's product: one `dinolabel up` as a child process, as a person would type it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dinolabel import factory
from dinolabel.demo.score import LabelledPrediction
from dinolabel.demo.world import Scene, World
from dinolabel.local import up_state
from dinolabel.settings import Settings
from dinolabel.vision.errors import DinolabelError

if TYPE_CHECKING:
    from dinolabel.studio.calls.tasks import TaskRow
    from dinolabel.studio.client import LabelStudio
    from dinolabel.studio.label_configs.label_config import LabelConfig
    from dinolabel.vision.bundles.registry import BundleStore

START_SECONDS = 900.0
STOP_SECONDS = 60.0


class DemoFailed(DinolabelError):
    """A step of the demo did not come out."""

    hint = "The logs are in demo-output: up.log, data/jobs/."


@dataclass(frozen=True, slots=True)
class DemoStage:
    """What a step needs. data_dir: of the running product; project: its number in Label Studio."""

    studio: LabelStudio
    store: BundleStore
    project: int
    data_dir: Path
    process: subprocess.Popen[bytes]

    def config(self) -> LabelConfig:
        from dinolabel.studio.label_configs.label_config import LabelConfig

        return LabelConfig.parse(self.studio.projects.get(self.project).label_config)

    def shown_version(self) -> str:
        """The model_version people see now; empty when none."""
        return self.studio.projects.get(self.project).model_version or ""

    def tasks(self) -> dict[str, TaskRow]:
        """File name of the scene -> its task."""
        return {_file(row): row for row in self.studio.tasks.list(self.project)}

    def result(self, task: int, version: str) -> tuple[int, list[dict[str, object]]]:
        """Id and regions of the prediction of that version. Raises DemoFailed when it is not there."""
        for each in self.studio.predictions.list(task):
            if each["model_version"] == version:
                return each["id"], each["result"]
        raise DemoFailed(f"Task {task} has no prediction of {version}.")

    def labelled(self, version: str, scenes: Iterable[Scene]) -> dict[str, list[LabelledPrediction]]:
        """File name -> what is shown there under that version. Raises DemoFailed for a scene without a prediction of it."""
        from dinolabel.studio.regions.writing import regions

        config, tasks = self.config(), self.tasks()
        return {
            scene.file: [
                LabelledPrediction(region.box, region.label or "")
                for region in regions(self.result(tasks[scene.file].id, version)[1], config)
            ]
            for scene in scenes
        }

    def wait(self, what: str, ready: Callable[[], bool], *, seconds: float, poll: float = 0.25) -> None:
        """Until ready() is true. Raises DemoFailed when it takes longer or the product has ended."""
        end = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None:
                raise DemoFailed(f"The product ended while waiting for {what} (exit code {self.process.returncode}).")
            if time.monotonic() > end:
                raise DemoFailed(f"Waited {seconds:.0f} s for {what} in vain.")
            time.sleep(poll)


@contextmanager
def stage(out: Path, photos: Path, world: World, *, weights: str) -> Iterator[DemoStage]:
    """Start the product on the photos; stop every process of it at the end."""
    data_dir = out / "data"
    command = [*factory.PROGRAM, "up", str(photos), "--prompt", world.prompt, "--names", ",".join(world.names)]
    command += ["--data", str(data_dir), "--no-browser", "--weights", weights]
    # Training starts when the reviewer presses the button, not by itself.
    environment = {**factory.environment(), "DINOLABEL_TRAIN_AFTER": "0", "DINOLABEL_POLL_SECONDS": "2"}
    with (out / "up.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    try:
        yield _wait_until_up(process, data_dir, out / "up.log")
    finally:
        _stop(process)


def _wait_until_up(process: subprocess.Popen[bytes], data_dir: Path, log: Path) -> DemoStage:
    end = time.monotonic() + START_SECONDS
    while (found := up_state.find(data_dir)) is None:
        if process.poll() is not None or time.monotonic() > end:
            words = log.read_text(encoding="utf-8", errors="replace").strip()[-600:]
            raise DemoFailed(f"`dinolabel up` did not start: {words}")
        time.sleep(0.25)
    settings = Settings.load(data_dir=data_dir, studio_url=found.url, studio_token=found.token)
    return DemoStage(factory.studio(settings), factory.store(settings), found.project, data_dir, process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C would: `up` ends what it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _file(row: TaskRow) -> str:
    return str(next(iter(row.data.values()))).rsplit("/", 1)[-1].rsplit("=", 1)[-1]
