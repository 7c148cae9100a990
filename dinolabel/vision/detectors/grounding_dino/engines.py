"""Which of the two ways to the same logits answers: transformers' forward, or ours once it was seen to give the same numbers here.

Nobody waits for that with `exact`: pictures are answered by transformers while a thread compares the two on a small drawn one, and the
result is noted by machine, weights and versions, so that the next start begins with ours. `fast` has other numbers and a digest of its
own, so it is compared before its first answer, and no other way ever answers in its name.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import torch
from torch import Tensor

from dinolabel.vision.detectors.grounding_dino.forward import TokenForward
from dinolabel.vision.errors import ModelError, first_line
from dinolabel.vision.loading.device import inference
from dinolabel.vision.loading.engine_notes import EngineNote, EngineNotes

log = structlog.get_logger(__name__)

ENGINES = ("auto", "exact", "fast", "transformers")
FAILED = "The engine fast failed."
AGAIN = "Start again: exact answers then, until weights, versions or processor change."
HERE = Path(__file__).resolve().parent
CLOSE = {torch.float32: 1e-4, torch.bfloat16: 0.1}
"""Largest difference to transformers' numbers that is allowed: of probabilities, of boxes as shares of the picture, of image tokens as a
share of the largest one."""


class CheckedForward:
    """(B, Q, T) logits and (B, Q, 4) boxes of pixels and token ids, by whichever way is quick and right on this machine."""

    def __init__(self, whole: Any, *, weights: str, digest: str, dtype: torch.dtype, notes: EngineNotes) -> None:
        self._whole, self._weights, self._dtype, self._notes = whole, weights, dtype, notes
        self._key = _key(digest, dtype)
        self._own: TokenForward | None = None
        self._lock, self._check = threading.Lock(), threading.Thread(target=lambda: None)
        known = notes.get(self._key)
        self._begun = known is not None
        if known is not None:
            self._decide(known.agrees, known.told)

    @property
    def is_own(self) -> bool:
        """Whether our own forward answers."""
        return self._own is not None

    @property
    def was_compared(self) -> bool:
        """Whether the two were compared in this process, or are being so, and the outcome is kept for the next."""
        return self._check.ident is not None and self._notes.kept and (self.is_own or self._check.is_alive())

    def is_own_after_check(self, ids: Sequence[int]) -> bool:
        """The same once the two were compared, which takes seconds where it is not known yet. ids: any prompt's."""
        self._begin_check(ids)
        self.wait()
        return self.is_own

    def __call__(self, pixels: Tensor, mask: Tensor, ids: Sequence[int]) -> tuple[Tensor, Tensor]:
        """pixels: (B, 3, H, W). mask: (B, H, W), 0 where they are padding: such strips are always transformers'.

        Raises ModelError when ours failed and has a digest of its own.
        """
        self._begin_check(ids)
        own = self._own
        if not bool(mask.all()) or (own is None and self._is_reference):
            return by_transformers(self._whole, pixels, mask, ids)
        if own is None:
            raise ModelError(FAILED, hint=AGAIN)
        try:
            return own(pixels, ids)
        except Exception as error:  # whatever it was, the other way may know the answer
            if _lacks_memory(error):
                raise
            self._note(agrees=False, told=first_line(error))
            if not self._is_reference:
                raise ModelError(FAILED, hint=AGAIN) from error
            return by_transformers(self._whole, pixels, mask, ids)

    @property
    def _is_reference(self) -> bool:
        """Whether transformers' numbers are ours as well."""
        return self._dtype is torch.float32

    def wait(self) -> None:
        """Until it is decided which way answers from now on."""
        with self._lock:
            check = self._check
        if check.ident is not None:
            check.join()

    def _begin_check(self, ids: Sequence[int]) -> None:
        with self._lock:
            if not self._begun:
                self._begun = True
                self._check = threading.Thread(target=self._compare, args=(list(ids),), name="engine-check")
                self._check.start()

    def _compare(self, ids: Sequence[int]) -> None:
        try:
            with inference("cpu", torch.float32):
                own = TokenForward(self._whole, self._dtype)
                worst = largest_difference(self._whole, own, drawn_pixels(self._whole.config), ids)
        except Exception as error:  # noqa: BLE001 - such as an attribute that a model made otherwise has not
            if not _lacks_memory(error):  # which is so now, and not for ever
                self._note(agrees=False, told=first_line(error))
            return
        self._note(agrees=worst <= CLOSE[self._dtype], told=f"largest difference {worst:.0e}", own=own)

    def _note(self, *, agrees: bool, told: str, own: TokenForward | None = None) -> None:
        self._notes.put(self._key, EngineNote(agrees, self._weights, told, "exact" if self._is_reference else "fast"))
        self._decide(agrees, told, own)

    def _decide(self, agrees: bool, told: str, own: TokenForward | None = None) -> None:
        if not agrees:
            log.warning("engine_not_used", weights=self._weights, reason=told, hint="transformers' own forward answers: slower, and right.")
        self._own = (own or TokenForward(self._whole, self._dtype)) if agrees else None


