"""groundingdino-py's own network on its own weights and config: imported by us, or run as a program by a Python that has it.

As a program it answers on its standard streams (`serve`), and must find nothing of dinolabel's: it runs beside another transformers.
What the package imports and a forward pass does not use (torchvision, timm, drawing) may be missing: small stand-ins are there while it
is imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import re
import runpy
import struct
import sys
import types
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

SHORTER, LONGER = 800, 1333  # pixels; the package's load_image
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HEAD_WIDTH = 64  # of BERT


class PackageModel:
    """The package's network, ready to answer.

    weights: a `.pth` file of GroundingDINO's repository. config: the `.py` file of its settings; None: the package's own for these weights.
    words: a folder with BERT's vocab.txt, or a hub id. input_size: shorter side, pixels; None: 800, as the package.
    """

    def __init__(self, weights: str, config: str | None, *, words: str | None, device: str, input_size: int | None) -> None:
        import torch

        content = torch.load(weights, map_location="cpu", weights_only=True)
        tensors = {str(name).removeprefix("module."): each for name, each in content.get("model", content).items()}
        self.shorter = SHORTER if input_size is None else input_size
        self.device = device
        with stand_ins():
            package = Path(importlib.import_module("groundingdino").__file__ or "").parent
            self.config = config or str(package / "config" / _own_config(tensors))
            settings = types.SimpleNamespace(**read_config(Path(self.config)), device=device)
            settings.use_checkpoint = settings.use_transformer_ckpt = False  # they save memory in training, and cost time here
            self._model = _built(settings, tensors, words or settings.text_encoder_type)
        missing = {name for name, _ in self._model.named_parameters()} - set(tensors) - _shared(self._model)
        if missing:
            raise ValueError(f"the weights lack {len(missing)} tensors of this config, {min(missing)} among them")
        self._model.load_state_dict(tensors, strict=False)
        self._model.to(device).eval()
        self.tokenizer = self._model.tokenizer
        self.room = int(self._model.max_text_len)

    def describe(self) -> dict[str, Any]:
        """Plain facts: what decides the answer beside the weights, and the ids of the special tokens."""
        import transformers

        tokens = ["[CLS]", "[SEP]", ".", "?", "[UNK]"]
        known = sorted(self.tokenizer.get_vocab().items())
        return {
            "config": dict(sorted(read_config(Path(self.config)).items())),
            "marks": self.tokenizer.convert_tokens_to_ids(tokens),
            "room": self.room,
            "shorter": self.shorter,
            "vocabulary": known,
            "transformers": transformers.__version__,
        }

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def answer(self, pixels: Any, caption: str) -> tuple[Any, Any]:
        """(Q, T) probabilities of the caption's tokens and (Q, 4) cxcywh boxes as shares of the picture, float32 arrays.

        pixels: (H, W, 3) uint8 RGB. What the package's `predict` computes before its thresholds.
        """
        import torch

        given = self._shown(pixels)
        count = len(self.tokenizer(caption)["input_ids"])
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the package's old ways with torch
            out = self._model(given[None].to(self.device), captions=[caption])
        return out["pred_logits"][0, :, :count].sigmoid().float().cpu().numpy(), out["pred_boxes"][0].float().cpu().numpy()

    def _shown(self, pixels: Any) -> Any:
        """(3, h, w) as the package's transforms make it: shrunk by Pillow, scaled, normalised."""
        import numpy as np
        import PIL.Image
        import torch

        picture = PIL.Image.fromarray(pixels)
        resized = picture.resize(shown_size(picture.size, self.shorter), PIL.Image.Resampling.BILINEAR)
        unit = torch.from_numpy(np.asarray(resized).copy()).permute(2, 0, 1).float() / 255
        mean, std = (torch.tensor(each)[:, None, None] for each in (MEAN, STD))
        return (unit - mean) / std


def shown_size(size: tuple[int, int], shorter: int) -> tuple[int, int]:
    """(width, height) that the package resizes a picture of `size` to."""
    least, most = min(size), max(size)
    longer = round(shorter * LONGER / SHORTER)
    shorter = round(longer * least / most) if most / least * shorter > longer else shorter
    if least == shorter:
        return size
    width, height = size
    grown = (shorter, int(shorter * height / width)) if width < height else (int(shorter * width / height), shorter)
    return max(1, grown[0]), max(1, grown[1])


