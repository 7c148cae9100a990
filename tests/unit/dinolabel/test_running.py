from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dinolabel.local import up_state
from dinolabel.vision.errors import RequestError

NOTE = up_state.UpState("http://127.0.0.1:8081", "secret-token", 3, os.getpid())


def test_a_running_up_is_found_and_forgotten_when_it_ends(tmp_path: Path) -> None:
    with up_state.claim(tmp_path):
        up_state.announce(tmp_path, NOTE)
        assert up_state.find(tmp_path) == NOTE
    assert up_state.find(tmp_path) is None


def test_a_note_left_by_a_crash_is_not_believed(tmp_path: Path) -> None:
    code = f"""
import os
from pathlib import Path
from dinolabel.local import up_state
with up_state.claim(Path({str(tmp_path)!r})):
    up_state.announce(Path({str(tmp_path)!r}), up_state.UpState("u", "t", 1, os.getpid()))
    os._exit(9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert (tmp_path / up_state.NOTE).exists()
    assert up_state.find(tmp_path) is None


def test_two_cannot_claim_one_folder(tmp_path: Path) -> None:
    with up_state.claim(tmp_path), pytest.raises(RequestError, match="already running") as caught, up_state.claim(tmp_path):
        pass
    assert "--data" in caught.value.hint
    with up_state.claim(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": "x"}', json.dumps({"url": "u", "token": "t", "project": 1, "pid": 1, "new": 2})])
def test_a_note_that_makes_no_sense_is_no_note(tmp_path: Path, text: str) -> None:
    with up_state.claim(tmp_path):
        (tmp_path / up_state.NOTE).write_text(text)
        assert up_state.find(tmp_path) is None


def test_private_files_are_private_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "token"
    up_state.write_private(path, "one")
    up_state.write_private(path, "two")
    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["token"]


def test_the_token_is_not_in_the_repr() -> None:
    assert "secret-token" not in repr(NOTE)
