"""Our own forward of GroundingDINO against transformers', and when it answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dinolabel.vision import plugins
from dinolabel.vision.decoding.pictures import as_image
from dinolabel.vision.detectors import grounding_dino
from dinolabel.vision.detectors.grounding_dino import GroundingDino, build, tensors
from dinolabel.vision.detectors.grounding_dino.engines import CLOSE, largest_difference
from dinolabel.vision.detectors.grounding_dino.forward import Recent, TokenForward
from dinolabel.vision.detectors.grounding_dino.size_arrays import sampling_grid, swin_windows
from dinolabel.vision.errors import ModelError, SettingsError
from dinolabel.vision.loading.engine_notes import EngineNote, EngineNotes
from dinolabel.vision.loading.weights import NANO_FOLDER
from dinolabel.vision.proposals.candidates import apply_thresholds
from dinolabel.vision.types import Image, Prompt, Thresholds
from tests.tiny_models import tiny_detector

KINDS = [("grounding-dino", False), ("grounding-dino", True), ("mm-grounding-dino", True)]
SIZES = [(96, 128), (160, 96), (40, 160), (65, 131), (33, 200)]
FACES = Prompt.of(["cat face", "dog face", "red apple", "car"])


@pytest.fixture(scope="module", params=KINDS, ids=["resnet", "swin", "mm"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kind, swin = request.param
    return tiny_detector(tmp_path_factory.mktemp("weights") / "tiny", kind=kind, swin=swin)


def pixels(size: tuple[int, int], seed: int = 0) -> torch.Tensor:
    return torch.randn((3, *size), generator=torch.Generator().manual_seed(seed))


def prompt_of(tokens: int) -> list[int]:
    """So many token ids in phrases of three."""
    return [101, *[1012 if place % 4 == 3 else 200 + place % 7 for place in range(max(0, tokens - 2))], 102][:tokens]


@pytest.mark.parametrize(("size", "tokens"), [*((size, 8) for size in SIZES), ((96, 128), 1), ((96, 128), 2), ((96, 128), 48)])
def test_the_own_forward_gives_the_same_numbers(folder: Path, size: tuple[int, int], tokens: int) -> None:
    whole = build(str(folder), device="cpu")._model
    with torch.inference_mode():
        assert largest_difference(whole, TokenForward(whole), pixels(size), prompt_of(tokens)) < 2e-5


def test_bfloat16_gives_about_the_same_and_decodes_in_float32(folder: Path) -> None:
    whole = build(str(folder), device="cpu")._model
    coarse = TokenForward(whole, torch.bfloat16)
    with torch.inference_mode():
        worst = largest_difference(whole, coarse, pixels((96, 128)), prompt_of(8))
        logits, boxes = coarse(pixels((96, 128))[None], prompt_of(8))
    assert 1e-4 < worst < CLOSE[torch.bfloat16]
    assert {logits.dtype, boxes.dtype, *(each.dtype for each in whole.parameters())} == {torch.float32}


def test_batches_and_repeats_give_the_same(folder: Path) -> None:
    whole = build(str(folder), device="cpu")._model
    own = TokenForward(whole)
    batch = torch.stack([pixels((96, 128), seed) for seed in range(3)])
    with torch.inference_mode():
        before = {name: each.clone() for name, each in whole.state_dict().items()}
        logits, boxes = own(batch, prompt_of(8))
        for number, each in enumerate(batch):
            alone = own(each[None], prompt_of(8))
            assert torch.equal(alone[0][0], logits[number])
            assert torch.equal(alone[1][0], boxes[number])
        assert all(torch.equal(each, before[name]) for name, each in whole.state_dict().items())


def test_trained_weights_find_the_same_boxes() -> None:
    """What people see, of every sixth scene of the demo: boxes after thresholds and suppression, one to one."""
    engines = [build(str(NANO_FOLDER / "detector"), device="cpu", engine=engine) for engine in ("transformers", "exact")]
    seen = 0
    for path in sorted((NANO_FOLDER / "demo").glob("*.jpg"))[::6]:
        image = as_image(path)
        theirs, ours = (found_by(each, image) for each in engines)
        assert len(ours) == len(theirs)
        seen += len(ours)
        for one, other in zip(sorted(theirs), sorted(ours), strict=True):
            assert one == pytest.approx(other, abs=1e-3)
            assert one[0] == pytest.approx(other[0], abs=1e-4)
    assert engines[1]._checked is not None and engines[1]._checked.is_own
    assert seen > 12


def found_by(detector: GroundingDino, image: Image) -> list[tuple[float, ...]]:
    detector.candidates([image], FACES)
    detector.settle()
    (found,) = detector.candidates([image], FACES)
    return [(each.score, *each.box.xyxy) for each in apply_thresholds(found, Thresholds(), width=image.width, height=image.height)]


def test_the_first_pictures_are_answered_by_transformers_and_the_next_start_by_ours(folder: Path, tmp_path: Path) -> None:
    notes, image = tmp_path / "engines.json", drawn()
    first = build(str(folder), device="cpu", engine_notes=notes)
    assert first._checked is not None and not first._checked.is_own
    first.candidates([image], FACES)
    first.settle()
    assert first._checked.is_own
    (note,) = json.loads(notes.read_text())["notes"].values()
    assert note["agrees"] and note["weights"] == first.weights and note["told"].startswith("largest difference ")
    again = build(str(folder), device="cpu", engine_notes=notes)
    assert again._checked is not None and again._checked.is_own
    assert again.digest == first.digest == build(str(folder), device="cpu", engine="transformers").digest


def drawn() -> Image:
    return Image.from_array(np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8))


def test_other_weights_are_compared_anew(tmp_path: Path) -> None:
    folder, notes = tiny_detector(tmp_path / "tiny"), tmp_path / "engines.json"
    ask(build(str(folder), device="cpu", engine_notes=notes))
    tensors = load_file(folder / "model.safetensors")
    save_file({name: each * 1.01 for name, each in tensors.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    changed = build(str(folder), device="cpu", engine_notes=notes)
    assert changed._checked is not None and not changed._checked.is_own


def ask(detector: GroundingDino) -> Any:
    found = detector.candidates([drawn()], FACES)
    detector.settle()
    return found


def test_an_engine_whose_numbers_are_off_is_not_used(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = tmp_path / "engines.json"
    expected = ask(build(str(folder), device="cpu", engine="transformers"))
    true = TokenForward.encode
    monkeypatch.setattr(TokenForward, "encode", lambda self, pixels, text: true(self, pixels.flip(-1), text))
    detector = build(str(folder), device="cpu", engine_notes=notes)
    ask(detector)
    assert ask(detector) == expected
    assert EngineNotes(notes).of(detector.weights) is not None and not EngineNotes(notes).of(detector.weights).agrees
    later = build(str(folder), device="cpu", engine_notes=notes)
    assert ask(later) == expected


def test_a_model_that_is_made_otherwise_is_noted(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AttributeError("no attribute 'q_proj'")

    expected = ask(build(str(folder), device="cpu", engine="transformers"))
    monkeypatch.setattr(TokenForward, "__init__", fail)
    detector = build(str(folder), device="cpu", engine_notes=tmp_path / "engines.json")
    assert ask(detector) == ask(detector) == expected
    assert (note := EngineNotes(tmp_path / "engines.json").of(detector.weights)) is not None and "q_proj" in note.told


@pytest.mark.parametrize("error", [RuntimeError("no such instruction\nlong story"), IndexError("out of range")], ids=type)
def test_an_engine_that_fails_later_answers_by_transformers(folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    detector = build(str(folder), device="cpu")
    expected = ask(detector)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(TokenForward, "encode", fail)
    assert ask(detector) == expected
    assert detector._checked is not None and not detector._checked.is_own


@pytest.mark.parametrize(
    ("asked", "precision", "capable", "engine", "computes"),
    [
        ("auto", "auto", True, "exact", "float32"),
        ("exact", "float32", True, "exact", "float32"),
        ("fast", "auto", True, "fast", "bfloat16"),
        ("fast", "auto", False, "exact", "float32"),
        ("fast", "float32", True, "exact", "float32"),
        ("fast", "bfloat16", True, "transformers", "bfloat16"),
        ("transformers", "auto", True, "transformers", "float32"),
    ],
)
def test_what_is_had_of_a_wish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, precision: str, capable: bool, engine: str, computes: str
) -> None:
    monkeypatch.setattr(grounding_dino, "computes_bfloat16", lambda: capable)
    folder = str(tiny_detector(tmp_path / "tiny"))
    made = plugins.load_detector("grounding_dino", folder, device="cpu", precision=precision, engine=asked)
    assert (made.engine, made.precision) == (engine, computes)  # type: ignore[attr-defined]
    same = build(folder, device="cpu", precision=precision, engine="transformers").digest
    assert (made.digest == same) == (engine != "fast")


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor with bfloat16; torch imitates it where there is none."""
    monkeypatch.setattr(grounding_dino, "computes_bfloat16", lambda: True)


