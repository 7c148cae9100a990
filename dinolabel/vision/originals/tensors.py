"""GroundingDINO's own `.pth` files (Swin-T, Swin-B: what groundingdino-py reads) under transformers' names and settings.

The names are those that groundingdino-py 0.4.0's
model gives its tensors; `make parity` compares the two networks on equal weights.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from transformers import BertConfig, GroundingDinoConfig, SwinConfig

from dinolabel.vision.errors import ModelError, first_line

HEADS = 8  # of the detector's attention, in every published configuration: the tensors do not tell
HEAD_WIDTH = 64  # of BERT
UNUSED = re.compile(r"bert\.pooler\.|bert\.embeddings\.position_ids$|label_enc\.|.*relative_position_index$|.*attn_mask$")
SWIN = "model.backbone.conv_encoder.model."

RENAMES: tuple[tuple[str, str], ...] = (
    (r"backbone\.0\.patch_embed\.proj\.", SWIN + "swin.embeddings.patch_embeddings.projection."),
    (r"backbone\.0\.patch_embed\.norm\.", SWIN + "swin.embeddings.norm."),
    (r"backbone\.0\.norm(\d)\.", SWIN + r"hidden_states_norms.norm\1."),
    (r"backbone\.0\.layers\.(\d+)\.downsample\.", SWIN + r"swin.encoder.layers.\1.downsample."),
    (r"backbone\.0\.layers\.(\d+)\.blocks\.(\d+)\.attn\.proj\.", SWIN + r"swin.encoder.layers.\1.blocks.\2.attention.o_proj."),
    (
        r"backbone\.0\.layers\.(\d+)\.blocks\.(\d+)\.attn\.relative_position_bias_table",
        SWIN + r"swin.encoder.layers.\1.blocks.\2.attention.relative_position_bias.relative_position_bias_table",
    ),
    (r"backbone\.0\.layers\.(\d+)\.blocks\.(\d+)\.attn\.qkv\.", SWIN + r"swin.encoder.layers.\1.blocks.\2.attention.{qkv}."),
    (r"backbone\.0\.layers\.(\d+)\.blocks\.(\d+)\.norm1\.", SWIN + r"swin.encoder.layers.\1.blocks.\2.layernorm_before."),
    (r"backbone\.0\.layers\.(\d+)\.blocks\.(\d+)\.norm2\.", SWIN + r"swin.encoder.layers.\1.blocks.\2.layernorm_after."),
    (r"backbone\.0\.layers\.(\d+)\.blocks\.(\d+)\.mlp\.", SWIN + r"swin.encoder.layers.\1.blocks.\2.mlp."),
    (r"input_proj\.", "model.input_proj_vision."),
    (r"bert\.", "model.text_backbone."),
    (r"feat_map\.", "model.text_projection."),
    (r"bbox_embed\.", "bbox_embed."),
    (r"transformer\.level_embed", "model.level_embed"),
    (r"transformer\.tgt_embed\.", "model.query_position_embeddings."),
    (r"transformer\.enc_output\.", "model.enc_output."),
    (r"transformer\.enc_output_norm\.", "model.enc_output_norm."),
    (r"transformer\.enc_out_bbox_embed\.", "model.encoder_output_bbox_embed."),
    (r"transformer\.decoder\.norm\.", "model.decoder.layer_norm."),
    (r"transformer\.decoder\.ref_point_head\.", "model.decoder.reference_points_head."),
    (r"transformer\.decoder\.bbox_embed\.", "model.decoder.bbox_embed."),
    (r"transformer\.encoder\.layers\.(\d+)\.", r"model.encoder.layers.\1.deformable_layer."),
    (r"transformer\.encoder\.text_layers\.(\d+)\.", r"model.encoder.layers.\1.text_enhancer_layer."),
    (r"transformer\.encoder\.fusion_layers\.(\d+)\.", r"model.encoder.layers.\1.fusion_layer."),
    (r"transformer\.decoder\.layers\.(\d+)\.", r"model.decoder.layers.\1."),
)
"""From the start of an original name; the first that fits. `{qkv}` stands for three tensors that are stacked in one."""

INSIDE: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        r"(.*\.deformable_layer\.)(.*)",
        (("linear1.", "fc1."), ("linear2.", "fc2."), ("norm1.", "self_attn_layer_norm."), ("norm2.", "final_layer_norm.")),
    ),
    (
        r"(.*\.text_enhancer_layer\.)(.*)",
        (("linear1.", "fc1."), ("linear2.", "fc2."), ("norm1.", "layer_norm_before."), ("norm2.", "layer_norm_after.")),
    ),
    (
        r"(.*\.fusion_layer\.)(.*)",
        (
            ("gamma_v", "vision_param"),
            ("gamma_l", "text_param"),
            ("layer_norm_v.", "layer_norm_vision."),
            ("layer_norm_l.", "layer_norm_text."),
            ("attn.v_proj.", "attn.vision_proj."),
            ("attn.l_proj.", "attn.text_proj."),
            ("attn.values_v_proj.", "attn.values_vision_proj."),
            ("attn.values_l_proj.", "attn.values_text_proj."),
            ("attn.out_v_proj.", "attn.out_vision_proj."),
            ("attn.out_l_proj.", "attn.out_text_proj."),
        ),
    ),
    (
        r"(model\.decoder\.layers\.\d+\.)(.*)",
        (
            ("cross_attn.", "encoder_attn."),
            ("norm1.", "encoder_attn_layer_norm."),
            ("ca_text.", "encoder_attn_text."),
            ("catext_norm.", "encoder_attn_text_layer_norm."),
            ("norm2.", "self_attn_layer_norm."),
            ("linear1.", "fc1."),
            ("linear2.", "fc2."),
            ("norm3.", "final_layer_norm."),
        ),
    ),
)
"""What follows the layer's number in these rooms."""


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.pth` file by their original names. Nothing in it is run (weights_only). Raises ModelError."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, torch.serialization.pickle.UnpicklingError) as error:
        first = first_line(error)
        raise ModelError(f"{path.name} cannot be read as weights: {first}", hint="Download it again.") from error
    found = content.get("model", content) if isinstance(content, Mapping) else {}
    tensors = {str(name).removeprefix("module."): value for name, value in found.items() if isinstance(value, Tensor)}
    if "transformer.level_embed" not in tensors:
        raise ModelError(f"{path.name} holds no GroundingDINO weights.", hint="Expected is a .pth file of GroundingDINO's own repository.")
    return tensors


def converted(original: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors as transformers' GroundingDinoForObjectDetection names them. Raises ModelError on a name it does not know."""
    found: dict[str, Tensor] = {}
    for name, value in original.items():
        if not UNUSED.match(name):
            found |= _placed(_renamed(name), value)
    found |= {SWIN + f"swin.layernorm.{part}": value for part, value in _idle_norm(found).items()}
    return found


def configuration(original: Mapping[str, Tensor]) -> GroundingDinoConfig:
    """transformers' settings for these tensors, read off their shapes."""
    levels, width = original["transformer.level_embed"].shape
    per_query = original["transformer.encoder.layers.0.self_attn.attention_weights.weight"].shape[0]
    decoder_points = original["transformer.decoder.layers.0.cross_attn.attention_weights.weight"].shape[0]
    return GroundingDinoConfig(
        backbone_config=_swin(original),
        text_config=_bert(original),
        d_model=width,
        num_queries=original["transformer.tgt_embed.weight"].shape[0],
        num_feature_levels=levels,
        encoder_layers=_count(original, r"transformer\.encoder\.layers\.(\d+)\."),
        decoder_layers=_count(original, r"transformer\.decoder\.layers\.(\d+)\."),
        encoder_ffn_dim=original["transformer.encoder.layers.0.linear1.weight"].shape[0],
        decoder_ffn_dim=original["transformer.decoder.layers.0.linear1.weight"].shape[0],
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_n_points=per_query // (HEADS * levels),
        decoder_n_points=decoder_points // (HEADS * levels),
        max_text_len=256,
    )


def _swin(original: Mapping[str, Tensor]) -> SwinConfig:
    depths, heads, sides = [], [], []
    for stage in range(_count(original, r"backbone\.0\.layers\.(\d+)\.")):
        depths.append(_count(original, rf"backbone\.0\.layers\.{stage}\.blocks\.(\d+)\."))
        table = original[f"backbone.0.layers.{stage}.blocks.0.attn.relative_position_bias_table"]
        heads.append(table.shape[1])
        sides.append((math.isqrt(table.shape[0]) + 1) // 2)
    used = [stage for stage in range(len(depths)) if f"backbone.0.norm{stage}.weight" in original]
    return SwinConfig(
        embed_dim=original["backbone.0.patch_embed.proj.weight"].shape[0],
        depths=depths, num_heads=heads, window_size=sides[0], image_size=sides[0] * 32,
        out_indices=[stage + 1 for stage in used],
    )  # fmt: skip


def _bert(original: Mapping[str, Tensor]) -> BertConfig:
    words, width = original["bert.embeddings.word_embeddings.weight"].shape
    return BertConfig(
        vocab_size=words,
        hidden_size=width,
        num_hidden_layers=_count(original, r"bert\.encoder\.layer\.(\d+)\."),
        num_attention_heads=max(1, width // HEAD_WIDTH),
        intermediate_size=original["bert.encoder.layer.0.intermediate.dense.weight"].shape[0],
        max_position_embeddings=original["bert.embeddings.position_embeddings.weight"].shape[0],
    )


def _renamed(name: str) -> str:
    for pattern, replacement in RENAMES:
        changed, fits = re.subn("^" + pattern, replacement, name)
        if fits:
            return _inside(changed)
    raise ModelError(
        f"{name} is no tensor of GroundingDINO's.", hint="Expected are Swin-T or Swin-B weights as groundingdino-py reads them."
    )


def _inside(name: str) -> str:
    name = re.sub(r"hidden_states_norms\.norm(\d)", lambda found: f"hidden_states_norms.stage{int(found[1]) + 1}", name)
    for room, pairs in INSIDE:
        if found := re.fullmatch(room, name):
            for old, new in pairs:
                if found[2].startswith(old):
                    return found[1] + new + found[2].removeprefix(old)
    return name


def _placed(name: str, value: Tensor) -> dict[str, Tensor]:
    """One tensor, or the three that are stacked in it: queries, keys, values."""
    if "{qkv}" in name:
        return {name.replace("{qkv}", f"{part}_proj"): each for part, each in zip("qkv", value.chunk(3), strict=True)}
    if "in_proj_" in name:
        head, kind = name.split("in_proj_")
        return {f"{head}{part}.{kind}": each for part, each in zip(("query", "key", "value"), value.chunk(3), strict=True)}
    return {name: value}


def _idle_norm(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Swin's closing norm, which GroundingDINO does not use and transformers' backbone has."""
    width = found[SWIN + "swin.encoder.layers.0.downsample.norm.weight"].shape[0] // 4
    stages = 1 + max(int(m[1]) for name in found if (m := re.search(r"swin\.encoder\.layers\.(\d+)\.", name)))
    last = width * 2 ** (stages - 1)
    return {"weight": torch.ones(last), "bias": torch.zeros(last)}


def _count(original: Mapping[str, Tensor], pattern: str) -> int:
    return 1 + max((int(m[1]) for name in original if (m := re.match(pattern, name))), default=-1)
