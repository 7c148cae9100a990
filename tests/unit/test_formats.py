"""Data folders of earlier versions open with the code of today; those of later versions are refused by name, never misread."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from dinolabel import __main__, datafolder
from dinolabel.backend.jobs.table import JobTable
from dinolabel.backend.project_registry import ProjectRegistry
from dinolabel.erasure.registry import ErasureRegistry
from dinolabel.exporters.formats.crops import FORMAT as CROPS
from dinolabel.training.data import manifest
from dinolabel.vision.bundles import exported_model
from dinolabel.vision.bundles.bundle import FORMAT as BUNDLE
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.errors import BundleMismatch, DinolabelError, ModelError, SettingsError
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.storage.cache import Cache
from dinolabel.vision.storage.sqlite_kv import FORMAT as ENTRIES
from dinolabel.vision.types import Thresholds
from tests.doubles.scripted_models import ColourEmbedder, ScriptedDetector
from tests.fixtures.make_data_folder import PROJECT, detector

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
RECORDED = sorted(FIXTURES.glob("data-*"))


@pytest.fixture(params=RECORDED, ids=lambda each: each.name)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a recorded folder: photo.png, answers.json and the data folder, kept."""
    return Path(shutil.copytree(request.param, tmp_path / "kept"))


@pytest.fixture
def run(kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """A command on the recorded folder: its exit code and all it said."""
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(kept / "kept"))

    def command(*arguments: str) -> tuple[int, str]:
        code = __main__.run(arguments)
        said = capsys.readouterr()
        return code, " ".join((said.out + said.err).split())

    return command


def test_the_first_version_is_recorded() -> None:
    assert "data-0.1.0" in [each.name for each in RECORDED]


def test_every_head_answers_as_it_did_from_the_same_cache(kept: Path) -> None:
    """Detections and embeddings are found in the cache, so neither model is asked."""
    answers, store = json.loads((kept / "answers.json").read_text()), BundleStore(kept / "kept" / "bundles")
    cache = Cache(kept / "kept" / "cache.sqlite", max_mb=8)
    asked, embedder = detector(), ColourEmbedder()
    assert [each.id for each in store.history(str(PROJECT))] == list(answers)
    for head, expected in answers.items():
        bundle = store.get(str(PROJECT), head)
        found = Pipeline(asked, embedder, cache=cache)(kept / "photo.png", "face", bundle, thresholds=Thresholds())
        assert [(each.label, list(each.box.xyxy)) for each in found] == [(label, corners) for label, _, corners in expected]
        assert [each.confidence for each in found] == [pytest.approx(confidence) for _, confidence, _ in expected]
    assert (asked.asked, embedder.batches) == ([], [])
    assert {label for answer in answers.values() for label, _, _ in answer} == {"tom", "ann", "face"}


def test_what_was_decided_is_still_known(kept: Path) -> None:
    data = kept / "kept"
    store = BundleStore(data / "bundles")
    assert store.current(str(PROJECT)) == store.newest(str(PROJECT)) == list(json.loads((kept / "answers.json").read_text()))[-1]
    assert [each["published"] for each in store.verdicts(str(PROJECT))] == [True, True, True]
    (entry,) = ProjectRegistry(data / "projects.json").all()
    assert (entry.title, entry.weights, entry.before) == ("party", ("nano", "nano"), {"model_version": ""})
    assert entry.versions == ("gdino-nano.colour.3.abcdef12",)
    (job,) = JobTable(data / "jobs" / "jobs.sqlite").all()
    assert (job.kind, job.state, job.commands, job.verdict) == ("train", "done", (("dinolabel", "train", "1"),), {"published": True})
    assert ErasureRegistry(data).has(PROJECT, "somebody")


def test_its_export_can_be_learnt_from(kept: Path) -> None:
    read = manifest.read(kept / "kept" / "exports" / str(PROJECT))
    assert sorted((row.label, row.verdict) for row in read.rows) == [("jason", "approved"), ("lacy", "approved")]
    assert all((read.folder / row.crop).is_file() for row in read.rows)


