"""GroundingDINO: words and pictures in, boxes out; MM-GroundingDINO and LLMDet checkpoints load the same way.

The weights are read and the numbers are judged by transformers; on a CPU they come from the forward of this folder (engines.py, forward.py)
once it was seen to give the same ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import torch
from transformers import AutoModelForZeroShotObjectDetection, AutoTokenizer

from dinolabel.vision.detectors.grounding_dino.engines import ENGINES, CheckedForward, by_transformers
from dinolabel.vision.errors import SettingsError
from dinolabel.vision.images.network_input import Preprocessing
from dinolabel.vision.loading import weights as files
from dinolabel.vision.loading.device import computes_bfloat16, pick, precision_name
from dinolabel.vision.loading.engine_notes import EngineNotes
from dinolabel.vision.loading.transformers_loader import image_processor, inference_errors, load, silence_transformers, to_numpy_boxes
from dinolabel.vision.proposals.candidates import MAX_CANDIDATES, MIN_SCORE, Candidate, read_chunk, top_k
from dinolabel.vision.proposals.token_spans import PromptChunk, SpecialTokens, chunk_prompt
from dinolabel.vision.proposals.vocabulary import find_unknown_phrases
from dinolabel.vision.types import Image, Prompt

log = structlog.get_logger(__name__)

WEIGHTS = "folder"
KINDS = frozenset({"grounding-dino", "mm-grounding-dino"})
AT_ONCE = {"cpu": 1, "cuda": 4, "mps": 4}  # images per pass: on a CPU more gain nothing (< 6 %) and cost 1.5 GB each at 800 pixels
SMALLEST = 64  # shorter side below which nothing can be found, pixels
RULES = 1  # raise it when the way from logits to candidates changes, so that caches are made anew
REMARK = "Our quicker engine was compared with transformers on this machine, which answered meanwhile: the next start is quicker."
FAST_RULES = 1  # likewise, when fast rounds otherwise


class GroundingDino:
    """A `Detector` (dinolabel/vision/protocols.py) with the checkpoint of `folder`.

    Images are batched only when they are resized to one and the same size. Padding, which would allow others, reaches the
    group norms behind the backbone despite its mask: a tenth more rows moved scores by 0.015 and one box in twelve by more
    than 2 % of the image on half-trained nano weights, scores by 0.2 on random ones.

    Attributes: device (`cpu`, `cuda:0`, `mps`), precision (`float32`, ...), weights (`nano`, hub id or folder name), engine (`exact`:
    transformers' numbers; `fast`: backbone and encoder in bfloat16, with a digest of its own; `transformers`: its forward alone).
    """

    def __init__(
        self, folder: Path, *, device: str, precision: str, input_size: int | None, engine: str = "auto", notes: Path | None = None
    ) -> None:
        if engine not in ENGINES:
            raise SettingsError(f"There is no engine {engine!r}.", hint=f"Choose {', '.join(ENGINES)}.")
        if input_size is not None and input_size < SMALLEST:
            raise SettingsError(f"The input size {input_size} is too small: at least {SMALLEST} pixels.")
        settings = files.config(folder, allowed=KINDS)
        self.weights = files.describe(folder)
        self.device, self._dtype = pick(device, precision)
        self.engine = _engine(engine, self.device, self._dtype, asked=precision)
        with silence_transformers():
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model = load(AutoModelForZeroShotObjectDetection, folder, device=self.device)
        self._preprocessing = how = Preprocessing.of(image_processor(folder))
        self._shorter, self._longer = _sides(how, input_size)
        preprocessing = [self._shorter, self._longer, how.mean, how.std, how.resample]
        words = sorted(self._tokenizer.get_vocab().items())
        self._checked: CheckedForward | None = None
        self._settle_engine(folder, [preprocessing, settings, words], EngineNotes(notes))

    def _settle_engine(self, folder: Path, facts: list[Any], notes: EngineNotes) -> None:
        """Precision, digest and the forward that answers. Where fast is not right on this machine it becomes exact, digest and all."""
        if self.engine == "fast":
            self.precision, self._digest = "bfloat16", files.digest(folder, RULES, "bfloat16", *facts, "fast", FAST_RULES)
            self._checked = CheckedForward(self._model, weights=self.weights, digest=self._digest, dtype=torch.bfloat16, notes=notes)
            (run,) = chunk_prompt(Prompt.of(["object"]), self._encode, self._marks, room=self._model.config.max_text_len)
            if self._checked.is_own_after_check(run.ids):
                return
            self.engine = "exact"
        self.precision = precision_name(self._dtype)
        self._digest = files.digest(folder, RULES, self.precision, *facts)
        if self.engine == "exact":
            self._checked = CheckedForward(self._model, weights=self.weights, digest=self._digest, dtype=torch.float32, notes=notes)

    @property
    def name(self) -> str:
        """`gdino-tiny`, `gdino-nano`, `mm-gdino-base-all`, `llmdet-tiny`."""
        short = files.short(self.weights).replace("grounding-dino", "gdino")
        return short if any(family in short for family in ("gdino", "llmdet")) else f"gdino-{short}"

    @property
    def digest(self) -> str:
        return self._digest

    def candidates(
        self, images: Sequence[Image], prompt: Prompt, *, floor: float = MIN_SCORE, most: int = MAX_CANDIDATES
    ) -> list[list[Candidate]]:
        """Of each image, best first, before thresholds and suppression. Raises PromptMissing, RequestError, MediaUnreadable, ModelError.

        A prompt of more tokens than the model reads takes several passes.
        """
        runs = chunk_prompt(prompt, self._encode, self._marks, room=self._model.config.max_text_len)
        found: list[list[Candidate]] = [[] for _ in images]
        for indices, size in self._batches(images):
            batch = [images[index] for index in indices]
            pixels, mask = self._pixels(batch, size)
            for run in runs:
                probabilities, boxes = self._forward(pixels, mask, run)
                for index, image, scores, xyxy in zip(indices, batch, probabilities, boxes, strict=True):
                    found[index] += read_chunk(run, scores, xyxy, image, floor=floor)
        return [top_k(each, floor=floor, most=most) for each in found]

    def unknown_phrases(self, prompt: Prompt) -> tuple[str, ...]:
        """Those whose every token is [UNK]."""
        return find_unknown_phrases(prompt.phrases, self._encode, self._tokenizer.unk_token_id)

    @property
    def _marks(self) -> SpecialTokens:
        stop, question = self._tokenizer.convert_tokens_to_ids([".", "?"])
        return SpecialTokens(self._tokenizer.cls_token_id, self._tokenizer.sep_token_id, stop, frozenset({question}))

    def _encode(self, phrase: str) -> list[int]:
        return list(self._tokenizer(phrase, add_special_tokens=False, verbose=False)["input_ids"])

    def _batches(self, images: Sequence[Image]) -> Iterator[tuple[list[int], tuple[int, int]]]:
        """Indices of images that are resized to the same (height, width), AT_ONCE at most."""
        most = AT_ONCE[torch.device(self.device).type]
        sizes = defaultdict(list)
        for index, image in enumerate(images):
            height, width = self._preprocessing.size(image.height, image.width, shorter=self._shorter, longer=self._longer)
            sizes[max(1, height), max(1, width)].append(index)
        for size, indices in sizes.items():
            for start in range(0, len(indices), most):
                yield indices[start : start + most], size

    def _pixels(self, batch: Sequence[Image], size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, 3, H, W) normalised pixels and (B, H, W) mask; strips too thin for the model are padded."""
        height, width = size
        ready = torch.from_numpy(np.stack([self._preprocessing.pixels(image.pixels, size) for image in batch]))
        below, beside = _padding(height, width, self._model.config)
        mask = torch.ones((len(batch), height, width), dtype=torch.long)
        padded = [torch.nn.functional.pad(each, (0, beside, 0, below)).to(self.device) for each in (ready, mask)]
        return padded[0], padded[1]

    def _forward(self, pixels: torch.Tensor, mask: torch.Tensor, run: PromptChunk) -> tuple[Any, Any]:
        """(B, Q, T) token probabilities and (B, Q, 4) xyxy boxes as shares of the image, both float32 arrays."""
        with inference_errors(self.weights, self.device, self._dtype):
            if self._checked is None:
                logits, boxes = by_transformers(self._model, pixels, mask, run.ids)
            else:
                logits, boxes = self._checked(pixels, mask, run.ids)
            return to_numpy_boxes(logits, boxes, weights=self.weights, precision=self.precision)

    @property
    def engine_remark(self) -> str:
        """What a person who waited should know: that the next start is quicker. Empty where it is not."""
        return REMARK if self._checked is not None and self._checked.was_compared else ""

    def settle(self) -> None:
        """Wait until it is decided which engine answers, as tests and measurements want."""
        if self._checked is not None:
            self._checked.wait()


def build(
    weights: str,
    *,
    device: str = "auto",
    precision: str = "auto",
    input_size: int | None = None,
    engine: str = "auto",
    engine_notes: Path | None = None,
) -> GroundingDino:
    """The detector in a folder. input_size: shorter side in pixels; None as the checkpoint says.

    engine: auto and exact give transformers' numbers, by the quicker way on a CPU; fast computes in bfloat16 where the CPU has that and
    no precision is set; transformers is its forward alone. engine_notes: the file that remembers which way is right on this machine.

    Raises WeightsMissing, DeviceUnavailable, ModelError, SettingsError.
    """
    return GroundingDino(Path(weights), device=device, precision=precision, input_size=input_size, engine=engine, notes=engine_notes)


def _engine(wished: str, device: str, dtype: torch.dtype, *, asked: str) -> str:
    """What can be had of the wish: ours is for float32 on a CPU, and a precision that was asked for wins."""
    if wished == "transformers" or device != "cpu" or dtype != torch.float32:
        return "transformers"
    if wished != "fast" or asked != "auto":
        return "exact"
    if not computes_bfloat16():
        log.warning("engine_exact", asked=wished, hint="This CPU has no instructions for bfloat16, so fast would be slower than exact.")
        return "exact"
    return "fast"


def _sides(how: Preprocessing, input_size: int | None) -> tuple[int, int]:
    """Shorter side and cap of the longer one, pixels; another input size keeps the checkpoint's ratio of the two."""
    return (how.shorter, how.longer) if input_size is None else (input_size, round(input_size * how.longer / how.shorter))


def _padding(height: int, width: int, config: Any) -> tuple[int, int]:
    """Rows below and columns beside that a strip needs: the model picks `num_queries` places and fails if it has fewer."""
    outputs = len(config.backbone_config.out_indices)
    strides = [32 * 2 ** (level - outputs + 1) for level in range(config.num_feature_levels)]
    below = beside = 0
    while sum(-(-(height + below) // s) * -(-(width + beside) // s) for s in strides) < config.num_queries:
        below, beside = (below + 32, beside) if height + below <= width + beside else (below, beside + 32)
    return below, beside