def read_config(path: Path) -> dict[str, Any]:
    """Settings of the package's `.py` file, over those of its `_base_`. The file is run, as the package does."""
    found = {name: each for name, each in runpy.run_path(str(path)).items() if not name.startswith("__")}
    base = found.pop("_base_", None)
    settings: dict[str, Any] = {}
    for each in [base] if isinstance(base, str) else base or []:
        settings |= read_config(path.parent / each)
    return settings | {name: each for name, each in found.items() if not callable(each) and not isinstance(each, types.ModuleType)}


def _own_config(tensors: Mapping[str, Any]) -> str:
    wide = tensors["backbone.0.patch_embed.proj.weight"].shape[0] == 128
    return "GroundingDINO_SwinB_cfg.py" if wide else "GroundingDINO_SwinT_OGC.py"


def _built(settings: Any, tensors: Mapping[str, Any], words: str) -> Any:
    """The package's network for these tensors: BERT and Swin in their sizes, so that nothing is downloaded to be thrown away."""
    import transformers

    models = importlib.import_module("groundingdino.models")
    texts: Any = importlib.import_module("groundingdino.util.get_tokenlizer")
    backbones: Any = importlib.import_module("groundingdino.models.GroundingDINO.backbone.backbone")
    swin = importlib.import_module("groundingdino.models.GroundingDINO.backbone.swin_transformer")
    listed = Path(words) / "vocab.txt"
    tokenizer = transformers.BertTokenizer(str(listed)) if listed.is_file() else transformers.AutoTokenizer.from_pretrained(words)
    texts.get_tokenlizer = lambda _: tokenizer
    texts.get_pretrained_language_model = lambda _: _bert(transformers, tensors)
    sizes = _swin_sizes(tensors)
    backbones.build_swin_transformer = lambda _name, pretrain_img_size, **rest: swin.SwinTransformer(pretrain_img_size, **sizes, **rest)
    return models.build_model(settings)


def _bert(transformers: Any, tensors: Mapping[str, Any]) -> Any:
    count, width = tensors["bert.embeddings.word_embeddings.weight"].shape
    model = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=count,
            hidden_size=width,
            num_hidden_layers=_count(tensors, r"bert\.encoder\.layer\.(\d+)\."),
            num_attention_heads=max(1, width // HEAD_WIDTH),
            intermediate_size=tensors["bert.encoder.layer.0.intermediate.dense.weight"].shape[0],
            max_position_embeddings=tensors["bert.embeddings.position_embeddings.weight"].shape[0],
            attn_implementation="eager",
        )
    )
    for name, method in (("get_extended_attention_mask", _added_mask), ("get_head_mask", _no_head_mask), ("invert_attention_mask", None)):
        if not hasattr(model, name):  # transformers 5 has none; the package asks for them
            setattr(model, name, method)
    kind = type(model.config)  # transformers 5 warns of this at each pass
    model.config.__class__ = type(kind.__name__, (kind,), {"use_return_dict": True})
    return model


def _added_mask(mask: Any, _shape: Any, _device: Any = None) -> Any:
    """(B, T, T) true where a token sees another -> (B, 1, T, T) to add to its attention, as transformers 4 has it."""
    import torch

    return (1.0 - mask[:, None].float()) * torch.finfo(torch.float32).min


def _no_head_mask(_mask: Any, layers: int) -> list[None]:
    return [None] * layers


def _swin_sizes(tensors: Mapping[str, Any]) -> dict[str, Any]:
    stages = range(_count(tensors, r"backbone\.0\.layers\.(\d+)\."))
    tables = [tensors[f"backbone.0.layers.{each}.blocks.0.attn.relative_position_bias_table"] for each in stages]
    return {
        "embed_dim": tensors["backbone.0.patch_embed.proj.weight"].shape[0],
        "depths": [_count(tensors, rf"backbone\.0\.layers\.{each}\.blocks\.(\d+)\.") for each in stages],
        "num_heads": [each.shape[1] for each in tables],
        "window_size": (math.isqrt(tables[0].shape[0]) + 1) // 2,
    }


def _count(tensors: Mapping[str, Any], pattern: str) -> int:
    return 1 + max(int(found[1]) for name in tensors if (found := re.match(pattern, name)))


