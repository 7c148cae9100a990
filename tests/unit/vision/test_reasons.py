"""The crops an answer leans on are found as files where the export still has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

import dinolabel.vision.bundles.explanations
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.explanations import crop_files
from dinolabel.vision.types import Box
from tests import docs


def test_ids_lead_to_files_that_are_there(tmp_path: Path) -> None:
    rows = [{"task": 7, "annotation": 1, "region": f"r/{at}", "view": "detector", "crop": f"crops/{at}.png"} for at in range(3)]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops" / "0.png").write_bytes(b"png")
    ids = ["7/1/r/0/detector", "7/1/r/1/detector", "8/1/x/person"]
    assert crop_files(tmp_path, ids) == {ids[0]: tmp_path / "crops" / "0.png"}
    (tmp_path / "manifest.jsonl").write_text('{"task": 7')
    assert crop_files(tmp_path, ids) == {}
    assert crop_files(tmp_path / "gone", ids) == {}


def test_half_a_line_costs_the_rest_and_nothing_leads_out_of_the_export(tmp_path: Path) -> None:
    export = tmp_path / "export"
    export.mkdir()
    for path in (export / "a.png", tmp_path / "secret.png"):
        path.write_bytes(b"png")
    row = {"task": 7, "annotation": 1, "region": "r", "view": "person", "crop": "a.png"}
    rows = [row, row | {"task": 8, "crop": "../secret.png"}, row | {"task": 9, "crop": str(tmp_path / "secret.png")}]
    (export / "manifest.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows) + '{"task": 7')
    assert crop_files(export, ["7/1/r/person", "8/1/r/person", "9/1/r/person"]) == {"7/1/r/person": export / "a.png"}


def test_the_python_of_the_docs(tmp_path: Path, make_bundle: Callable[..., Bundle]) -> None:
    """docs/trust.md, with names of its own for what a caller has at hand."""
    (code,) = [block.text for block in docs.blocks(docs.ROOT / "docs" / "trust.md") if block.kind == "python"]
    bundle = make_bundle(reference_ids=("7/1/a/person", "7/1/b/person", "8/2/c/person"))
    around = {"bundle": bundle, "embeddings": np.array([[1, 0, 0, 0]], np.float32), "boxes": [Box(0, 0, 50, 50)], "dinolabel": dinolabel}
    exec(compile(code, "docs/trust.md", "exec"), around | {"export": tmp_path}, kept := {})
    assert kept["answer"].because[0].label == "jason"
