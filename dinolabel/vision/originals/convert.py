"""Turns GroundingDINO's own `.pth` file into a folder that `grounding_dino` loads, once and for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import (
    AutoTokenizer,
    BertTokenizer,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessorPil,
    GroundingDinoProcessor,
)

from dinolabel.vision.errors import ModelError, WeightsMissing
from dinolabel.vision.loading.transformers_loader import silence_transformers
from dinolabel.vision.loading.weights import TOKENIZER
from dinolabel.vision.originals import tensors as original
from dinolabel.vision.storage.atomic_folders import atomic_folder


def convert(source: Path, out: Path, *, tokenizer: str = TOKENIZER) -> Path:
    """Writes `out` (it must not exist) with config, safetensors, tokenizer and image settings; half done is never seen.

    `tokenizer`: a folder with BERT's vocab.txt, or a hub id; the `.pth` file has none. Raises ModelError, WeightsMissing.
    """
    with atomic_folder(out) as half:
        model = _model(source, original.read(source))
        words = _words(tokenizer, at_most=model.config.text_config.vocab_size)
        processor = GroundingDinoProcessor(image_processor=GroundingDinoImageProcessorPil(), tokenizer=words)
        with silence_transformers():
            model.save_pretrained(half)
            processor.save_pretrained(half)
    return out


def _model(source: Path, tensors: dict[str, Any]) -> GroundingDinoForObjectDetection:
    model = GroundingDinoForObjectDetection(original.configuration(tensors))
    try:
        model.load_state_dict(original.converted(tensors))
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:3]]
        raise ModelError(f"{source.name} does not fit GroundingDINO: {' '.join(lines)[:300]}") from error
    return model


def _words(tokenizer: str, *, at_most: int) -> Any:
    try:
        with silence_transformers():
            listed = Path(tokenizer).expanduser() / "vocab.txt"
            words = BertTokenizer(vocab=str(listed)) if listed.is_file() else AutoTokenizer.from_pretrained(tokenizer)
    except (OSError, ValueError) as error:
        hint = "Give --tokenizer a folder with BERT's vocab.txt: groundingdino-py has left one in the hub's cache."
        raise WeightsMissing(f"There is no tokenizer {tokenizer} here, nor on the hub as far as it is reached.", hint=hint) from error
    if len(words) > at_most:
        raise ModelError(f"The tokenizer {tokenizer} knows {len(words)} words, these weights only {at_most}: it is another model's.")
    return words
