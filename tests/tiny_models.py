"""Tiny random GroundingDINO, OWLv2 and DINOv2 folders of the stock classes, so that tests of loading and of laws need no hub.

Weights are drawn from a seed; the vocabulary is BERT's layout with a few words and all letters.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import (
    BertConfig,
    BertTokenizer,
    BitImageProcessorPil,
    CLIPTokenizer,
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    DINOv3ConvNextConfig,
    DINOv3ConvNextModel,
    DINOv3ViTConfig,
    DINOv3ViTModel,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessorPil,
    GroundingDinoProcessor,
    MMGroundingDinoConfig,
    MMGroundingDinoForObjectDetection,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessorPil,
    Owlv2Processor,
    ResNetConfig,
    Sam3Config,
    Sam3LiteTextConfig,
    Sam3LiteTextModel,
    Sam3Model,
    SwinConfig,
)

import run
from dinolabel.vision.detectors.student import MODEL_TYPE
from dinolabel.vision.detectors.student.dense import DenseStudent
from dinolabel.vision.students.student import CONFIG, DENSE, WEIGHTS_FILE, Student
from tests.parity import official

SPECIAL = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}
WORDS = ("human", "face", "cat", "dog", "red", "car", "hand", "##s", "-", "'")
LETTERS = [*map(chr, range(ord("a"), ord("z") + 1)), *"0123456789"]


def tiny(kind: str, plug: str, folder: Path) -> list[Path]:
    """Folders of weights to try a plug with; a new plug gets its line here."""
    if (kind, plug) == ("detector", "grounding_dino"):
        made = [tiny_detector(folder / model_type, kind=model_type) for model_type in ("grounding-dino", "mm-grounding-dino")]
        return [*made, tiny_detector(folder / "llmdet", kind="mm-grounding-dino", seed=1, swin=True)]
    if (kind, plug) == ("detector", "owlv2"):
        return [tiny_owlv2(folder / "owlv2"), tiny_owlv2(folder / "owlv2-larger", side=128, seed=1)]
    if (kind, plug) == ("detector", "groundingdino_py"):
        groundingdino_package()
        return [tiny_pth(folder / "one" / "groundingdino_tiny.pth"), tiny_pth(folder / "other" / "groundingdino_other.pth", queries=15)]
    if (kind, plug) == ("detector", "student"):
        return [tiny_student(folder / "student"), tiny_student(folder / "swin", seed=1, swin=True)]
    if (kind, plug) == ("detector", "sam3"):
        return [tiny_sam3(folder / "sam3"), tiny_sam3(folder / "sam3-litetext", lite=True, seed=1)]
    if (kind, plug) == ("embedder", "dinov3"):
        return [tiny_dinov3(folder / "vit", registers=4), tiny_dinov3(folder / "plain", seed=1), tiny_convnext(folder / "convnext")]
    if (kind, plug) == ("embedder", "dinov2"):
        return [tiny_embedder(folder / "dinov2"), tiny_embedder(folder / "registers", registers=2)]
    if (kind, plug) == ("embedder", "onnx"):
        return [tiny_onnx(folder / "any.onnx", batch="N", order="BGR"), tiny_onnx(folder / "single.onnx", batch=1)]
    raise NotImplementedError(f"tests/tiny_models.py builds no tiny weights for the {kind} {plug}: add them, so that its laws are tested")


BLOBS = '''"""A detector in one file: the box of whatever is darker than a threshold."""

import hashlib

import numpy as np

from dinolabel.vision.proposals.candidates import MAX_CANDIDATES, MIN_SCORE, Candidate
from dinolabel.vision.types import Box

WEIGHTS = {needs!r}


class Blobs:
    name, device, precision = "blobs", "cpu", "float32"

    def __init__(self, weights):
        self.weights, self.digest = "blobs", hashlib.sha256(weights.encode()).hexdigest()

    def candidates(self, images, prompt, *, floor=MIN_SCORE, most=MAX_CANDIDATES):
        return [[Candidate(self._box(image.pixels), prompt.phrases[0], 0.9, 0.9)] for image in images]

    def _box(self, pixels):
        rows, columns = np.nonzero(pixels.min(axis=2) < 128)
        return Box(float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))


def build(weights, *, device="auto", precision="auto", input_size=None):
    return Blobs(weights)
'''


def blobs_plug(folder: Path, *, needs: str) -> Path:
    """A folder with a plug of one file, `blobs`, that nobody here knows. needs: what it says of its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "blobs.py").write_text(BLOBS.replace("{needs!r}", repr(needs)), encoding="utf-8")
    return folder


