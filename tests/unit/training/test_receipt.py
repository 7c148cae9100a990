"""Receipts: what people see, and that nobody's label can break the page."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import PIL.Image
import pytest

from dinolabel.training.report import gallery, html, plots
from dinolabel.vision.storage.cache import Cache
from tests.blobs import LATER, NAMES, NOW, Bench, World, receipt

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def text(file: Path) -> str:
    return re.sub(r"<style>.*?</style>|data:image/[a-z]+;base64,[^\"]+", "", file.read_text(), flags=re.DOTALL)


def test_hostile_labels_stay_text(bench: Bench) -> None:
    hard = ("<script>alert(1)</script>", '"><img src=x>', "$x_{1}$ \\frac", "猫 & co")
    verdict = bench.train(World().crowd(hard, images=20))
    shown = text(verdict.receipt.with_name("receipt.html"))
    assert "<script" not in shown and "<img src=x" not in shown
    assert "&lt;script&gt;alert(1)" in shown and "猫 &amp; co" in shown
    assert set(receipt(verdict)["data"]["objects"]) == set(hard)


def test_the_page_needs_nothing_but_itself(bench: Bench) -> None:
    verdict = bench.train(World().crowd(NAMES, images=20))
    assert not re.findall(r"(?:https?:)?//[a-z]|<link|<script|url\(", text(verdict.receipt.with_name("receipt.html")))


def test_a_refused_one_is_kept_by_its_time_and_never_overwritten(bench: Bench) -> None:
    world = World().crowd(NAMES, images=20)
    bench.train(world)
    refused = [bench.train(world, now=LATER) for _ in range(2)]
    assert [each.receipt.parent.name for each in refused] == ["2026-11-22T14-00-00-00-00", "2026-11-22T14-00-00-00-00-2"]
    home = bench.folder / "bundles" / "1"
    assert [(home / each["receipt"]).is_file() for each in bench.store.verdicts("1")] == [True, True, True]
    assert "Not published" in text(refused[0].receipt.with_name("receipt.html"))


def test_the_comparison_is_on_the_page(bench: Bench) -> None:
    world = World().crowd(NAMES, images=20)
    bench.train(world, now=NOW)
    verdict = bench.train(world.crowd(NAMES, images=20, start=20), now=LATER)
    told = receipt(verdict)
    assert told["judged"]["current"]["groups"] == told["judged"]["candidate"]["groups"]
    assert set(told["judged"]["macro_f1_difference"]) == {"candidate", "current", "low", "high", "same_labels", "objects"}
    shown = text(verdict.receipt.with_name("receipt.html"))
    assert "current" in shown and "no loss of macro-F1" in shown


def test_unjudged_has_no_picture(bench: Bench) -> None:
    verdict = bench.train(World().crowd(NAMES, images=1))
    assert not verdict.receipt.with_name("confusion.svg").exists()
    assert "Nothing could be held out yet" in text(verdict.receipt.with_name("receipt.html"))


def test_what_could_not_be_used_is_named(bench: Bench) -> None:
    """One crop lacks its embedding and its file is no picture."""
    world = World().crowd(NAMES, images=10)
    manifest = world.write(bench.folder / "export1", bench.cache)
    lines = (manifest / "manifest.jsonl").read_text().splitlines()
    row = json.loads(lines[0])
    lines[0] = json.dumps(row | {"box": [0.0, 0.0, 40.0, 40.0], "crop": "crops/broken.png"})
    (manifest / "crops").mkdir()
    (manifest / "crops" / "broken.png").write_text("<html>")
    (manifest / "manifest.jsonl").write_text("\n".join(lines))
    from dinolabel.training.train import TrainingOptions, train
    from tests.blobs import KnownOnly

    verdict = train(manifest, TrainingOptions("1", NOW), embedder=KnownOnly(), store=bench.store, cache=bench.cache)
    assert verdict.published
    (told,) = receipt(verdict)["data"]["unreadable"]
    assert told.startswith("crops/broken.png: ")


class Crops:
    """A world whose crops are files too, as an export writes them."""

    def __init__(self, world: World, *, gone: tuple[int, ...] = ()) -> None:
        self.world, self.gone = world, gone

    def write(self, folder: Path, cache: Cache, **options: Any) -> Path:
        (folder / "crops").mkdir(parents=True)
        for at, row in enumerate(self.world.rows):
            if at not in self.gone:
                PIL.Image.new("RGB", (300, 200), (at % 256, 90, 40)).save(folder / row["crop"])
        return self.world.write(folder, cache, **options)


def wide(names: tuple[str, ...] = NAMES) -> World:
    """So unlike from picture to picture that some are named wrongly."""
    world = World(picture=2.4).crowd(names, images=20)
    for image in range(100, 112):
        world.add("stranger", image=image, kind="unknown")
    return world


def test_the_first_screen(bench: Bench) -> None:
    """A sentence, a row a name with its face, the wrong crops; everything else is folded."""
    verdict = bench.train(Crops(wide()), studio="https://studio.example/ls")  # type: ignore[arg-type]
    told, whole = receipt(verdict), verdict.receipt.with_name("receipt.html").read_text()
    first, folded = text(verdict.receipt.with_name("receipt.html")).split("<details", 1)
    assert told["opening"] and told["opening"] in first and first.count(told["opening"]) == 1
    assert verdict.reason.removeprefix(told["opening"]).strip() in first
    assert all(f"<td>{name}</td>" in first for name in NAMES) and first.count('class="face"') == len(NAMES)
    wrong = told["wrong"]["shown"]
    assert wrong and told["wrong"]["count"] >= len(wrong)
    for each in wrong:
        assert each["name"] != each["answer"]
        assert f'<a href="https://studio.example/ls/projects/1/data?task={each["task"]}"' in first
    assert "calibration error" in folded and "calibration error" not in first
    pictures = re.findall(r"data:image/jpeg;base64,([^\"]+)", whole)
    assert len(pictures) == len(NAMES) + len(wrong)
    assert {max(PIL.Image.open(io.BytesIO(base64.b64decode(each))).size) for each in pictures} == {gallery.SIDE}


@pytest.mark.parametrize("studio", [None, "", "javascript:alert(1)//", "file:///etc"])
def test_without_an_address_tasks_are_numbers(bench: Bench, studio: str | None) -> None:
    verdict = bench.train(Crops(wide()), studio=studio)  # type: ignore[arg-type]
    shown = text(verdict.receipt.with_name("receipt.html"))
    assert "<a " not in shown and f"task {receipt(verdict)['wrong']['shown'][0]['task']}" in shown


def test_a_project_without_a_number_is_in_no_label_studio(bench: Bench) -> None:
    verdict = bench.train(Crops(wide()), studio="https://studio.example", project="films")  # type: ignore[arg-type]
    assert "<a " not in text(verdict.receipt.with_name("receipt.html"))


def test_many_names_and_many_wrong_ones_stay_few_pictures(bench: Bench) -> None:
    names = tuple(f"name {at:02d}" for at in range(gallery.MOST_FACES + 5))
    verdict = bench.train(Crops(wide(names)), force=True)  # type: ignore[arg-type]
    told, page_file = receipt(verdict), verdict.receipt.with_name("receipt.html")
    assert told["wrong"]["count"] > len(told["wrong"]["shown"]) == gallery.MOST_WRONG
    assert f"and {told['wrong']['count'] - gallery.MOST_WRONG} more" in text(page_file)
    assert text(page_file).count('class="face"') == gallery.MOST_FACES
    assert page_file.stat().st_size < 1_500_000
    assert f"{len(names) - html.MOST_NAMES} more names" in text(page_file)


def test_a_crop_that_is_gone_costs_its_picture_only(bench: Bench) -> None:
    world = wide()
    verdict = bench.train(Crops(world, gone=tuple(range(len(world.rows)))))  # type: ignore[arg-type]
    shown = text(verdict.receipt.with_name("receipt.html"))
    assert shown.count("no picture") == len(receipt(verdict)["wrong"]["shown"]) > 0
    assert "<img" not in shown.split('class="plots"')[0]


def test_one_name_alone_has_no_macro_f1_on_its_page(bench: Bench) -> None:
    world = World().crowd(["tom"], images=24)
    for image in range(100, 112):
        world.add("stranger", image=image, kind="unknown")
    verdict = bench.train(world)
    shown = text(verdict.receipt.with_name("receipt.html"))
    assert verdict.reason.startswith("It tells tom or not: ") and "strangers left unnamed" in verdict.reason
    assert "macro_f1" not in verdict.metrics and "macro_f1" not in receipt(verdict)["judged"]["candidate"]
    assert "acro-F1 0" not in shown and "acro-F1 1" not in shown and "unknown objects left unnamed" in shown


@pytest.mark.parametrize("count", [1, 2, 30])
def test_the_confusions_are_drawn(count: int) -> None:
    table = np.eye(count + 1, dtype=np.int64) * 3
    drawn = ElementTree.fromstring(plots.confusion_svg(table, [f"<label> {'x' * 40} \x07 {number}" for number in range(count)]))
    cells = [each for each in drawn.iter(f"{SVG}rect") if each.get("fill-opacity") == "1.0"]
    assert len(cells) == count + 1
    written = [each.text for each in drawn.iter(f"{SVG}text")]
    assert written.count("3") == (count + 1 if count < plots.CELLS_WRITTEN else 0)
    assert written.count("unknown") == 2 and any("<label>" in str(each) for each in written)


def test_the_curves_are_drawn_in_their_squares() -> None:
    said = ElementTree.fromstring(plots.reliability_svg([(0.0, 0.0, 1), (0.5, 1.0, 100), (1.0, 1.0, 4)]))
    dots = [tuple(float(each.get(key, "nan")) for key in ("cx", "cy", "r")) for each in said.iter(f"{SVG}circle")]
    bottom, top, right = plots.ABOVE + plots.SIDE, plots.ABOVE, plots.LEFT + plots.SIDE
    assert [each[:2] for each in dots] == [(plots.LEFT, bottom), (plots.LEFT + plots.SIDE / 2, top), (right, top)]
    assert dots[1][2] > dots[2][2] > dots[0][2]
    grown = ElementTree.fromstring(plots.learning_svg([(3, 0.5), (12, 0.9)]))
    assert len(list(grown.iter(f"{SVG}circle"))) == 2 and "20" in [each.text for each in grown.iter(f"{SVG}text")]
    none = ElementTree.fromstring(plots.learning_svg([], why_none="Every name is in one picture only, so nothing could be left out."))
    assert not list(none.iter(f"{SVG}circle"))
    assert any("Every name is in one picture" in str(each.text) for each in none.iter(f"{SVG}text"))
