"""Every export of a real project comes back: to its own tasks without a second one, and into another project with the same boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import pytest

from dinolabel.__main__ import run
from dinolabel.exporters import formats, importers
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.reviews.decisions import reviewed_boxes
from tests.doubles.annotated import HEIGHT, WIDTH, region, xml

if TYPE_CHECKING:
    from tests.e2e.conftest import Server

pytestmark = pytest.mark.e2e
CONFIG = xml("jason", "lacy", "unknown")
NAMES = ("one/x.png", "two/x.png", "!!!.jpg", "___.png", "Grüße 写真 (1).jpg", "empty.png", "twin a.png", "twin b.png")


def pictures(folder: Path) -> list[Path]:
    """Names that Label Studio changes, one name twice, and two pictures of equal content."""
    for number, name in enumerate(NAMES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(min(number, 6)).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        PIL.Image.fromarray(noise).save(path)
    return [folder / name for name in NAMES]


def answers() -> list[list[dict[str, Any]]]:
    return [
        [region("a", (10.4, 10, 50, 60.5), "jason"), region("b", (104.4, 22.5, 154.4, 72.5), "lacy")],
        [region("r", (90, 20, 130, 40), "jason", rotation=30)],
        [region("g", (0, 0, 40, 40), "face"), region("u", (60, 0, 100, 40))],
        [region("k", (150, 50, 240, 130), "unknown")],
        [region("t", (20, 20, 21, 21), "lacy")],
        [],
        [region("a", (10, 10, 50, 60), "jason")],
        [region("a", (10, 10, 50, 60), "lacy")],
    ]


def boxes(studio: LabelStudio, project: int) -> Counter[Any]:
    """What is approved, picture by picture, corners to the half pixel."""
    config, found = LabelConfig.parse(CONFIG), []
    for task in studio.projects.export(project):
        places = [(each, tuple(round(2 * at) for at in each.box.xyxy)) for each in reviewed_boxes(task, config)]
        found.append(frozenset((each.label, each.verdict, place, bool(each.quad)) for each, place in places))
    return Counter(found)


def test_every_export_comes_back(
    studio: LabelStudio,
    studio_server: Server,
    project_of: Callable[[str], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DINOLABEL_STUDIO_URL", studio_server.url)
    monkeypatch.setenv("DINOLABEL_STUDIO_TOKEN", studio_server.token)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    own = project_of(CONFIG)
    tasks = studio.tasks.upload_images(own, pictures(tmp_path / "pictures"))
    for task, result in zip(tasks, answers(), strict=True):
        studio.annotations.create(task, result, lead_time=2.0)
    before = boxes(studio, own)
    uploads = studio_server.data / "media" / "upload" / str(own)
    for name in sorted({*importers.names()} & {*formats.names()} - {"xmp"}):
        out = tmp_path / name
        assert run(["export", name, "--project", str(own), "--out", str(out)]) == 0
        capsys.readouterr()
        assert run(["import", name, str(out), "--project", str(own), "--yes"]) == 0
        assert "annotated already" in capsys.readouterr().out, name
        assert sorted(each.id for each in studio.tasks.list(own)) == sorted(tasks), name
        other = project_of(CONFIG)
        media = ["--media", str(uploads)] if name in ("crops", "labelstudio") else []
        assert run(["import", name, str(out), "--project", str(other), "--yes", *media]) == 0
        expected = before - Counter([frozenset()]) if name == "crops" else before
        assert boxes(studio, other) == expected, name
    assert boxes(studio, own) == before
