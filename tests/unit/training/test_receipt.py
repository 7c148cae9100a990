"""Receipts: what people see, and that nobody's label can break the page."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from tests.blobs import LATER, NAMES, NOW, Bench, World, receipt
from training import pictures


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def text(file: Path) -> str:
    return re.sub(r"<style>.*?</style>|data:image/png;base64,[^\"]+", "", file.read_text(), flags=re.DOTALL)


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
    assert not verdict.receipt.with_name("confusion.png").exists()
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
    from tests.blobs import KnownOnly
    from training.train import train

    verdict = train(manifest, project="1", embedder=KnownOnly(), store=bench.store, cache=bench.cache, now=NOW)
    assert verdict.published
    (told,) = receipt(verdict)["data"]["unreadable"]
    assert told.startswith("crops/broken.png: ")


@pytest.mark.parametrize("count", [1, 2, 30])
def test_the_picture_is_one(count: int) -> None:
    table = np.eye(count + 1, dtype=np.int64) * 3
    png = pictures.confusion_png(table, [f"label {'x' * 40} {number}" for number in range(count)])
    image = PIL.Image.open(io.BytesIO(png))
    assert image.format == "PNG" and min(image.size) > 100
    assert png == pictures.confusion_png(table, [f"label {'x' * 40} {number}" for number in range(count)])
