"""Measures the shipped pair through the product's own classes.   python -m recipes.nano.evaluate [--json FILE]

Fixed seeds; a few minutes on two cores. The unseen vendor is for this file only: nothing may be
tuned on its figures.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoModelForZeroShotObjectDetection

from dinolabel.vision.detectors.grounding_dino import GroundingDino, build
from dinolabel.vision.loading.weights import NANO_FOLDER
from dinolabel.vision.proposals.candidates import apply_thresholds
from dinolabel.vision.types import Box, Detection, Image, Prompt, Thresholds
from recipes.nano.architecture import LONG_EDGE, SHORT_EDGE
from recipes.nano.art import TRAIN_VENDORS, UNSEEN_VENDOR, load_sprites
from recipes.nano.identities import measure_embedder
from recipes.nano.measure import Judged, average_precision, judge, precision, recall, share, with_interval
from recipes.nano.scenes import PLAIN_LOOK, Cast, Scene, compose
from recipes.nano.vocabulary import load_nouns

log = logging.getLogger(__name__)

SEED = 9_000_000
ROUNDS = {"train": 3, "unseen": 3}  # scenes of each noun
SIZES = ((384, 512), (512, 384), (448, 448))
SHIPPED = Thresholds(box=0.3, text=0.25, nms_iou=0.6)
FLOOR = Thresholds(box=0.05, text=0.0, nms_iou=0.6)  # for average precision
PHRASES = 8


def scenes_for(cast: Cast, rounds: int, seed: int) -> list[tuple[str, Scene]]:
    """Every noun in turn, with other things around it; the look is natural (no wild recolouring)."""
    asked = []
    for number in range(rounds * len(cast.nouns)):
        rng = np.random.default_rng((seed, number))
        noun = cast.nouns[number % len(cast.nouns)]
        count = 1 + min(int(rng.exponential(3.0)), 7)
        wanted = [(noun, str(rng.choice(cast.designs[noun]))), *cast.choose(rng, count)][:count]
        scene = compose(rng, cast.sprites, wanted, SIZES[number // len(cast.nouns) % 3], PLAIN_LOOK)
        if any(o.noun == noun for o in scene.objects):
            asked.append((noun, scene))
    return asked


def boxes_of(scene: Scene, noun: str) -> list[Box]:
    return [Box(*o.box) for o in scene.objects if o.noun == noun]


def one_phrase(detector: GroundingDino, asked: Sequence[tuple[str, Scene]]) -> dict[str, object]:
    """Prompt = the noun, which is there."""
    ranked: list[Judged] = []
    shipped: list[Judged] = []
    by_noun: dict[str, list[Judged]] = {}
    for noun, scene in asked:
        image, truth = Image.from_array(scene.pixels), boxes_of(scene, noun)
        proposed = detector.candidates([image], Prompt.of([noun]))[0]
        for kept, thresholds in ((ranked, FLOOR), (shipped, SHIPPED)):
            kept.append(judge(apply_thresholds(proposed, thresholds, width=image.width, height=image.height), truth))
        by_noun.setdefault(noun, []).append(shipped[-1])
    return {
        "ap50": with_interval(ranked, average_precision),
        "recall": with_interval(shipped, lambda judged: recall(judged, at=SHIPPED.box)),
        "precision": with_interval(shipped, lambda judged: precision(judged, at=SHIPPED.box)),
        "recall_by_size": recall_by_size(asked, shipped),
        "weakest": weakest(by_noun),
    }


def recall_by_size(asked: Sequence[tuple[str, Scene]], judged: Sequence[Judged]) -> dict[str, float]:
    """Of images whose asked objects are all of one size class (long side as a share of the image's)."""
    classes = {"5-10 %": (0.0, 0.1), "10-20 %": (0.1, 0.2), "20-60 %": (0.2, 2.0)}
    split: dict[str, list[Judged]] = {name: [] for name in classes}
    for (noun, scene), each in zip(asked, judged, strict=True):
        sides = [max(b.width, b.height) / max(scene.pixels.shape[:2]) for b in boxes_of(scene, noun)]
        for name, (low, high) in classes.items():
            if all(low <= s < high for s in sides):
                split[name].append(each)
    return {name: round(recall(images, at=SHIPPED.box), 3) for name, images in split.items()}


def weakest(by_noun: dict[str, list[Judged]]) -> dict[str, float]:
    figures = {noun: round(recall(images, at=SHIPPED.box), 2) for noun, images in by_noun.items()}
    return dict(sorted(figures.items(), key=lambda pair: pair[1])[:15])


def absent_phrase(detector: GroundingDino, cast: Cast, asked: Sequence[tuple[str, Scene]]) -> dict[str, float]:
    """Share of images with any box when the one phrase asked for is not there."""
    alarms = []
    for number, (_, scene) in enumerate(asked):
        rng = np.random.default_rng((SEED + 1, number))
        absent = [n for n in cast.nouns if n not in {o.noun for o in scene.objects}]
        prompt = Prompt.of([absent[int(rng.integers(len(absent)))]])
        alarms.append(bool(_detected(detector, Image.from_array(scene.pixels), prompt)))
    return with_interval(alarms, share)


def eight_phrases(detector: GroundingDino, cast: Cast, asked: Sequence[tuple[str, Scene]]) -> dict[str, float]:
    """Of objects that a box fits, how many carry the right phrase: present and absent ones, eight together."""
    right = []
    for number, (noun, scene) in enumerate(asked):
        rng = np.random.default_rng((SEED + 2, number))
        there = list(dict.fromkeys([noun, *(o.noun for o in scene.objects)]))[:PHRASES]
        absent = [n for n in cast.nouns if n not in {o.noun for o in scene.objects}]
        phrases = there + [absent[i] for i in rng.choice(len(absent), PHRASES - len(there), replace=False)]
        rng.shuffle(phrases)
        found = _detected(detector, Image.from_array(scene.pixels), Prompt.of(phrases))
        for thing in scene.objects:
            fitting = [d for d in found if d.box.iou(Box(*thing.box)) >= 0.5]
            if fitting and thing.noun in there:
                right.append(fitting[0].phrase == thing.noun)
    return with_interval(right, share)


def speed(detector: GroundingDino, repeats: int = 30) -> float:
    """Median seconds for one 256 x 256 image and one phrase."""
    image = Image.from_array(np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8))
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        _detected(detector, image, Prompt.of(["cat face"]))
        times.append(time.perf_counter() - started)
    return round(float(np.median(times)), 4)


