"""Detector and embedder of human faces (dlib, weights of the package registry), on a real portrait."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageOps
import pytest

from dinolabel import Pipeline
from dinolabel.vision import plugins
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.detectors import faces as rules
from dinolabel.vision.errors import PromptMissing, PromptUnknown
from dinolabel.vision.images.cropping import cut
from dinolabel.vision.proposals.candidates import apply_thresholds
from dinolabel.vision.proposals.face_words import unknown_words
from dinolabel.vision.protocols import Detector, Embedder
from dinolabel.vision.types import Box, Crop, Detection, Image, Pixels, Prompt, Thresholds
from tests import faces

pytestmark = faces.needed
WORDS = Prompt.parse("human face")


@pytest.fixture(scope="module")
def detector() -> Detector:
    return plugins.load_detector(faces.PLUG, faces.PLUG)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return plugins.load_embedder(faces.PLUG, faces.PLUG)


def found(detector: Detector, pixels: Pixels, prompt: Prompt = WORDS) -> list[Detection]:
    image = Image.from_array(pixels)
    (proposed,) = detector.candidates([image], prompt)
    return apply_thresholds(proposed, Thresholds(), width=image.width, height=image.height)


def pasted(width: int, height: int, *places: tuple[int, int, int]) -> tuple[Pixels, list[Box]]:
    """A grey picture with portraits (x, y, width), and where their faces are."""
    ground = PIL.Image.new("RGB", (width, height), (120, 130, 125))
    boxes = []
    for x, y, size in places:
        ground.paste(faces.photo(size), (x, y))
        box = faces.face(size)
        boxes.append(Box(box.x1 + x, box.y1 + y, box.x2 + x, box.y2 + y))
    return np.asarray(ground), boxes


def crop_of(box: Box, pixels: Pixels) -> Crop:
    return cut(pixels, box, plugins.crop_policy(faces.PLUG))


def test_a_face_is_framed_from_hairline_to_chin(detector: Detector) -> None:
    (only,) = found(detector, faces.portrait().pixels)
    assert only.phrase == "human face" and only.score > 0.7
    assert only.box.iou(faces.FACE) > 0.7


def test_faces_of_forty_pixels_are_found(detector: Detector) -> None:
    width = 125  # its face is 41 pixels wide
    assert [each.box.iou(faces.face(width)) > 0.5 for each in found(detector, faces.portrait(width).pixels)] == [True]


def test_a_large_picture_is_looked_at_in_strips_and_as_a_whole(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small faces, one in what two strips have in common, and one larger than that; each once."""
    monkeypatch.setattr(rules, "STRIP_PIXELS", 900_000)  # 562 rows of these pictures
    monkeypatch.setattr(rules, "WHOLE_PIXELS", 500_000)
    pixels, boxes = pasted(1600, 1200, (60, 40, 150), (1300, 480, 160), (1400, 950, 150), (250, 150, 800))
    answered = found(detector, pixels)
    assert len(answered) == len(boxes)
    assert all(any(each.box.iou(box) > 0.5 for each in answered) for box in boxes)


@pytest.mark.parametrize("prompt", ["face", "Human Face", "a person's face", "cat. human faces"])
def test_words_that_mean_a_face(detector: Detector, prompt: str) -> None:
    (only,) = found(detector, faces.portrait(256).pixels, Prompt.parse(prompt))
    assert "face" in only.phrase.lower()


def test_other_words_are_refused_by_name(detector: Detector) -> None:
    assert unknown_words(["human face", "dog", "?"]) == ("dog",)
    with pytest.raises(PromptUnknown, match="human faces only, not “dog” and “boat”"):
        detector.candidates([faces.portrait(200)], Prompt.of(["dog", "boat"]))
    with pytest.raises(PromptMissing):
        detector.candidates([faces.portrait(200)], Prompt.parse(" . "))


def drawn(side: int = 300) -> Pixels:
    """A face as a child draws it."""
    picture = PIL.Image.new("RGB", (side, side), "white")
    pen = PIL.ImageDraw.Draw(picture)
    pen.ellipse((60, 40, 240, 260), outline="black", width=4)
    for x in (120, 180):
        pen.ellipse((x - 10, 110, x + 10, 130), fill="black")
    pen.arc((110, 160, 190, 220), 0, 180, fill="black", width=4)
    return np.asarray(picture)


def test_no_face_no_box(detector: Detector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 500, 3), dtype=np.uint8)
    for pixels in (noise, np.full((300, 300, 3), 128, np.uint8), np.zeros((1, 1, 3), np.uint8), np.zeros((3, 2000, 3), np.uint8)):
        assert found(detector, pixels) == []


