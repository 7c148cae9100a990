"""Looks at one drawn picture of 800 x 1066 for each line it reads, and says what that took.   python look.py WAY FOLDER

Run by baselines.py, also beside other versions of dinolabel and of transformers, so it imports neither before it knows the way. FOLDER: of
Swin-T's weights, `weights.pth` in it for groundingdino-py.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

SIZE = (800, 1066)
PHRASES = ["human face", "red apple", "dog"]


def drawn() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def by_transformers(folder: Path) -> Callable[[], int]:
    """As its own documentation has it: processor, model, post-processing."""
    import PIL.Image
    from transformers import AutoTokenizer, GroundingDinoForObjectDetection, GroundingDinoImageProcessorPil, GroundingDinoProcessor

    images, words = GroundingDinoImageProcessorPil.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    processor = GroundingDinoProcessor(image_processor=images, tokenizer=words)
    model = GroundingDinoForObjectDetection.from_pretrained(folder).eval()
    text = ". ".join(PHRASES) + "."

    def look() -> int:
        given = processor(images=PIL.Image.fromarray(drawn()), text=text, return_tensors="pt")
        with torch.no_grad():
            out = model(**given)
        found = processor.post_process_grounded_object_detection(out, given.input_ids, threshold=0.0, target_sizes=[SIZE])
        return len(found[0]["boxes"])

    return look


def by_product(way: str, folder: Path) -> Callable[[], int]:
    """From an image in memory to candidates."""
    if way == "before":
        from vision.detectors.grounding_dino import build
        from vision.types import Image, Prompt

        detector: Any = build(str(folder), device="cpu")
    elif way == "groundingdino-py":
        from dinolabel.vision.detectors import groundingdino_py
        from dinolabel.vision.types import Image, Prompt

        detector = groundingdino_py.build(str(folder / "weights.pth"), device="cpu")
    else:
        from dinolabel.vision.detectors.grounding_dino import build, engines
        from dinolabel.vision.types import Image, Prompt

        engines.CLOSE[torch.bfloat16] = float("inf")  # random weights go their own way after any rounding: precision.py has trained ones
        detector = build(str(folder), device="cpu", engine=way)
        detector.candidates([Image.from_array(drawn())], Prompt.of(PHRASES))
        detector.settle()
        assert detector.engine == way and detector._checked is not None and detector._checked.is_own, f"{way} does not answer here"
    image, prompt = Image.from_array(drawn()), Prompt.of(PHRASES)
    return lambda: len(detector.candidates([image], prompt)[0])


def main(way: str, folder: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    said, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    look = by_transformers(folder) if way == "transformers" else by_product(way, folder)
    for _ in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        found = look()
        said.write(json.dumps({"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "found": found}) + "\n")
        said.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
