"""Which detector a project asks: a student, the one of the settings where it is silent, and back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dinolabel.backend.inference.serving_config import ServingConfigs
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.detectors.student import build, load_network, onnx_file, square
from dinolabel.vision.errors import ModelError, RequestError
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.students.student import Student
from dinolabel.vision.types import Prompt
from tests.doubles.coloured_things import ColourSense, ThingDetector, scene
from tests.doubles.scripted_studio import CONFIG
from tests.tiny_models import tiny_student

PHRASES = {"thing": "thing"}


@pytest.fixture
def student(tmp_path: Path) -> Student:
    return Student.load(tiny_student(tmp_path / "student"))


def as_asked(student: Student, prompt_map: dict[str, str], threshold: float = 0.5) -> Student:
    """The same network for other words."""
    card = json.loads((student.folder / "student.json").read_text())
    labels = [*dict.fromkeys(prompt_map.values()), "b", "c"][:3]
    card |= {"phrases": prompt_map, "labels": labels, "threshold": threshold}
    (student.folder / "student.json").write_text(json.dumps(card))
    made = Student.load(student.folder)
    made.save(student.folder)
    return Student.load(student.folder)


def test_a_student_comes_back_as_it_was_saved(student: Student, tmp_path: Path) -> None:
    student.save(tmp_path / "copy")
    copy = Student.load(tmp_path / "copy").check()
    assert (copy, copy.digest) == (student, student.digest)


@pytest.mark.parametrize("name", ["student.json", "model.safetensors"])
def test_a_damaged_student_is_named(student: Student, name: str) -> None:
    content = (student.folder / name).read_bytes()
    (student.folder / name).write_bytes(content.replace(b"96", b"97", 1) if name.endswith("json") else content[:-1] + b"x")
    with pytest.raises(ModelError, match=r"changed|damaged"):
        Student.load(student.folder).check()
    (student.folder / name).unlink()
    with pytest.raises(ModelError, match="missing"):
        Student.load(student.folder).check()


def test_pinned_to_a_student_or_to_none(student: Student, tmp_path: Path) -> None:
    store = BundleStore(tmp_path / "bundles").students
    made = store.publish("3", student)
    assert store.desired("3") == made
    store.pin("3", "teacher")
    assert store.desired("3") is None
    store.pin("3", None)
    assert store.desired("3") == made
    with pytest.raises(RequestError, match="no student"):
        store.pin("3", "0" * 12)


def test_a_new_word_in_the_prompt_and_a_damaged_student_are_the_teachers(student: Student, tmp_path: Path) -> None:
    store = BundleStore(tmp_path / "bundles").students
    made = store.publish("3", student)
    assert store.for_prompt("3", made, {"cat": "cat"}) == student
    assert store.for_prompt("3", made, {"cat": "cat", "dog": "dog"}) is None
    assert store.for_prompt("3", made, {"cat": "pet"}) is None
    other = BundleStore(tmp_path / "bundles")
    weights = store.folder("3", made) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    from dinolabel.vision.students import store as module

    module._read.cache_clear()
    assert other.students.for_prompt("3", made, {"cat": "cat"}) is None


def test_where_a_student_is_silent_the_detector_answers(student: Student, tmp_path: Path) -> None:
    pipeline = Pipeline(ThingDetector(), ColourSense())
    image = open_image(scene(tmp_path, 0))
    plain = pipeline.predict([image], Prompt.of(["thing"]))[0]
    silent = as_asked(student, PHRASES, threshold=1.0)
    assert pipeline.predict([image], Prompt.of(["thing"]), student=silent)[0] == plain
    talks = as_asked(student, PHRASES, threshold=0.05)
    found = pipeline.predict([image], Prompt.of(["thing"]), student=talks)[0]
    assert found and found != plain
    assert all(each.phrase == "thing" for each in found)


def test_the_version_names_the_student_and_goes_back_with_it(student: Student, tmp_path: Path) -> None:
    store = BundleStore(tmp_path / "bundles")
    configs = ServingConfigs(Pipeline(ThingDetector(), ColourSense()), store)
    before = configs.build(1, CONFIG, None)
    made = store.students.publish("1", as_asked(student, dict(before.config.prompt_map)))
    after = configs.build(1, CONFIG, None)
    assert after.student_id == made and after.student is not None
    assert after.version.startswith("student-gdino-tiny.") and after.version != before.version
    assert configs.build(1, CONFIG, None, current=True).version == before.version
    store.students.follow("1", made)
    assert configs.build(1, CONFIG, None, current=True).version == after.version
    store.students.pin("1", "teacher")
    assert configs.build(1, CONFIG, None).version == before.version


def test_many_cells_on_one_object_are_one_box(student: Student, tmp_path: Path) -> None:
    detector = build(str(student.folder))
    found = detector.candidates([open_image(scene(tmp_path, 0))], Prompt.of(["cat"]), floor=0.0, most=1000)[0]
    for at, one in enumerate(found):
        assert all(one.box.iou(other.box) <= 0.61 for other in found[at + 1 :])


def test_onnx_answers_as_torch_does(student: Student, tmp_path: Path) -> None:
    pictures = [square(np.random.default_rng(at).integers(0, 256, (70, 90, 3), dtype=np.uint8), student.side) for at in range(3)]
    apart = onnx_file.write(load_network(student.folder, student), student, tmp_path / "a.onnx", pictures=pictures)
    assert apart <= onnx_file.LARGEST_ERROR
    assert (tmp_path / "a.onnx").is_file()


def test_an_onnx_file_that_answers_otherwise_is_not_left(student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "LARGEST_ERROR", -1.0)
    with pytest.raises(ModelError, match="otherwise"):
        onnx_file.write(load_network(student.folder, student), student, tmp_path / "a.onnx", pictures=[np.zeros((96, 96, 3), np.uint8)])
    assert not list(tmp_path.glob("*.onnx*"))
