from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

from dinolabel.vision.detectors import grounding_dino
from dinolabel.vision.detectors.grounding_dino import GroundingDino, build
from dinolabel.vision.errors import DeviceUnavailable, ModelError, RequestError, SettingsError, WeightsMissing
from dinolabel.vision.proposals.candidates import Candidate
from dinolabel.vision.types import Image, Prompt
from tests.tiny_models import tiny_detector, tiny_embedder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_detector(tmp_path_factory.mktemp("weights") / "grounding-dino-tiny")


@pytest.fixture(scope="module")
def detector(folder: Path) -> GroundingDino:
    return build(str(folder), device="cpu")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def picture(height: int = 120, width: int = 160, seed: int = 0) -> Image:
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.from_array(np.asarray(PIL.Image.fromarray(small).resize((width, height))))


def rounded(found: list[Candidate], phrase: str | None = None) -> set[tuple[float, ...]]:
    chosen = (each for each in found if phrase in (None, each.phrase))
    return {tuple(round(value, 2) for value in (*each.box.xyxy, each.score, each.text_score)) for each in chosen}


def test_agrees_with_the_library_where_the_library_is_right(folder: Path, detector: GroundingDino) -> None:
    """One phrase of one token: scores and boxes of transformers' own post-processing, clipped to the image."""
    image = picture()
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForZeroShotObjectDetection.from_pretrained(folder).eval()
    inputs = processor(images=PIL.Image.fromarray(image.pixels), text="cat .", return_tensors="pt")
    inputs.pop("token_type_ids")
    with torch.inference_mode():
        out = model(**inputs)
    logits = out.logits.clone()
    logits[..., [0, 2, 3]] = -100  # [CLS], the full stop and [SEP], which the library lets vote
    out["logits"] = logits
    (theirs,) = processor.post_process_grounded_object_detection(
        out, inputs["input_ids"], threshold=0.05, text_threshold=0.0, target_sizes=[(120, 160)]
    )
    expected = []
    for box, score in zip(theirs["boxes"].tolist(), theirs["scores"].tolist(), strict=True):
        x1, y1, x2, y2 = (min(max(value, 0), limit) for value, limit in zip(box, (160, 120, 160, 120), strict=True))
        if x2 - x1 >= 1 and y2 - y1 >= 1:
            expected.append((x1, y1, x2, y2, score))
    (ours,) = detector.candidates([image], Prompt.of(["cat"]))
    assert len(expected) > 5
    assert sorted((*each.box.xyxy, each.score) for each in ours) == [pytest.approx(row, abs=1e-3) for row in sorted(expected)]


def test_prompts_over_the_limit_take_several_passes(detector: GroundingDino) -> None:
    """Ten phrases of 5 to 6 tokens each do not fit into the 48 the tiny model reads. Each is judged as in the pass it is in."""
    phrases = [f"car {letter}{letter}{letter}" for letter in "abcdefghijklmn"]
    (together,) = detector.candidates([picture()], Prompt.of(phrases), floor=0.0, most=1000)
    first, second = Prompt.of(phrases[:9]), Prompt.of(phrases[9:])
    (some,), (others,) = (detector.candidates([picture()], each, floor=0.0, most=1000) for each in (first, second))
    assert {each.phrase for each in together} & set(second.phrases)
    assert rounded(together) == rounded(some) | rounded(others)
    assert [each.score for each in together] == sorted((each.score for each in together), reverse=True)


def test_a_phrase_over_the_limit_is_refused(detector: GroundingDino) -> None:
    with pytest.raises(RequestError, match="has 60 tokens; the detector reads 45"):
        detector.candidates([picture()], Prompt.of(["a " * 60]))


@pytest.mark.parametrize(("height", "width"), [(10, 2000), (2000, 10), (1, 500), (1, 1), (2, 3)])
def test_strips_and_specks(detector: GroundingDino, height: int, width: int) -> None:
    """Resized they have fewer places than the model has queries, which the stock model answers with a crash."""
    (found,) = detector.candidates([picture(height, width)], Prompt.of(["cat"]), floor=0.0)
    assert all(each.box.x2 <= width and each.box.y2 <= height for each in found)


@pytest.mark.parametrize(
    ("input_size", "size", "seen"),
    [
        (None, (120, 160), (96, 128)),
        (None, (100, 400), (40, 160)),
        (64, (120, 160), (64, 85)),
        (192, (300, 300), (192, 192)),
        (192, (100, 400), (80, 320)),
    ],
)
def test_input_size_is_the_shorter_side(folder: Path, input_size: int | None, size: tuple[int, int], seen: tuple[int, int]) -> None:
    """The longer one is capped as in the checkpoint, which says 96 and 160."""
    small = build(str(folder), device="cpu", input_size=input_size)
    ((_, found),) = small._batches([picture(*size)])
    assert found == seen


