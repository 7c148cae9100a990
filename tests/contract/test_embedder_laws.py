"""The laws of dinolabel.testing for every file in dinolabel/vision/embedders, with tiny random weights and with `nano` where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dinolabel.testing import check_embedder
from dinolabel.testing.embedders import EMBEDDER_LAWS, drawn_crops
from dinolabel.vision.loading.weights import NANO, NANO_FOLDER
from dinolabel.vision.plugins import load_embedder, names
from dinolabel.vision.protocols import Embedder
from dinolabel.vision.types import Crop
from tests import faces
from tests.tiny_models import tiny

CROPS = drawn_crops()


def weights() -> Iterator[tuple[str, str]]:
    for plug in names("embedder"):
        if plug == faces.PLUG:
            yield from [(plug, plug)] if faces.INSTALLED else []
            continue
        yield plug, "tiny"
        if plug == "dinov2" and (NANO_FOLDER / "embedder" / "config.json").is_file():
            yield plug, NANO


@pytest.fixture(scope="module", params=list(weights()), ids="-".join)
def embedders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Embedder]:
    plug, which = request.param
    folders = [which] if which in (NANO, faces.PLUG) else [str(each) for each in tiny("embedder", plug, tmp_path_factory.mktemp(plug))]
    return [load_embedder(plug, folder, device="cpu") for folder in folders]


def test_there_is_an_embedder() -> None:
    assert "dinov2" in names("embedder")


@pytest.mark.parametrize("law", EMBEDDER_LAWS, ids=lambda law: law.__name__)
def test_a_law(embedders: list[Embedder], law: Callable[[Embedder, Sequence[Crop]], None]) -> None:
    for embedder in embedders:
        law(embedder, CROPS)


def test_each_weights_have_a_digest_of_their_own(embedders: list[Embedder]) -> None:
    assert len({embedder.digest for embedder in embedders}) == len(embedders)


def test_an_embedder_of_ours_by_the_suite_that_others_call(tmp_path: Path) -> None:
    folder = str(tiny("embedder", "onnx", tmp_path)[0])
    check_embedder(lambda: load_embedder("onnx", folder, device="cpu"))


def test_digest_follows_weights_preprocessing_and_precision(tmp_path: Path) -> None:
    for plug in sorted(set(names("embedder")) - {faces.PLUG}):  # its files have the digests that they must have
        folder = tiny("embedder", plug, tmp_path / plug)[0]
        if folder.is_file():
            continue  # one file decides its own precision: tests/unit/vision/test_onnx.py has this law for it
        same = [load_embedder(plug, str(folder), device="cpu").digest for _ in range(2)]
        coarser = load_embedder(plug, str(folder), device="cpu", precision="bfloat16").digest
        processor = folder / "preprocessor_config.json"
        processor.write_text(processor.read_text().replace("0.485", "0.5"))
        paler = load_embedder(plug, str(folder), device="cpu").digest
        weights_file = next(folder.glob("*.safetensors"))
        content = bytearray(weights_file.read_bytes())
        content[-1] ^= 1
        weights_file.write_bytes(content)
        changed = load_embedder(plug, str(folder), device="cpu").digest
        assert same[0] == same[1]
        assert len({same[0], coarser, paler, changed}) == 4