def by_transformers(whole: Any, pixels: Tensor, mask: Tensor, ids: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The reference. (B, Q, T) logits and (B, Q, 4) boxes; takes part of a precision that is set round it."""
    tokens = torch.tensor([list(ids)], device=pixels.device).expand(len(pixels), -1)
    out = whole(pixel_values=pixels, pixel_mask=mask, input_ids=tokens)
    return out.logits[..., : len(ids)], out.pred_boxes


def largest_difference(whole: Any, own: TokenForward, pixels: Tensor, ids: Sequence[int]) -> float:
    """Between ours and transformers' on (3, H, W) pixels: of image tokens, the largest of them being 1; of probabilities; of boxes.

    Both begin the decoder at transformers' choice of places: with weights that were never trained another rounding picks others, and
    what follows has nothing to do with each other.
    """
    tokens = torch.tensor([list(ids)])
    out = whole(pixel_values=pixels[None], pixel_mask=torch.ones((1, *pixels.shape[1:]), dtype=torch.long), input_ids=tokens)
    memory, words = out.encoder_last_hidden_state_vision[0], out.encoder_last_hidden_state_text[0]
    best = out.enc_outputs_class.amax(-1)
    chosen = torch.topk(best, out.logits.shape[1], dim=1).indices[0]
    encoded, arrays = own.encode(pixels, own.text(ids))
    logits, boxes = own.decoder(out.init_reference_points[0], memory, words, arrays.grid)
    pairs = (
        (encoded.memory / memory.abs().max(), memory / memory.abs().max()),
        (encoded.best.sigmoid(), best[0].sigmoid()),
        (own.first_boxes(encoded, arrays, chosen), out.init_reference_points[0]),
        (logits.sigmoid(), out.logits[0, :, : len(ids)].sigmoid()),
        (boxes, out.pred_boxes[0]),
    )
    worst = torch.stack([(ours - theirs).abs().max() for ours, theirs in pairs])
    return float(worst.max()) if bool(worst.isfinite().all()) else float("inf")


def drawn_pixels(config: Any) -> Tensor:
    """(3, H, W) soft blotches in the range of normalised pixels, of the smallest size at which the model finds places for its queries."""
    levels = int(config.num_feature_levels)
    finest = 64 >> (levels - 1)
    times = 1
    while (
        sum(-(-48 * times // side) * -(-80 * times // side) for side in (finest << level for level in range(levels))) < config.num_queries
    ):
        times += 1
    small = torch.from_numpy(np.random.default_rng(0).uniform(-2, 2, (1, 3, 6, 10)).astype(np.float32))
    return torch.nn.functional.interpolate(small, size=(48 * times, 80 * times), mode="bilinear")[0]


def _lacks_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "allocate memory" in str(error)


def _key(digest: str, dtype: torch.dtype) -> str:
    """Of everything that may change the outcome: weights, number type, our code, libraries, the processor."""
    code = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(HERE.glob("*.py"))]
    facts = [digest, str(dtype), code, version("torch"), version("transformers"), sorted(torch.cpu.get_capabilities().items())]
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:32]
