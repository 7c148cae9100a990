"""`dinolabel forget`: afterwards no file of ours holds the name, the pixels or an embedding, and no head can bring the person back."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.backend.jobs.table import DONE, Job
from dinolabel.cli import console
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.label_configs.rename import rename_label
from dinolabel.studio.media.cache import MediaCache
from dinolabel.training.train import TrainingOptions, train
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.storage.cache import Cache
from tests.blobs import KnownOnly, World
from tests.doubles.scripted_studio import CONFIG, ScriptedStudio

WHO = "Jürgen"  # once called jason; not in ASCII, as names are
XML = rename_label(CONFIG, "jason", WHO)


class Studio(ScriptedStudio):
    """With what only forgetting asks for."""

    def tasks_get(self, task: int) -> dict[str, Any]:
        return {"id": task, "annotations": self._tasks[task].annotations}

    def projects_set_label_config(self, project: int, xml: str) -> None:
        self.set(project, label_config=xml)

    tab: tuple[str, list[int]] | None = None

    def tabs_show_tasks(self, project: int, name: str, title: str, tasks: Sequence[int]) -> str:
        self.tab = (title, list(tasks))
        return f"{self.url}/projects/{project}/data?tab=7"

    def tabs_remove(self, project: int, name: str) -> bool:
        self.tab = None
        return True


class Place:
    """A data folder in which three people were learnt twice, one training refused, and Label Studio beside it."""

    def __init__(self, root: Path) -> None:
        self.root, self.data, self.elsewhere = root, root / "data", root / "elsewhere"
        self.store, self.cache = BundleStore(self.data / "bundles"), Cache(self.data / "cache.sqlite", max_mb=16)
        self.studio = Studio()
        self.project = self.studio.add_project(XML)
        build_registry(self.data, self.project)
        self.world = World(picture=0.4)
        early = World(picture=0.4).crowd(("lacy", "maria"), images=10)
        self.before_him = self.learn(early, f"exports/{self.project}", "2026-11-20T12:00:00+00:00")
        self.world.crowd(("lacy", "maria", WHO), images=12)
        self.with_him = self.learn(self.world, f"exports/{self.project}", "2026-11-22T12:00:00+00:00")
        self.pixels: dict[str, bytes] = {}
        for folder in (self.data / "exports" / str(self.project), self.elsewhere):
            self.draw(folder)
        self.beside()
        pairs = zip(self.world.vectors, self.world.rows, strict=True)
        self.vectors = [vector.astype("<f4").tobytes() for vector, row in pairs if row["label"] == WHO]

    def learn(self, world: World, name: str, now: str) -> str | None:
        folder = world.write(self.data / name, self.cache, wanted=("lacy", "maria", WHO))
        given = {"embedder": KnownOnly(), "store": self.store, "cache": self.cache}
        options = TrainingOptions(str(self.project), now)
        first, refused = (
            train(folder, options, **given),
            train(folder, options, **given),
        )  # nothing new: the second leaves a receipt among the refused
        assert not refused.published
        return first.bundle_id

    def draw(self, folder: Path) -> None:
        self.world.write(folder, self.cache)
        for row in self.world.rows:
            noise = np.random.default_rng(int(hashlib.sha256(row["crop"].encode()).hexdigest()[:8], 16))
            path = folder / row["crop"]
            path.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(noise.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(path)
            if row["label"] == WHO:
                self.pixels[row["crop"]] = path.read_bytes()

    def beside(self) -> None:
        """What a backend leaves behind: logs, jobs, copies of pictures, predictions, people's work."""
        (self.data / "jobs").mkdir(exist_ok=True)
        (self.data / "jobs" / "j1.log").write_text(f"$ dinolabel train\nlacy 12\n{WHO} 12 of 12\n", encoding="utf-8")
        verdict = {"published": True, "reason": f"adds {WHO}"}
        job = Job("j1", "train", self.project, DONE, f"named {WHO}", (("dinolabel",),), None, 1.0, verdict=verdict)
        factory.jobs(build_settings())._table.add(job)
        MediaCache(self.data / "media", max_mb=1).put("/a.png", lambda file: file.write(b"a picture with him") and None, lambda path: None)
        (self.data / "exports.jsonl").write_text(
            json.dumps({"project": str(self.project), "folder": str(self.elsewhere), "format": "crops"}) + "\n", encoding="utf-8"
        )
        self.tasks = self.studio.add_tasks(self.project, ["/a.png", "/b.png"])
        value = {"x": 1, "y": 1, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": [WHO]}
        region = {"id": "r", "from_name": "label", "to_name": "image", "type": "rectanglelabels", "value": value}
        region |= {"original_width": 100, "original_height": 100, "meta": {"text": ["coloured thing 0.90", f"perhaps {WHO} 0.40"]}}
        made = [{"task": each, "result": [region], "score": 0.5, "model_version": "v1"} for each in self.tasks]
        self.studio.predictions.import_many(self.project, made)
        self.studio.annotate(self.tasks[0], ["jason", "lacy"])

    def files(self) -> Iterator[Path]:
        return (each for folder in (self.data, self.elsewhere) for each in folder.rglob("*") if each.is_file())


def build_settings() -> Any:
    from dinolabel.settings import Settings

    return Settings.load()


def build_registry(data: Path, project: int) -> None:
    from dinolabel.backend.project_registry import ProjectRegistry
    from dinolabel.studio.label_roles import LabelRoles

    registry = ProjectRegistry(data / "projects.json")
    registry.add(project, weights=("nano", "nano"), title=f"Party of {WHO}", roles=LabelRoles({"coloured thing": "thing"}, ("lacy", WHO)))
    registry.note_colours(project, {"lacy": "#2d0f78", WHO: "#961e00"})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(console.out, "width", 400)
    made = Place(tmp_path)
    monkeypatch.setattr(factory, "studio", lambda settings: made.studio)
    monkeypatch.setattr(factory, "embedder", lambda settings: KnownOnly())
    return made


def test_no_file_holds_the_name_the_pixels_or_an_embedding(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    spelt = [form.encode() for form in (WHO, json.dumps(WHO)[1:-1], "jason")]
    held = {path for path in place.files() if any(each in path.read_bytes() for each in spelt)}
    assert {path.suffix for path in held} >= {".json", ".jsonl", ".html", ".log", ".sqlite"}  # it was everywhere

    assert run(["forget", WHO, "--project", str(place.project), "--yes"]) == 0
    printed = capsys.readouterr().out
    for path in place.files():
        content = path.read_bytes()
        assert not any(each in content for each in spelt), path
        assert not any(WHO in part for part in path.parts), path
        assert not any(each in content for each in place.vectors), path
        assert content not in place.pixels.values(), path
    assert not (place.data / "media").exists()
    assert place.data.joinpath("exports", str(place.project), "manifest.jsonl").read_text().count("lacy") == 24  # the others stay
    assert place.studio.tab == ("Forgotten", [place.tasks[0]]) and "data?tab=7" in printed
    assert f"({place.tasks[0]})" in printed and "annotated in 1 task" in printed and "pictures themselves" in printed


def test_heads_that_knew_him_are_gone_and_rollback_to_them_is_refused(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    head = place.with_him
    assert head is not None and place.before_him is not None
    project = str(place.project)
    place.store.pin(project, head)
    assert run(["forget", WHO, "--project", project, "--yes"]) == 0
    assert [each.id for each in place.store.history(project)] == [place.before_him]
    assert (place.store.pinned(project), place.store.desired(project)) == (None, place.before_him)
    capsys.readouterr()
    assert run(["heads", "pin", head, "--project", project]) != 0
    assert "was forgotten" in capsys.readouterr().err
    assert run(["heads", "rollback", "--project", project]) != 0
    place.store.get(project, place.before_him)  # still whole

    again = train(
        place.data / "exports" / project, TrainingOptions(project, "2026-11-23T12:00:00+00:00", force=True),
        embedder=KnownOnly(), store=place.store, cache=place.cache,
    )  # fmt: skip
    assert again.bundle_id and place.store.get(project, again.bundle_id).labels == ("lacy", "maria")


def test_label_studio_keeps_the_box_and_the_persons_work_but_not_our_word(place: Place) -> None:
    before = json.dumps(place.studio.tasks.get(place.tasks[0])["annotations"])
    assert run(["forget", WHO, "--project", str(place.project), "--yes"]) == 0
    (region,) = place.studio.predictions.list(place.tasks[1])[0]["result"]
    assert region["value"]["rectanglelabels"] == ["thing"] and region["meta"]["text"] == ["coloured thing 0.90"] and region["id"] == "r"
    assert json.dumps(place.studio.tasks.get(place.tasks[0])["annotations"]) == before
    config = LabelConfig.parse(place.studio.projects.get(place.project).label_config)
    assert config.learnt == ("lacy",) and not config.aliases
    roles = factory.projects(build_settings()).roles(place.project)
    assert roles is not None and (roles.prompt, roles.learn) == ({"coloured thing": "thing"}, ("lacy",))
    assert factory.project_colours(build_settings(), str(place.project)) == {"lacy": "#2d0f78"}


def test_another_project_that_knows_the_name_keeps_its_heads_and_people_keep_their_files(place: Place) -> None:
    theirs = place.data / "bundles" / "77"
    shutil.copytree(place.data / "bundles" / str(place.project), theirs)
    note = place.data / "my notes.txt"
    note.write_text(f"{WHO} has a birthday", encoding="utf-8")
    before = {path: path.read_bytes() for path in (*theirs.rglob("*"), note) if path.is_file()}
    assert run(["forget", WHO, "--project", str(place.project), "--yes"]) == 0
    assert {path: path.read_bytes() for path in before} == before
    assert [each.id for each in place.store.history("77")] == [place.before_him, place.with_him]


def test_a_project_that_learnt_nothing_yet_can_forget_too(place: Place) -> None:
    shutil.rmtree(place.data / "bundles")
    assert run(["forget", WHO, "--project", str(place.project), "--yes"]) == 0


def test_it_waits_for_the_backend_and_says_so(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    held, over = threading.Event(), threading.Event()

    def visit() -> None:
        with factory.projects(build_settings()).write_lock(place.project):
            held.set()
            over.wait(30)

    backend = threading.Thread(target=visit)
    backend.start()
    held.wait(30)
    threading.Timer(1.0, over.set).start()
    assert run(["forget", WHO, "--project", str(place.project), "--yes"]) == 0
    backend.join()
    assert "Waiting for it" in capsys.readouterr().err


def test_nothing_happens_without_a_yes(place: Place) -> None:
    before = {path: path.read_bytes() for path in place.files()}
    assert run(["forget", WHO, "--project", str(place.project)]) != 0
    assert {path: path.read_bytes() for path in place.files() if path in before} == before
