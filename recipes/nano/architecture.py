"""The nano GroundingDINO: its size, an initialisation that learns from nothing, and its shipped form.

Everything it builds is a stock transformers class.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from transformers import (
    BertConfig,
    BertTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoProcessor,
    ResNetConfig,
)
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import GroundingDinoImageProcessorPil
from transformers.models.grounding_dino.modeling_grounding_dino import GroundingDinoFrozenBatchNorm2d

from recipes.nano.prompts import PAD, WORDS, write_word_list
from recipes.nano.vocabulary import load_nouns

SHORT_EDGE, LONG_EDGE = 208, 272
PRIOR = 2.1  # planted on dimension 0 of either side: a logit of -2.1 * 2.1 = -4.4 for everything at first
TEXT_GAIN = 0.1  # the head is a raw dot product of two LayerNorms: without it logits start at sqrt(d_model)


def detector_config() -> GroundingDinoConfig:
    backbone = ResNetConfig(
        layer_type="basic", embedding_size=32, hidden_sizes=[32, 64, 128, 192], depths=[1, 2, 2, 1],
        out_features=["stage3", "stage4"],
    )  # fmt: skip
    text = BertConfig(
        hidden_size=96, num_hidden_layers=2, num_attention_heads=4, intermediate_size=192, vocab_size=WORDS,
        max_position_embeddings=256, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, pad_token_id=PAD,
    )  # fmt: skip
    return GroundingDinoConfig(
        backbone_config=backbone, text_config=text, d_model=128, encoder_layers=2, decoder_layers=3,
        encoder_ffn_dim=256, decoder_ffn_dim=256, encoder_attention_heads=4, decoder_attention_heads=4,
        num_feature_levels=3, encoder_n_points=2, num_queries=64, dropout=0.0, fusion_droppath=0.0, max_text_len=256,
    )  # fmt: skip


def build_detector() -> GroundingDinoForObjectDetection:
    """Randomly initialised and fully trainable."""
    model = GroundingDinoForObjectDetection(detector_config())
    with torch.no_grad():
        start_gently(model)
    thaw_batch_norm(model)
    return model.requires_grad_(True)


def start_gently(model: GroundingDinoForObjectDetection) -> None:
    """What transformers' own initialisation lacks for learning from scratch (it was made for fine-tuning)."""
    for layer in model.model.encoder.layers:
        layer.fusion_layer.vision_param.fill_(0.3)  # 1e-4 by default: fusion would sleep through a short run
        layer.fusion_layer.text_param.fill_(0.03)
    text_norm = model.model.encoder.layers[-1].text_enhancer_layer.layer_norm_after
    text_norm.weight.fill_(TEXT_GAIN)
    text_norm.weight[0], text_norm.bias[0] = 0.0, PRIOR
    # Vision norms keep gain 1: the decoder's box refinement reads hidden states on both sides of the norm.
    for norm in (model.model.enc_output_norm, model.model.decoder.layer_norm):
        norm.weight[0], norm.bias[0] = 0.0, -PRIOR
    nn.init.normal_(model.model.query_position_embeddings.weight, std=0.5)


def thaw_batch_norm(module: nn.Module) -> None:
    """GroundingDINO freezes BatchNorm for pretrained backbones; from scratch it must learn. The saved keys are the same."""
    for name, child in module.named_children():
        if isinstance(child, GroundingDinoFrozenBatchNorm2d):
            live = nn.BatchNorm2d(child.weight.shape[0], momentum=0.05)
            setattr(module, name, live)
        else:
            thaw_batch_norm(child)


def build_processor(folder: Path) -> GroundingDinoProcessor:
    words = folder / "vocab.txt"
    words.write_text("\n".join(write_word_list(load_nouns())) + "\n", encoding="utf-8")
    tokenizer = BertTokenizer(vocab=str(words), do_lower_case=True, model_max_length=256)
    image = GroundingDinoImageProcessorPil(size={"shortest_edge": SHORT_EDGE, "longest_edge": LONG_EDGE})
    return GroundingDinoProcessor(image_processor=image, tokenizer=tokenizer)


def export_detector(weights: dict[str, torch.Tensor], folder: Path) -> None:
    """fp16 safetensors and the processor, as `from_pretrained` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    stock = GroundingDinoForObjectDetection(detector_config())
    kept = {k: v for k, v in weights.items() if not k.endswith("num_batches_tracked")}
    stock.load_state_dict(kept)
    stock.half().save_pretrained(folder)
    build_processor(folder).save_pretrained(folder)
