"""Hits and misses, and everything that must only cost time: damage, another process, a full disk, no disk."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from dinolabel.vision.proposals.candidates import Candidate
from dinolabel.vision.storage.cache import Cache, detection_key, embedding_key
from dinolabel.vision.types import Box, CropPolicy, Image, Prompt

IMAGE = Image("ab" * 32, 640, 480, lambda: np.zeros((480, 640, 3), np.uint8))
BOX = Box(10.25, 20.5, 110.75, 220)


def vector(seed: int, dim: int = 384) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=dim).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "cache.sqlite"


def test_detections_come_back_exactly(path: Path) -> None:
    cache = Cache(path, max_mb=16)
    found = [Candidate(Box(0.25, 1.5, 99.75, 80), "cat face", 0.1 + 0.2, 1 / 7), Candidate(BOX, "größe, \"'", 1.0, 0.0)]
    cache.put_detections("key", found)
    assert cache.get_detections("key") == found
    assert cache.get_detections("other") is None


def test_nothing_found_is_an_answer_too(path: Path) -> None:
    cache = Cache(path, max_mb=16)
    cache.put_detections("key", [])
    assert cache.get_detections("key") == []


def test_embeddings_come_back_exactly(path: Path) -> None:
    cache = Cache(path, max_mb=16)
    stored = {f"k{number}": vector(number) for number in range(1200)}  # more than one query holds
    cache.put_embeddings(stored)
    got = cache.get_embeddings([*stored, "missing"])
    assert got.keys() == stored.keys()
    assert all(np.array_equal(got[key], stored[key]) and got[key].dtype == np.float32 for key in stored)
    got["k0"][0] = 7.0  # a caller may do with its copy what it likes
    assert cache.get_embeddings(["k0"])["k0"][0] == stored["k0"][0]


def test_the_later_of_two_wins(path: Path) -> None:
    cache = Cache(path, max_mb=16)
    for seed in (1, 2):
        cache.put_embeddings({"key": vector(seed)})
    assert np.array_equal(cache.get_embeddings(["key"])["key"], vector(2))


def test_another_opening_sees_it(path: Path) -> None:
    one = Cache(path, max_mb=16)
    two = Cache(path, max_mb=16)
    one.put_embeddings({"key": vector(1)})
    assert "key" in two.get_embeddings(["key"])
    one.close()
    assert one.get_embeddings(["key"]) == {}
    assert "key" in Cache(path, max_mb=16).get_embeddings(["key"])


@pytest.mark.parametrize("column", ["value", "checksum"])
def test_a_damaged_entry_is_a_miss_and_can_be_written_again(path: Path, column: str) -> None:
    cache = Cache(path, max_mb=16)
    cache.put_embeddings({"good": vector(1), "bad": vector(2)})
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE entries SET {column} = zeroblob(length({column})) WHERE key = 'bad'")
    assert cache.get_embeddings(["good", "bad"]).keys() == {"good"}
    cache.put_embeddings({"bad": vector(2)})
    assert cache.get_embeddings(["good", "bad"]).keys() == {"good", "bad"}


def test_an_entry_under_a_wrong_key_is_a_miss(path: Path) -> None:
    cache = Cache(path, max_mb=16)
    cache.put_embeddings({"one": vector(1)})
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE entries SET key = 'two'")
    assert cache.get_embeddings(["two"]) == {}


def test_a_damaged_file_is_set_aside(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this was never a database " * 500)
    cache = Cache(path, max_mb=16)
    cache.put_embeddings({"key": vector(1)})
    assert "key" in cache.get_embeddings(["key"])
    assert path.with_name("cache.sqlite.damaged").exists()


def test_no_place_to_keep_it_is_only_slow(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = Cache(tmp_path / "file" / "cache.sqlite", max_mb=16)
    cache.put_embeddings({"key": vector(1)})
    cache.put_detections("key", [])
    assert cache.get_embeddings(["key"]) == {}
    assert cache.get_detections("key") is None


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_least_recently_used_go_first(path: Path) -> None:
    clock = Clock()
    cache = Cache(path, max_mb=1, clock=clock)
    large = np.zeros(50_000, np.float32)  # 0.2 MB each: four fit
    for number in range(4):
        clock.now = number * 10_000.0
        cache.put_embeddings({f"k{number}": large})
    clock.now = 50_000.0
    assert cache.get_embeddings(["k0"])  # the oldest is used again
    cache.put_embeddings({"k4": large})
    left = set(cache.get_embeddings([f"k{number}" for number in range(5)]))
    assert left == {"k0", "k2", "k3", "k4"}


def test_the_size_stays_bounded_over_many_writes(path: Path) -> None:
    cache = Cache(path, max_mb=1)
    for number in range(60):
        cache.put_embeddings({f"k{number % 20}-{number // 20}": np.zeros(25_000, np.float32)})
    with sqlite3.connect(path) as connection:
        (total,) = connection.execute("SELECT bytes FROM total").fetchone()
        (counted,) = connection.execute("SELECT sum(length(value) + 200) FROM entries").fetchone()
    assert total == counted <= 1_000_000
    cache.close()
    assert path.stat().st_size < 2_000_000


def test_threads_share_it(path: Path) -> None:
    cache = Cache(path, max_mb=16)

    def work(number: int) -> None:
        for step in range(20):
            cache.put_embeddings({f"{number}-{step}": vector(number)})
            assert f"{number}-{step}" in cache.get_embeddings([f"{number}-{step}"])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(cache.get_embeddings([f"{number}-{step}" for number in range(8) for step in range(20)])) == 160


WRITER = """
import sys
from pathlib import Path
import numpy as np
from dinolabel.vision.storage.cache import Cache
name, path = sys.argv[1], Path(sys.argv[2])
cache = Cache(path, max_mb=16)
for step in range(150):
    cache.put_embeddings({f"{name}-{step}": np.full(384, step, np.float32), "shared": np.full(384, step, np.float32)})