@pytest.mark.usefixtures("able")
def test_fast_never_answers_in_other_numbers_under_its_digest(folder: Path, tmp_path: Path) -> None:
    notes = tmp_path / "engines.json"
    exact = ask(build(str(folder), device="cpu", engine="transformers"))
    first = build(str(folder), device="cpu", engine="fast", engine_notes=notes)
    assert first.engine == "fast" and first._checked is not None and first._checked.is_own
    told = ask(first)
    assert told != exact
    assert ask(build(str(folder), device="cpu", engine="fast", engine_notes=notes)) == told
    assert (note := EngineNotes(notes).of(first.weights, "fast")) is not None and note.agrees
    assert EngineNotes(notes).of(first.weights) is None


@pytest.mark.usefixtures("able")
def test_fast_that_is_off_is_exact_with_its_digest(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CLOSE, torch.bfloat16, 0.0)
    made = build(str(folder), device="cpu", engine="fast", engine_notes=tmp_path / "engines.json")
    exact = build(str(folder), device="cpu", engine="exact")
    assert (made.engine, made.precision, made.digest) == ("exact", "float32", exact.digest)
    assert ask(made) == ask(build(str(folder), device="cpu", engine="transformers"))


@pytest.mark.usefixtures("able")
def test_fast_that_fails_later_says_so_and_the_next_start_is_exact(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise IndexError("out of range")

    notes = tmp_path / "engines.json"
    made = build(str(folder), device="cpu", engine="fast", engine_notes=notes)
    with monkeypatch.context() as broken:
        broken.setattr(TokenForward, "encode", fail)
        for _ in range(2):
            with pytest.raises(ModelError, match="The engine fast failed"):
                ask(made)
    assert build(str(folder), device="cpu", engine="fast", engine_notes=notes).engine == "exact"


def test_who_waited_is_told_that_the_next_start_is_quicker(folder: Path, tmp_path: Path) -> None:
    notes = tmp_path / "engines.json"
    first = build(str(folder), device="cpu", engine_notes=notes)
    assert first.engine_remark == ""
    ask(first)
    assert "the next start is quicker" in first.engine_remark
    again = build(str(folder), device="cpu", engine_notes=notes)
    ask(again)
    assert again.engine_remark == ""


def test_products_are_torchs_whoever_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = torch.Generator().manual_seed(0)
    tokens, weight, bias = (torch.randn(shape, generator=rng) for shape in ((5, 7, 16), (8, 16), (8,)))
    for then, function in (("none", lambda each: each), ("relu", torch.relu), ("gelu", torch.nn.functional.gelu)):
        for given in (bias, None):
            expected = function(torch.nn.functional.linear(tokens, weight, given))
            assert torch.allclose(tensors.linear(tokens, weight, given, then=then), expected, atol=1e-5)
            with monkeypatch.context() as without:
                without.setattr(tensors, "ONEDNN", False)
                assert torch.equal(tensors.linear(tokens, weight, given, then=then), expected)


def test_an_unknown_engine_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match="There is no engine 'quick'"):
        build(str(folder), engine="quick")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2, "notes": {"key": 1}}', '{"format": 1, "notes": {"key": {"x": 1}}}'])
