"""kill -9 at every step of the switch, with a real store on disk and a real Label Studio: the next start makes up for it, and at no moment
is there a task without boxes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dinolabel.backend.project_registry import ProjectRegistry
from dinolabel.studio.client import LabelStudio
from dinolabel.vision.bundles.registry import BundleStore
from tests.doubles.coloured_things import GREEN, RED, bundle, scene
from tests.doubles.scripted_studio import CONFIG
from tests.e2e.loop import TOKEN, WEIGHTS, Watcher, service
from tests.waiting import until_in_step

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
STEPS = ["wanted", "noted", "pushed", "filled", "shown", "current"]


def child(folder: Path, studio: LabelStudio, token: str, project: int, step: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.e2e.loop", str(folder), studio.url, str(project), step]
    environment = {**os.environ, TOKEN: token}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_it_goes_on_and_no_task_is_ever_without_boxes(
    studio: LabelStudio, studio_server, project_of: Callable[[str], int], tmp_path: Path, step: str
) -> None:
    project = project_of(CONFIG)
    (tmp_path / "photos").mkdir()
    tasks = studio.tasks.upload_images(project, [scene(tmp_path / "photos", each) for each in range(10)])
    folder = tmp_path / "data"
    ProjectRegistry(folder / "projects.json").add(project, weights=WEIGHTS)
    until_in_step(service(folder, studio), project)
    before = studio.projects.get(project).model_version
    bundle_id = BundleStore(folder / "bundles").publish(str(project), bundle({"jason": RED, "lacy": GREEN}))

    with Watcher(studio, project) as watcher:
        killed = child(folder, studio, studio_server.token, project, step)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert killed.stdout.split()[-1] == step
        (late,) = studio.tasks.upload_images(project, [scene(tmp_path / "photos", 99)])
        resumed = child(folder, studio, studio_server.token, project, "never")
        assert resumed.returncode == 0, resumed.stderr

    after = studio.projects.get(project).model_version
    assert after != before
    rows = {each.id: each.versions for each in studio.tasks.list(project)}
    assert all(after in rows[each] for each in [*tasks, late])
    assert studio.projects.model_versions(project)[after] == len(rows), "each has it once"
    assert BundleStore(folder / "bundles").current(str(project)) == bundle_id
    assert watcher.shown == [before, after]
    assert watcher.looks > 10
    assert set(watcher.bare) <= {late}, "a picture that has just come has no boxes for a moment; every other always has"
    assert studio_server.token not in killed.stdout + killed.stderr + resumed.stdout + resumed.stderr
