"""Videos to a published head by one command, with the embedded models, on videos drawn here in every container people film in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.app.common.explanations import Explanations
from dinolabel.app.common.model_handle import ModelHandle
from dinolabel.app.tabs.image import ImageRequest, ImageTab
from dinolabel.settings import Settings
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.decoding.video_frames import open_video, sample_frames
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.types import Named
from tests.drawn_world import part, pictures, shots, world
from tests.films import cut_short, film, sound_only, turned

RATE = 4
LOOK = ["--prompt", "cat face", "--weights", "nano"]


def of(identity: str | None, number: int, *, most: int = 99) -> list[np.ndarray]:
    """Number 0 and 1 are to learn from, a quarter of all scenes each; 2 is half of them, to test on."""
    scenes = part(1, 2) if number == 2 else part(2 * number, 4)
    return list(pictures(shots(identity, scenes)[:most], rate=RATE))


def uneven(count: int) -> list[float]:
    """Times of a camera that slows down in the dark: frames of a fifth of a second, then of two fifths, and so on."""
    gaps = np.tile([0.125] * 8 + [0.375] * 8, count)[:count]
    return [float(each) for each in np.cumsum(gaps) - gaps[0]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """videos/ as a person would have them: two of each cat to learn from, one to test on, and two files that are no use."""
    folder = tmp_path_factory.mktemp("place") / "videos"
    folder.mkdir()
    film(folder / "tom_0.mp4", of("tom", 0), rate=RATE)
    film(folder / "tom_1.mov", of("tom", 1), rate=RATE)
    film(folder / "tom_test.webm", of("tom", 2), rate=RATE)
    film(folder / "felix_0.avi", of("felix", 0), rate=RATE)
    frames = of("felix", 1)
    film(folder / "felix_1.mp4", frames, times=uneven(len(frames)))
    turned(film(folder / "felix_test.mp4", [np.rot90(each).copy() for each in of("felix", 2)], rate=RATE), (0, 1, -1, 0))
    sound_only(folder / "felix_2.mp4")
    cut_short(film(folder / "tom_2.mp4", of("tom", 0, most=3), rate=RATE), 0.6)
    return folder.parent


@contextmanager
def home(place: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DINOLABEL_DATA_DIR", str(place / "data"))
        patch.chdir(place)
        yield


@pytest.fixture(scope="module")
def learnt(place: Path) -> dict[str, Any]:
    """What `dinolabel bootstrap videos/` printed."""
    with home(place), pytest.MonkeyPatch.context() as patch:
        told: list[str] = []
        patch.setattr("dinolabel.cli.console.out.print_json", told.append)
        assert run(["bootstrap", "videos", *LOOK, "--json"]) == 0
        document: dict[str, Any] = json.loads(told[0])
        return document


def test_it_ends_in_a_published_head_that_names_people_it_has_not_seen(learnt: dict[str, Any], place: Path) -> None:
    assert learnt["verdict"]["published"], learnt["verdict"]["reason"]
    assert learnt["test"]["accuracy"] >= 0.9 and learnt["test"]["groups"] == 2
    bundle = BundleStore(place / "data" / "bundles").get("videos", learnt["verdict"]["bundle_id"])
    assert bundle.labels == ("felix", "tom")
    tested = {open_video(place / "videos" / name).sha256[:12] for name in ("tom_test.webm", "felix_test.mp4")}
    taught = {f"{int(each.split('/')[0]):012x}" for each in bundle.reference_ids}
    assert taught and not taught & tested


def test_every_file_was_used_or_named(learnt: dict[str, Any]) -> None:
    used = {each["video"]: each for each in learnt["videos"]}
    assert set(used) == {f"tom_{part}" for part in ("0.mp4", "1.mov", "test.webm", "2.mp4")} | {
        f"felix_{part}" for part in ("0.avi", "1.mp4", "test.mp4")
    }
    assert all(each["frames"] >= 3 and each["kept"] >= 1 for name, each in used.items() if name != "tom_2.mp4")
    assert used["tom_2.mp4"]["frames"] >= 1 and "cut short" in used["tom_2.mp4"]["note"]
    assert [(each["video"], each["error"]) for each in learnt["failed"]] == [("felix_2.mp4", "felix_2.mp4 holds no moving pictures.")]
    assert all(Path(path).is_file() for paths in learnt["sheets"].values() for path in paths)


@pytest.fixture(scope="module")
def new_video(place: Path) -> Path:
    """One that is neither learnt from nor tested on: both cats, filmed another way."""
    chosen = [*shots("tom", part(1, 2), seed=5)[:4], *shots("felix", part(1, 2), seed=5)[:4]]
    return film(place / "new.mp4", pictures(chosen, rate=RATE), rate=RATE)


def test_the_head_names_people_in_a_new_video(learnt: dict[str, Any], place: Path, new_video: Path) -> None:
    pipeline = Pipeline.load("nano")
    head = Bundle.load(BundleStore(place / "data" / "bundles").folder("videos", learnt["verdict"]["bundle_id"]))
    looks = [image for _, image in sample_frames(open_video(new_video), 1.5)]
    truth = ["tom" if number < len(looks) / 2 else "felix" for number in range(len(looks))]
    best = [found[0].answer if found else None for found in pipeline.predict(looks, "cat face", head)]
    right = sum(isinstance(answer, Named) and answer.label == name for answer, name in zip(best, truth, strict=True))
    assert right / len(looks) >= 0.8
    wrong = sum(isinstance(answer, Named) and answer.label != name for answer, name in zip(best, truth, strict=True))
    assert wrong <= 1


def test_detect_and_the_app_have_it(learnt: dict[str, Any], place: Path, new_video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = place / "photo.png"
    PIL.Image.fromarray(next(iter(sample_frames(open_video(new_video), 9)))[1].pixels).save(photo)
    with home(place):
        capsys.readouterr()
        assert run(["detect", str(photo), "--prompt", "cat face", "--project", "videos", "--weights", "nano", "--json"]) == 0
        (entry,) = json.loads(capsys.readouterr().out)["images"]
        assert entry["found"][0]["label"] == "tom" and entry["found"][0]["confidence"] is not None
        settings = Settings.load(detector_weights="nano", embedder_weights="nano")
        tab = ImageTab(ModelHandle.of(factory.pipeline(settings)), factory.store(settings))
        (version,) = (version for words, version in tab.versions() if "videos" in words and "felix, tom" in words)
        row = tab.predict(str(photo), ImageRequest("cat face", 0.3, 0.25, version)).found[0]
    assert row["label"] == "tom"
    assert Explanations(place / "data" / "exports").crops(version, row), "the crops it leans on are shown"


def test_wrong_crops_go_and_training_again_honours_it(learnt: dict[str, Any], place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = Path(learnt["out"])
    with home(place):
        assert run(["exclude-crops", str(out), "1", "2-3"]) == 0
        assert "Dropped 3 crops: felix 3" in capsys.readouterr().out
        assert run(["train", "--project", "videos", "--weights", "nano", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["reason"]
        assert run(["heads", "list"]) == 0  # the only project there is
        assert "felix" in capsys.readouterr().out
        assert run(["exclude-crops", str(out), "1", "2-3", "--back"]) == 0
    assert len((out / "manifest.jsonl").read_text().splitlines()) == learnt["rows"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["bootstrap", "nowhere", *LOOK], "There is no folder of videos"),
        (["bootstrap", "videos", *LOOK, "--out", "videos"], "holds other things"),
        (["exclude-crops", "videos", "1"], "There are no crops of videos"),
        (["exclude-crops", "videos", "3-1"], "no number of a crop"),
    ],
)
def test_a_wrong_question_gets_a_sentence(place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    with home(place):
        assert run(arguments) == 2
    assert says in " ".join(capsys.readouterr().err.split())


def test_the_world_has_both_cats_on_every_side() -> None:
    assert {thing.identity for scene in world().scenes for thing in world().prompted_things(scene)} == {"tom", "felix", None}
    assert all(len(shots(name, scenes)) >= 3 for name in ("tom", "felix") for scenes in (part(0, 4), part(2, 4), part(1, 2)))


def test_somebody_learnt_from_videos_can_be_forgotten(learnt: dict[str, Any], place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "data", tmp_path / "data")
    shutil.copytree(place / "videos", tmp_path / "videos")
    harvest = tmp_path / "data" / "exports" / "videos"
    rows = [json.loads(line) for line in (harvest / "manifest.jsonl").read_text().splitlines()]
    number = next(row["number"] for row in rows if row["label"] == "tom")
    pixels = {(harvest / row["crop"]).read_bytes() for row in rows if row["label"] == "tom"}
    with home(tmp_path):
        assert run(["exclude-crops", str(harvest), str(number)]) == 0  # a crop put aside shows him all the same
        assert run(["forget", "tom", "--project", "vidoes", "--yes"]) != 0  # nothing is kept under that name, and nothing is claimed
        assert run(["forget", "tom", "--project", "videos", "--yes"]) == 0
        assert BundleStore(tmp_path / "data" / "bundles").history("videos") == []
    for path in (each for each in (tmp_path / "data").rglob("*") if each.is_file()):
        assert "tom" not in path.name and path.read_bytes() not in pixels, path
        assert path.suffix in {".png", ".jpg", ".sqlite", ".sqlite-wal", ".sqlite-shm"} or "tom" not in path.read_text(), path
    left = [json.loads(line) for line in (harvest / "manifest.jsonl").read_text().splitlines()]
    assert len(left) == sum(row["label"] == "felix" for row in rows)
    assert (tmp_path / "videos" / "tom_0.mp4").is_file()  # a person's own file
