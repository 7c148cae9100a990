"""The embedded pair through the plain transformers classes: loads offline, answers alike alone and in company, stays silent
about what is not there. Scenes are the demo's, so nothing is fetched."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from transformers import (
    AutoImageProcessor,
    AutoModel,
    AutoModelForZeroShotObjectDetection,
    AutoProcessor,
    Dinov2Model,
    GroundingDinoForObjectDetection,
)

NANO = Path(__file__).resolve().parents[2] / "dinolabel" / "nano"
TRUTH = json.loads((NANO / "demo" / "truth.json").read_text(encoding="utf-8"))
PROMPT = f"{TRUTH['prompt']} ."
MEGABYTE = 1 << 20


@pytest.fixture(scope="module", autouse=True)
def no_hub() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def detector() -> tuple:
    processor = AutoProcessor.from_pretrained(NANO / "detector")
    model, report = AutoModelForZeroShotObjectDetection.from_pretrained(NANO / "detector", dtype=torch.float32, output_loading_info=True)
    assert isinstance(model, GroundingDinoForObjectDetection)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    return processor, model.eval()


def scenes(count: int, *, with_noun: bool, size: tuple[int, int] | None = None) -> list[tuple[PIL.Image.Image, list]]:
    chosen = []
    for image in TRUTH["images"]:
        boxes = [o["box"] for o in image["objects"] if o["noun"] == TRUTH["prompt"]]
        if bool(boxes) == with_noun and size in (None, (image["width"], image["height"])):
            chosen.append((PIL.Image.open(NANO / "demo" / image["file"]).convert("RGB"), boxes))
    return chosen[:count]


@torch.inference_mode()
def found(detector: tuple, images: list[PIL.Image.Image], text: str = PROMPT, threshold: float = 0.3) -> list[dict]:
    processor, model = detector
    inputs = processor(images=images, text=[text] * len(images), return_tensors="pt")
    sizes = [(image.height, image.width) for image in images]
    return processor.post_process_grounded_object_detection(model(**inputs), threshold=threshold, text_threshold=0.25, target_sizes=sizes)


def overlap(one: list[float], two: list[float]) -> float:
    wide = min(one[2], two[2]) - max(one[0], two[0])
    high = min(one[3], two[3]) - max(one[1], two[1])
    both = max(wide, 0) * max(high, 0)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (one, two)]
    return both / (sum(areas) - both)


def test_small_enough() -> None:
    weights = sum(f.stat().st_size for kind in ("detector", "embedder") for f in (NANO / kind).rglob("*") if f.is_file())
    assert weights <= 20 * MEGABYTE
    assert sum(f.stat().st_size for f in (NANO / "demo").iterdir()) <= 6 * MEGABYTE


def test_finds_what_is_there(detector: tuple) -> None:
    hits = total = 0
    for image, boxes in scenes(12, with_noun=True):
        answer = found(detector, [image])[0]
        total += len(boxes)
        hits += sum(any(overlap(box, each.tolist()) >= 0.5 for each in answer["boxes"]) for box in boxes)
    assert hits / total >= 0.7


def test_boxes_have_the_prompt_as_text(detector: tuple) -> None:
    image = scenes(1, with_noun=True)[0][0]
    labels = set(found(detector, [image])[0]["text_labels"])
    assert labels <= {TRUTH["prompt"], *TRUTH["prompt"].split()}
    assert labels


def test_finds_little_where_it_is_not(detector: tuple) -> None:
    images = [image for image, _ in scenes(6, with_noun=False)]
    assert sum(len(found(detector, [image])[0]["boxes"]) > 0 for image in images) <= 1


def test_an_unknown_word_finds_little(detector: tuple) -> None:
    images = [image for image, _ in scenes(6, with_noun=True)]
    assert sum(len(found(detector, [image], "quixotry .")[0]["boxes"]) > 0 for image in images) <= 2


def test_higher_thresholds_keep_fewer(detector: tuple) -> None:
    image = scenes(1, with_noun=True)[0][0]
    counts = [len(found(detector, [image], threshold=t)[0]["boxes"]) for t in (0.05, 0.3, 0.5, 0.99)]
    assert counts == sorted(counts, reverse=True)


def test_batch_is_the_same_as_one_by_one(detector: tuple) -> None:
    images = [image for image, _ in scenes(3, with_noun=True, size=(512, 384))]
    together = found(detector, images, threshold=0.1)
    for image, answer in zip(images, together, strict=True):
        alone = found(detector, [image], threshold=0.1)[0]
        assert np.allclose(np.sort(answer["scores"]), np.sort(alone["scores"]), atol=1e-3)


def test_embedder_loads_and_answers_alike() -> None:
    processor = AutoImageProcessor.from_pretrained(NANO / "embedder")
    model = AutoModel.from_pretrained(NANO / "embedder", dtype=torch.float32).eval()
    assert isinstance(model, Dinov2Model)
    images = [image for image, _ in scenes(3, with_noun=True)]
    with torch.inference_mode():
        together = model(**processor(images, return_tensors="pt")).pooler_output
        alone = torch.cat([model(**processor(image, return_tensors="pt")).pooler_output for image in images])
    assert together.shape == (3, model.config.hidden_size)
    assert torch.allclose(together, alone, atol=1e-4)
