"""History, pins and verdicts on disk, and a reader in another process that must never see half a bundle."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.errors import BundleMismatch, RequestError

Make = Callable[..., Bundle]


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore(tmp_path / "bundles")


def test_an_empty_store_has_nothing(store: BundleStore) -> None:
    assert store.history("1") == []
    assert store.verdicts("1") == []
    assert [store.newest("1"), store.pinned("1"), store.desired("1"), store.current("1")] == [None] * 4


def test_publishes_in_order(store: BundleStore, make_bundle: Make) -> None:
    ids = [store.publish("1", make_bundle(temperature=each, metrics={"t": each})) for each in (1.0, 2.0, 3.0)]
    assert [(entry.id, entry.metrics["t"]) for entry in store.history("1")] == list(zip(ids, (1.0, 2.0, 3.0), strict=True))
    assert store.history("1")[0].labels == ("jason", "lacy")
    assert store.history("1")[0].at == "2026-11-22T12:00:00Z"
    assert store.newest("1") == store.desired("1") == ids[2]
    assert store.get("1", ids[0]).temperature == 1.0
    assert ids[0] == store.get("1", ids[0]).digest[:12]
    assert store.history("2") == []


def test_more_than_ten_publishes_stay_in_order(store: BundleStore, make_bundle: Make) -> None:
    ids = [store.publish("1", make_bundle(temperature=float(each + 1))) for each in range(12)]
    assert [entry.id for entry in store.history("1")] == ids


def test_the_same_content_again_is_the_newest_again(store: BundleStore, make_bundle: Make) -> None:
    first, _, again = (store.publish("1", make_bundle(temperature=each)) for each in (1.0, 2.0, 1.0))
    assert again == first == store.newest("1")
    assert len(store.history("1")) == 3


def test_pin_holds_and_lets_go(store: BundleStore, make_bundle: Make) -> None:
    old, new = (store.publish("1", make_bundle(temperature=each)) for each in (1.0, 2.0))
    store.pin("1", old)
    assert store.desired("1") == store.pinned("1") == old
    assert store.newest("1") == new
    store.pin("1", None)
    assert store.desired("1") == new
    assert store.pinned("1") is None


def test_current_is_what_the_switch_says(store: BundleStore, make_bundle: Make) -> None:
    bundle_id = store.publish("1", make_bundle())
    assert store.current("1") is None
    store.set_current("1", bundle_id)
    assert store.current("1") == bundle_id
    store.set_current("1", None)
    assert store.current("1") is None


@pytest.mark.parametrize("act", ["pin", "set_current", "get", "folder"])
def test_a_bundle_that_is_not_there(store: BundleStore, make_bundle: Make, act: str) -> None:
    there = store.publish("1", make_bundle())
    with pytest.raises(RequestError, match="no bundle 0123456789ab") as caught:
        getattr(store, act)("1", "0123456789ab")
    assert there in caught.value.hint


@pytest.mark.parametrize("project", ["", "..", "../1", "a/b", ".hidden", "a\0b"])
def test_a_project_cannot_leave_its_folder(store: BundleStore, make_bundle: Make, project: str) -> None:
    with pytest.raises(RequestError, match="cannot be a project"):
        store.publish(project, make_bundle())
    with pytest.raises(RequestError):
        store.history(project)


@pytest.mark.parametrize("card", ["{", "[]", "{}"])
def test_a_damaged_bundle_does_not_hide_the_others(store: BundleStore, make_bundle: Make, card: str) -> None:
    bad, good = (store.publish("1", make_bundle(temperature=each)) for each in (1.0, 2.0))
    (store.folder("1", bad) / "bundle.json").write_text(card)
    assert [each.id for each in store.history("1")] == [good]
    with pytest.raises(BundleMismatch):
        store.get("1", bad)


def test_the_receipt_lies_beside_the_bundle(store: BundleStore, make_bundle: Make) -> None:
    bundle_id = store.publish("1", make_bundle(), {"gate": "yes", "größe": 1})
    assert "gate" in (store.folder("1", bundle_id) / "receipt.json").read_text()


def test_verdicts_are_kept_in_order_and_a_cut_line_is_left_out(store: BundleStore, tmp_path: Path) -> None:
    for number in range(3):
        store.add_verdict("1", {"number": number, "why": "größer\nals"})
    with (tmp_path / "bundles" / "1" / "verdicts.jsonl").open("a") as file:
        file.write('{"number": 3, "wh')
    assert [each["number"] for each in store.verdicts("1")] == [0, 1, 2]


def test_a_publish_that_fails_leaves_nothing(store: BundleStore, make_bundle: Make, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        store.publish("1", make_bundle(metrics={"set": {1, 2}}))
    assert store.history("1") == []
    assert os.listdir(tmp_path / "bundles" / "1") == []


READER = """
import sys
from pathlib import Path
from dinolabel.vision.bundles.bundle import BundleMismatch
from dinolabel.vision.bundles.registry import BundleStore
store, reads, seen = BundleStore(Path(sys.argv[1])), 0, []
print("ready", flush=True)
while len(seen) < 25:
    history = store.history("1")
    newest = store.desired("1")
    if newest is not None:
        bundle = store.get("1", newest)           # raises BundleMismatch on half a bundle
        assert bundle.digest[:12] == newest
        assert (store.folder("1", newest) / "receipt.json").read_text().endswith("}")
        reads += 1
    ids = [each.id for each in history]
    assert ids[: len(seen)] == seen, "history was rewritten"
    seen = ids
print(reads)
"""


def test_a_reader_in_another_process_never_sees_half(store: BundleStore, make_bundle: Make, tmp_path: Path) -> None:
    command = [sys.executable, "-c", READER, str(tmp_path / "bundles")]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    for number in range(25):
        store.publish("1", make_bundle(temperature=float(number + 1)), {"number": number})
    reads, complaint = reader.communicate(timeout=60)
    assert reader.returncode == 0, complaint
    assert int(reads) >= 2  # while they were written; on a machine with other work not many more


PUBLISHER = """
import sys
from dataclasses import replace
from pathlib import Path
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.registry import BundleStore
store, bundle = BundleStore(Path(sys.argv[1])), Bundle.load(Path(sys.argv[2]))
for number in range(15):
    store.publish("1", replace(bundle, temperature=1.0 + number))
    store.add_verdict("1", {"number": number, "filler": "x" * 2000})
"""


def test_two_processes_publish_the_same_at_once_and_nothing_is_lost(store: BundleStore, make_bundle: Make, tmp_path: Path) -> None:
    make_bundle().save(tmp_path / "seed")
    command = [sys.executable, "-c", PUBLISHER, str(tmp_path / "bundles"), str(tmp_path / "seed")]
    children = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    for child in children:
        _, complaint = child.communicate(timeout=60)
        assert child.returncode == 0, complaint.decode()
    assert len(store.history("1")) == 30
    assert len(store.verdicts("1")) == 30
    assert not [name for name in os.listdir(tmp_path / "bundles" / "1") if name.startswith(".writing")]