def vocabulary(size: int = 1100) -> list[str]:
    """So many entries: BERT's special ids, words from 200, letters and their continuations from 300."""
    words = [f"[unused{number}]" for number in range(size)]
    placed = {**SPECIAL, **dict(enumerate(WORDS, 200)), **dict(enumerate(LETTERS + [f"##{each}" for each in LETTERS], 300))}
    for number, word in placed.items():
        words[number] = word
    return words


def tiny_detector(folder: Path, *, kind: str = "grounding-dino", seed: int = 0, queries: int = 20, swin: bool = False) -> Path:
    """A folder that loads like a real checkpoint; kind is `grounding-dino` or `mm-grounding-dino`. Sees 96..160 pixels.

    swin: with the backbone of the published weights (MM-GroundingDINO's and LLMDet's among them), else a ResNet's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    parts: dict[str, Any] = {
        "backbone_config": _swin() if swin else _resnet(),
        "text_config": BertConfig(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=1100, max_position_embeddings=64
        ),
    }
    sizes = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "num_feature_levels": 3, "num_queries": queries}
    stock = {
        "grounding-dino": (GroundingDinoConfig, GroundingDinoForObjectDetection),
        "mm-grounding-dino": (MMGroundingDinoConfig, MMGroundingDinoForObjectDetection),
    }
    config_class, model_class = stock[kind]
    model = model_class(config_class(**parts, **sizes, **heads, max_text_len=48))
    _spread(model, gain=0.4 if kind == "grounding-dino" else 2.0)
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    tokenizer = BertTokenizer(vocab=str(folder / "vocab.txt"), do_lower_case=True)
    processor = GroundingDinoImageProcessorPil(size={"shortest_edge": 96, "longest_edge": 160})
    if kind == "grounding-dino":  # processor_config.json, as transformers 5 writes it
        GroundingDinoProcessor(processor, tokenizer).save_pretrained(folder)
    else:  # preprocessor_config.json, as most checkpoints of the hub have it
        tokenizer.save_pretrained(folder)
        processor.save_pretrained(folder)
    return folder


def _resnet() -> ResNetConfig:
    return ResNetConfig(
        layer_type="basic", embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], out_features=["stage3", "stage4"]
    )


def _swin() -> SwinConfig:
    return SwinConfig(embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, image_size=128, out_indices=[3, 4])


def groundingdino_package() -> Path:
    """groundingdino-py alone (82 kB), in a folder that is from now on on this process's path; it is installed there once."""
    folder = run.ROOT / ".cache" / "groundingdino-py-0.4.0"
    if not folder.is_dir():
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
        half = folder.with_name(f"{folder.name}.{os.getpid()}")
        command = [sys.executable, "-m", "pip", "install", *options, "--target", str(half), "groundingdino-py==0.4.0"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"groundingdino-py cannot be had: {done.stderr.strip().splitlines()[-1]}")
        with suppress(OSError):  # another process was quicker
            half.rename(folder)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return folder


