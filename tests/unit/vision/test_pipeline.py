"""What the pipeline computes, and above all what it does not compute again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.errors import BundleMismatch, MediaUnreadable, ModelError, PromptMissing
from dinolabel.vision.heads import prototype
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.proposals.candidates import Candidate
from dinolabel.vision.storage.cache import Cache
from dinolabel.vision.types import Box, Image, Named, Prompt, Thresholds, Unknown

LEFT = Candidate(Box(10.06, 10.11, 50.2, 50.0), "cat", 0.9, 0.8)
RIGHT = Candidate(Box(60, 10, 100, 50), "cat", 0.4, 0.3)
WEAK = Candidate(Box(60, 55, 90, 79), "dog", 0.2, 0.15)
OVER = Candidate(Box(-5, 60, 40, 90), "dog", 0.5, 0.4)  # a detector may hang over the edge by a hair


def scene(shift: int = 0) -> Image:
    """120 x 80: red on the left, green on the right."""
    pixels = np.zeros((80, 120, 3), np.uint8)
    pixels[:, :55, 0] = 255 - shift
    pixels[:, 55:, 1] = 255
    return Image.from_array(pixels)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache.sqlite", max_mb=16)


@pytest.fixture
def detector(scripted: Any) -> Any:
    return scripted(LEFT, RIGHT, WEAK, OVER)


@pytest.fixture
def trained(make_bundle: Callable[..., Bundle], colours: Any) -> Bundle:
    """Knows red as jason, and nothing else."""
    red = np.array([[1, 0, 0, 0.1]], np.float32) / np.float32(np.hypot(1, 0.1))
    head = prototype.build().fit(red, ["jason"])
    return make_bundle(
        labels=head.labels,
        arrays=head.arrays(),
        references=red,
        reference_labels=("jason",),
        reference_ids=("1",),
        embedder_digest=colours.digest,
        distance_threshold=0.2,
    )


def test_boxes_come_out_quartered_clipped_and_sorted(detector: Any) -> None:
    (found,) = Pipeline(detector).predict([scene()], Prompt.parse("cat. dog"))
    assert [(each.box.xyxy, each.phrase, each.score) for each in found] == [
        ((10.0, 10.0, 50.25, 50.0), "cat", 0.9),
        ((0.0, 60.0, 40.0, 80.0), "dog", 0.5),
        ((60.0, 10.0, 100.0, 50.0), "cat", 0.4),
    ]
    assert all(each.answer is None for each in found)


def test_a_threshold_costs_no_forward_pass(detector: Any, cache: Cache) -> None:
    pipeline = Pipeline(detector, cache=cache)
    counts = [len(pipeline.predict([scene()], "cat. dog", thresholds=Thresholds(box=box, text=0.1))[0]) for box in (0.95, 0.45, 0.3, 0.1)]
    assert counts == [0, 2, 3, 4]
    assert len(detector.asked) == 1
    pipeline.predict([scene()], "dog. cat")
    assert len(detector.asked) == 1, "the order of phrases is no other question"
    pipeline.predict([scene()], "cat")
    assert len(detector.asked) == 2


def test_nothing_found_is_not_asked_twice(scripted: Any, cache: Cache) -> None:
    detector = scripted()
    for _ in range(2):
        assert Pipeline(detector, cache=cache).predict([scene()], "cat") == [[]]
    assert len(detector.asked) == 1


def test_only_what_is_missing_is_asked_in_batches_and_each_once(detector: Any, cache: Cache) -> None:
    pipeline = Pipeline(detector, cache=cache, batch_size=2)
    scenes = [scene(shift) for shift in range(4)]
    pipeline.predict(scenes[:1], "cat")
    found = pipeline.predict([*scenes, scenes[1]], "cat")
    assert len(found) == 5
    assert detector.asked == [[scenes[0].sha256], [scenes[1].sha256, scenes[2].sha256], [scenes[3].sha256]]


def test_the_cache_is_shared_by_equal_files_not_by_other_weights(detector: Any, cache: Cache) -> None:
    Pipeline(detector, cache=cache).predict([scene()], "cat")
    detector.digest = "another"
    Pipeline(detector, cache=cache).predict([scene()], "cat")
    assert len(detector.asked) == 2


def test_without_a_cache_it_works_too(detector: Any) -> None:
    pipeline = Pipeline(detector)
    assert pipeline.predict([scene()], "cat") == pipeline.predict([scene()], "cat")
    assert pipeline.predict([], "cat") == []


def test_embeddings_are_made_once_and_follow_the_boxes(detector: Any, colours: Any, cache: Cache) -> None:
    pipeline = Pipeline(detector, colours, cache=cache)
    red, green = Box(10, 10, 50, 50), Box(60, 10, 100, 50)
    rows = pipeline.embed(scene(), [green, red, green])
    assert rows.shape == (3, 4)
    assert rows.dtype == np.float32
    assert rows[:, 0].round(1).tolist() == [0, 1, 0]
    assert colours.batches == [2]
    again = pipeline.embed(scene(), [red, Box(10.1, 10.05, 50.0, 49.99)])
    assert np.array_equal(again[0], rows[1])
    assert np.array_equal(again[1], rows[1]), "percent noise is no new box"
    assert colours.batches == [2]


def test_what_is_cached_is_not_decoded(colours: Any, detector: Any, cache: Cache) -> None:
    pixels = scene().pixels
    decoded: list[int] = []
    image = Image("ab", 120, 80, lambda: (decoded.append(1), pixels)[1])
    pipeline = Pipeline(detector, colours, cache=cache)
    pipeline.embed(image, [Box(10, 10, 50, 50)])
    pipeline.embed(image, [Box(10, 10, 50, 50)])
    pipeline.embed(image, [])
    assert decoded == [1]


def test_no_boxes_have_no_embeddings(detector: Any, colours: Any) -> None:
    assert Pipeline(detector, colours).embed(scene(), []).shape == (0, 4)


def test_many_crops_are_embedded_in_parts(detector: Any, colours: Any) -> None:
    boxes = [Box(float(x), 10, x + 20.0, 30) for x in range(70)]
    assert Pipeline(detector, colours).embed(scene(), boxes).shape == (70, 4)
    assert colours.batches == [32, 32, 6]


def test_a_bundle_gives_names_and_unknowns(detector: Any, colours: Any, trained: Bundle) -> None:
    (found,) = Pipeline(detector, colours).predict([scene()], "cat", trained)
    assert [each.phrase for each in found] == ["cat", "cat"]
    assert isinstance(found[0].answer, Named)
    assert found[0].answer.label == "jason"
    assert isinstance(found[1].answer, Unknown)


def test_warming_makes_naming_free(detector: Any, colours: Any, trained: Bundle, cache: Cache) -> None:
    pipeline = Pipeline(detector, colours, cache=cache)
    images = [scene(0), scene(1)]
    pipeline.precompute_embeddings(zip(images, pipeline.predict(images, "cat"), strict=True))
    asked, embedded = list(detector.asked), list(colours.batches)
    found = pipeline.predict(images, "cat", trained)
    assert all(each.answer is not None for detections in found for each in detections)
    assert (detector.asked, colours.batches) == (asked, embedded), "a new head switches without one forward pass"


def test_a_bundle_of_another_embedder_is_refused_before_any_work(detector: Any, colours: Any, make_bundle: Any) -> None:
    with pytest.raises(BundleMismatch, match="another embedder"):
        Pipeline(detector, colours).predict([scene()], "cat", make_bundle())
    assert detector.asked == []


def test_no_embedder_no_names(detector: Any, trained: Bundle) -> None:
    with pytest.raises(ModelError, match="no embedder"):
        Pipeline(detector).predict([scene()], "cat", trained)


def test_synonyms_of_one_label_find_a_thing_once(scripted: Any) -> None:
    twice = scripted(LEFT, Candidate(LEFT.box, "kitten", 0.7, 0.6))
    assert len(Pipeline(twice).predict([scene()], "cat. kitten", thresholds=Thresholds(nms_iou=0.5))[0]) == 1
    near = Candidate(Box(14, 10, 54, 50), "kitten", 0.7, 0.6)
    pipeline = Pipeline(scripted(LEFT, near))
    assert len(pipeline.predict([scene()], "cat. kitten")[0]) == 2
    assert len(pipeline.predict([scene()], "cat. kitten", labels={"cat": "cat", "kitten": "cat"})[0]) == 1


@pytest.mark.parametrize("kind", ["path", "text", "array", "pillow", "image"])
def test_called_with_whatever_holds_a_picture(detector: Any, colours: Any, trained: Bundle, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "photo.png"
    PIL.Image.fromarray(scene().pixels).save(path)
    pictures = {"path": path, "text": str(path), "array": scene().pixels, "pillow": PIL.Image.open(path), "image": open_image(path)}
    found = Pipeline(detector, colours)(pictures[kind], "Cat", trained)
    assert [(each.label, each.phrase, each.score) for each in found] == [("jason", "cat", 0.9), ("cat", "cat", 0.4)]
    assert found[0].confidence == pytest.approx(1.0)
    assert found[1].confidence is None
    assert found[1].guess == "jason"
    trained.save(tmp_path / "bundle")
    assert Pipeline(detector, colours)(pictures[kind], "Cat", tmp_path / "bundle") == found


def test_bad_questions_are_named(detector: Any, tmp_path: Path) -> None:
    pipeline = Pipeline(detector)
    with pytest.raises(PromptMissing):
        pipeline(scene(), " . ")
    (tmp_path / "page.jpg").write_text("<html>")
    with pytest.raises(MediaUnreadable, match="web page"):
        pipeline(tmp_path / "page.jpg", "cat")
    with pytest.raises(ValueError, match="expected"):
        pipeline(np.zeros((4, 4), np.uint8), "cat")


def test_a_path_that_is_not_there_and_a_prompt_that_is_missing_say_what_to_do(tmp_path: Path) -> None:
    from dinolabel.vision.errors import MediaUnavailable, PromptMissing
    from tests.doubles.scripted_models import ScriptedDetector

    with pytest.raises(MediaUnavailable) as gone:
        Pipeline(ScriptedDetector())(tmp_path / "nope.jpg", "cat")
    assert gone.value.hint == "Check the path."
    with pytest.raises(PromptMissing) as wordless:
        Pipeline(ScriptedDetector())(np.zeros((9, 9, 3), np.uint8))
    assert 'prompt="human face"' in wordless.value.hint
