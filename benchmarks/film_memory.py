"""Whether memory grows with a film's length: 1080p films of two lengths through the whole of `AnnotatedVideo`, each in a process of its
own.

    python -m benchmarks.film_memory --seconds 10 40 120

Prints JSON: peak resident memory (MB) for each length. The models are stand-ins, so this is decoding, following, spilling and writing.
A film is ten drawn seconds again and again: drawing all of an hour would take longer than watching it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import av

from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.types import Prompt, Thresholds
from dinolabel.vision.video.detect_frames import VideoRequest
from dinolabel.vision.video.job import AnnotatedVideo, VideoOutput
from tests.doubles.drawn_films import Disc, DiscDetector, film
from tests.doubles.scripted_models import BLUE, RED, ColourEmbedder, colour_bundle

SIZE = (1920, 1080)
RATE = 30
LOOP = 10  # seconds


def peak_mb(path: Path) -> float:
    """Run it here and say how much memory this process ever had."""
    pipeline = Pipeline(DiscDetector(RED, BLUE), ColourEmbedder())
    request = VideoRequest(Prompt(("cat",)), Thresholds(), 15, colour_bundle(tom=RED))
    made = AnnotatedVideo(path, VideoOutput(path.parent / "out"), request, pipeline)
    for _ in made.steps():
        pass
    return own_peak_mb()


def own_peak_mb() -> float:
    """Of this program alone. getrusage would give the parent's peak where that is larger: Linux hands it on through fork and exec."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(kilobytes) / 1024


def peak_elsewhere_mb(path: Path) -> float:
    """In a process of its own."""
    said = subprocess.run([sys.executable, "-m", "benchmarks.film_memory", "--one", str(path)], capture_output=True, check=True)
    return float(said.stdout.split()[-1])


def looped(source: Path, target: Path, times: int) -> Path:
    """The film so many times over, its packets copied."""
    with av.open(str(target), "w") as out:
        with av.open(str(source)) as container:  # all streams before the first packet
            streams = {each.index: out.add_stream_from_template(each) for each in container.streams}
        last: dict[int, int] = {}
        for turn in range(times):
            with av.open(str(source)) as container:
                for packet in container.demux():
                    shift = round(turn * LOOP / packet.time_base)
                    index = packet.stream.index
                    if packet.dts is None or packet.dts + shift <= last.get(index, packet.dts + shift - 1):
                        continue  # sound ends a little after the pictures
                    last[index] = packet.dts + shift
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, streams[packet.stream.index]
                    out.mux(packet)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, nargs="+", default=[10, 40, 120])
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(peak_mb(asked.one))
        return
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        discs = [Disc(RED, lambda n: (100 + n % 1700, 300), 60), Disc(BLUE, lambda n: (1800 - n % 1700, 700), 60)]
        loop = film(Path(folder) / "loop.mp4", discs, frames=RATE * LOOP, size=SIZE, rate=RATE, sound="aac")
        for seconds in asked.seconds:
            path = looped(loop, Path(folder) / "film.mp4", round(seconds / LOOP))
            peaks[f"{seconds} s"] = round(peak_elsewhere_mb(path))
            print(f"{seconds} s: {peaks[f'{seconds} s']} MB", file=sys.stderr)
    print(json.dumps({"size": SIZE, "peak_mb": peaks}))


if __name__ == "__main__":
    main()
