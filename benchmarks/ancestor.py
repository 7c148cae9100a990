"""What each step of the ancestor (Hbvsa/DinoCustomObjectDetection) costs, measured beside ours on the same drawn videos.

    python -m benchmarks.ancestor --out ancestor.json        (about three minutes on two idle cores)

The ancestor's steps are written again here from its description, one function each, with the embedded models in place of its weights: the
differences are in the steps, not in the networks. docs/ancestor.md tells the figures and what they mean. Nothing is tuned on them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from transformers import Dinov2Model

from dinolabel.training.data.samples import Samples
from dinolabel.training.model_selection import fit
from dinolabel.training.model_selection.head_selection import select_head
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.decoding.video_frames import open_video, sample_frames
from dinolabel.vision.detectors import grounding_dino
from dinolabel.vision.images.cropping import cut
from dinolabel.vision.loading.feature_slice import features_of
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.proposals.candidates import Candidate, apply_thresholds
from dinolabel.vision.types import Box, CropPolicy, Image, Named, Prompt, Thresholds
from tests.drawn_world import HIGH, SHOT, WIDE, Shot, part, pictures, shots, world
from tests.films import film

RATE = 25
NANO = Path(__file__).resolve().parents[1] / "dinolabel" / "nano" / "embedder"
NAMES = ("felix", "tom")
CIFAR = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
EVERY = 3.0
COUNTER = 180  # the ancestor's 60 * 3: three seconds only where a second has 60 frames


@dataclass(frozen=True)
class Found:
    """A crop of a sampled frame. hit: whether its box is the drawing the camera looks at."""

    pixels: np.ndarray
    label: str
    hit: bool
    box: Box
    video: str


@dataclass(frozen=True)
class Film:
    path: Path
    label: str
    shots: list[Shot]

    def truth(self, frame: int) -> Box:
        """Where the drawing is on a frame, pixels of it."""
        steps = round(SHOT * RATE)
        shot, share = self.shots[frame // steps], (frame % steps) / (steps - 1)
        x1, y1, x2, y2 = (a + (b - a) * share for a, b in zip(shot.start, shot.end, strict=True))
        across, down, box = WIDE / (x2 - x1), HIGH / (y2 - y1), shot.thing.box
        return Box((box.x1 - x1) * across, (box.y1 - y1) * down, (box.x2 - x1) * across, (box.y2 - y1) * down)


def draw(folder: Path) -> dict[str, list[Film]]:
    """Two videos of each name to learn from, one to test on, one of a stranger; 25 frames a second."""
    plan = {"train": [(name, part(2 * k, 4), k) for name in NAMES for k in (0, 1)], "test": [(name, part(1, 2), 2) for name in NAMES]}
    made: dict[str, list[Film]] = {"stranger": [_film(folder / "stranger.mp4", "stranger", shots(None, world().scenes))]}
    for side, entries in plan.items():
        made[side] = [_film(folder / f"{name}_{number}.mp4", name, shots(name, scenes)) for name, scenes, number in entries]
    return made


def _film(path: Path, label: str, chosen: list[Shot]) -> Film:
    return Film(film(path, pictures(chosen, rate=RATE), rate=RATE), label, chosen)


def by_counter(path: Path) -> list[Image]:
    """The ancestor: every 180th frame, whatever the frame rate."""
    count = len(open_video(path).times)
    return [open_image(path, frame=number) for number in range(0, count, COUNTER)]


def by_time(path: Path) -> list[Image]:
    return [image for _, image in sample_frames(open_video(path), EVERY)]


def in_query_order(pipeline: Pipeline, images: Sequence[Image], limits: Thresholds) -> list[list[Candidate]]:
    """The ancestor's boxes: all over the thresholds as the network numbers them, neither sorted nor cleared of duplicates."""
    ranked, grounding_dino.best = grounding_dino.best, lambda each, **_: list(each)  # type: ignore[assignment]
    try:
        found = pipeline.detector.candidates(images, Prompt.parse(world().prompt), floor=limits.box, most=10_000)  # type: ignore[attr-defined]
    finally:
        grounding_dino.best = ranked
    return [[each for each in one if each.text_score >= limits.text] for one in found]


