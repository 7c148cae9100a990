"""A study that was stopped goes on where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.study.parts import Parts


def test_a_part_is_done_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done: list[str] = []

    def work(name: str) -> dict[str, float]:
        done.append(name)
        return {"auroc": 0.5}

    for _ in range(2):
        parts = Parts("nano", 8, folder=tmp_path)
        assert parts.done("curve demo, 5 crops", lambda: work("curve")) == {"auroc": 0.5}
    assert done == ["curve"]
    assert "kept from before" in capsys.readouterr().err
    Parts("small", 8, folder=tmp_path).done("curve demo, 5 crops", lambda: work("of other weights"))
    assert done == ["curve", "of other weights"]


def test_a_part_that_was_stopped_is_done_again(tmp_path: Path) -> None:
    def stopped() -> None:
        raise KeyboardInterrupt

    parts = Parts("nano", folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        parts.done("gate 0 to 99", stopped)
    assert parts.done("gate 0 to 99", lambda: [1]) == [1]
