"""The crops an answer leans on are found as files where the export still has them."""

from __future__ import annotations

import json
from pathlib import Path

from vision.reasons import crop_files


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
