"""groundingdino-py's own weights in our detector: what its network answered (recorded by tests/parity/official.py), ours answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GroundingDinoForObjectDetection

from dinolabel.vision.detectors.grounding_dino import GroundingDino, build
from dinolabel.vision.detectors.grounding_dino.forward import TokenForward
from dinolabel.vision.errors import ModelError, WeightsMissing
from dinolabel.vision.loading.weights import locate, obtain
from dinolabel.vision.originals import tensors as original
from dinolabel.vision.originals.convert import convert
from dinolabel.vision.types import Image, Prompt
from tests.parity.official import CAPTION, drawn, words_at

RECORDED = Path(__file__).resolve().parents[1] / "fixtures" / "groundingdino_py"
CLOSE = 1e-4  # of values around 1 to 5; measured: 4e-5


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return drawn(json.loads((RECORDED / "names.json").read_text()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, weights: dict[str, torch.Tensor]) -> Path:
    """The `.pth` file as training scripts leave it, converted."""
    root = tmp_path_factory.mktemp("original")
    words_at(root / "tokenizer")
    torch.save({"model": {f"module.{name}": value for name, value in weights.items()}, "epoch": 3}, root / "tiny.pth")
    return convert(root / "tiny.pth", root / "converted", tokenizer=str(root / "tokenizer"))


def test_equal_weights_give_equal_outputs(folder: Path) -> None:
    model = build(str(folder), device="cpu", precision="float32")._model
    with np.load(RECORDED / "outputs.npz") as kept:
        recorded = dict(kept)
    ids = torch.from_numpy(recorded["input_ids"])[None]
    with torch.no_grad():
        ours = model(pixel_values=torch.from_numpy(recorded["pixels"]), input_ids=ids, attention_mask=torch.ones_like(ids))
        own = TokenForward(model)
        encoded, _ = own.encode(torch.from_numpy(recorded["pixels"])[0], own.text(recorded["input_ids"].tolist()))
    logits = ours.enc_outputs_class.numpy()
    read = np.isfinite(recorded["logits"])
    assert (np.isfinite(logits) == read).all()
    for got, wanted in (
        (ours.encoder_last_hidden_state_vision.numpy(), recorded["vision"]),
        (ours.encoder_last_hidden_state_text.numpy(), recorded["text"]),
        (logits[read], recorded["logits"][read]),
        (encoded.memory.numpy()[None], recorded["vision"]),
        (encoded.words.numpy()[None], recorded["text"]),
        (encoded.best.numpy()[None], recorded["logits"].max(-1)),
    ):
        assert wanted.std() > 0.1
        np.testing.assert_allclose(got, wanted, atol=CLOSE * max(1.0, float(np.abs(wanted).max())))


@pytest.mark.parametrize(
    ("size", "backbone"),
    [
        ("swin_t", {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24], "window_size": 7, "image_size": 224}),
        ("swin_b", {"embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32], "window_size": 12, "image_size": 384}),
    ],
)
def test_the_published_sizes_fit_tensor_by_tensor(size: str, backbone: dict[str, Any]) -> None:
    """Names and shapes as groundingdino-py's own networks have them; without numbers in them, which are a gigabyte."""
    shapes = json.loads((RECORDED / f"names_{size}.json").read_text())
    tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    settings = original.configuration(tensors)
    assert {name: getattr(settings.backbone_config, name) for name in backbone} == backbone
    assert (settings.d_model, settings.num_queries, settings.num_feature_levels) == (256, 900, 4)
    with torch.device("meta"):
        model = GroundingDinoForObjectDetection(settings)
    model.load_state_dict(original.converted(tensors), assign=True)


def test_everybody_may_read_the_folder(folder: Path) -> None:
    """A service in a container is another user than the one who converted."""
    assert all(each.stat().st_mode & 0o044 == 0o044 for each in [folder, *folder.iterdir()])


def test_the_words_become_the_same_tokens(folder: Path) -> None:
    detector = build(str(folder), device="cpu")
    assert isinstance(detector, GroundingDino)
    with np.load(RECORDED / "outputs.npz") as kept:
        assert detector._tokenizer(CAPTION)["input_ids"] == kept["input_ids"].tolist()


def test_the_folder_detects(folder: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    (found,) = build(str(folder), device="cpu").candidates([Image.from_array(pixels)], Prompt.of(["red apple", "dog"]), floor=0.0)
    assert found and {each.phrase for each in found} <= {"red apple", "dog"}


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda w: {n: v for n, v in w.items() if n != "transformer.level_embed"}, "no GroundingDINO weights"),
        (lambda w: w | {"transformer.extra.weight": torch.zeros(1)}, "transformer.extra.weight"),
        (lambda w: {n: v for n, v in w.items() if n != "feat_map.bias"}, "text_projection.bias"),
        (lambda w: w | {"feat_map.bias": torch.zeros(3)}, "text_projection.bias"),
    ],
)
def test_other_weights_are_refused(tmp_path: Path, weights: dict[str, torch.Tensor], damage: Callable[[Any], Any], says: str) -> None:
    torch.save({"model": damage(dict(weights))}, tmp_path / "w.pth")
    words_at(tmp_path / "tokenizer")
    with pytest.raises(ModelError, match=says):
        convert(tmp_path / "w.pth", tmp_path / "out", tokenizer=str(tmp_path / "tokenizer"))
    assert not [each for each in tmp_path.iterdir() if "out" in each.name]


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("a pickle has run",)


def test_nothing_in_a_file_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": Trap()}, tmp_path / "evil.pth")
    with pytest.raises(ModelError, match=r"evil\.pth cannot be read"):
        original.read(tmp_path / "evil.pth")
    assert "has run" not in capsys.readouterr().out


def test_a_file_where_a_folder_belongs_says_how_to_convert(tmp_path: Path) -> None:
    (tmp_path / "swint.pth").write_bytes(b"")
    with pytest.raises(WeightsMissing) as caught:
        obtain(locate(str(tmp_path / "swint.pth"), "detector"))
    assert "dinolabel weights convert" in str(caught.value.hint)


def test_a_tokenizer_that_is_not_here_is_named(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    torch.save({"model": weights}, tmp_path / "w.pth")
    with pytest.raises(WeightsMissing, match="no-such-tokenizer"):
        convert(tmp_path / "w.pth", tmp_path / "out", tokenizer=str(tmp_path / "no-such-tokenizer"))
