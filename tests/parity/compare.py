"""Holds our network against what groundingdino-py's gave on the same weights.   python -m tests.parity.compare FOLDER

The folder is one that tests/parity/official.py filled. Loads the `.pth` file by the product's own way and prints the largest
differences of backbone maps, the encoder's outputs and the class logits, by transformers' forward and by our own; exit code 1 above
`CLOSE` of the largest value.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from transformers import GroundingDinoForObjectDetection

from dinolabel.vision.detectors.grounding_dino.forward import TokenForward
from dinolabel.vision.originals import tensors as original

CLOSE = 1e-4


@torch.no_grad()
def ours(folder: Path, pixels: torch.Tensor, ids: torch.Tensor) -> dict[str, np.ndarray]:
    tensors = original.read(folder / "weights.pth")
    model = GroundingDinoForObjectDetection(original.configuration(tensors)).eval()
    model.load_state_dict(original.converted(tensors))
    maps = model.model.backbone.conv_encoder.model(pixels).feature_maps
    out = model(pixel_values=pixels, input_ids=ids, attention_mask=torch.ones_like(ids))
    found = {f"map{number}": each for number, each in enumerate(maps)}
    found |= {"vision": out.encoder_last_hidden_state_vision, "text": out.encoder_last_hidden_state_text, "logits": out.enc_outputs_class}
    own = TokenForward(model)
    encoded, _ = own.encode(pixels[0], own.text(ids[0].tolist()))
    found |= {"own vision": encoded.memory[None], "own text": encoded.words[None], "own best": encoded.best[None]}
    return {name: value.numpy() for name, value in found.items()}


def main(folder: Path) -> int:
    with np.load(folder / "outputs.npz") as kept:
        theirs = dict(kept)
    theirs |= {"own vision": theirs["vision"], "own text": theirs["text"], "own best": theirs["logits"].max(-1)}
    found = ours(folder, torch.from_numpy(theirs["pixels"]), torch.from_numpy(theirs["input_ids"])[None])
    worst = 0.0
    for name, got in found.items():
        read = np.isfinite(theirs[name])
        same = bool((np.isfinite(got) == read).all())
        largest = float(np.abs(theirs[name][read]).max())
        share = float(np.abs(got[read] - theirs[name][read]).max()) / largest if same else float("inf")
        sys.stdout.write(
            f"{name:10} {got.shape!s:22} largest value {largest:8.3f}  largest difference {share * largest:.2e}  ({share:.1e})\n"
        )
        worst = max(worst, share)
    sys.stdout.write(f"{'equal' if worst <= CLOSE else 'NOT EQUAL'}: within {worst:.1e} of the largest value\n")
    return int(worst > CLOSE)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