def test_commands_open_it_and_mark_it(kept: Path, run) -> None:  # type: ignore[no-untyped-def]
    newest = list(json.loads((kept / "answers.json").read_text()))[-1]
    code, said = run("heads", "list", "--project", str(PROJECT))
    assert code == 0, said
    assert newest in said
    code, said = run("jobs", "list")
    assert code == 0, said
    assert "20 new names" in said or "j1" in said
    assert json.loads((kept / "kept" / datafolder.MARK).read_text())["format"] == datafolder.FORMAT


def test_a_later_folder_is_refused(kept: Path, run) -> None:  # type: ignore[no-untyped-def]
    (kept / "kept" / datafolder.MARK).write_text(json.dumps({"format": datafolder.FORMAT + 1, "more": "things"}))
    code, said = run("heads", "list", "--project", str(PROJECT))
    assert code == 2
    assert "newer dinolabel (format 2); this one knows 1" in said
    assert "Update dinolabel" in said


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "x"}'])
def test_a_damaged_mark_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / datafolder.MARK).write_text(text)
    with pytest.raises(SettingsError, match="cannot be read"):
        datafolder.open_folder(tmp_path)


def change(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text().splitlines()[0] if path.suffix == ".jsonl" else path.read_text()), **fields}))


def test_a_later_head_is_refused(kept: Path) -> None:
    store = BundleStore(kept / "kept" / "bundles")
    newest = store.newest(str(PROJECT))
    assert newest
    change(store.folder(str(PROJECT), newest) / "bundle.json", format=BUNDLE + 1)
    with pytest.raises(BundleMismatch, match="no bundle of format") as refused:
        store.get(str(PROJECT), newest)
    assert "Update" in refused.value.hint


def test_a_later_export_is_refused(kept: Path) -> None:
    folder = kept / "kept" / "exports" / str(PROJECT)
    change(folder / manifest.NAME, format=CROPS + 1)
    with pytest.raises(DinolabelError, match=f"expected format {CROPS}, got {CROPS + 1}") as refused:
        manifest.read(folder)
    assert "Export the crops again" in refused.value.hint


def test_a_later_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / exported_model.CARD).write_text(json.dumps({"format": exported_model.FORMAT + 1}))
    with pytest.raises(ModelError, match=f"format {exported_model.FORMAT + 1}"):
        exported_model.read(tmp_path)


def test_a_cache_of_another_format_is_begun_anew(kept: Path) -> None:
    path = kept / "kept" / "cache.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version={ENTRIES + 1}")
    connection.close()
    cache = Cache(path, max_mb=8)
    asked = ScriptedDetector(*detector().found)
    assert len(Pipeline(asked, cache=cache)(kept / "photo.png", "face")) == 3
    assert len(asked.asked) == 1
    cache.put_embeddings({"embedding:x": np.ones(4, np.float32)})
    assert set(cache.get_embeddings(["embedding:x"])) == {"embedding:x"}
    assert path.with_name("cache.sqlite.damaged").is_file()


def test_what_a_killed_writer_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    left = [".projects.json.4711", ".format.json.12.half", "bundles/1/.writing-0a1b2c", "exports/3/.manifest.jsonl.99.half"]
    kept = ["projects.json", "bundles/1/000001-0123456789ab", ".notes", "bundles/1/current", ".mine.half", "exports/3/crops/a.jpg"]
    fresh = "bundles/1/.writing-of-now"
    for name in (*left, *kept, fresh):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if "bundles/1/.w" in name or name.endswith("ab"):
            path.mkdir()
            (path / "bundle.json").write_text("{")
        else:
            path.write_text("x")
        if name != fresh:
            os.utime(path, (0, 0))
    assert datafolder.sweep_leftovers(tmp_path) == len(left)
    assert not any((tmp_path / name).exists() for name in left)
    assert all((tmp_path / name).exists() for name in (*kept, fresh))
