"""Whether memory grows with a film's length: 1080p films of two lengths through the whole of `Film`, each in a process of its own.

    python -m tests.bench.film_memory --seconds 10 40

Prints JSON: peak resident memory (MB) for each length. The models are stand-ins, so this is decoding, following, spilling and writing.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.doubles.drawn_films import Disc, DiscDetector, film
from tests.doubles.scripted_models import BLUE, RED, ColourEmbedder, colour_bundle
from vision.films.film import Film
from vision.films.watching import Errand
from vision.pipeline import Pipeline
from vision.types import Prompt, Thresholds

SIZE = (1920, 1080)


def peak_mb(path: Path) -> float:
    """Run it here and say how much memory this process ever had."""
    pipeline = Pipeline(DiscDetector(RED, BLUE), ColourEmbedder())
    errand = Errand(Prompt(("cat",)), Thresholds(), 15, colour_bundle(tom=RED))
    made = Film(path, path.parent / "out", errand, pipeline)
    for _ in made.steps():
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, nargs="+", default=[10, 40])
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(peak_mb(asked.one))
        return
    peaks = {}
    for seconds in asked.seconds:
        with tempfile.TemporaryDirectory() as folder:
            discs = [Disc(RED, lambda n: (100 + n % 1700, 300), 60), Disc(BLUE, lambda n: (1800 - n % 1700, 700), 60)]
            path = film(Path(folder) / "film.mp4", discs, frames=30 * seconds, size=SIZE, sound="aac")
            said = subprocess.run([sys.executable, "-m", "tests.bench.film_memory", "--one", str(path)], capture_output=True, check=True)
            peaks[f"{seconds} s"] = round(float(said.stdout.split()[-1]))
    print(json.dumps({"size": SIZE, "peak_mb": peaks}))


if __name__ == "__main__":
    main()