def tiny_pth(path: Path, *, queries: int = 20) -> Path:
    """A `.pth` file of groundingdino-py's tiny network, with its config and vocabulary beside it. Weights are drawn by their names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shapes = json.loads((run.ROOT / "tests" / "fixtures" / "groundingdino_py" / "names.json").read_text())
    shapes["transformer.tgt_embed.weight"][0] = queries
    torch.save({"model": {f"module.{name}": value for name, value in official.drawn(shapes).items()}}, path)
    theirs = (groundingdino_package() / "groundingdino" / "config" / "GroundingDINO_SwinT_OGC.py").read_text()
    path.with_suffix(".py").write_text(f"{theirs}\nenc_layers = dec_layers = 2\ndim_feedforward = 64\nnum_queries = {queries}\n")
    (path.parent / "vocab.txt").write_text("\n".join(vocabulary(1200)) + "\n", encoding="utf-8")
    return path


def clip_tokens() -> list[str]:
    """A vocabulary of single letters in CLIP's layout, its two marks last."""
    return ["!", *LETTERS, *(f"{each}</w>" for each in [*LETTERS, "?", "."]), "<|startoftext|>", "<|endoftext|>"]


def tiny_owlv2(folder: Path, *, seed: int = 0, side: int = 96) -> Path:
    """OWLv2 with patches of 16 in a square of `side` pixels; it reads 16 tokens, single letters."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    tokens = clip_tokens()
    ids, marks = {token: number for number, token in enumerate(tokens)}, tokens[-2:]
    width = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    words = {"vocab_size": len(tokens), "bos_token_id": ids[marks[0]], "eos_token_id": ids[marks[1]], "max_position_embeddings": 16}
    model = Owlv2ForObjectDetection(
        Owlv2Config(text_config=width | words, vision_config=width | {"image_size": side, "patch_size": 16}, projection_dim=16)
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.normal_(std=0.1 if "box_head" in name or "logit" in name else 0.3)
        model.box_head.dense2.bias.copy_(torch.tensor([0.0, 0.0, 1.0, 1.0]))  # larger than a patch
        model.class_head.logit_scale.bias.fill_(2.0)
    model.save_pretrained(folder)
    processor = Owlv2ImageProcessorPil(size={"height": side, "width": side})
    Owlv2Processor(processor, CLIPTokenizer(vocab=ids, merges=[], model_max_length=16)).save_pretrained(folder)
    return folder


def tiny_sam3(folder: Path, *, seed: int = 0, side: int = 96, lite: bool = False) -> Path:
    """SAM 3 with patches of 16 in a square of `side` pixels and 20 queries, or its Lite; it reads 24 tokens, single letters."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    tokens = clip_tokens()
    width = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    words: dict[str, Any] = {"vocab_size": len(tokens), "projection_dim": 16, "max_position_embeddings": 24}
    words |= {} if lite else {"model_type": "clip_text_model", "bos_token_id": len(tokens) - 2, "eos_token_id": len(tokens) - 1}
    seen = {"model_type": "sam3_vit_model", "image_size": side, "patch_size": 16, "window_size": 3, "pretrain_image_size": 48}
    backbone = width | seen | {"global_attn_indexes": [1]}
    parts = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "num_layers": 2}
    config_class, model_class = (Sam3LiteTextConfig, Sam3LiteTextModel) if lite else (Sam3Config, Sam3Model)
    config: Any = config_class(
        vision_config={"model_type": "sam3_vision_model", "backbone_config": backbone, "fpn_hidden_size": 16},
        text_config=width | words,
        geometry_encoder_config=parts, detr_encoder_config=parts, detr_decoder_config=parts | {"num_queries": 20},
        mask_decoder_config={"hidden_size": 16, "num_attention_heads": 2},
    )  # fmt: skip
    model: Any = model_class(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.normal_(std=0.3)
            elif "presence_head" in name and name.endswith("bias"):
                weight.fill_(0.5)
    model.save_pretrained(folder)
    ids = {token: number for number, token in enumerate(tokens)}
    CLIPTokenizer(vocab=ids, merges=[], model_max_length=24).save_pretrained(folder)
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    processor = {"image_processor_type": "Sam3ImageProcessor", "size": {"height": side, "width": side}, **half}
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": processor, "processor_class": "Sam3Processor"}))
    return folder


def tiny_dinov3(folder: Path, *, seed: int = 0, registers: int = 0) -> Path:
    """DINOv3 of width 16 with patches of 16, which takes 48 pixels."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 48}
    return _dinov3(DINOv3ViTModel(DINOv3ViTConfig(**sizes, num_register_tokens=registers)), folder)


def tiny_convnext(folder: Path, *, seed: int = 2) -> Path:
    """DINOv3's ConvNeXt of four stages, which takes 64 pixels: a map of 2 x 2."""
    torch.manual_seed(seed)
    model = DINOv3ConvNextModel(DINOv3ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], image_size=64))
    return _dinov3(model, folder, side=64)


