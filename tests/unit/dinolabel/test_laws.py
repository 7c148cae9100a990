"""Each law of dinolabel.testing bites: a plug-in that breaks it, and the words it is told in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinolabel.exporters import formats, importers
from dinolabel.testing import check_detector, check_embedder, check_exporter, check_head, check_importer
from dinolabel.testing.exporters import draw_project, run_export
from dinolabel.vision.errors import PromptMissing
from dinolabel.vision.heads import knn
from dinolabel.vision.proposals.candidates import Candidate, top_k
from dinolabel.vision.types import Box

Change = Callable[..., Any]


class MiddleDetector:
    """Two boxes in the middle of each picture, by its brightness; `change` breaks what it answers."""

    name, digest, weights, device, precision = "middle", "0" * 16, "none", "cpu", "float32"

    def __init__(self, change: Change = lambda found, images: found) -> None:
        self.change, self.calls = change, 0

    def candidates(self, images: Any, prompt: Any, *, floor: float = 0.05, most: int = 100) -> Any:
        self.calls += 1
        if not any(each.isalnum() for phrase in prompt.phrases for each in phrase):
            raise PromptMissing("nothing")
        found = []
        for image in images:
            score = 0.2 + float(image.pixels.mean()) / 512
            box = Box(1, 1, image.width - 1, image.height - 1)
            found.append(
                top_k(
                    [Candidate(box, prompt.phrases[0], score, score), Candidate(box, prompt.phrases[1], score / 2, 0.1)],
                    floor=floor,
                    most=most,
                )
            )
        return self.change(found, images)


def drawing(found: Any, images: Any) -> Any:
    for image in images:
        if image.pixels.flags.writeable:
            image.pixels[:] = 0
    return found


def every(change: Callable[[Candidate, Any], Candidate]) -> Change:
    return lambda found, images: [[change(each, image) for each in some] for some, image in zip(found, images, strict=True)]


DETECTORS: list[tuple[Any, str]] = [
    (lambda: MiddleDetector(lambda found, images: [[] for _ in found]), "finds nothing"),
    (lambda: MiddleDetector(lambda found, images: found[:-1]), "answers to"),
    (lambda: MiddleDetector(lambda found, images: found[:1] * len(found)), "order of the pictures"),
    (lambda: MiddleDetector(every(lambda each, image: replace(each, box=Box(1, 1, image.width + 5, 9)))), "is not inside"),
    (lambda: MiddleDetector(every(lambda each, image: replace(each, phrase="dog"))), "nobody asked for 'dog'"),
    (lambda: MiddleDetector(lambda found, images: [some[::-1] for some in found]), "best does not come first"),
    (lambda: MiddleDetector(every(lambda each, image: replace(each, phrase=""))), "nobody asked for ''"),
    (lambda: MiddleDetector(drawing), "draws into the picture"),
]


@pytest.mark.parametrize(("build", "sentence"), DETECTORS, ids=[sentence for _, sentence in DETECTORS])
def test_a_detector(build: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_detector(build)


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"name": "Middle One"}, "more than a-z"),
        ({"digest": "x"}, "no hex digest"),
        ({"weights": "/home/me/weights.pt"}, "no path"),
        ({"device": ""}, "device and precision"),
    ],
)
def test_what_a_detector_says_of_itself(attributes: dict[str, str], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_detector(lambda: type("Renamed", (MiddleDetector,), attributes)())


def test_detectors_that_differ_from_call_to_call() -> None:
    class Counting(MiddleDetector):
        def candidates(self, images: Any, prompt: Any, **how: Any) -> Any:
            return [
                [replace(each, score=each.score + 1e-6 * self.calls) for each in some] for some in super().candidates(images, prompt, **how)
            ]

    with pytest.raises(AssertionError, match="asked twice"):
        check_detector(Counting)
    digests = iter("ab")
    with pytest.raises(AssertionError, match="two names or digests"):
        check_detector(lambda: type("Other", (MiddleDetector,), {"digest": next(digests) * 16})())


def test_detectors_that_hear_nothing() -> None:
    class Deaf(MiddleDetector):
        def candidates(self, images: Any, prompt: Any, *, floor: float = 0.05, most: int = 100) -> Any:
            return super().candidates(images, prompt)

    with pytest.raises(AssertionError, match="floor= is not"):
        check_detector(Deaf)

    class Eager(MiddleDetector):
        def candidates(self, images: Any, prompt: Any, **how: Any) -> Any:
            return [[] for _ in images] if not any(map(str.isalnum, prompt.phrases[0])) else super().candidates(images, prompt, **how)

    with pytest.raises(AssertionError, match="raise PromptMissing"):
        check_detector(Eager)
    check_detector(MiddleDetector)


class MeanEmbedder:
    """Mean colours of a grid; `change` breaks the rows."""

    name, digest, weights, device, precision, dim = "mean", "0" * 16, "none", "cpu", "float32", 13

    def __init__(self, change: Change = lambda rows, crops: rows) -> None:
        self.change = change

    def embed(self, crops: Any) -> Any:
        rows = np.zeros((len(crops), self.dim), np.float32)
        for row, crop in zip(rows, crops, strict=True):
            picked = np.linspace(0, len(crop.pixels) - 1, 2).astype(int)
            row[:12], row[12] = crop.pixels[np.ix_(picked, picked)].reshape(-1) / 255, 1
        return self.change(rows / np.linalg.norm(rows, axis=1, keepdims=True) if len(rows) else rows, crops)


def blackening(rows: Any, crops: Any) -> Any:
    for each in crops:
        each.pixels[:, :, 2][each.pixels[:, :, 2] > 254] = 254
    return rows


EMBEDDERS: list[tuple[Change, str]] = [
    (lambda rows, crops: rows.astype(np.float64), "expected float32"),
    (lambda rows, crops: rows * 2, "not of unit norm"),
    (lambda rows, crops: rows[:, :5], "expected"),
    (lambda rows, crops: np.full_like(rows, np.nan), "numbers are none"),
    (lambda rows, crops: np.repeat(rows[:1], len(rows), axis=0), "differs by"),
    (lambda rows, crops: np.tile(np.eye(1, 13, dtype=np.float32), (len(rows), 1)), "one vector"),
    (blackening, "changes crops"),
]


@pytest.mark.parametrize(("change", "sentence"), EMBEDDERS, ids=[sentence for _, sentence in EMBEDDERS])
def test_an_embedder(change: Change, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_embedder(lambda: MeanEmbedder(change))


def test_an_embedder_that_holds() -> None:
    check_embedder(MeanEmbedder)


def head(**methods: Any) -> Any:
    return type("BrokenKnn", (knn.Knn,), methods)


HEADS: list[tuple[Any, Any, str]] = [
    (lambda: knn.Knn(), lambda arrays, labels: knn.restore(arrays, labels[::-1]), "restored, it"),
    (lambda: knn.Knn(), lambda arrays, labels: knn.restore({**arrays, "crops": arrays["crops"] * 0.5}, labels), "restored, it answers"),
    (lambda: head(predict_proba=lambda self, rows: np.ones((len(rows), 3)))(), knn.restore, "sum to 1|give"),
]


@pytest.mark.parametrize(("build", "restore", "sentence"), HEADS)
def test_a_head(build: Any, restore: Any, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not isinstance(build(), knn.Knn) or type(build()) is not knn.Knn:
        monkeypatch.setattr(knn, "Knn", type(build()))
    with pytest.raises(AssertionError, match=sentence):
        check_head(build, restore)


COCO = formats.load("coco").export
EXPORTERS: list[tuple[Any, str]] = [
    (lambda tasks, config, out, **how: None, "expected an ExportReport"),
    (lambda tasks, config, out, **how: COCO(tasks[:1], config, out, **how), "approved are"),
    (
        lambda tasks, config, out, **how: [COCO(tasks, config, out, **how), tasks[0].update(id=7)][0],
        "changes the tasks|counted differently",
    ),
    (
        lambda tasks, config, out, **how: [shutil.rmtree(out, ignore_errors=True), COCO(tasks, config, out, **how)][1],
        "removes what a person",
    ),
    (lambda tasks, config, out, **how: [COCO(tasks, config, out, **how), (out.parent / "log").write_text("")][0], "beside its folder"),
]


@pytest.mark.parametrize(("export", "sentence"), EXPORTERS, ids=[sentence for _, sentence in EXPORTERS])
def test_an_exporter(export: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_exporter(export)


READ = importers.load("coco").read
IMPORTERS: list[tuple[Any, str]] = [
    (lambda path, media, log=None: [], "reads no box"),
    (lambda path, media, log=None: [replace(each, width=5) for each in READ(path, media)], "is not inside the picture"),
    (lambda path, media, log=None: READ(path, media) if log else [], "read twice"),
    (lambda path, media, log=None: READ(path, media) if (path / "annotations").is_dir() else [], "raise ImportUnreadable"),
]


@pytest.mark.parametrize(("read", "sentence"), IMPORTERS, ids=[sentence for _, sentence in IMPORTERS])
def test_an_importer(read: Any, sentence: str, tmp_path: Path) -> None:
    run_export(COCO, draw_project(tmp_path / "pictures"), tmp_path / "pictures", tmp_path / "out")
    with pytest.raises(AssertionError, match=sentence):
        check_importer(read, tmp_path / "out")
