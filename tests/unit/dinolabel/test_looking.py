"""Many pictures, some of them bad: what is answered, what is listed, what is written where."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from dinolabel.detect import images as looking
from dinolabel.detect import inputs
from dinolabel.detect.inputs import Input
from dinolabel.vision.errors import MediaUnavailable, ModelError
from dinolabel.vision.types import Box, Detection, Image, Named, Pixels

CAT = Detection(Box(4, 4, 20, 20), "cat", 0.9)


def picture(path: Path, *, width: int = 40) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(width).integers(0, 255, (30, width, 3), np.uint8)
    PIL.Image.fromarray(noise).save(path)
    return path


def cut_short(path: Path) -> Path:
    picture(path)
    path.write_bytes(path.read_bytes()[:-200])
    return path


def page(path: Path) -> Path:
    path.write_text("<html>")
    return path


def named(*paths: Path) -> list[Input]:
    return [Input(each.name, each, copy=each.name) for each in paths]


class Model:
    """Decodes what it is given, as a detector does, and remembers the sizes of its batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, images: Sequence[Image]) -> list[list[Detection]]:
        self.batches.append(len(images))
        return [[CAT] * (image.pixels.shape[1] // 40) for image in images]


def test_answers_come_in_order_and_batches(tmp_path: Path) -> None:
    paths = [picture(tmp_path / f"{number}.png", width=40 * (number + 1)) for number in range(5)]
    model = Model()
    seen = list(looking.detect_images(named(*paths), model, at_once=2))
    assert [each.input.path for each in seen] == paths
    assert [len(each.found) for each in seen] == [1, 2, 3, 4, 5]
    assert model.batches == [2, 2, 1]


def test_bad_ones_cost_the_others_nothing(tmp_path: Path) -> None:
    paths = [
        picture(tmp_path / "a.png"),
        cut_short(tmp_path / "b.png"),  # opens, and fails when its pixels are asked for
        page(tmp_path / "c.jpg"),  # does not even open
        picture(tmp_path / "d.png"),
        tmp_path / "gone.png",
    ]
    seen = list(looking.detect_images(named(*paths), Model(), at_once=4))
    assert [each.input.path for each in seen] == paths
    assert [each.error is None for each in seen] == [True, False, False, True, False]
    assert [len(each.found) for each in seen] == [1, 0, 0, 1, 0]
    assert [type(each.error).__name__ for each in seen if each.error] == ["MediaUnreadable", "MediaUnreadable", "MediaUnavailable"]


def test_a_batch_of_nothing_but_bad_ones_asks_nobody(tmp_path: Path) -> None:
    model = Model()
    assert len(list(looking.detect_images(named(page(tmp_path / "a.jpg"), page(tmp_path / "b.jpg")), model, at_once=4))) == 2
    assert model.batches == []


def test_a_model_that_fails_is_no_bad_picture(tmp_path: Path) -> None:
    def broken(images: Sequence[Image]) -> list[list[Detection]]:
        raise ModelError("out of memory")

    with pytest.raises(ModelError):
        list(looking.detect_images(named(picture(tmp_path / "a.png")), broken, at_once=4))


@pytest.mark.parametrize(
    ("name", "written"), [("a.png", "a.png"), ("deep/a.JPG", "deep/a.JPG"), ("a.tif", "a.tif.jpg"), ("a.bmp", "a.bmp.jpg")]
)
def test_annotated_copies_lie_as_the_originals_do(tmp_path: Path, name: str, written: str) -> None:
    path = picture(tmp_path / "in" / name)
    found = inputs.find([str(tmp_path / "in")], out=tmp_path / "out")
    (seen,) = looking.detect_images(found.pictures, lambda images: [[CAT]], at_once=1)
    target = looking.annotate(seen, tmp_path / "out", {"cat": "pet"})
    assert target == tmp_path / "out" / written
    drawn = PIL.Image.open(target)
    assert drawn.size == (40, 30)
    assert not np.array_equal(np.asarray(drawn.convert("RGB")), np.asarray(PIL.Image.open(path)))


def test_entries(tmp_path: Path) -> None:
    path = picture(tmp_path / "in" / "a.png")
    answers = [CAT, CAT.with_answer(Named("tom", 0.8))]
    (seen,) = looking.detect_images([Input("in/a.png", path)], lambda images: [answers], at_once=1)
    assert looking.entry(seen, {"cat": "pet"}) == {
        "file": "in/a.png",
        "width": 40,
        "height": 30,
        "annotated": None,
        "found": [
            {"label": "pet", "phrase": "cat", "score": 0.9, "confidence": None, "guess": None, "box": [4, 4, 20, 20], "because": []},
            {"label": "tom", "phrase": "cat", "score": 0.9, "confidence": 0.8, "guess": None, "box": [4, 4, 20, 20], "because": []},
        ],
        "suppressed": 0,
        "remarks": [],
    }
    assert [each["label"] for each in looking.entry(seen, {"cat": "pet"}, {"tom": "Tom the cat"})["found"]] == ["pet", "Tom the cat"]
    assert [each["label"] for each in looking.entry(seen, {"cat": "pet"}, {})["found"]] == ["pet", "pet"], "a name that is not shown"
    (failed,) = looking.detect_images(named(page(tmp_path / "c.jpg")), Model(), at_once=1)
    assert looking.failure(failed.input, failed.error)["error"] == "c.jpg is a web page, not a picture."


def test_an_address_is_fetched_when_its_turn_comes(tmp_path: Path) -> None:
    path = picture(tmp_path / "fetched.png")
    asked: list[str] = []

    def fetch(url: str) -> Path:
        asked.append(url)
        if url.endswith("gone.png"):
            raise MediaUnavailable("x.org answers 404 for the picture.")
        return path

    items = [Input("x.org/a.png", url="https://x.org/a.png"), Input("x.org/gone.png", url="https://x.org/gone.png")]
    seen = list(looking.detect_images(items, Model(), at_once=4, fetch=fetch))
    assert asked == ["https://x.org/a.png", "https://x.org/gone.png"]
    assert [(len(each.found), str(each.error or "")) for each in seen] == [(1, ""), (0, "x.org answers 404 for the picture.")]


def test_several_pictures_at_a_time_come_out_in_their_order_and_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    plain = looking.open_image

    def opening(path: Path) -> Image:
        image = plain(path)

        def load() -> Pixels:
            decoded.append(path.name)
            return image.load()

        return replace(image, load=load)

    monkeypatch.setattr(looking, "open_image", opening)
    paths = [picture(tmp_path / f"{number}.png", width=40 + number) for number in range(8)]
    late = {0: 0.2, 3: 0.1}

    def ask(images: Sequence[Image]) -> list[list[Detection]]:
        time.sleep(late.get(len(decoded), 0.0))
        return [[CAT] for image in images if image.pixels is not None]

    def finish(seen: looking.ImageDetections) -> str:
        assert seen.image is not None and seen.image.pixels is not None
        return seen.input.name

    done = list(looking.detect_and_finish(named(*paths), ask, finish, at_once=1, workers=3))
    assert [name for _, name in done] == [seen.input.name for seen, _ in done] == [path.name for path in paths]
    assert sorted(decoded) == [path.name for path in paths]


def test_what_finishing_raises_is_raised(tmp_path: Path) -> None:
    def finish(seen: looking.ImageDetections) -> None:
        raise OSError(28, "No space left on device")

    items = named(*(picture(tmp_path / f"{number}.png") for number in range(4)))
    with pytest.raises(OSError, match="No space"):
        list(looking.detect_and_finish(items, lambda images: [[CAT] for _ in images], finish, at_once=1, workers=2))