def test_pixels_are_rgb_resized_and_normalised(detector: GroundingDino) -> None:
    red = np.zeros((96, 128, 3), dtype=np.uint8)
    red[..., 0] = 255
    pixels, mask = detector._pixels([Image.from_array(red)], (96, 128))
    expected = [(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    assert pixels.shape == (1, 3, 96, 128)
    assert pixels[0].mean(dim=(1, 2)).tolist() == pytest.approx(expected, abs=1e-5)
    assert mask.min() == 1


def test_batches_are_of_one_size_and_bounded(detector: GroundingDino, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [picture(120, 160), picture(160, 120), picture(240, 320), *[picture(120, 160)] * 5]
    assert all(len(indices) == 1 for indices, _ in detector._batches(images)), "on a CPU more at once gain nothing"
    monkeypatch.setitem(grounding_dino.AT_ONCE, "cpu", 4)
    assert list(detector._batches(images)) == [([0, 2, 3, 4], (96, 128)), ([5, 6, 7], (96, 128)), ([1], (128, 96))]


def test_reduced_precision_finds_about_the_same(folder: Path, detector: GroundingDino) -> None:
    coarse = build(str(folder), device="cpu", precision="bfloat16")
    assert (coarse.precision, detector.precision, coarse.device) == ("bfloat16", "float32", "cpu")
    (theirs,), (ours,) = (each.candidates([picture()], Prompt.of(["cat"])) for each in (coarse, detector))
    assert abs(len(theirs) - len(ours)) <= 3
    assert abs(theirs[0].score - ours[0].score) < 0.1


def test_the_processor_file_of_the_hub_is_read(copy: Path) -> None:
    """preprocessor_config.json as IDEA-Research/grounding-dino-tiny has it, named after the torchvision class."""
    (copy / "processor_config.json").unlink()
    (copy / "preprocessor_config.json").write_text(
        """{"do_convert_annotations": true, "do_normalize": true, "do_pad": true, "do_rescale": true, "do_resize": true,
        "format": "coco_detection", "image_mean": [0.485, 0.456, 0.406], "image_processor_type": "GroundingDinoImageProcessor",
        "image_std": [0.229, 0.224, 0.225], "processor_class": "GroundingDinoProcessor", "resample": 2,
        "rescale_factor": 0.00392156862745098, "size": {"longest_edge": 1333, "shortest_edge": 800}}"""
    )
    full = build(str(copy), device="cpu")
    assert [found for _, found in full._batches([picture(480, 640), picture(100, 400)])] == [(800, 1066), (333, 1333)]


def test_half_weights_are_computed_in_full(folder: Path, copy: Path) -> None:
    """Embedded and exported checkpoints are stored as float16."""
    halves = {name: tensor.half() for name, tensor in load_file(copy / "model.safetensors").items()}
    save_file(halves, copy / "model.safetensors", metadata={"format": "pt"})
    (copy / "config.json").write_text((copy / "config.json").read_text().replace('"float32"', '"float16"'))
    small = build(str(copy), device="cpu")
    assert {each.dtype for each in small._model.parameters()} == {torch.float32}
    assert small.candidates([picture()], Prompt.of(["cat"]))[0]


def test_reports_what_serves(folder: Path, detector: GroundingDino) -> None:
    assert (detector.name, detector.weights, detector.device) == ("gdino-tiny", "grounding-dino-tiny", "cpu")
    assert folder.name in detector.weights
    assert "/" not in detector.weights


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("IDEA-Research--grounding-dino-base", "gdino-base"),
        ("openmmlab-community--mm_grounding_dino_tiny_o365v1_goldg", "mm-gdino-tiny-o365v1-goldg"),
        ("iSEE-Laboratory--llmdet_tiny", "llmdet-tiny"),
        ("My Run 7", "gdino-my-run-7"),
    ],
)
def test_short_names(folder: Path, tmp_path: Path, called: str, name: str) -> None:
    shutil.copytree(folder, tmp_path / called)
    assert build(str(tmp_path / called), device="cpu").name == name


def test_other_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="holds 'dinov2' weights; needed is one of: grounding-dino, mm-grounding-dino"):
        build(str(tiny_embedder(tmp_path / "dinov2")))


def test_damaged_weights_are_refused(copy: Path) -> None:
    whole = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="weights copy cannot be loaded"):
        build(str(copy), device="cpu")


def test_half_a_model_is_refused(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    kept = dict(list(tensors.items())[: len(tensors) // 2])
    save_file(kept, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"weights copy lack \d+ of \d+ tensors"):
        build(str(copy), device="cpu")


def test_numbers_that_are_none_are_an_error(folder: Path) -> None:
    broken = build(str(folder), device="cpu")
    with torch.no_grad():
        broken._model.model.text_projection.weight.fill_(float("nan"))
    with pytest.raises(ModelError, match="numbers that are none in float32"):
        broken.candidates([picture()], Prompt.of(["cat"]))


@pytest.mark.parametrize(
    ("error", "says", "hint"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"), "not enough memory on cpu", "input size"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "not enough memory on cpu", "input size"),
        (RuntimeError("CUDA error: device-side assert\nlong story"), "failed on cpu: CUDA error: device-side assert$", "device=cpu"),
    ],
)
def test_what_torch_cannot_do_is_a_named_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: RuntimeError, says: str, hint: str
) -> None:
    full = build(str(folder), device="cpu")

    def forward(**_: object) -> None:
        raise error

    monkeypatch.setattr(full._model, "forward", forward)
    with pytest.raises(ModelError, match=says) as caught:
        full.candidates([picture()], Prompt.of(["cat"]))
    assert hint in caught.value.hint


def test_too_small_an_input_size(folder: Path) -> None:
    with pytest.raises(SettingsError, match="at least 64"):
        build(str(folder), input_size=32)


def test_a_device_that_is_not_here(folder: Path) -> None:
    if not torch.cuda.is_available():
        with pytest.raises(DeviceUnavailable):
            build(str(folder), device="cuda:9")


def test_a_local_folder_needs_no_network_and_says_nothing(folder: Path) -> None:
    """In a process of its own, with a hub that counts who knocks."""
    script = f"""
import logging, structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
from dinolabel.vision.detectors.grounding_dino import build
from dinolabel.vision.types import Image, Prompt
import numpy as np
build({str(folder)!r}).candidates([Image.from_array(np.zeros((90, 90, 3), np.uint8))], Prompt.of(["cat"]))
"""
    with socket.create_server(("127.0.0.1", 0)) as hub:
        hub.settimeout(0.2)
        environment = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.getsockname()[1]}", "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, env=environment, check=False)
        with pytest.raises(TimeoutError):
            hub.accept()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