def test_damaged_notes_are_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "engines.json"
    path.write_text(content)
    notes = EngineNotes(path)
    assert notes.get("key") is None and notes.of("tiny") is None
    notes.put("key", EngineNote(agrees=True, weights="tiny", told="largest difference 1e-06"))
    assert notes.of("tiny") == notes.get("key") == EngineNote(agrees=True, weights="tiny", told="largest difference 1e-06")


def test_the_last_note_of_weights_is_the_one_that_is_told(tmp_path: Path) -> None:
    notes = EngineNotes(tmp_path / "engines.json")
    for key, told in (("old", "1"), ("new", "2"), ("old", "3")):
        notes.put(key, EngineNote(agrees=True, weights="tiny", told=told))
    assert (last := notes.of("tiny")) is not None and last.told == "3"


def test_notes_that_cannot_be_kept_cost_nothing_else(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    EngineNotes(blocked / "engines.json").put("key", EngineNote(agrees=True, weights="tiny", told=""))
    EngineNotes(None).put("key", EngineNote(agrees=True, weights="tiny", told=""))


@pytest.mark.parametrize("shape", [(7, 7), (8, 15), (1, 3), (20, 4)])
@pytest.mark.parametrize("shift", [0, 2])
def test_windows_hold_every_place_once(shape: tuple[int, int], shift: int) -> None:
    windows = swin_windows(shape, side=4, shift=shift)
    count = shape[0] * shape[1]
    assert sorted(windows.gather[windows.gather < count].tolist()) == list(range(count))
    assert windows.gather[windows.back].tolist() == list(range(count))


@pytest.mark.parametrize("shapes", [[(5, 8), (3, 4), (2, 2)], [(2, 30), (1, 15), (1, 8)], [(1, 1)], [(4, 4), (4, 4)]])
def test_maps_in_the_table_do_not_touch(shapes: list[tuple[int, int]]) -> None:
    grid = sampling_grid(shapes)
    total = sum(height * width for height, width in shapes)
    first = 0
    for (height, width), start in zip(shapes, grid.start.int().tolist(), strict=True):
        rows, columns = (torch.arange(-1, each + 1) for each in (height, width))
        inside = torch.nn.functional.pad(torch.arange(first, first + height * width).view(height, width), (1, 1, 1, 1), value=total)
        assert torch.equal(grid.place[start + (rows[:, None] + 1) * grid.stride + columns + 1], inside)
        first += height * width
    assert sorted(grid.place[grid.place < total].tolist()) == list(range(total))


def test_only_the_last_few_sizes_are_kept() -> None:
    made: list[int] = []
    recent = Recent(2)
    for key in (1, 2, 1, 3, 1, 2):
        recent.get(key, lambda key=key: made.append(key))
    assert made == [1, 2, 3, 2]
