"""The shelf: names that are file names, and nothing kept longer than a day."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dinolabel.app.common.downloads import KEPT_SECONDS, DownloadFolder


@pytest.mark.parametrize(("name", "wanted"), [("a b/c.png", "a-b-c.png"), ("../../x", "..-..-x"), ("", "file"), ("фото.png", "фото.png")])
def test_a_name_is_a_file_name(tmp_path: Path, name: str, wanted: str) -> None:
    path = Path(DownloadFolder(root=tmp_path).keep(name, lambda target: target.write_text("kept")))
    assert (path.name, path.read_text()) == (wanted, "kept")
    assert path.resolve().is_relative_to(tmp_path)


def test_old_ones_go(tmp_path: Path) -> None:
    shelf = DownloadFolder(root=tmp_path)
    old = shelf.place()
    long_ago = time.time() - KEPT_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    assert shelf.place().exists()
    assert not old.exists()
    os.utime(shelf.folder, (long_ago, long_ago))
    DownloadFolder(root=tmp_path)
    assert not shelf.folder.exists(), "what a killed app left behind"


def test_clear_takes_everything(tmp_path: Path) -> None:
    shelf = DownloadFolder(root=tmp_path)
    shelf.place()
    shelf.clear()
    assert list(tmp_path.iterdir()) == []