def _shared(model: Any) -> set[str]:
    """Other names of tensors that several parts hold: a checkpoint may have one name only."""
    names: dict[int, list[str]] = {}
    for name, each in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(each), []).append(name)
    return {name for each in names.values() for name in each[1:]}


@contextmanager
def stand_ins() -> Iterator[None]:
    """What the package imports and is not here, while it is imported: of these a forward pass uses DropPath and to_2tuple alone."""
    import torch
    import transformers

    for name in ("AutoTokenizer", "BertModel", "BertTokenizer", "RobertaModel", "RobertaTokenizerFast"):
        getattr(transformers, name)  # read before: it looks for torchvision, and would take a stand-in for it

    class DropPath(torch.nn.Identity):
        def __init__(self, share: float = 0.0) -> None:
            super().__init__()

    anything: Any = object
    contents: dict[str, dict[str, Any]] = {
        "torchvision": {"__version__": "0.99.0", "_is_tracing": lambda: False},
        "torchvision.ops": {"box_convert": None},
        "torchvision.ops.boxes": {"nms": None, "box_area": None},
        "torchvision.models": {},
        "torchvision.models._utils": {"IntermediateLayerGetter": anything},
        "torchvision.transforms": {},
        "torchvision.transforms.functional": {},
        "timm": {},
        "timm.models": {},
        "timm.models.layers": {
            "DropPath": DropPath, "to_2tuple": lambda side: (side, side), "trunc_normal_": torch.nn.init.trunc_normal_
        },
        "supervision": {}, "termcolor": {"colored": lambda text, *_, **__: text}, "pycocotools": {}, "pycocotools.mask": {},
        "addict": {"Dict": dict}, "yapf": {}, "yapf.yapflib": {}, "yapf.yapflib.yapf_api": {"FormatCode": None},
        "cv2": {}, "matplotlib": {"transforms": None}, "matplotlib.pyplot": {}, "matplotlib.collections": {"PatchCollection": anything},
        "matplotlib.patches": {"Polygon": anything},
    }  # fmt: skip
    absent = {top for top in {name.split(".")[0] for name in contents} if top not in sys.modules and importlib.util.find_spec(top) is None}
    placed = [name for name in contents if name.split(".")[0] in absent]
    for name in placed:
        module = types.ModuleType(name)
        module.__dict__.update(contents[name])
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
    try:
        yield
    finally:
        for name in placed:
            del sys.modules[name]


def serve(model: PackageModel, given: IO[bytes], answers: IO[bytes]) -> None:
    """A line of JSON each way, floats and pixels behind it, until the stream ends."""
    import numpy as np

    write_message(answers, model.describe())
    while (asked := read_message(given)) is not None:
        try:
            if "encode" in asked:
                write_message(answers, {"ids": model.encode(asked["encode"])})
                continue
            height, width = asked["size"]
            pixels = np.frombuffer(given.read(height * width * 3), np.uint8).reshape(height, width, 3)
            probabilities, boxes = model.answer(pixels, asked["caption"])
            write_message(answers, {"shape": list(probabilities.shape)}, probabilities.tobytes() + boxes.tobytes())
        except (RuntimeError, ValueError, IndexError) as error:
            write_message(answers, {"error": str(error).splitlines()[0] if str(error) else type(error).__name__})


def write_message(stream: IO[bytes], message: Mapping[str, Any], data: bytes = b"") -> None:
    line = json.dumps(message).encode()
    stream.write(struct.pack("<Q", len(line)) + line + data)
    stream.flush()


def read_message(stream: IO[bytes]) -> dict[str, Any] | None:
    """None at the end of the stream."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    (length,) = struct.unpack("<Q", head)
    return dict(json.loads(stream.read(length)))


def main() -> None:
    """argv: a folder that goes before all others on the path, and the model's arguments as JSON."""
    import os

    sys.path.insert(0, sys.argv[1])
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the package prints belongs to people
    wish = json.loads(sys.argv[2])
    try:
        model = PackageModel(wish.pop("weights"), wish.pop("config"), **wish)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other side wants a sentence
        write_message(answers, {"error": f"{type(error).__name__}: {(str(error).splitlines() or ['?'])[0]}"})
        return
    serve(model, sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
