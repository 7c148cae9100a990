"""`python -m benchmarks.fuzz`: odd input for every reader and route, into fuzz.json (rows of what, value, goal, holds); run by `make fuzz`.

What something unforeseen came of is kept in `--keep`, for who mends it, and lands nowhere else.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.fuzz import outside
from benchmarks.fuzz.harness import Outcome, run
from benchmarks.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
MOST_MB = 2048


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="for our own readers, in all")
    parser.add_argument("--seconds", type=float, default=900, help="for these; afterwards it goes on to the routes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="of these targets, and nothing else; writes no file")
    parser.add_argument("--keep", type=Path, default=ROOT / ".cache" / "fuzz" / "kept")
    parser.add_argument("--home", type=Path, default=ROOT / ".cache" / "fuzz", help="with environments of schemathesis and atheris")
    asked = parser.parse_args()
    chosen = [each for each in TARGETS if asked.only is None or each.name in asked.only]
    shares, until, begun = sum(each.share for each in chosen), time.monotonic() + asked.seconds, time.process_time()

    def one(target: Any) -> Outcome:
        return run(target, round(asked.inputs * target.share / shares), seed=asked.seed, until=until, keep=asked.keep)

    with ThreadPoolExecutor(2) as pool:
        outcomes = []
        for each in pool.map(one, sorted(chosen, key=lambda target: -target.share)):
            outcomes.append(each)
            print(line(each), flush=True)
    if asked.only is not None:
        return 0
    found = [*rows(outcomes), *outside.schemathesis(asked.home, seed=asked.seed), *outside.atheris(asked.home, seed=asked.seed)]
    (ROOT / "fuzz.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for each in found:
        print("holds " if each["holds"] else "MISSED", each["what"], each["value"], "goal", each["goal"])
    print(f"{time.process_time() - begun:.0f} CPU seconds here, without the children")
    return 0 if all(each["holds"] for each in found) else 1


def line(each: Outcome) -> str:
    odd = ", ".join(f"{count} x {kind}" for kind, count in each.unnamed.most_common(4))
    return (
        f"{each.name:26} {each.inputs:7} inputs {each.results:7} results {each.named:7} named {each.hangs} hangs {each.stray} stray "
        f"{each.peak_mb:5} MB {each.slowest:5.2f} s {odd}"
    )


def rows(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """What, value, goal, holds."""
    inputs, unnamed = sum(each.inputs for each in outcomes), sum(sum(each.unnamed.values()) for each in outcomes)
    hangs, stray = sum(each.hangs for each in outcomes), sum(each.stray for each in outcomes)
    peak = max(each.peak_mb for each in outcomes)
    return [
        {"what": "inputs for our readers", "value": inputs, "goal": ">= 100000", "holds": inputs >= 100_000},
        {"what": "unnamed failures of our readers", "value": unnamed, "goal": "0", "holds": unnamed == 0},
        {"what": "hangs over 5 s of our readers", "value": hangs, "goal": "0", "holds": hangs == 0},
        {"what": "files left behind by our readers", "value": stray, "goal": "0", "holds": stray == 0},
        {"what": "most memory of a reader's process, MB", "value": peak, "goal": f"<= {MOST_MB}", "holds": peak <= MOST_MB},
        *({"what": f"inputs, {each.name}", "value": each.inputs, "goal": "> 0", "holds": each.inputs > 0} for each in outcomes),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
