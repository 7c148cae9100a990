"""Films for the bench: drawn cats that walk, cross, come and go, each frame's truth known; and a head that knows two of them.

Seeds: films made for tuning have seeds below 5,000,000, the bench's own begin there.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import PIL.Image

from dinolabel.training.train import TrainingOptions, train
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.images.cropping import cut
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.types import Box
from recipes.nano.art import load_sprites
from recipes.nano.backgrounds import draw_background
from recipes.nano.demo_scenes import NAMES as DESIGNS
from recipes.nano.demo_scenes import NOUN, UNKNOWN
from recipes.nano.scenes import PLAIN_LOOK
from recipes.nano.sprites import halve_until, vary

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "dinolabel" / "nano" / "demo"
PROMPT = NOUN
NAMES = tuple(DESIGNS.values())
SIZE = (640, 480)
RATE = 30
LEAST_SEEN = 0.5  # of an object inside the frame and not behind another: below, it is not asked for


@dataclass(frozen=True)
class True_:
    """One object in one frame. who: number within the film. name: None for a stranger."""

    who: int
    name: str | None
    box: Box


@dataclass(frozen=True)
class Drawn:
    path: Path
    frames: list[list[True_]]


@dataclass(frozen=True)
class Walker:
    """A sprite on its way: from x, y with a speed (pixels a second), swaying; begins, ends: seconds."""

    name: str | None
    sprite: np.ndarray
    start: np.ndarray
    speed: np.ndarray
    sway: np.ndarray
    side: float
    begins: float
    ends: float

    def at(self, seconds: float) -> tuple[np.ndarray, float, float] | None:
        """Centre, long side and turn (radians) at that time; None while it is away."""
        if not self.begins <= seconds < self.ends:
            return None
        t = seconds - self.begins
        centre = self.start + self.speed * t + self.sway[:2] * np.sin(2 * np.pi * t / self.sway[2])
        return centre, self.side * (1 + 0.15 * np.sin(t / 1.7)), 0.15 * np.sin(t * 1.3)


def write_film(path: Path, *, seed: int, seconds: float, size: tuple[int, int] = SIZE, rate: int = RATE) -> Drawn:
    """Four cats over other things on a still ground, H.264. size: width and height."""
    rng = np.random.default_rng(seed)
    sprites = load_sprites()
    ground = _ground(rng, sprites, size)
    names = [*NAMES, None, [*NAMES, None][int(rng.integers(3))]]
    walkers = [_walker(rng, sprites, name, seconds, size) for name in names]
    frames: list[list[True_]] = []
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "20", "preset": "veryfast"}
        for number in range(int(seconds * rate)):
            canvas, truth = _frame(ground, walkers, number / rate)
            frames.append(truth)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(canvas, format="rgb24")))
        out.mux(stream.encode(None))
    return Drawn(path, frames)


def head_from_demo(pipeline: Pipeline) -> Bundle:
    """Trained as a project's: the demo's scenes, named by their truth, through `dinolabel.training.train`."""
    with tempfile.TemporaryDirectory() as folder:
        store = BundleStore(Path(folder) / "bundles")
        return store.get("1", train_from_demo(pipeline, store))


def train_from_demo(pipeline: Pipeline, store: BundleStore, *, scenes: int = 72) -> str:
    """Publish a head of project 1 that learnt from the first so many scenes of the demo; its id."""
    assert pipeline.embedder is not None
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "crops"
        _export(home, pipeline, scenes)
        now = f"2026-11-22T12:{scenes % 60:02}:00+00:00"
        train(home, TrainingOptions("1", now, force=True), embedder=pipeline.embedder, store=store, cache=pipeline.cache)
    newest = store.newest("1")
    assert newest is not None
    return newest


def _export(home: Path, pipeline: Pipeline, scenes: int) -> None:
    home.mkdir(parents=True)
    policy = {"margin": pipeline.policy.margin, "max_side": pipeline.policy.max_side, "min_side": pipeline.policy.min_side}
    lines = []
    for task, scene in enumerate(json.loads((DEMO / "truth.json").read_text())["images"][:scenes], 1):
        image = open_image(DEMO / scene["file"])
        for region, thing in enumerate(each for each in scene["objects"] if each["noun"] == NOUN and each["identity"]):
            box, name = Box(*thing["box"]), f"{task}-{region}.png"
            PIL.Image.fromarray(cut(image.pixels, box, pipeline.policy).pixels).save(home / name)
            lines.append({
                "format": 1, "crop": name, "task": task, "annotation": task, "region": str(region), "box": list(box.xyxy),
                "image": image.sha256, "frame": None, "width": image.width, "height": image.height, "verdict": "approved", "kind": "named",
                "label": thing["identity"], "who": 1, "group": image.sha256, "view": "person", "at": f"2026-11-22T11:{scenes % 60:02}:00Z",
                "model_version": None, "policy": policy,
            })  # fmt: skip
    (home / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")


def _ground(rng: np.random.Generator, sprites: dict[tuple[str, str], np.ndarray], size: tuple[int, int]) -> np.ndarray:
    ground = draw_background(rng, size[1], size[0]).astype(np.float32)
    others = [key for key in sprites if key[0] != NOUN]
    for index in rng.choice(len(others), 2, replace=False):
        centre = np.array([rng.uniform(60, size[0] - 60), rng.uniform(60, size[1] - 60)])
        _paste(ground, sprites[others[index]], centre, rng.uniform(50, 110), 0.0)
    return ground


def _walker(
    rng: np.random.Generator, sprites: dict[tuple[str, str], np.ndarray], name: str | None, seconds: float, size: tuple[int, int]
) -> Walker:
    design = next((design for design, called in DESIGNS.items() if called == name), UNKNOWN)
    sprite = vary(rng, sprites[NOUN, design], strength=PLAIN_LOOK.strength, wide_hue=False)
    middle = np.array([rng.uniform(120, size[0] - 120), rng.uniform(100, size[1] - 100)])
    turn, pace = rng.uniform(0, 2 * np.pi), rng.uniform(15, 70)
    speed = pace * np.array([np.cos(turn), np.sin(turn)])
    stays = rng.random() < 0.5
    begins, ends = (0.0, seconds) if stays else (rng.uniform(0, seconds / 3), rng.uniform(2 * seconds / 3, seconds))
    start = middle - speed * (ends - begins) / 2
    sway = np.array([rng.uniform(0, 25), rng.uniform(0, 25), rng.uniform(1.5, 4)])
    return Walker(name, sprite, start, speed, sway, rng.uniform(75, 150), begins, ends)


def _frame(ground: np.ndarray, walkers: list[Walker], seconds: float) -> tuple[np.ndarray, list[True_]]:
    """The picture and who is to be seen in it. Later walkers stand in front."""
    canvas, masks = ground.copy(), []
    for who, walker in enumerate(walkers):
        if (state := walker.at(seconds)) is not None:
            masks.append((who, walker.name, *_paste(canvas, walker.sprite, *state)))
    truth = []
    for at, (who, name, mask, whole) in enumerate(masks):
        seen = mask.copy()
        for _, _, before, _ in masks[at + 1 :]:
            seen &= ~before
        if seen.sum() < LEAST_SEEN * max(1, whole):
            continue
        ys, xs = np.nonzero(mask)
        truth.append(True_(who, name, Box(float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))))
    return np.clip(canvas, 0, 255).astype(np.uint8), truth


def _paste(canvas: np.ndarray, sprite: np.ndarray, centre: np.ndarray, side: float, turn: float) -> tuple[np.ndarray, int]:
    """Blend it in; the answer is where it is solid inside the frame, and how many solid pixels it has in all."""
    small = halve_until(sprite, side)
    scale = side / max(small.shape[:2])
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    half = np.array([small.shape[1], small.shape[0]]) / 2
    matrix = np.array([[cos, -sin, centre[0] - cos * half[0] + sin * half[1]], [sin, cos, centre[1] - sin * half[0] - cos * half[1]]])
    colours = small[..., :3].astype(np.float32) * (small[..., 3:].astype(np.float32) / 255)
    drawn = cv2.warpAffine(np.dstack([colours, small[..., 3].astype(np.float32)]), matrix, (canvas.shape[1], canvas.shape[0]))
    canvas *= 1 - drawn[..., 3:] / 255
    canvas += drawn[..., :3]
    return drawn[..., 3] > 60, int((small[..., 3] > 60).sum() * scale * scale)