assert len(cache.get_embeddings([f"{name}-{step}" for step in range(150)])) == 150, "lost a write of its own"
"""


def test_processes_write_at_once_from_the_first_moment(path: Path) -> None:
    children = [subprocess.Popen([sys.executable, "-c", WRITER, name, str(path)], stderr=subprocess.PIPE) for name in "abc"]
    for child in children:
        _, complaint = child.communicate(timeout=120)
        assert child.returncode == 0, complaint.decode()
        assert b"out_of_order" not in complaint
    cache = Cache(path, max_mb=16)
    assert len(cache.get_embeddings([f"{name}-{step}" for name in "abc" for step in range(150)])) == 450
    assert cache.get_embeddings(["shared"])["shared"][0] == 149


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from dinolabel.vision.storage.cache import Cache
cache = Cache(Path(sys.argv[1]), max_mb=100)
cache.put_embeddings({"before": np.ones(8, np.float32)})
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # as if the disk were full from here on
for step in range(20):
    cache.put_embeddings({f"k{step}": np.zeros(100_000, np.float32)})
assert "before" in cache.get_embeddings(["before"]), "what was there must still be read"
assert cache.get_embeddings(["k19"]) == {}
"""


def test_a_full_disk_is_told_once_and_survived(path: Path) -> None:
    child = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=120)
    assert child.returncode == 0, child.stderr
    assert (child.stdout + child.stderr).count("cache_out_of_order") == 1


def test_detection_keys_change_with_what_decides() -> None:
    def key(image: Image = IMAGE, digest: str = "d1", prompt: str = "cat. dog") -> str:
        return detection_key(image, digest, Prompt.parse(prompt))

    frame = Image(IMAGE.sha256, 640, 480, IMAGE.load, frame=3)
    other = Image("cd" * 32, 640, 480, IMAGE.load)
    keys = [key(), key(frame), key(other), key(digest="d2"), key(prompt="cat"), key(prompt="cat dog")]
    assert len(set(keys)) == len(keys)
    assert key() == key(prompt="Dog,  CAT")


def test_embedding_keys_change_with_what_decides() -> None:
    def key(image: str = "i", box: Box = BOX, policy: CropPolicy | None = None, digest: str = "e") -> str:
        return embedding_key(image, box, policy or CropPolicy(), digest)

    moved = Box(10.5, 20.5, 110.75, 220)
    keys = [key(), key("j"), key(box=moved), key(policy=CropPolicy(margin=0.3)), key(policy=CropPolicy(max_side=224)), key(digest="f")]
    assert len(set(keys)) == len(keys)
    assert key() == key(policy=CropPolicy(min_side=99)), "what is too small to name has the same pixels"


@pytest.mark.parametrize("size", [(640, 480), (4032, 3024), (1021, 997), (17, 13)])
def test_a_trip_through_percent_finds_the_same_key(size: tuple[int, int]) -> None:
    width, height = size
    rng = np.random.default_rng(5)
    for _ in range(200):
        x1, x2 = sorted(rng.uniform(0, width, 2))
        y1, y2 = sorted(rng.uniform(0, height, 2))
        box = Box(x1, y1, x2 + 1, y2 + 1).quantise()
        x, y, w, h = box.x1 / width * 100, box.y1 / height * 100, box.width / width * 100, box.height / height * 100
        back = Box(x / 100 * width, y / 100 * height, (x + w) / 100 * width, (y + h) / 100 * height)
        assert embedding_key("i", back, CropPolicy(), "e") == embedding_key("i", box, CropPolicy(), "e")
