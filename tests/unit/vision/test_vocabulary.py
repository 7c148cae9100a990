"""Words that a detector does not know are said, where a prompt is typed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinolabel.app.common.model_handle import ModelHandle
from dinolabel.app.tabs.image import BOXES_ONLY, ImageRequest, ImageTab
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.errors import PromptUnknown
from dinolabel.vision.loading.weights import NANO_FOLDER
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.plugins import load_detector
from dinolabel.vision.proposals.tiling import TiledDetector
from dinolabel.vision.proposals.vocabulary import find_unknown_phrases_by_weights, foreign_phrases, refuse_unknown
from dinolabel.vision.protocols import unknown_phrases
from dinolabel.vision.types import Prompt
from tests.doubles.scripted_models import ScriptedDetector
from tests.tiny_models import tiny_owlv2

PHRASES = ["cat face", "人脸", "cat 人脸", "😀", "лицо кошки", "zebra", "café", "قطة"]
UNKNOWN = ("人脸", "😀", "лицо кошки", "قطة")


def test_the_file_and_the_loaded_detector_agree() -> None:
    assert find_unknown_phrases_by_weights(NANO_FOLDER / "detector", PHRASES) == UNKNOWN
    detector = load_detector("grounding_dino", "nano", device="cpu")
    assert unknown_phrases(detector, Prompt.of(PHRASES)) == UNKNOWN
    assert unknown_phrases(TiledDetector(detector), Prompt.of(PHRASES)) == UNKNOWN
    with pytest.raises(PromptUnknown, match="The detector knows no word of “人脸” and “😀”"):
        Pipeline(detector)(np.zeros((80, 80, 3), np.uint8), "人脸, cat, 😀")


def test_byte_pairs_know_everything(tmp_path: Path) -> None:
    detector = load_detector("owlv2", str(tiny_owlv2(tmp_path / "owlv2")), device="cpu")
    assert unknown_phrases(detector, Prompt.of(PHRASES)) == ()
    assert find_unknown_phrases_by_weights(tmp_path, PHRASES) == ()
    refuse_unknown(())


def test_other_letters_are_told() -> None:
    assert foreign_phrases(["cat", "Gesicht mit ü", "人脸", "cat лицо", "😀 5", "قطة"]) == ("人脸", "cat лицо", "قطة")


class Reader(ScriptedDetector):
    """Knows cats alone."""

    def unknown_phrases(self, prompt: Prompt) -> tuple[str, ...]:
        return tuple(each for each in prompt.phrases if each != "cat")


def test_the_app_says_so(tmp_path: Path) -> None:
    import PIL.Image

    PIL.Image.new("RGB", (90, 90)).save(tmp_path / "a.png")
    tab = ImageTab(ModelHandle.of(Pipeline(Reader())), BundleStore(tmp_path / "bundles"))
    with pytest.raises(PromptUnknown, match="人脸"):
        tab.predict(str(tmp_path / "a.png"), ImageRequest("人脸", 0.3, 0.1, BOXES_ONLY))
    assert tab.predict(str(tmp_path / "a.png"), ImageRequest("cat", 0.3, 0.1, BOXES_ONLY)).table == []
