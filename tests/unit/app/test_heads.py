"""The models tab: each head once with its marks, two compared, pin and go back."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dinolabel.app.tabs.heads import NONE_YET, HeadsTab
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.errors import RequestError
from tests.doubles.scripted_models import BLUE, GREEN, RED, colour_bundle


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore(tmp_path)


@pytest.fixture
def ids(store: BundleStore) -> list[str]:
    """Two heads, the second with another name and better figures."""
    old = replace(colour_bundle(tom=RED), metrics={"accuracy": 0.5, "coverage": 0.6, "macro_f1": 0.5, "macro_f1_interval": [0.4, 0.6]})
    new = replace(colour_bundle(tom=RED, felix=BLUE), metrics={"accuracy": 0.9, "coverage": 0.9, "macro_f1": 0.875})
    return [
        store.publish("3", old),
        store.publish("3", new, beside=lambda folder: (folder / "receipt.html").write_text("<h1>why & how</h1>")),
    ]


def test_nothing_yet_says_what_to_do(store: BundleStore) -> None:
    heads = HeadsTab(store).show(None)
    assert (heads.table, heads.status) == ([], NONE_YET)


def test_heads_newest_first_with_marks_and_figures(store: BundleStore, ids: list[str]) -> None:
    store.set_current("3", ids[0])
    heads = HeadsTab(store).show("3")
    assert [(row[0], row[1], row[4], row[5]) for row in heads.table] == [("coming", ids[1], "2", "90%"), ("shown", ids[0], "1", "50%")]
    store.set_current("3", ids[1])
    store.pin("3", ids[1])
    assert [row[0] for row in HeadsTab(store).show("3").table] == ["shown, pinned", ""]
    assert [each for _, each in heads.choices] == [ids[1], ids[0]]


def test_the_curve_is_drawn_to_scale(store: BundleStore, ids: list[str]) -> None:
    svg = ElementTree.fromstring(HeadsTab(store).show("3").curve)
    dots = [(float(each.attrib["cx"]), float(each.attrib["cy"])) for each in svg.iter("circle")]
    only = store.publish("4", colour_bundle(tom=RED))
    assert (only, HeadsTab(store).show("4").curve) == (only, ""), "one head is no curve"
    assert dots[0][0] < dots[1][0], "more boxes lie further right"
    assert dots[0][1] > dots[1][1], "a better head lies higher"
    assert sum(each.get("class") == "interval" for each in svg.iter("line")) == 1


def test_two_heads_side_by_side(store: BundleStore, ids: list[str]) -> None:
    rows = {row[0]: row[1:] for row in HeadsTab(store).compare("3", *ids)}
    assert rows["names"] == ["tom", "felix, tom", "+ felix"]
    assert rows["boxes learnt from"] == ["1", "2", "+1"]
    assert rows["right names"] == ["50%", "90%", "+40 points"]
    assert rows["precision of named"] == ["–", "–", "–"]


def test_pin_let_go_and_go_back(store: BundleStore, ids: list[str]) -> None:
    tab = HeadsTab(store)
    assert (tab.acts(None), tab.acts("3")) == ((False, False, False), (True, False, True))
    tab.pin("3", ids[0])
    assert tab.acts("3") == (True, True, False), "nothing is before the first"
    assert (store.desired("3"), "Pinned" in tab.show("3").status) == (ids[0], True)
    tab.unpin("3")
    assert store.desired("3") == ids[1]
    assert tab.roll_back("3") == ids[0] == store.pinned("3")
    with pytest.raises(RequestError, match="no head before"):
        tab.roll_back("3")


def test_a_receipt_may_run_nothing(store: BundleStore, ids: list[str]) -> None:
    frame = HeadsTab(store).receipt("3", ids[1])
    assert re.findall('sandbox="([^"]*)"', frame) == ["allow-same-origin allow-popups allow-popups-to-escape-sandbox"], (
        "no scripts, no forms"
    )
    assert "<h1>" not in frame
    assert "&lt;h1&gt;why &amp; how&lt;/h1&gt;" in frame
    assert "without a receipt" in HeadsTab(store).receipt("3", ids[0])


@pytest.mark.parametrize("head", ["000000000000", "", None])
def test_what_is_not_there(store: BundleStore, ids: list[str], head: str | None) -> None:
    with pytest.raises(RequestError):
        HeadsTab(store).pin("3", head)
    store.publish("4", colour_bundle(maria=GREEN))
    with pytest.raises(RequestError):
        HeadsTab(store).roll_back("4")
