"""OWLv2 in our seam: the library's own scores and boxes, mapped out of the padded square, and phrases that do not disturb each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from transformers import AutoProcessor, Owlv2ForObjectDetection

from dinolabel import Pipeline
from dinolabel.vision.detectors import grounding_dino
from dinolabel.vision.detectors.owlv2 import Owlv2, build
from dinolabel.vision.errors import RequestError, SettingsError, WeightsMissing
from dinolabel.vision.proposals.candidates import Candidate
from dinolabel.vision.types import Image, Pixels, Prompt, Thresholds
from tests.tiny_models import tiny_detector, tiny_owlv2

SIDE = 96
PROMPT = Prompt.of(["human face", "cat", "red car"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_owlv2(tmp_path_factory.mktemp("weights") / "owlv2-tiny", side=SIDE)


@pytest.fixture(scope="module")
def detector(folder: Path) -> Owlv2:
    return build(str(folder), device="cpu")


def picture(height: int, width: int, seed: int = 0) -> Pixels:
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(PIL.Image.fromarray(small).resize((width, height)))


def every(detector: Owlv2, pixels: Pixels, prompt: Prompt = PROMPT) -> list[Candidate]:
    return detector.candidates([Image.from_array(pixels)], prompt, floor=0.0, most=1000)[0]


@pytest.mark.parametrize(("height", "width"), [(SIDE, SIDE), (48, SIDE), (SIDE, 60), (48 * 5, SIDE * 5), (SIDE * 3, 60 * 3)])
def test_scores_and_boxes_are_the_librarys(folder: Path, detector: Owlv2, height: int, width: int) -> None:
    """Its processor makes the tokens, its model runs on what we make of the picture, its post-processing gives pixels of the original."""
    pixels = picture(height, width)
    scale = SIDE / max(height, width)
    fitted = PIL.Image.fromarray(pixels).resize((round(width * scale), round(height * scale)), PIL.Image.Resampling.BILINEAR)
    processor = AutoProcessor.from_pretrained(folder)
    given = processor(text=[list(PROMPT.phrases)], images=np.asarray(fitted), return_tensors="pt", input_data_format="channels_last")
    with torch.inference_mode():
        out = Owlv2ForObjectDetection.from_pretrained(folder).eval()(**given)
    (theirs,) = processor.post_process_grounded_object_detection(out, threshold=0.0, target_sizes=[(height, width)])
    expected = []
    for box, score, number in zip(theirs["boxes"].tolist(), theirs["scores"].tolist(), theirs["labels"].tolist(), strict=True):
        x1, y1, x2, y2 = (min(max(value, 0), limit) for value, limit in zip(box, (width, height, width, height), strict=True))
        if x2 - x1 >= 1 and y2 - y1 >= 1:
            expected.append((x1, y1, x2, y2, score, PROMPT.phrases[number]))
    ours = every(detector, pixels)
    assert len(expected) > 10
    assert len(ours) == len(expected)
    for each in expected:
        found = [other for other in ours if other.phrase == each[5] and abs(other.score - each[4]) < 1e-4]
        assert any(np.allclose(other.box.xyxy, each[:4], atol=1e-3 * max(height, width)) for other in found), each
    assert all(each.text_score == each.score for each in ours)


@pytest.mark.parametrize(("height", "width"), [(240, 320), (500, 333), (1080, 1920)])
def test_the_model_sees_what_its_own_processor_would_show_it(folder: Path, detector: Owlv2, height: int, width: int) -> None:
    """Pillow's antialias is not the processor's blur, so not to the bit; a picture at the wrong end of the square would be far off."""
    pixels = picture(height, width)
    processor = AutoProcessor.from_pretrained(folder).image_processor
    theirs = processor([pixels], input_data_format="channels_last", return_tensors="np")["pixel_values"][0]
    ours = detector._normalised(detector._fitted(pixels))
    assert np.abs(ours - theirs).mean() < 0.04 < 0.4 < np.abs(ours - np.flip(theirs, (1, 2))).mean()


@pytest.mark.parametrize(("height", "width"), [(48, SIDE), (SIDE, 48)])
def test_the_padding_is_below_or_beside(detector: Owlv2, height: int, width: int) -> None:
    """Half a square and the same half with black painted beside it are one picture to the model: the same boxes, cut at the edge."""
    half = picture(height, width)
    whole = np.zeros((SIDE, SIDE, 3), np.uint8)
    whole[:height, :width] = half
    cut = {(each.phrase, box.xyxy) for each in every(detector, whole) if (box := each.box.clip(width, height))}
    assert len(cut) > 5
    assert {(each.phrase, each.box.xyxy) for each in every(detector, half)} == cut


def test_phrases_do_not_disturb_each_other(detector: Owlv2) -> None:
    """The best of what each would get alone; twenty are no more than three."""
    phrases = [f"{a} {b}" for a in "abcde" for b in "wxyz"]
    alone = [{each.box.xyxy: each.score for each in every(detector, picture(96, 96), Prompt.of([phrase]))} for phrase in phrases]
    together = every(detector, picture(96, 96), Prompt.of(phrases))
    assert len({each.phrase for each in together}) > 3
    for each in together:
        scores = [found[each.box.xyxy] for found in alone]
        assert each.score == pytest.approx(max(scores), abs=1e-5)
        assert scores[phrases.index(each.phrase)] == pytest.approx(max(scores), abs=1e-5)


def test_a_phrase_over_the_limit_is_refused_and_marks_alone_say_nothing(detector: Owlv2) -> None:
    with pytest.raises(RequestError, match="has 20 tokens; the detector reads 14"):
        every(detector, picture(96, 96), Prompt.of(["a" * 20]))
    assert {each.phrase for each in every(detector, picture(96, 96), Prompt.of(["?", "cat"]))} == {"cat"}


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (10, 2000), (2000, 10)])
def test_strips_and_specks(detector: Owlv2, height: int, width: int) -> None:
    assert all(each.box.x2 <= width and each.box.y2 <= height for each in every(detector, picture(height, width)))


def test_the_input_size_is_the_squares_side_in_whole_patches(folder: Path) -> None:
    larger = build(str(folder), device="cpu", input_size=140)
    assert larger.side == 128
    assert len(every(larger, picture(96, 96))) == 64
    with pytest.raises(SettingsError, match="at least 64"):
        build(str(folder), device="cpu", input_size=63)


def test_weights_of_another_kind_say_which_setting(folder: Path, tmp_path: Path) -> None:
    for reads, given in ((build, tiny_detector(tmp_path / "gdino")), (grounding_dino.build, folder)):
        with pytest.raises(WeightsMissing, match="needed is one of") as caught:
            reads(str(given))
        assert "DINOLABEL_DETECTOR" in caught.value.hint


def test_from_python(folder: Path) -> None:
    found = Pipeline.load(str(folder), None, detector="owlv2", device="cpu", thresholds=Thresholds(0.1, 0.1))(picture(96, 96), "cat. dog")
    assert {each.phrase for each in found} <= {"cat", "dog"} and found
