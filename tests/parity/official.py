"""Runs groundingdino-py's own network on drawn weights and keeps what came out.   python official.py OUT [tiny|swin_t|swin_b]

Runs in an environment of its own (transformers 4, no torchvision, no timm: small stand-ins below), so it imports nothing of
dinolabel's. Writes OUT/names.json (each tensor's name and shape: `drawn` makes the same weights of them anywhere),
OUT/tokenizer/vocab.txt and OUT/outputs.npz: inputs, the encoder's outputs and the class logits before the best queries are
picked. Later outputs are chaotic at random weights: a change of 1e-6 reorders queries. Not `tiny`: OUT/weights.pth as well.
"""

from __future__ import annotations

import json
import sys
import types
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers  # before the stand-ins: it looks for torchvision when it is imported
from torch import nn

SEED = 5
WORDS = ["cat", "dog", "face", "human", "a", "the", "red", "apple"]
CAPTION = "human face . red apple . dog ."
SIZES = {"tiny": (64, 96), "swin_t": (224, 320), "swin_b": (224, 320)}
TINY = {"embed_dim": 16, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 4, 8], "window_size": 4}
TINY_BERT = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 1, "intermediate_size": 96, "max_position_embeddings": 64}
CHANGES = {
    "tiny": {"enc_layers": 2, "dec_layers": 2, "dim_feedforward": 64, "num_queries": 20},
    "swin_t": {},
    "swin_b": {"backbone": "swin_B_384_22k"},
}


class DropPath(nn.Module):
    """timm's, as it is when nothing is trained."""

    def __init__(self, share: float = 0.0) -> None:
        super().__init__()

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return given


def stand_in(name: str, **content: Any) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(content)
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


def stand_ins() -> None:
    """What the package imports and the forward pass does not use; DropPath and to_2tuple it does use."""
    stand_in("torchvision", __version__="0.99.0", _is_tracing=lambda: False)
    stand_in("torchvision.ops", box_convert=None)
    stand_in("torchvision.ops.boxes", nms=None, box_area=None)
    stand_in("torchvision.models")
    stand_in("torchvision.models._utils", IntermediateLayerGetter=object)
    stand_in("torchvision.transforms")
    stand_in("torchvision.transforms.functional")
    stand_in("timm")
    stand_in("timm.models")
    stand_in("timm.models.layers", DropPath=DropPath, to_2tuple=lambda side: (side, side), trunc_normal_=nn.init.trunc_normal_)
    stand_in("supervision")
    stand_in("termcolor", colored=lambda text, *_, **__: text)
    stand_in("pycocotools")
    stand_in("pycocotools.mask")


def words_at(folder: Path) -> transformers.BertTokenizer:
    """A tokenizer of a few words with BERT's own ids for `[CLS]`, `[SEP]`, `.` and `?`, which both networks look for."""
    lines = [f"[unused{number}]" for number in range(1200)]
    for place, word in {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}.items():
        lines[place] = word
    lines[1100 : 1100 + len(WORDS)] = WORDS
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return transformers.BertTokenizer(str(folder / "vocab.txt"))


def build(size: str, tokenizer: transformers.BertTokenizer) -> nn.Module:
    import groundingdino
    from groundingdino.models import build_model
    from groundingdino.models.GroundingDINO.backbone import backbone
    from groundingdino.util import get_tokenlizer
    from groundingdino.util.slconfig import SLConfig

    tiny = TINY_BERT | {"vocab_size": 1200} if size == "tiny" else {}
    get_tokenlizer.get_tokenlizer = lambda _: tokenizer
    get_tokenlizer.get_pretrained_language_model = lambda _: transformers.BertModel(
        transformers.BertConfig(**tiny, attn_implementation="eager"),
    )
    if size == "tiny":
        backbone.build_swin_transformer = lambda _, pretrain_img_size, **rest: backbone_of(pretrain_img_size, **rest)
    config = SLConfig.fromfile(str(Path(groundingdino.__file__).parent / "config" / "GroundingDINO_SwinT_OGC.py"))
    for name, value in CHANGES[size].items():
        setattr(config, name, value)
    config.device = "cpu"
    return build_model(config)


def backbone_of(pretrain_img_size: int, **rest: Any) -> nn.Module:
    from groundingdino.models.GroundingDINO.backbone.swin_transformer import SwinTransformer

    return SwinTransformer(pretrain_img_size=pretrain_img_size, **TINY, **rest)


def drawn(shapes: Mapping[str, Sequence[int]]) -> dict[str, torch.Tensor]:
    """Weights that depend on nothing but their names and shapes; norms' weights are near one."""
    weights = {}
    for name, shape in shapes.items():
        rng = np.random.default_rng((SEED, zlib.crc32(name.encode())))
        values = rng.standard_normal(shape, np.float32) * np.float32(0.05)
        if name.endswith("weight") and len(shape) == 1:
            values += 1
        weights[name] = torch.from_numpy(np.asarray(values, np.float32))
    return weights


@torch.no_grad()
def run(model: nn.Module, pixels: torch.Tensor) -> dict[str, np.ndarray]:
    kept: dict[str, torch.Tensor] = {}
    inner = model.transformer
    inner.encoder.register_forward_hook(lambda _module, _given, out: kept.update(vision=out[0], text=out[1].clone()))
    inner.enc_out_class_embed.register_forward_hook(lambda _module, _given, out: kept.setdefault("logits", out.clone()))
    model.bert.register_forward_hook(lambda _module, _given, out: kept.update(words=out["last_hidden_state"]))
    model.backbone.register_forward_hook(lambda _module, _given, out: kept.update({f"map{n}": m.tensors for n, m in enumerate(out[0])}))
    model.eval()(pixels, captions=[CAPTION])
    return {name: value.numpy() for name, value in kept.items()}


def main(out: Path, size: str) -> None:
    stand_ins()
    tokenizer = words_at(out / "tokenizer")
    model = build(size, tokenizer)
    floats = {name: list(value.shape) for name, value in model.state_dict().items() if value.is_floating_point()}
    weights = drawn(floats)
    model.load_state_dict(weights, strict=False)
    (out / "names.json").write_text(json.dumps(floats, indent=0) + "\n", encoding="utf-8")
    if size != "tiny":
        torch.save({"model": {f"module.{name}": value for name, value in weights.items()}}, out / "weights.pth")
    pixels = np.random.default_rng(SEED).standard_normal((1, 3, *SIZES[size]), np.float32)
    ids = np.array(tokenizer(CAPTION)["input_ids"])
    np.savez_compressed(out / "outputs.npz", pixels=pixels, input_ids=ids, **run(model, torch.from_numpy(pixels)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "tiny")
