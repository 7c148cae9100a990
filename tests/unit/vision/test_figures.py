"""The figures of a head: one list, one wording, one way to write each, wherever they are shown."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from dinolabel.__main__ import run
from dinolabel.app.tabs.heads import HeadsTab
from dinolabel.models import diff
from dinolabel.training.report import html
from dinolabel.vision.bundles.figures import FIGURES, decimal, interval, measured_rows, percent, points, unknown_kept
from dinolabel.vision.bundles.registry import BundleStore
from tests.doubles.coloured_things import BLUE, RED, bundle

METRICS = {
    "accuracy": 0.8125, "coverage": 0.9, "accuracy_named": 0.875, "macro_f1": 0.75, "macro_f1_interval": [0.6, 0.904],
    "ece": 0.031, "ece_interval": [0.01, 0.06], "objects": 7, "groups": 3, "per_label": {}, "unknown": None,
}  # fmt: skip
WRITTEN = {
    "right names": "0.81",
    "coverage": "0.90",
    "precision of named": "0.88",
    "macro-F1": "0.75 (0.60 to 0.90)",
    "calibration error": "0.03 (0.01 to 0.06)",
}


def test_the_list() -> None:
    assert {words: value for words, (value,) in measured_rows(METRICS)} == WRITTEN
    assert tuple(WRITTEN) == tuple(FIGURES.values())


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"ece": 0.031}, ("0.03", "3%", "–")),
        ({"ece": 0}, ("0.00", "0%", "+0 points")),
        ({"ece": None}, ("–", "–", "–")),
        ({}, ("–", "–", "–")),
        ({"ece": 1.0, "ece_interval": None}, ("1.00", "100%", "+100 points")),
    ],
)
def test_how_one_is_written(metrics: dict[str, float | None], expected: tuple[str, str, str]) -> None:
    before = {"ece": 0.0} if expected[2] != "–" else {}
    assert (decimal(metrics, "ece"), percent(metrics, "ece"), points(before, metrics, "ece")) == expected


@pytest.mark.parametrize(
    ("bounds", "written"),
    [
        ([0.7, 0.9], "0.80 (0.70 to 0.90)"),
        ([1.0, 1.0], "0.80"),  # of all-right answers, as earlier heads have it
        ([0.0, 0.0], "0.80"),
        ([0.798, 0.802], "0.80 (0.798 to 0.802)"),
        ([0.9951, 1.0], "0.80 (0.995 to 1.000)"),
        ([0.8001, 0.8002], "0.80 (0.8001 to 0.8002)"),
    ],
)
def test_no_interval_without_width(bounds: list[float], written: str) -> None:
    metrics = {"macro_f1": 0.8, "macro_f1_interval": bounds}
    assert decimal(metrics, "macro_f1") == written
    assert (interval(metrics, "macro_f1") is None) is ("(" not in written)


@pytest.mark.parametrize(("unknown", "written"), [({"kept": 0.75, "objects": 4}, "3 of 4"), (None, "–"), ({}, "–")])
def test_strangers_left_unnamed(unknown: dict[str, float] | None, written: str) -> None:
    assert unknown_kept({"unknown": unknown}) == written
    assert unknown_kept({}) == "–"


def test_a_figure_that_one_of_two_heads_has_is_shown() -> None:
    assert list(measured_rows({"ece": 0.5}, {"accuracy": 0.25})) == [("right names", ["–", "0.25"]), ("calibration error", ["0.50", "–"])]
    assert list(measured_rows({}, {})) == []


def test_everywhere_in_the_same_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path))
    store = BundleStore(tmp_path / "bundles")
    one, other = (store.publish("1", replace(bundle(names), metrics=METRICS)) for names in ({"tom": RED}, {"tom": RED, "felix": BLUE}))
    assert {words: before for words, before, _ in diff.figures(METRICS, METRICS)} == WRITTEN
    assert run(["heads", "show", one, "--project", "1"]) == 0
    told = capsys.readouterr().out
    assert [words for words, value in WRITTEN.items() if re.search(rf"{words} +{re.escape(value)}", told)] == list(WRITTEN)
    compared = {row[0]: row[1] for row in HeadsTab(store).compare("1", one, other)}
    assert {words: compared.get(words) for words in WRITTEN} == dict(zip(WRITTEN, ("81%", "90%", "88%", "75%", "3%"), strict=True))
    assert html._figures(METRICS, METRICS) == [(words, value, value) for words, value in WRITTEN.items()]
