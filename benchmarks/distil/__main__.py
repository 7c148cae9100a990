"""Students against their teacher on drawn scenes: how good, how dear, and whom the gate lets through.    make distil-bench

Writes distil.json: rows {what, value, goal, holds}. Nothing is tuned here: recipe and gate were fixed before; the scenes that judge are of
seeds that nothing else uses. One thread. `--fit NAME …` fits some of the students and ends, so that it can be done in parts.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from benchmarks.distil import fits

OUT = Path(__file__).resolve().parents[2] / "distil.json"


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import torch

    torch.set_num_threads(1)
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--fit", nargs="*", choices=list(fits.RECIPES), help="fit these and end")
    asked.add_argument("--rows", action="store_true", help="only measure the students that are fitted")
    asked.add_argument("--out", type=Path, default=OUT)
    given = asked.parse_args()
    asked_for = [] if given.rows else given.fit if given.fit is not None else list(fits.RECIPES)
    for name in asked_for:
        _, course = fits.fit(name)
        print(name, course, flush=True)
    if given.fit is None:
        from benchmarks.distil import rows

        made = list(rows.all_rows())
        for each in made:
            print(json.dumps(each), flush=True)
        given.out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