def test_what_is_too_small_or_drawn_ends_nothing(detector: Detector) -> None:
    """Whether a drawn face is one is nobody's to say; a face of 15 pixels is beyond it."""
    assert len(found(detector, drawn())) <= 1
    assert found(detector, faces.portrait(46).pixels) == []


def test_grey_and_deep_pictures_are_answered_as_colours_are(detector: Detector, tmp_path: Path) -> None:
    grey = faces.photo(256).convert("L")
    grey.save(tmp_path / "grey.png")
    PIL.Image.fromarray(np.asarray(grey, np.uint16) * 257).save(tmp_path / "deep.png")
    for name in ("grey.png", "deep.png"):
        (only,) = found(detector, open_image(tmp_path / name).pixels)
        assert only.box.iou(faces.face(256)) > 0.6


def test_a_picture_of_many_megapixels_is_reduced_first(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_PIXELS", 500_000)
    pixels, (face, _) = pasted(1800, 1350, (300, 200, 700), (1400, 900, 120))
    (only,) = found(detector, pixels)  # the other is 40 pixels wide, and 18 of what is looked at
    assert only.box.iou(face) > 0.6


def test_input_size_is_the_shorter_side_that_is_looked_at() -> None:
    small = plugins.load_detector(faces.PLUG, faces.PLUG, input_size=100)
    usual = plugins.load_detector(faces.PLUG, faces.PLUG)
    pixels, _ = pasted(800, 600, (100, 100, 150))
    assert found(small, pixels) == [] and len(found(usual, pixels)) == 1
    assert small.digest != usual.digest


def moved(box: Box, dx: float, dy: float, stretch: float) -> Box:
    x, y = (box.x1 + box.x2) / 2 + dx * box.width, (box.y1 + box.y2) / 2 + dy * box.height
    return Box(x - stretch * box.width / 2, y - stretch * box.height / 2, x + stretch * box.width / 2, y + stretch * box.height / 2)


def test_a_box_that_is_a_fifth_off_is_the_same_person(embedder: Embedder) -> None:
    pixels = faces.portrait().pixels
    boxes = [faces.FACE, *(moved(faces.FACE, dx, dy, by) for dx, dy, by in ((0.2, 0, 1), (-0.2, 0.2, 1), (0, -0.2, 0.8), (0, 0, 1.3)))]
    rows = embedder.embed([crop_of(each, pixels) for each in boxes])
    assert embedder.count_unseen(rows) == 0  # type: ignore[attr-defined]
    assert (rows @ rows[0]).min() > 0.8


def test_of_two_faces_the_one_in_the_box_is_described(embedder: Embedder) -> None:
    """A mirrored one stands right beside it."""
    portrait = faces.photo()
    pair = PIL.Image.new("RGB", (400, 350))
    pair.paste(portrait.crop((160, 60, 360, 410)), (0, 0))
    pair.paste(PIL.ImageOps.mirror(portrait.crop((160, 60, 360, 410))).resize((200, 350)), (200, 0))
    left = Box(faces.FACE.x1 - 160, faces.FACE.y1 - 60, faces.FACE.x2 - 160, faces.FACE.y2 - 60)
    right = Box(400 - left.x2, left.y1, 400 - left.x1, left.y2)
    alone = embedder.embed([crop_of(faces.FACE, faces.portrait().pixels), crop_of(right, np.asarray(PIL.ImageOps.mirror(pair)))])
    both = embedder.embed([crop_of(left, np.asarray(pair)), crop_of(left, np.asarray(pair))])
    assert (both @ alone[0]).min() > 0.9


def test_a_crop_without_a_face_is_marked_in_its_row(embedder: Embedder) -> None:
    blank = np.full((200, 200, 3), 90, np.uint8)
    rows = embedder.embed([Crop(blank), crop_of(faces.FACE, faces.portrait().pixels), Crop(drawn())])
    assert embedder.count_unseen(rows[:1]) == 1 and embedder.count_unseen(rows[1:2]) == 0  # type: ignore[attr-defined]
    assert rows[0] @ rows[1] < 0.6
    assert embedder.count_unseen(np.zeros((0, embedder.dim), np.float32)) == 0  # type: ignore[attr-defined]


def test_the_pair_by_its_name() -> None:
    pipeline = Pipeline.load(faces.PLUG)
    (only,) = pipeline(faces.PORTRAIT, "human face")
    assert only.label == "human face"
    assert pipeline.policy == plugins.crop_policy(faces.PLUG) and pipeline.policy.margin == 0.8
    assert pipeline.embed(faces.portrait(), [only.box]).shape == (1, 129)
