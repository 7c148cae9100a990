"""SAM 3 in our seam: the scores and boxes of transformers' model, one phrase beside another, what is absent, long prompts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, Sam3LiteTextModel, Sam3Model

from dinolabel.vision.detectors.sam3 import Sam3, build
from dinolabel.vision.errors import RequestError, SettingsError, WeightsMissing
from dinolabel.vision.types import Image, Pixels, Prompt
from tests.tiny_models import tiny_owlv2, tiny_sam3

SIDE = 96
PROMPT = Prompt.of(["human face", "cat"])


@pytest.fixture(scope="module", params=[False, True], ids=["sam3", "lite"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sam3(tmp_path_factory.mktemp("weights") / "sam3-tiny", side=SIDE, lite=request.param)


@pytest.fixture(scope="module")
def detector(folder: Path) -> Sam3:
    return build(str(folder), device="cpu")


def picture(height: int, width: int) -> Pixels:
    small = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(PIL.Image.fromarray(small).resize((width, height)))


def their_answer(folder: Path, pixels: Pixels, phrase: str, **how: Any) -> Any:
    """transformers' own model on its own tokens, padded as its processor does, and the picture squeezed into the square."""
    kind = Sam3LiteTextModel if "lite" in json.loads((folder / "config.json").read_text())["model_type"] else Sam3Model
    words = AutoTokenizer.from_pretrained(folder)(phrase, padding="max_length", max_length=24, return_tensors="pt")
    small = PIL.Image.fromarray(pixels).resize((SIDE, SIDE), PIL.Image.Resampling.BILINEAR)
    given = torch.from_numpy((np.asarray(small, np.float32) / 255 - 0.5) / 0.5).permute(2, 0, 1)[None]
    with torch.inference_mode():
        return kind.from_pretrained(folder).eval()(pixel_values=given, **words)


@pytest.mark.parametrize(("height", "width"), [(SIDE, SIDE), (240, 150), (50, 400)])
def test_scores_and_boxes_are_the_librarys(folder: Path, detector: Sam3, height: int, width: int) -> None:
    pixels = picture(height, width)
    ours = detector.candidates([Image.from_array(pixels)], PROMPT, floor=0.0, most=1000)[0]
    expected = []
    for phrase in PROMPT.phrases:
        out = their_answer(folder, pixels, phrase)
        scores = (out.pred_logits.sigmoid() * out.presence_logits.sigmoid())[0].tolist()  # its post_process_object_detection
        for score, box in zip(scores, (out.pred_boxes[0] * torch.tensor([width, height] * 2)).tolist(), strict=True):
            x1, y1, x2, y2 = (min(max(value, 0), limit) for value, limit in zip(box, (width, height, width, height), strict=True))
            if x2 - x1 >= 1 and y2 - y1 >= 1:
                expected.append((x1, y1, x2, y2, score, phrase))
    assert len(ours) == len(expected) > 10
    for each in expected:
        near = [other for other in ours if other.phrase == each[5] and abs(other.score - each[4]) < 1e-4]
        assert any(np.allclose(other.box.xyxy, each[:4], atol=1e-3 * max(height, width)) for other in near), each


def test_a_phrase_is_not_changed_by_another(detector: Sam3) -> None:
    image = Image.from_array(picture(120, 160))
    (both,) = detector.candidates([image], PROMPT, floor=0.0, most=1000)
    (alone,) = detector.candidates([image], Prompt.of(["cat"]), floor=0.0, most=1000)
    assert np.allclose([each.score for each in both if each.phrase == "cat"], [each.score for each in alone], atol=1e-5)


def test_what_is_not_in_the_picture_has_low_scores_everywhere(folder: Path, tmp_path: Path) -> None:
    """The presence score is a factor of all: at a logit of -10 nothing is left of boxes that fit well."""
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    (bias,) = [name for name in tensors if "presence_head" in name and name.endswith("bias") and tensors[name].shape == (1,)]
    save_file(tensors | {bias: torch.tensor([-100.0])}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    image = Image.from_array(picture(120, 160))
    assert build(str(folder), device="cpu").candidates([image], PROMPT, floor=0.2)[0]
    assert build(str(tmp_path), device="cpu").candidates([image], PROMPT, floor=0.001) == [[]]


def test_a_long_phrase_is_refused_and_not_cut(detector: Sam3) -> None:
    image = Image.from_array(picture(60, 60))
    with pytest.raises(RequestError, match="detector reads 22"):
        detector.candidates([image], Prompt.of(["cat", "abcdefghijklmnopqrstuvwxyz"]))
    assert len(detector.candidates([image], Prompt.of(["abcdefghijklmnopqrstuv"]))) == 1


def test_weights_of_the_hub_hold_the_detector_in_a_model_of_films(tmp_path: Path) -> None:
    """facebook/sam3 is a sam3_video: our tensors are `detector_model.…`, the tracker's are not read."""
    plain = tiny_sam3(tmp_path / "plain")
    whole = tmp_path / "whole"
    whole.mkdir()
    for path in plain.iterdir():
        (whole / path.name).write_bytes(path.read_bytes())
    config = {"model_type": "sam3_video", "detector_config": json.loads((plain / "config.json").read_text())}
    (whole / "config.json").write_text(json.dumps(config))
    tensors = {f"detector_model.{name}": value for name, value in load_file(plain / "model.safetensors").items()}
    save_file(tensors | {"tracker_model.x": torch.zeros(3)}, whole / "model.safetensors", metadata={"format": "pt"})
    image = Image.from_array(picture(120, 160))
    one, other = (build(str(each), device="cpu").candidates([image], PROMPT) for each in (plain, whole))
    assert one == other and one[0]


def test_sizes_are_whole_patches(folder: Path) -> None:
    assert build(str(folder), device="cpu", input_size=137).side == 128
    with pytest.raises(SettingsError, match="at least 64"):
        build(str(folder), device="cpu", input_size=60)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="sam3"):
        build(str(tiny_owlv2(tmp_path / "owlv2")), device="cpu")
