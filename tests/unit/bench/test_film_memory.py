"""What the bench of a film's memory tells is the memory of the film."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.film_memory import LOOP, RATE, looped, own_peak_mb, peak_elsewhere_mb
from tests.doubles.drawn_films import Disc, film
from tests.doubles.scripted_models import RED

DISCS = [Disc(RED, lambda n: (40 + n % 200, 60))]


def test_a_parents_peak_is_not_the_films(tmp_path: Path) -> None:
    """Linux hands a parent's peak on to its child, and whoever draws a film needs more memory than whoever watches it."""
    mine = np.ones(100_000_000)
    assert own_peak_mb() > 700
    assert peak_elsewhere_mb(film(tmp_path / "walk.mp4", DISCS, frames=20)) < 500
    assert mine[-1] == 1


def test_a_film_three_times_over(tmp_path: Path) -> None:
    short = film(tmp_path / "short.mp4", DISCS, frames=RATE * LOOP, size=(160, 120), rate=RATE, sound="aac")
    with av.open(str(looped(short, tmp_path / "long.mp4", 3))) as made:
        times = [float(frame.time) for frame in made.decode(video=0)]
    assert len(times) == 3 * RATE * LOOP
    assert times[-1] - times[0] == pytest.approx(3 * LOOP - 1 / RATE, abs=0.01)
