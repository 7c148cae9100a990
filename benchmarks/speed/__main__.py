"""What dinolabel costs beside those people come from: `make bench`.   python -m benchmarks.speed [--parts detector precision ...]

Prints a table and adds its rows, `{"what", "value", "goal", "holds"}`, to bench.json (--json FILE). Every ratio is of CPU seconds (user and
system, children included), the two taking turns in one run, one thread each, so that it means the same on a busy machine. What is timed
against is in baselines.py. The table of docs/speed.md is written anew of bench.json, also by `--parts` without any.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.engine import Row, add
from benchmarks.speed import crops, detector, film, precision, shell
from benchmarks.speed.baselines import ROOT

PAGE = ROOT / "docs" / "speed.md"
PARTS: dict[str, Callable[[Path, int], Iterator[Row]]] = {
    "detector": lambda folder, rounds: detector.rows(folder, rounds),
    "precision": lambda *_: precision.rows(),
    "crops": lambda folder, rounds: crops.rows(folder, rounds),
    "start": lambda folder, rounds: shell.start_rows(folder, rounds),
    "folder": lambda folder, _: shell.folder_rows(folder),
    "film": lambda *_: film.rows(),
}


def table(rows: list[Row]) -> str:
    """Of the page, between its marks."""
    lines = ["| what | value | goal | holds |", "|---|---|---|---|"]
    for each in rows:
        holds = "–" if each["goal"] == "-" else "yes" if each["holds"] else "**no**"
        lines.append(f"| {each['what']} | {each['value']:g} | {each['goal']} | {holds} |")
    return "\n".join(["<!-- rows -->", *lines, "<!-- /rows -->"])


def main() -> None:
    wishes = argparse.ArgumentParser(prog="benchmarks.speed")
    wishes.add_argument("--json", type=Path, default=Path("bench.json"))
    wishes.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    wishes.add_argument("--rounds", type=int, default=3)
    wish = wishes.parse_args()
    for name in wish.parts:
        with tempfile.TemporaryDirectory() as folder:
            rows = []
            for each in PARTS[name](Path(folder), wish.rounds):
                rows.append(each)
                sys.stdout.write(f"{'holds' if each['holds'] else 'FAILS':6}{each['what']:100} {each['value']:>10}   goal {each['goal']}\n")
                sys.stdout.flush()
        add(wish.json, rows)
    page = PAGE.read_text(encoding="utf-8")
    every = json.loads(wish.json.read_text(encoding="utf-8"))
    PAGE.write_text(re.sub(r"<!-- rows -->.*<!-- /rows -->", lambda _: table(every), page, flags=re.S), encoding="utf-8")


if __name__ == "__main__":
    main()
