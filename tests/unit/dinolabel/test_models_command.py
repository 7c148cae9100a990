"""What `dinolabel models` shows and moves, on a real store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinolabel import __main__
from dinolabel.cli import console
from dinolabel.models import diff
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.heads import prototype
from dinolabel.vision.types import CropPolicy

REFERENCES = np.eye(4, dtype=np.float32)[:2]
Run = Callable[..., str]


def bundle(temperature: float, **metrics: Any) -> Bundle:
    head = prototype.build().fit(REFERENCES, ("jason", "lacy"))
    return Bundle(
        labels=head.labels,
        head_name="prototype",
        arrays=head.arrays(),
        temperature=temperature,
        accept_threshold=0.7,
        distance_threshold=0.3,
        references=REFERENCES,
        reference_labels=("jason", "lacy"),
        reference_ids=("1/1/a/person", "2/2/a/person"),
        embedder_name="dinov2-small",
        embedder_digest="e" * 64,
        policy=CropPolicy(),
        created_at=f"2026-11-22T12:0{temperature:.0f}:00Z",
        metrics=metrics,
        trained_on={"jason": 20, "lacy": 3},
        trained_until="2026-11-22T11:59:00Z",
    )


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BundleStore:
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console.out, "width", 200)
    return BundleStore(tmp_path / "bundles")


@pytest.fixture
def heads(store: BundleStore) -> list[str]:
    made = [store.publish("1", bundle(each, accuracy=0.8 + each / 100, objects=7, groups=3)) for each in (1, 2, 3)]
    store.set_current("1", made[1])
    store.add_verdict("1", {"at": "2026-11-22T12:05", "published": False, "reason": "Not better."})
    return made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        ended = __main__.run(["models", *arguments, "--project", "1"])
        captured = capsys.readouterr()
        assert ended == code, captured.err
        return captured.out if code == 0 else captured.err

    return call


def test_nothing_yet(store: BundleStore, run: Run) -> None:
    assert "No head yet" in run("list")
    assert "no head before" in run("rollback", code=2)
    assert "Nothing was pinned; the newest head is none yet" in run("unpin")
    assert "There are: none" in run("show", "abc", code=2)


def test_the_list_is_newest_first_and_says_which_is_shown_and_which_comes(heads: list[str], run: Run) -> None:
    lines = run("list").splitlines()
    assert [heads[2] in lines[1], heads[1] in lines[2], heads[0] in lines[3]] == [True] * 3
    assert "coming" in lines[1] and lines[2].startswith("●") and "shown" in lines[2]
    assert all(each in lines[1] for each in ("2026-11-22 12:03", "jason, lacy", "23", "83%"))
    assert "not published  Not better." in lines[4]


def test_a_head_published_again_stands_once_in_its_new_place(store: BundleStore, heads: list[str], run: Run) -> None:
    store.publish("1", bundle(1, accuracy=0.81))
    lines = run("list").splitlines()
    assert heads[0] in lines[1] and sum(heads[0] in line for line in lines) == 1


def test_show_tells_what_it_knows_and_how_it_measured(store: BundleStore, heads: list[str], run: Run) -> None:
    told = " ".join(run("show", heads[0][:5]).split())
    for each in (
        "jason 20 and lacy 3",
        "looks at all 4 numbers of each embedding",
        "confidence of 0.70 or more",
        "right names 0.81",
        "7 objects of 3 groups",
        str(store.folder("1", heads[0])),
    ):
        assert each in told


def test_pin_rollback_and_unpin_move_what_is_wanted(store: BundleStore, heads: list[str], run: Run) -> None:
    assert "as soon as every task has its boxes" in run("pin", heads[0])
    assert store.desired("1") == heads[0]
    assert f"Unpinned {heads[0]}; the newest head is {heads[2]}" in run("unpin")
    assert "It is shown already" in run("rollback")
    assert store.pinned("1") == heads[1]
    assert f"Back to {heads[0]}" in run("rollback")
    assert "no head before" in run("rollback", code=2)
    assert store.desired("1") == heads[0]


def test_a_start_that_fits_several_is_refused(heads: list[str], run: Run) -> None:
    assert "Several heads start with ''" in run("show", "", code=2)


def test_diff_says_what_changed_in_data_and_in_figures(store: BundleStore, capsys: pytest.CaptureFixture[str]) -> None:
    labels = {"jason": {"recall": 0.5, "objects": 4}, "lacy": {"recall": 1.0, "objects": 3}}
    before = bundle(1, accuracy=0.8, macro_f1=0.75, macro_f1_interval=[0.6, 0.9], per_label=labels)
    after = replace(
        bundle(2, accuracy=0.9, macro_f1=0.85, macro_f1_interval=[0.7, 0.95], per_label={"jason": {"recall": 0.9, "objects": 5}}),
        reference_ids=("1/1/a/person", "3/3/a/person"), trained_on={"jason": 25}, trained_until="2026-11-23T10:00:00Z",
        accept_threshold=0.6, width=4,
    )  # fmt: skip
    first = store.publish("1", before)
    difference = {"candidate": 0.85, "current": 0.8, "low": -0.01, "high": 0.11}
    second = store.publish("1", after, {"judged": {"macro_f1_difference": difference}, "changed": {"since": first}})
    assert __main__.run(["heads", "diff", first[:6], second[:6], "--project", "1"]) == 0
    told = {line.split("   ")[0].strip(): " ".join(line.split()) for line in capsys.readouterr().out.splitlines()}
    assert told["jason"] == "jason 20 25" and told["lacy"] == "lacy 3 –"
    assert told["only in one"] == "only in one 1 gone 1 new"
    assert told["accepts"] == "accepts 0.70 or more 0.60 or more" and "kind" not in told
    assert told["looks at"] == "looks at all 4 numbers of each embedding the first 4 numbers of each embedding"
    assert told["right names"] == "right names 0.80 0.90"
    assert told["macro-F1"] == "macro-F1 0.75 (0.60 to 0.90) 0.85 (0.70 to 0.95)"
    assert told["found: jason"] == "found: jason 0.50 of 4 0.90 of 5" and told["found: lacy"].endswith("1.00 of 3 –")
    assert any("macro-F1 0.80 → 0.85 (+0.05, 95 % interval -0.01 to +0.11)" in line for line in told.values())


@pytest.mark.parametrize(
    ("candidate", "low", "high", "told"),
    [
        ({"macro_f1": 1.0}, -0.2, 0.2, "macro-F1 1.00 → 1.00 (+0.00, 95 % interval -0.20 to +0.20)"),
        ({"macro_f1": 1.0}, 0.0, 0.0, "macro-F1 1.00 → 1.00 (+0.00)"),
        ({"accuracy": 1.0}, -0.2, 0.2, "F1 1.00 → 1.00 (+0.00, 95 % interval -0.20 to +0.20)"),
        (None, -0.2, 0.2, "macro-F1 1.00 → 1.00 (+0.00, 95 % interval -0.20 to +0.20)"),
    ],
)
def test_a_comparison_has_an_interval_with_a_width_or_none(candidate: dict[str, float] | None, low: float, high: float, told: str) -> None:
    difference = {"candidate": 1.0, "current": 1.0, "low": low, "high": high}
    receipt = {"judged": {"candidate": candidate, "macro_f1_difference": difference}, "changed": {"since": "a"}}
    assert diff.on_the_same(receipt, "a") == told


def test_rollback_to_a_named_head(store: BundleStore, heads: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.run(["heads", "rollback", heads[0][:6], "--project", "1"]) == 0
    assert store.pinned("1") == heads[0]
