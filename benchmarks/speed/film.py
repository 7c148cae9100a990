"""A film of a minute end to end, against the ancestor's loop (benchmarks/video.py)."""

from __future__ import annotations

import os
from collections.abc import Iterator

from benchmarks import video
from benchmarks.engine import Row, row

SECONDS = float(os.environ.get("DINOLABEL_BENCH_FILM_SECONDS", "60"))
SIZE, RATE = (1280, 720), 25


def rows() -> Iterator[Row]:
    found = video.run(1, SECONDS, every=15, seed=5_000_000, size=SIZE, rate=RATE)
    what = f"{SECONDS:.0f} s film, 1280x720, {RATE} frames a second, end to end"
    times, same = found["speed_ratio"], found["identity_accuracy"] >= found["ancestor_identity_accuracy"]
    yield row(f"{what}, right names, share", found["identity_accuracy"], f">= {found['ancestor_identity_accuracy']}", holds=same)
    yield row(f"{what}, against the ancestor's loop, times", times, ">= 20 at equal identity", holds=same and times >= 20)
