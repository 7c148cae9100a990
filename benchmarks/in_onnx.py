"""What of a model goes into ONNX, how near its answers are, and what they cost.   python -m benchmarks.in_onnx [DETECTOR [EMBEDDER]]

Weights as settings name them (`nano` without). Exports the embedder with its head, and the detector for one picture's size and one
prompt; runs each in onnxruntime and in torch in turns, on one thread, and prints largest differences and CPU seconds (medians).
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from transformers.models.grounding_dino import modeling_grounding_dino as modeling

from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.detectors import grounding_dino
from dinolabel.vision.embedders import dinov2
from dinolabel.vision.embedders import onnx as onnx_embedder
from dinolabel.vision.heads import linear
from dinolabel.vision.loading.weights import NANO, NANO_FOLDER, locate, obtain
from dinolabel.vision.proposals.token_spans import chunk_prompt
from dinolabel.vision.types import Crop, Prompt

SCENE = NANO_FOLDER / "demo" / "scene-000.jpg"
PROMPT = Prompt.of(["cat face"])
OPSET = 17
TURNS = 15


class Embedding(torch.nn.Module):
    """(N, 3, S, S) normalised -> (N, D), before the norm."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.model(pixel_values=image).last_hidden_state[:, 0]


class Naming(torch.nn.Module):
    """The same, then the norm and a linear head: (N, labels) logits."""

    def __init__(self, embedding: Embedding, weight: Any, bias: Any) -> None:
        super().__init__()
        self.embedding = embedding
        self.weight, self.bias = (torch.nn.Buffer(torch.as_tensor(np.asarray(each, np.float32))) for each in (weight, bias))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(self.embedding(image)) @ self.weight.T + self.bias


class Detecting(torch.nn.Module):
    """Pixels and token ids -> logits and boxes. The text's masks are constants: what makes them has no counterpart in ONNX."""

    def __init__(self, model: Any, ids: torch.Tensor) -> None:
        super().__init__()
        self.model = model
        self.made = modeling.generate_masks_with_special_tokens_and_transfer_map(ids, special_tokens=model.model.special_tokens)

    def forward(self, pixels: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        before = modeling.generate_masks_with_special_tokens_and_transfer_map, torch.special.logit
        modeling.generate_masks_with_special_tokens_and_transfer_map = lambda *_, **__: tuple(each.clone() for each in self.made)
        torch.special.logit = _logit
        try:
            out = self.model(pixel_values=pixels, pixel_mask=torch.ones(pixels[:, 0].shape, dtype=torch.long), input_ids=ids)
        finally:
            modeling.generate_masks_with_special_tokens_and_transfer_map, torch.special.logit = before
        return out.logits, out.pred_boxes


def _logit(share: torch.Tensor, eps: float) -> torch.Tensor:
    inside = share.clamp(eps, 1 - eps)
    return torch.log(inside / (1 - inside))


def exported(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], path: Path, names: list[str], *, free: bool = False) -> Any:
    """An onnxruntime session on one thread. free: any number of pictures."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        axes = {names[0]: {0: "N"}, "out": {0: "N"}} if free else None
        outputs = ["out"] if free else ["logits", "boxes"]
        how: dict[str, Any] = {"input_names": names, "output_names": outputs, "dynamic_axes": axes, "dynamo": False}
        torch.onnx.export(module.eval(), inputs, str(path), opset_version=OPSET, **how)
    mend(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def mend(path: Path) -> None:
    """torch's exporter writes the grids of GridSample as doubles, which onnxruntime refuses as "not implemented": make them floats."""
    model = onnx.load(path)
    nodes = []
    for node in model.graph.node:
        if node.op_type == "GridSample":
            single = f"{node.input[1]}/{node.name}/float"
            nodes.append(onnx.helper.make_node("Cast", [node.input[1]], [single], to=onnx.TensorProto.FLOAT))
            node.input[1] = single
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)


def in_turns(*calls: Callable[[], object]) -> list[float]:
    """CPU seconds of each, medians."""
    spent: list[list[float]] = [[] for _ in calls]
    for turn in range(TURNS + 2):
        for call, times in zip(calls, spent, strict=True):
            began = time.process_time()
            call()
            if turn > 1:
                times.append(time.process_time() - began)
    return [statistics.median(each) for each in spent]