def _detected(detector: GroundingDino, image: Image, prompt: Prompt) -> list[Detection]:
    """At the thresholds that are shipped."""
    (found,) = detector.candidates([image], prompt)
    return apply_thresholds(found, SHIPPED, width=image.width, height=image.height)


def parameters(folder: Path) -> dict[str, int]:
    """How many each of the two has; running means and the like are in its file too, and do not count."""
    classes = {"detector": AutoModelForZeroShotObjectDetection, "embedder": AutoModel}
    return {part: kind.from_pretrained(folder / part).num_parameters() for part, kind in classes.items()}


def measure_detector(folder: Path, *, unseen: bool) -> dict[str, object]:
    """What it finds, on new scenes of the training vendors and, where asked for, of the unseen one."""
    nouns = load_nouns()
    detector = build(str(folder), device="cpu")
    cast = Cast(load_sprites(TRAIN_VENDORS), nouns)
    asked = scenes_for(cast, ROUNDS["train"], SEED)
    figures: dict[str, object] = {
        "train_vendors": one_phrase(detector, asked),
        "absent_phrase": absent_phrase(detector, cast, asked),
        "eight_phrases": eight_phrases(detector, cast, asked[: len(nouns) * 2]),
    }
    if unseen:
        other = Cast(load_sprites((UNSEEN_VENDOR,)), nouns)
        figures["unseen_vendor"] = one_phrase(detector, scenes_for(other, ROUNDS["unseen"], SEED + 3))
    return figures


def evaluate(folder: Path = NANO_FOLDER, *, unseen: bool = True) -> dict[str, object]:
    """All figures. `unseen=False` leaves the unseen vendor alone: use it while anything is still being decided.

    The embedder is measured in a process of its own beside the detector, with a thread each: most of the time goes to composing
    scenes, which takes one. The speed is measured after that, with nothing beside it.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with ProcessPoolExecutor(1, get_context("spawn"), torch.set_num_threads, (1,)) as beside:
        embedder = beside.submit(measure_embedder, folder / "embedder", unseen=unseen)
        detector = measure_detector(folder / "detector", unseen=unseen)
        figures = {**detector, "embedder": embedder.result()}
    torch.set_num_threads(threads)
    figures["seconds_256"] = speed(build(str(folder / "detector"), device="cpu"))
    return {"nouns": len(load_nouns()), "processor": [SHORT_EDGE, LONG_EDGE], "parameters": parameters(folder), **figures}


def as_text(figures: dict[str, object]) -> str:
    """As figures.json keeps them."""
    return json.dumps(figures, indent=1) + "\n"


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--models", type=Path, default=NANO_FOLDER)
    parser.add_argument("--without-unseen", action="store_true", help="leave the unseen vendor's art alone")
    options = parser.parse_args()
    text = as_text(evaluate(options.models, unseen=not options.without_unseen))
    if options.json:
        options.json.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