def tight(pixels: np.ndarray, box: Box) -> np.ndarray:
    """The ancestor's crop: the bare box, cut at whole pixels, saved as JPEG."""
    x1, y1, x2, y2 = (int(each) for each in box.xyxy)
    _, data = cv2.imencode(".jpg", pixels[y1:y2, x1:x2, ::-1])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1]


def ancestors_crops(pipeline: Pipeline, films: Sequence[Film], look: Callable[[Path], list[Image]]) -> tuple[list[Found], int]:
    """First box of each frame; and how many frames had none."""
    out, empty = [], 0
    for each in films:
        images = look(each.path)
        for image, boxes in zip(images, in_query_order(pipeline, images, pipeline.thresholds), strict=True):
            if not boxes:
                empty += 1
                continue
            box = boxes[0].box
            out.append(Found(tight(image.pixels, box), each.label, box.iou(each.truth(image.frame or 0)) >= 0.5, box, each.path.name))
    return out, empty


def our_crops(pipeline: Pipeline, films: Sequence[Film]) -> tuple[list[Found], int]:
    """Best box of each frame, by our one cut."""
    out, empty = [], 0
    for each in films:
        images = by_time(each.path)
        for image, boxes in zip(images, pipeline.predict(images, world().prompt), strict=True):
            if not boxes:
                empty += 1
                continue
            box = boxes[0].box
            hit = box.iou(each.truth(image.frame or 0)) >= 0.5
            out.append(Found(cut(image.pixels, box, CropPolicy()).pixels, each.label, hit, box, each.path.name))
    return out, empty


