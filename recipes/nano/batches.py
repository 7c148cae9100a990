"""Makes the detector's training batches in the background, each from its own number, so that a resumed run sees the same."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from recipes.nano.art import load_sprites
from recipes.nano.prompts import Encoder, Prompter
from recipes.nano.rivals import look_alikes
from recipes.nano.scenes import EASY_LOOK, TRAINING_LOOK, Cast, Rng, Scene, make_scene
from recipes.nano.vocabulary import load_nouns

# (height, width) and how often; every image of a batch has the same, so that there is no padding
SIZES = {(256, 256): 0.34, (240, 320): 0.28, (320, 240): 0.22, (176, 320): 0.09, (320, 176): 0.07}
SMALL_UNTIL = 1.0  # of the run: smaller images first, at 58 % of the cost
SMALL = {(192, 192): 0.34, (176, 240): 0.28, (240, 176): 0.22, (128, 240): 0.09, (240, 128): 0.07}
EASY_UNTIL = 0.2  # of the run: mild looks first, wild ones once the nouns are known
WILD = 0.5  # share of scenes with wild looks from then on
MOST_OBJECTS = 8
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


@dataclass
class Batch:
    pixels: torch.Tensor  # (B, H, W, 3) uint8
    input_ids: torch.Tensor  # (B, T)
    text_mask: torch.Tensor  # (B, T) bool
    spans: torch.Tensor  # (B, P, T) bool: which tokens each phrase owns
    boxes: torch.Tensor  # (B, M, 4) cx cy w h, 0-1
    there: torch.Tensor  # (B, M) bool: real object, not filling
    phrase: torch.Tensor  # (B, M) index of its phrase, -1 where the prompt does not ask for it
    noun: torch.Tensor  # (B, M) index in the vocabulary

    def normalised(self) -> torch.Tensor:
        return (self.pixels.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


class Batches:
    """Batch number i, always the same for the same seed."""

    def __init__(
        self, *, seed: int, total: int, size: int, small_until: float = SMALL_UNTIL, easy_until: float = EASY_UNTIL, learnt: float = 0.0
    ) -> None:
        """`learnt`: the share of the run that is taken as done when it begins."""
        nouns = load_nouns()
        self.learnt = learnt
        self.seed, self.total, self.size, self.small_until = seed, total, size, small_until
        self.easy_until = easy_until
        sprites = load_sprites()
        self.cast = Cast(sprites, nouns)
        self.prompter, self.encoder = Prompter(nouns, look_alikes(sprites)), Encoder(nouns)
        self.numbers = {n.name: i for i, n in enumerate(nouns)}

    def part(self, number: int, rank: int) -> Batch:
        """The share of batch `number` that process `rank` learns from; all shares have the same image size."""
        cv2.setNumThreads(1)
        progress = self.learnt + (1 - self.learnt) * number / self.total
        size = draw_size(np.random.default_rng((self.seed, number)), small=progress < self.small_until)
        rng = np.random.default_rng((self.seed, number, rank))
        wild = 0.0 if progress < self.easy_until else WILD
        looks = [TRAINING_LOOK if rng.random() < wild else EASY_LOOK for _ in range(self.size)]
        scenes = [make_scene(rng, self.cast, size, look) for look in looks]
        return self.collate(rng, scenes, progress)

    def collate(self, rng: Rng, scenes: list[Scene], progress: float) -> Batch:
        prompts = [self.prompter.draw(rng, [o.noun for o in s.objects], progress) for s in scenes]
        encoded = [self.encoder.encode(p) for p in prompts]
        tokens = max(len(ids) for ids, _ in encoded)
        phrases = max(len(p.phrases) for p in prompts)
        batch = empty_batch(len(scenes), tokens, phrases)
        batch.pixels = torch.from_numpy(np.stack([s.pixels for s in scenes]))
        for row, (scene, prompt, (ids, spans)) in enumerate(zip(scenes, prompts, encoded, strict=True)):
            batch.input_ids[row, : len(ids)] = torch.tensor(ids)
            batch.text_mask[row, : len(ids)] = True
            for place, (first, last) in enumerate(spans):
                batch.spans[row, place, first:last] = True
            self.fill_objects(batch, row, scene, {n: i for i, n in enumerate(prompt.nouns)})
        return batch

    def fill_objects(self, batch: Batch, row: int, scene: Scene, asked: dict[str, int]) -> None:
        height, width = scene.pixels.shape[:2]
        for place, thing in enumerate(scene.objects[:MOST_OBJECTS]):
            x0, y0, x1, y1 = thing.box
            box = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height)
            batch.boxes[row, place] = torch.tensor(box)
            batch.there[row, place] = True
            batch.phrase[row, place] = asked.get(thing.noun, -1)
            batch.noun[row, place] = self.numbers[thing.noun]


def draw_size(rng: Rng, *, small: bool) -> tuple[int, int]:
    sizes = SMALL if small else SIZES
    return list(sizes)[int(rng.choice(len(sizes), p=list(sizes.values())))]


def empty_batch(size: int, tokens: int, phrases: int) -> Batch:
    return Batch(
        pixels=torch.empty(0),
        input_ids=torch.zeros(size, tokens, dtype=torch.long),
        text_mask=torch.zeros(size, tokens, dtype=torch.bool),
        spans=torch.zeros(size, phrases, tokens, dtype=torch.bool),
        boxes=torch.full((size, MOST_OBJECTS, 4), 0.5),
        there=torch.zeros(size, MOST_OBJECTS, dtype=torch.bool),
        phrase=torch.full((size, MOST_OBJECTS), -1),
        noun=torch.zeros(size, MOST_OBJECTS, dtype=torch.long),
    )
