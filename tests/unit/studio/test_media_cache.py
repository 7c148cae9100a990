from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dinolabel.studio.media.cache import IN_USE_SECONDS, MediaCache
from dinolabel.vision.errors import MediaUnreadable

MB = 2**20


def put(cache: MediaCache, key: str, size: int = MB, *, age: float = 0.0) -> Path:
    path = cache.put(key, lambda file: _write(file, size), lambda _path: None)
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def _write(file: object, size: int) -> None:
    file.write(b"x" * size)  # type: ignore[attr-defined]


def files(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]


def test_found_again_by_address_also_by_another_process(tmp_path: Path) -> None:
    path = put(MediaCache(tmp_path, max_mb=16), "http://a/b.png")
    assert MediaCache(tmp_path, max_mb=16).get("http://a/b.png") == path
    assert MediaCache(tmp_path, max_mb=16).get("http://a/c.png") is None


@pytest.mark.parametrize("left", [0, 100, MB + 1])
def test_a_file_of_another_length_is_a_miss_and_is_replaced(tmp_path: Path, left: int) -> None:
    cache = MediaCache(tmp_path, max_mb=16)
    put(cache, "k").write_bytes(b"y" * left)
    assert cache.get("k") is None
    put(cache, "k")
    assert cache.get("k") is not None


def test_nothing_is_left_of_what_fails(tmp_path: Path) -> None:
    def refuse(_path: Path) -> None:
        raise MediaUnreadable("no picture")

    cache = MediaCache(tmp_path, max_mb=16)
    with pytest.raises(MediaUnreadable):
        cache.put("k", lambda file: _write(file, 10), refuse)
    assert files(tmp_path) == [] and cache.get("k") is None


def test_the_least_lately_used_go_first_and_the_bound_holds(tmp_path: Path) -> None:
    cache = MediaCache(tmp_path, max_mb=10)
    for at in range(9):
        put(cache, f"old {at}", age=10_000 - at)
    kept = cache.get("old 0")  # asked for now: it was the oldest, and is in use
    for at in range(9):
        put(cache, f"new {at}", age=IN_USE_SECONDS + 60 - at)
    put(cache, "last")
    total = sum(each.stat().st_size for each in files(tmp_path))
    assert total <= 10 * MB
    assert kept is not None and kept.exists()
    assert cache.get("old 1") is None and cache.get("last") is not None and cache.get("new 8") is not None


def test_what_is_in_use_is_never_taken_away(tmp_path: Path) -> None:
    cache = MediaCache(tmp_path, max_mb=16)
    made = [put(cache, str(at)) for at in range(20)]
    assert all(each.exists() for each in made)


def test_a_bound_made_smaller_holds_at_the_next_file_and_halves_of_a_crash_go(tmp_path: Path) -> None:
    wide = MediaCache(tmp_path, max_mb=100)
    for at in range(30):
        put(wide, str(at), age=10_000)
    half = tmp_path / "00" / "part-crash"
    half.parent.mkdir(exist_ok=True)
    half.write_bytes(b"x")
    os.utime(half, (0, 0))
    put(MediaCache(tmp_path, max_mb=16), "next")
    assert not half.exists()
    assert sum(each.stat().st_size for each in files(tmp_path)) <= 16 * MB