def _folder(weights: str, kind: str) -> str:
    return str(obtain(locate(weights, kind)).path)


def embedder(weights: str, folder: Path) -> None:
    ours = dinov2.build(_folder(weights, "embedder"), device="cpu", precision="float32", feature="cls")
    side = ours.preprocessing["side"]
    whole = open_image(SCENE).pixels
    crops = [Crop(np.ascontiguousarray(whole[y : y + 120, x : x + 120])) for y in (0, 120, 240) for x in (0, 120, 240)][:8]
    path = folder / "embedder.onnx"
    exported(Embedding(ours._model), (torch.randn(2, 3, side, side),), path, ["image"], free=True)
    scales = {name: [255 * each for each in ours.preprocessing[name]] for name in ("mean", "std")}
    path.with_suffix(".json").write_text(json.dumps({"side": side, "order": "RGB", **scales}))
    plug = onnx_embedder.build(str(path), device="cpu")
    say("embedder", ours.weights, path, np.abs(ours.embed(crops) - plug.embed(crops)).max(), "of 8 embeddings, by our plug `onnx`")
    pixels = ours.pixels(crops).numpy()
    session = exported(Embedding(ours._model), (torch.from_numpy(pixels),), path, ["image"], free=True)
    cost(lambda: ours._forward(crops), lambda: session.run(None, {"image": ours.pixels(crops).numpy()}))
    head = linear.build().fit(ours.embed(crops), ["a", "b"] * 4)
    naming = Naming(Embedding(ours._model), *(head.arrays()[name] for name in ("weights", "bias")))
    named = exported(naming, (torch.from_numpy(pixels),), folder / "named.onnx", ["image"], free=True)
    differ = np.abs(named.run(None, {"image": pixels})[0] - head.logits(ours.embed(crops))).max()
    say("embedder and head", "linear", folder / "named.onnx", differ, "of the logits")


def detector(weights: str, folder: Path) -> None:
    ours = grounding_dino.build(_folder(weights, "detector"), device="cpu", precision="float32")
    image = open_image(SCENE)
    ((_, size),) = ours._batches([image])
    pixels, _ = ours._pixels([image], size)
    (run,) = chunk_prompt(PROMPT, ours._encode, ours._marks, room=ours._model.config.max_text_len)
    ids = torch.tensor([run.ids])
    module, path = Detecting(ours._model, ids).eval(), folder / "detector.onnx"
    session = exported(module, (pixels, ids), path, ["pixels", "ids"])
    given = {"pixels": pixels.numpy(), "ids": ids.numpy()}

    def torchs() -> Any:
        with torch.inference_mode():
            return ours._model(pixel_values=pixels, input_ids=ids)

    out = torchs()
    logits, boxes = session.run(None, given)
    length = len(run.ids)
    scores = [1 / (1 + np.exp(-each[..., :length])) for each in (out.logits.numpy(), logits)]
    differ = max(np.abs(scores[0] - scores[1]).max(), np.abs(out.pred_boxes.numpy() - boxes).max())
    say("detector", f"{ours.weights}, {size[1]} x {size[0]}", path, differ, "of scores and boxes (shares of the image)")
    cost(torchs, lambda: session.run(None, given))


def say(what: str, of: str, path: Path, differ: float, where: str) -> None:
    size = path.stat().st_size / 1e6
    sys.stdout.write(f"{what} ({of}): {size:.1f} MB, opset {OPSET}; largest difference {differ:.1e} {where}\n")


def cost(torchs: Callable[[], object], onnxs: Callable[[], object]) -> None:
    ours, theirs = in_turns(torchs, onnxs)
    sys.stdout.write(f"  CPU seconds in turns: torch {ours:.4f}, onnxruntime {theirs:.4f} ({ours / theirs:.2f} times less)\n")


def main(detects: str = NANO, embeds: str = NANO) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        embedder(embeds, Path(folder))
        detector(detects, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:3])