def _dinov3(model: Any, folder: Path, *, side: int = 48) -> Path:
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.uniform_(0.2, 1.8)
            else:
                weight.normal_(std=0.3)
    model.save_pretrained(folder)
    imagenet = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    processor = {"image_processor_type": "DINOv3ViTImageProcessorFast", "size": {"height": side, "width": side}, **imagenet}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def tiny_embedder(folder: Path, *, seed: int = 0, registers: int = 0) -> Path:
    """DINOv2 of width 16 with patches of 14; like the real ones its processor would cut the centre out, which we never do."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_ratio": 2, "image_size": 56, "patch_size": 14}
    model: Any = Dinov2Model(Dinov2Config(**sizes))
    if registers:
        model = Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**sizes, num_register_tokens=registers))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.uniform_(0.2, 1.8)
            else:
                weight.normal_(std=0.3)
    model.save_pretrained(folder)
    BitImageProcessorPil(
        size={"shortest_edge": 64},
        crop_size={"height": 56, "width": 56},
        do_center_crop=True,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(folder)
    return folder


def tiny_onnx(path: Path, *, batch: str | int = "N", order: str = "RGB", side: int = 8, dim: int = 12, seed: int = 0) -> Path:
    """An ONNX file that multiplies an 8 x 8 picture with random weights, and the JSON beside it that says how pixels go in."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save

    path.parent.mkdir(parents=True, exist_ok=True)
    matrix = np.random.default_rng(seed).normal(size=(3 * side * side, dim)).astype(np.float32)
    offset = np.random.default_rng(seed + 1).normal(size=dim).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "matrix"], ["projected"]),
        helper.make_node("Add", ["projected", "offset"], ["features"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, dim])],
        [numpy_helper.from_array(matrix, "matrix"), numpy_helper.from_array(offset, "offset")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    path.with_suffix(".json").write_text(json.dumps({"order": order, "mean": [120, 110, 100], "std": [60, 60, 60]}))
    return path


def _spread(model: torch.nn.Module, *, gain: float) -> None:
    """Random boxes of all sizes and scores all over 0..1, where the stock start gives one score and a grid of boxes."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "bbox_embed" in name:
                weight.normal_(std=0.2)
            elif "layer_norm_after" in name and name.endswith("weight"):
                weight.fill_(gain)
            elif "class_embed" in name:
                weight.fill_(0.0)


def tiny_student(folder: Path, *, seed: int = 0, swin: bool = False, side: int = 96) -> Path:
    """A dense student of random weights that finds the words of dinolabel.testing's prompt everywhere."""
    teacher = tiny_detector(folder.with_name(f"{folder.name}-teacher"), seed=seed, swin=swin)
    torch.manual_seed(seed)
    eyes = json.loads((teacher / "config.json").read_text(encoding="utf-8"))
    phrases = {"human face": "person", "cat": "cat", "red car": "car"}
    network = DenseStudent(eyes, len(phrases))
    torch.nn.init.normal_(network.classes.weight, std=0.5)
    torch.nn.init.zeros_(network.classes.bias)
    torch.nn.init.normal_(network.boxes.weight, std=0.05)
    folder.mkdir(parents=True)
    save_file(network.state_dict(), folder / WEIGHTS_FILE)
    (folder / CONFIG).write_text(json.dumps({"model_type": MODEL_TYPE, "eyes": eyes}), encoding="utf-8")
    known = {"name": "gdino-tiny", "digest": "0" * 16, "weights": "tiny"}
    made = Student(DENSE, tuple(phrases.values()), phrases, side, 0.5, known, "2026-11-30T12:00:00+00:00", folder)
    made.save(folder)
    return folder
