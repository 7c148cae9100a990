"""groundingdino-py's own model on its own `.pth` and config.   DINOLABEL_DETECTOR=groundingdino_py DINOLABEL_DETECTOR_WEIGHTS=FILE.pth

For people who pinned that package: the package computes, so that boxes and scores are what they were. It runs in this process where it
can be imported, else in one of its own (dinolabel/vision/originals/package_process.py). Beside `FILE.pth` may lie its config, `FILE.py`,
in place of the package's own for Swin-T and Swin-B, and BERT's `vocab.txt`, in place of the hub's. What each box is called is read as
`grounding_dino` does.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dinolabel.vision.errors import ModelError, SettingsError, WeightsMissing, first_line
from dinolabel.vision.file_digest import sha256_of_file
from dinolabel.vision.loading.device import pick
from dinolabel.vision.loading.weights import short
from dinolabel.vision.originals.groundingdino_package import PackageModel
from dinolabel.vision.originals.package_process import PackageProcess, environment
from dinolabel.vision.proposals.candidates import MAX_CANDIDATES, MIN_SCORE, Candidate, read_chunk, top_k
from dinolabel.vision.proposals.token_spans import PromptChunk, SpecialTokens, chunk_prompt
from dinolabel.vision.proposals.vocabulary import find_unknown_phrases
from dinolabel.vision.types import Image, Prompt

WEIGHTS = "file"
SMALLEST = 64  # shorter side below which nothing can be found, pixels
RULES = 1  # raise it when the way from probabilities to candidates changes, so that caches are made anew


class GroundingDinoPy:
    """A `Detector` (dinolabel/vision/protocols.py) with the weights of `path`.

    One picture a pass, as the package has it: a batch would be padded, which moves scores.

    Attributes: device (`cpu`, `cuda:0`, `mps`), precision (`float32`: the package computes in it), weights (the file's name).
    """

    precision = "float32"

    def __init__(self, path: Path, *, device: str, input_size: int | None) -> None:
        if input_size is not None and input_size < SMALLEST:
            raise SettingsError(f"The input size {input_size} is too small: at least {SMALLEST} pixels.")
        self.weights = path.name
        self.device, _ = pick(device, "float32")
        self._model = _loaded(path, self.device, input_size)
        facts = self._model.describe()
        begin, end, stop, question, self._unknown = facts["marks"]
        self._marks = SpecialTokens(begin, end, stop, frozenset({question}))
        decides = {name: each for name, each in facts.items() if name not in ("transformers",)}
        content = [RULES, sha256_of_file(path), json.dumps(decides, sort_keys=True, default=str)]
        self.digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def name(self) -> str:
        """`gdino-py-swint-ogc`."""
        return f"gdino-py-{short(Path(self.weights).stem).removeprefix('groundingdino-')}"

    def candidates(
        self, images: Sequence[Image], prompt: Prompt, *, floor: float = MIN_SCORE, most: int = MAX_CANDIDATES
    ) -> list[list[Candidate]]:
        """Of each image, best first, before thresholds and suppression. Raises PromptMissing, RequestError, MediaUnreadable, ModelError.

        A prompt of more tokens than the model reads takes several passes, where the package cuts it.
        """
        runs = chunk_prompt(prompt, self._model.encode, self._marks, room=self._model.room)
        return [top_k(self._found(image, runs, floor), floor=floor, most=most) for image in images]

    def unknown_phrases(self, prompt: Prompt) -> tuple[str, ...]:
        """Those whose every token is [UNK]."""
        return find_unknown_phrases(prompt.phrases, self._model.encode, self._unknown)

    def _found(self, image: Image, runs: Sequence[PromptChunk], floor: float) -> Iterator[Candidate]:
        pixels = image.pixels
        for run in runs:
            probabilities, boxes = _asked(lambda run=run: self._model.answer(pixels, _caption(run)))  # type: ignore[misc]
            if probabilities.shape[1] != len(run.ids):
                raise ModelError(f"The package reads {_caption(run)!r} in other words than dinolabel.", hint="Leave out unusual letters.")
            centre, size = np.split(boxes, 2, axis=-1)
            corners = np.concatenate([centre - size / 2, centre + size / 2], axis=-1)
            if not (np.isfinite(probabilities).all() and np.isfinite(corners).all()):
                raise ModelError(f"{self.weights} gave numbers that are none.", hint="Are weights and config of one model?")
            yield from read_chunk(run, probabilities, corners, image, floor=floor)


def build(weights: str, *, device: str = "auto", precision: str = "auto", input_size: int | None = None) -> GroundingDinoPy:
    """The detector of a `.pth` file. precision: float32 whatever is asked. input_size: shorter side in pixels; None: 800.

    Raises WeightsMissing, DeviceUnavailable, ModelError, SettingsError.
    """
    path = Path(weights).expanduser()
    if path.suffix.lower() not in (".pth", ".pt"):
        raise WeightsMissing(f"{path.name} is no .pth file of GroundingDINO's.", hint="Folders of weights are read by grounding_dino.")
    return GroundingDinoPy(path, device=device, input_size=input_size)


def _loaded(path: Path, device: str, input_size: int | None) -> PackageModel | PackageProcess:
    config, words = path.with_suffix(".py"), path.with_name("vocab.txt")
    wish: dict[str, Any] = {
        "weights": str(path), "config": str(config) if config.is_file() else None,
        "words": str(path.parent) if words.is_file() else None, "device": device, "input_size": input_size,
    }  # fmt: skip
    if importlib.util.find_spec("groundingdino") is None:
        return PackageProcess(environment(), wish)
    model: PackageModel = _asked(lambda: PackageModel(**wish))
    return model


def _asked(question: Callable[[], Any]) -> Any:
    """The package's answer; what it raises in this process is a ModelError."""
    try:
        return question()
    except ModelError:
        raise
    except Exception as error:  # a package of somebody else's, on files of somebody else's
        said = f"groundingdino-py failed: {type(error).__name__}: {first_line(error)}"
        raise ModelError(
            said, hint="Are weights and config of one model? Without the hub, put BERT's vocab.txt beside the weights."
        ) from error


def _caption(run: PromptChunk) -> str:
    """As the package's own examples write it: `human face . red car .`"""
    return " . ".join(run.phrases) + " ."