class Features:
    """Embeddings of the embedded DINOv2 under one choice of preprocessing. twice: the ancestor's second norm over the normed token."""

    def __init__(self, *, mean_std: tuple[Any, Any] = IMAGENET, twice: bool = False) -> None:
        self.model = Dinov2Model.from_pretrained(NANO, dtype=torch.float32).eval()
        self.mean_std, self.twice = mean_std, twice
        settings = json.loads((NANO / "preprocessor_config.json").read_text())
        self.side = int(settings["crop_size"]["height"] if "crop_size" in settings else settings["size"]["height"])

    def pixels(self, crop: np.ndarray) -> torch.Tensor:
        mean, std = (np.asarray(each, np.float32) for each in self.mean_std)
        small = cv2.resize(crop, (self.side, self.side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        return torch.from_numpy(((small - mean) / std).transpose(2, 0, 1))

    def token(self, batch: torch.Tensor) -> torch.Tensor:
        token = self.model(pixel_values=batch).last_hidden_state[:, 0]
        return self.model.layernorm(token) if self.twice else token

    def of(self, found: Sequence[Found]) -> np.ndarray:
        with torch.no_grad():
            rows = self.token(torch.stack([self.pixels(each.pixels) for each in found])).numpy()
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def linear(train: np.ndarray, labels: Sequence[str], test: np.ndarray, truth: Sequence[str]) -> float:
    """Accuracy of the same plain head on any features, so that only the features differ."""
    head = LogisticRegression(C=10.0, max_iter=2000).fit(train, labels)
    return float(np.mean(head.predict(test) == np.array(truth)))


def ancestors_training(train: Sequence[Found], test: Sequence[Found], strangers: Sequence[Found]) -> dict[str, float]:
    """Whole backbone, MLP, Adam 1e-6, batches of 8, training crops and test crops doubled by flips; name if the logit is 1 or more."""
    torch.manual_seed(0)
    features, began = Features(mean_std=CIFAR, twice=True), time.perf_counter()
    width = int(features.model.config.hidden_size)
    head = torch.nn.Sequential(torch.nn.Linear(width, 256), torch.nn.ReLU(), torch.nn.Linear(256, len(NAMES)))
    optimizer = torch.optim.Adam([*features.model.parameters(), *head.parameters()], lr=1e-6)
    pixels, truth = _doubled(features, train)
    for batch in torch.randperm(len(pixels)).split(8):  # one epoch
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head(features.token(pixels[batch])), truth[batch]).backward()
        optimizer.step()
    seconds = time.perf_counter() - began
    with torch.no_grad():
        shown, right = _doubled(features, test)
        logits = head(features.token(shown))
        straight = logits[: len(test)]
        strange = head(features.token(torch.stack([features.pixels(each.pixels) for each in strangers])))
    hits = (logits.argmax(1) == right).float()
    return {
        "seconds": round(seconds, 2),
        "accuracy_as_it_prints": round(float(hits.mean()), 4),
        "tested_as_it_prints": len(shown),
        "accuracy": round(float(hits[: len(test)].mean()), 4),
        "tested": len(test),
        "named_right_over_its_logit_of_1": round(float(((straight.max(1).values >= 1) & (hits[: len(test)] > 0)).float().mean()), 4),
        "strangers_named": round(float((strange.max(1).values >= 1).float().mean()), 4),
    }


def _doubled(features: Features, found: Sequence[Found]) -> tuple[torch.Tensor, torch.Tensor]:
    straight = torch.stack([features.pixels(each.pixels) for each in found])
    labels = torch.tensor([NAMES.index(each.label) for each in found])
    return torch.cat([straight, straight.flip(3)]), torch.cat([labels, labels])


def our_training(train: Sequence[Found], test: Sequence[Found], strangers: Sequence[Found], groups: Sequence[str]) -> dict[str, float]:
    """Frozen embedder, calibrated head; an abstention is wrong."""
    began = time.perf_counter()
    pipeline = Pipeline.load("nano")
    assert pipeline.embedder is not None
    vectors = [_embed(pipeline, each) for each in (train, test, strangers)]
    labels, boxes = tuple(each.label for each in train), tuple(each.box for each in train)
    ids = tuple(f"{at}/0/0/detector" for at in range(len(train)))
    ones, features = np.ones(len(train), dtype=bool), features_of(pipeline.embedder)
    samples = Samples(vectors[0], labels, tuple(groups), ids, boxes, ones, features=features)
    making = fit.FitContext(pipeline.embedder, CropPolicy(), 0, "2026-11-22T12:00:00+00:00", "", "")
    winner = select_head(samples, seed=0).winner
    head = fit.bundle(winner, samples, fit.calibrate(winner, samples, seed=0), making, metrics={})
    seconds = time.perf_counter() - began
    named, strange = (head.answer(rows, [each.box for each in found]) for rows, found in ((vectors[1], test), (vectors[2], strangers)))
    right = [isinstance(answer, Named) and answer.label == each.label for answer, each in zip(named, test, strict=True)]
    return {
        "seconds": round(seconds, 2),
        "accuracy": round(float(np.mean(right)), 4),
        "tested": len(test),
        "strangers_named": round(float(np.mean([isinstance(answer, Named) for answer in strange])), 4),
    }


def _embed(pipeline: Pipeline, found: Sequence[Found]) -> np.ndarray:
    from dinolabel.vision.types import Crop

    assert pipeline.embedder is not None
    return pipeline.embedder.embed([Crop(each.pixels) for each in found])


def boxes_lost(pipeline: Pipeline) -> dict[str, float]:
    """On the demo's whole scenes: objects that the first box alone keeps, that all boxes keep, and whether the first is the best."""
    scenes = [scene for scene in world().scenes if world().prompted_things(scene)]
    kept = {"first": 0, "all": 0}
    objects = best = several = 0
    for scene in scenes:
        image = open_image(world().folder / scene.file)
        (ordered,), limits = in_query_order(pipeline, [image], pipeline.thresholds), pipeline.thresholds
        chosen = apply_thresholds(ordered, limits, width=image.width, height=image.height)
        wanted = [thing.box for thing in world().prompted_things(scene)]
        objects += len(wanted)
        for key, boxes in (("first", [each.box for each in ordered[:1]]), ("all", [each.box for each in chosen])):
            kept[key] += sum(any(box.iou(true) >= 0.5 for box in boxes) for true in wanted)
        if len(ordered) > 1:
            several += 1
            best += ordered[0].score >= max(each.score for each in ordered)
    return {
        "objects": objects,
        "kept_by_first_box": round(kept["first"] / objects, 4),
        "kept_by_all_boxes": round(kept["all"] / objects, 4),
        "first_is_best_where_several": round(best / max(1, several), 4),
    }


def measure() -> dict[str, Any]:
    torch.set_num_threads(2)
    pipeline = Pipeline.load("nano", None)
    with tempfile.TemporaryDirectory() as folder:
        films = draw(Path(folder))
        seconds = sum(open_video(each.path).seconds for each in films["train"])
        looks = {name: sum(len(look(each.path)) for each in films["train"]) for name, look in (("then", by_counter), ("now", by_time))}
        then = {side: ancestors_crops(pipeline, films[side], by_counter) for side in films}
        same = {side: ancestors_crops(pipeline, films[side], by_time) for side in ("train", "test")}
        now = {side: our_crops(pipeline, films[side]) for side in films}
    truth = {name: [each.label for each in found["test"][0]] for name, found in (("same", same), ("now", now))}
    plain, twice = Features(), Features(twice=True)
    train, test = now["train"][0], now["test"][0]
    labels = [each.label for each in train]
    vectors = {"once": (plain.of(train), plain.of(test)), "twice": (twice.of(train), twice.of(test))}
    cifar = Features(mean_std=CIFAR)
    squashed = same["train"][0], same["test"][0]
    return {
        "frame_counter": {"fps": RATE, "seconds_of_video": round(seconds, 1), "looks": looks, "seconds_between_looks": COUNTER / RATE},
        "boxes": boxes_lost(pipeline),
        "box_on_the_object": {name: round(_hits(found), 4) for name, found in (("first", same), ("best", now))},
        "second_norm": {
            "cosine_of_once_and_twice": round(float((vectors["once"][1] * vectors["twice"][1]).sum(1).mean()), 4),
            **{f"accuracy_{name}": round(linear(a, labels, b, truth["now"]), 4) for name, (a, b) in vectors.items()},
            **{f"likeness_gap_{name}": round(_gap(b, truth["now"]), 4) for name, (_, b) in vectors.items()},
        },
        "preprocessing": {
            "then": round(linear(cifar.of(squashed[0]), [each.label for each in squashed[0]], cifar.of(squashed[1]), truth["same"]), 4),
            "now": round(linear(vectors["once"][0], labels, vectors["once"][1], truth["now"]), 4),
        },
        "training": {
            "then": ancestors_training(then["train"][0], then["test"][0], then["stranger"][0]),
            "then_on_our_crops": ancestors_training(train, test, now["stranger"][0]),
            "now": our_training(train, test, now["stranger"][0], [each.video for each in train]),
        },
        "crops_to_learn_from": {"then": len(then["train"][0]), "now": len(train)},
    }


def _hits(found: dict[str, tuple[list[Found], int]]) -> float:
    every = [each.hit for side in ("train", "test") for each in found[side][0]]
    return sum(every) / (len(every) + sum(found[side][1] for side in ("train", "test")))


def _gap(vectors: np.ndarray, labels: Sequence[str]) -> float:
    """Mean cosine of crops of one name less that of two names: how far apart names lie."""
    same = np.array(labels)[:, None] == np.array(labels)[None, :]
    cosines, other = vectors @ vectors.T, ~np.eye(len(labels), dtype=bool)
    return float(cosines[same & other].mean() - cosines[~same].mean())


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--out", type=Path)
    out = asked.parse_args().out
    text = json.dumps(measure(), indent=2)
    if out:
        out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
