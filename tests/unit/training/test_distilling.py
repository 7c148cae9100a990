"""A student from pictures with boxes: what is read, what is taught, what comes out; with a tiny random teacher."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from safetensors.torch import load_file

from dinolabel.training.distillation import categories, distil, fitting, folds, pictures
from dinolabel.training.distillation.batches import Batches
from dinolabel.training.distillation.dense_loss import Cells, Targets, assign
from dinolabel.training.distillation.distil import DistilOptions, Teacher, side_for
from dinolabel.training.distillation.examples import approved_example, proposed_example
from dinolabel.training.distillation.pictures import LabelledPicture
from dinolabel.training.errors import NotEnoughLabels, PicturesUnreadable, TeacherUnsuitable
from dinolabel.vision.detectors import student as plug
from dinolabel.vision.detectors.grounding_dino import build
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.students.store import StudentStore
from dinolabel.vision.types import Box, Detection, Thresholds
from tests.tiny_models import tiny_detector, tiny_owlv2

PHRASES = {"cat": "cat", "red car": "car"}


def coco(folder: Path, count: int = 6, name: str = "tom", **entry: object) -> Path:
    """Pictures with a bright square each, under its box; the last one is empty."""
    (folder / "images").mkdir(parents=True)
    images, marks = [], []
    for at in range(count):
        pixels = np.full((90, 120, 3), 40, np.uint8)
        if at < count - 1:
            pixels[20:50, 10 + at * 8 : 40 + at * 8] = (200, 30 * at, 90)
            marks.append({"id": at + 1, "image_id": at, "category_id": 1 + at % 2, "bbox": [10 + at * 8, 20, 30, 30]})
        PIL.Image.fromarray(pixels).save(folder / "images" / f"{at}.png")
        images.append({"id": at, "file_name": f"{at}.png", "width": 120, "height": 90, **entry})
    kinds = [{"id": 1, "name": name}, {"id": 2, "name": "car"}]
    (folder / "instances.json").write_text(json.dumps({"images": images, "annotations": marks, "categories": kinds}))
    return folder


@pytest.fixture(scope="module")
def teacher_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_detector(tmp_path_factory.mktemp("teacher") / "tiny")


@pytest.fixture
def teacher(teacher_folder: Path) -> Teacher:
    return Teacher(Pipeline(build(str(teacher_folder), engine="transformers")), teacher_folder, PHRASES, Thresholds(0.3, 0.25))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "STEPS", 6)
    monkeypatch.setattr(fitting, "EVERY", 2)
    monkeypatch.setattr(distil, "SIDES", range(96, 97))


OPTIONS = DistilOptions("3", "2026-11-30T12:00:00+00:00")


def run(folder: Path, teacher: Teacher, tmp_path: Path, options: DistilOptions = OPTIONS) -> distil.DistilResult:
    store = StudentStore(tmp_path / "students")
    return distil.distil(pictures.read(folder), [], teacher, options, store=store, work=tmp_path / "work")


def test_reads_anybodys_coco(tmp_path: Path) -> None:
    found = pictures.read(coco(tmp_path / "c"))
    assert len(found.rows) == 6
    assert sorted(label for row in found.rows for label in row.labels) == ["car", "car", "tom", "tom", "tom"]
    assert found.digest == pictures.read(tmp_path / "c").digest


def test_what_was_not_looked_at_teaches_nothing(tmp_path: Path) -> None:
    found = pictures.read(coco(tmp_path / "c", dinolabel={"state": "undecided"}))
    assert (found.rows, found.left_out) == ((), 6)


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "no COCO file"), ("{", "cannot be read"), ('{"images": [{"id": 1}], "annotations": [], "categories": []}', "makes no sense")],
)
def test_a_folder_that_is_none_is_named(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "a.json").write_text(text)
    with pytest.raises(PicturesUnreadable, match=said):
        pictures.read(tmp_path)


def test_a_picture_that_is_gone_is_named(tmp_path: Path) -> None:
    (coco(tmp_path / "c") / "images" / "3.png").unlink()
    with pytest.raises(PicturesUnreadable, match=r"3\.png"):
        pictures.read(tmp_path / "c")


SQUARE = Box(10, 20, 40, 50)


def shown(box: Box = SQUARE, label: str = "cat") -> LabelledPicture:
    return LabelledPicture(Path("a.png"), "a", 120, 90, "a", (box,), (label,))


def test_names_belong_to_the_label_the_teacher_saw() -> None:
    found = {"a": [Detection(Box(11, 20, 40, 50), "red car", 0.6)]}
    assert categories.prompt_labels([shown(label="tom")], found, PHRASES) == {"tom": "car"}
    assert categories.prompt_labels([shown(label="tom")], {}, PHRASES) == {"tom": None}
    assert categories.prompt_labels([shown(label="tom")], {}, {"cat": "cat"}) == {"tom": "cat"}


def test_a_name_of_no_label_counts_neither_way() -> None:
    kept = categories.relabel(shown(label="tom"), {"tom": None})
    assert (kept.boxes, len(kept.crowds)) == ((), 1)


def test_corrected_pictures_weigh_more_and_refused_boxes_are_remembered() -> None:
    right = approved_example(shown(), ["cat"], [Detection(Box(10, 20, 40, 49), "cat", 0.5)])
    wrong = approved_example(shown(), ["cat"], [Detection(Box(70, 20, 90, 49), "cat", 0.5)])
    assert (right.weight, len(right.refused), wrong.weight, len(wrong.refused)) == (1.0, 0, 2.0, 1)


def test_of_the_teachers_own_boxes_the_doubtful_are_ignored() -> None:
    made = proposed_example(
        shown(), ["cat"], [(Box(0, 0, 9, 9), "cat", 0.9), (Box(20, 0, 29, 9), "cat", 0.2), (Box(0, 30, 9, 39), "cat", 0.1)]
    )
    assert (len(made.boxes), len(made.ignored)) == (1, 1)


def test_every_object_has_a_cell_and_the_smaller_wins() -> None:
    cells = Cells.of([(8, 8), (4, 4)], "cpu")
    boxes = torch.tensor([[[0.5, 0.5, 0.9, 0.9], [0.5, 0.5, 0.05, 0.05], [0.1, 0.1, 0.02, 0.02]]])
    none = torch.zeros(1, 1, 4)
    target, weight = assign(cells, Targets(boxes, torch.tensor([[0, 0, 0]]), none, none))
    assert {0, 1, 2} <= set(target[0].tolist())
    assert float(weight.min()) >= 0


def test_filling_and_no_objects_at_all_teach_only_background() -> None:
    cells, none = Cells.of([(4, 4)], "cpu"), torch.zeros(1, 1, 4)
    target, weight = assign(cells, Targets(none, torch.tensor([[-1]]), none, torch.tensor([[[0.5, 0.5, 0.5, 0.5]]])))
    assert target.unique().tolist() == [-1]
    assert weight.max() == 3.0  # where people refused the teacher's box


def test_views_move_boxes_with_their_pixels(tmp_path: Path) -> None:
    """What is bright lies under the box in every view."""
    pixels = np.zeros((96, 96, 3), np.uint8)
    pixels[30:60, 20:50] = 255
    PIL.Image.fromarray(pixels).save(tmp_path / "a.png")
    row = LabelledPicture(tmp_path / "a.png", "a", 96, 96, "a", (Box(20, 30, 50, 60),), ("cat",))
    batches = Batches([approved_example(row, ["cat"], [])], side=96, seed=3)
    images, targets = batches.batch(0)
    for image, boxes in zip(images, targets.boxes, strict=True):
        ys, xs = torch.nonzero(image.float().mean(0) > image.float().mean(0).max() * 0.75, as_tuple=True)
        x, y, wide, high = (boxes[0] * 96).tolist()
        assert abs((xs.min() + xs.max() + 1) / 2 - x) < 2 and abs((ys.min() + ys.max() + 1) / 2 - y) < 2
        assert abs(xs.max() + 1 - xs.min() - wide) < 3 and abs(ys.max() + 1 - ys.min() - high) < 3
    assert torch.equal(images, batches.batch(0)[0])


def test_small_objects_ask_for_larger_pictures() -> None:
    assert side_for([shown(Box(0, 0, 60, 45))]) == 256
    assert side_for([shown(Box(0, 0, 6, 4.5))]) == 512
    assert side_for([shown(Box(0, 0, 2, 2))]) == 640
    assert side_for([replace(shown(), boxes=(), labels=())]) == 256


def test_folds_hold_enough_or_cross_or_say_so() -> None:
    many = [replace(shown(), key=f"{at}", group=f"{at}", boxes=(Box(0, 0, 9, 9),) * 2, labels=("cat", "cat")) for at in range(120)]
    basis, parts = folds.folds(many)
    assert (basis, len(parts)) == (folds.HELD_OUT, 1)
    assert not parts[0].taught & parts[0].judged
    basis, parts = folds.folds(many[:20])
    assert basis == folds.CROSSED
    assert parts[0].judged == parts[1].taught and not parts[0].judged & parts[0].taught
    assert folds.folds(many[:1]) == (folds.NOTHING, ())
    assert folds.folds([replace(each, group="one") for each in many]) == (folds.NOTHING, ())


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_student_is_made_judged_and_only_offered_with_few_pictures(tmp_path: Path, teacher: Teacher) -> None:
    made = run(coco(tmp_path / "c", name="cat"), teacher, tmp_path)
    store = StudentStore(tmp_path / "students")
    assert (made.published, store.newest("3")) == (False, None)
    assert "Too few to judge" in made.reason
    assert list(store.offers("3")) == [made.student_id]
    receipt = json.loads((made.folder / "receipt.json").read_text())
    assert receipt["data"] | {"digest": ""} == receipt["data"] | {"answered": 6, "boxes": 5, "digest": ""}
    assert receipt["metrics"]["basis"] == folds.CROSSED
    assert not list((tmp_path / "work").glob("*"))
    detector = plug.build(str(made.folder))
    assert detector.student.labels == ("cat", "car")
    assert detector.unknown_phrases(detector_prompt("cat", "zebra")) == ("zebra",)


def detector_prompt(*phrases: str):  # type: ignore[no-untyped-def]
    from dinolabel.vision.types import Prompt

    return Prompt.of(list(phrases))


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_the_same_seed_gives_the_same_weights_also_after_a_kill(
    tmp_path: Path, teacher_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pictures.read(coco(tmp_path / "c")).rows
    examples = [approved_example(categories.relabel(each, {"tom": "cat", "car": "cat"}), ["cat"], []) for each in rows]
    wish = fitting.FitOptions(96, 1, seed=5, device="cpu")

    def weights(name: str) -> dict[str, torch.Tensor]:
        fitting.fit(examples, teacher_folder, wish, tmp_path / name, stage="")
        return load_file(tmp_path / name / "model.safetensors")

    whole = weights("whole")
    step = fitting._Fitting._step
    with monkeypatch.context() as patch:

        def dies(self: fitting._Fitting, share: float) -> None:
            if self.done == 5:
                raise KeyboardInterrupt
            step(self, share)

        patch.setattr(fitting._Fitting, "_step", dies)
        with pytest.raises(KeyboardInterrupt):
            weights("killed")
    assert (tmp_path / "killed" / "checkpoint.safetensors").is_file()
    taken = []
    monkeypatch.setattr(fitting._Fitting, "_step", lambda self, share: (taken.append(self.done), step(self, share)))
    again = weights("killed")
    assert taken == [4, 5]
    assert all(torch.equal(whole[name], again[name]) for name in whole)


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_damaged_checkpoint_is_begun_anew(tmp_path: Path, teacher_folder: Path) -> None:
    rows = pictures.read(coco(tmp_path / "c")).rows
    examples = [approved_example(categories.relabel(each, {"tom": "cat", "car": "cat"}), ["cat"], []) for each in rows]
    (tmp_path / "fit").mkdir()
    (tmp_path / "fit" / "checkpoint.json").write_text('{"done": 4}')
    (tmp_path / "fit" / "checkpoint.safetensors").write_bytes(b"half")
    course = fitting.fit(examples, teacher_folder, fitting.FitOptions(96, 1, seed=5, device="cpu"), tmp_path / "fit", stage="")
    assert course.steps == 6


@pytest.mark.usefixtures("quick")
def test_minutes_bring_it_to_an_end(tmp_path: Path, teacher_folder: Path) -> None:
    rows = pictures.read(coco(tmp_path / "c")).rows
    examples = [approved_example(categories.relabel(each, {"tom": "cat", "car": "cat"}), ["cat"], []) for each in rows]
    course = fitting.fit(examples, teacher_folder, fitting.FitOptions(96, 1, 5, seconds=1e-6), tmp_path / "fit", stage="")
    assert course.steps < 6
    assert (tmp_path / "fit" / "model.safetensors").is_file()


def test_pictures_without_a_box_are_refused(tmp_path: Path, teacher: Teacher) -> None:
    with pytest.raises(NotEnoughLabels, match="nothing to learn"):
        run(coco(tmp_path / "c", count=1), teacher, tmp_path)


def test_a_teacher_without_the_backbone_is_named(tmp_path: Path) -> None:
    with pytest.raises(TeacherUnsuitable, match="owlv2"):
        fitting.fit([], tiny_owlv2(tmp_path / "owl"), fitting.FitOptions(96, 1, 0), tmp_path / "fit", stage="")
