"""Peak memory and time of every export on a generated project. Measures, asserts nothing.

python -m benchmarks.exports_memory --tasks 10000 --boxes 12 --out exports.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.generated import generate
from dinolabel.exporters import formats


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--tasks", type=int, default=10_000)
    wanted.add_argument("--boxes", type=int, default=12)
    wanted.add_argument("--formats", default=",".join(formats.names()))
    wanted.add_argument("--out", type=Path)
    given = wanted.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        export, config, media = generate(Path(folder), tasks=given.tasks, boxes=given.boxes)
        size = export.stat().st_size
        print(f"{given.tasks:,} tasks, {size / 1e6:.0f} MB of JSON, generated in {time.monotonic() - began:.0f} s")
        place = ["--from", str(export), "--media", str(media), "--label-config", str(config)]
        found = {"start": measured(["--help"], Path(folder))}
        for name in given.formats.split(","):
            out = Path(folder) / "out" / name
            found[name] = measured(["export", name, *place, "--out", str(out), "--pictures", "link", "--json"], Path(folder))
        found["report"] = measured(["effort", *place, "--out", str(Path(folder) / "effort.html"), "--json"], Path(folder))
    if given.out:
        facts = {"tasks": given.tasks, "json_mb": round(size / 1e6), "cores": os.cpu_count(), "commands": found}
        given.out.write_text(json.dumps(facts, indent=2) + "\n")


def measured(arguments: list[str], folder: Path) -> dict[str, Any]:
    """One command in a child process: seconds, peak resident memory in MB as the kernel counted it, boxes written."""
    environment = os.environ | {"DINOLABEL_DATA_DIR": str(folder / "data"), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        child = subprocess.Popen([sys.executable, "-m", "dinolabel", *arguments], stdout=said, stderr=subprocess.DEVNULL, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
        said.seek(0)
        text = said.read()
    if status:
        sys.exit(f"dinolabel {arguments[0]} {arguments[1]} failed: {text.decode()[-2000:]}")
    rows = json.loads(text).get("rows") if "--json" in arguments else None
    figures = {"seconds": round(seconds, 1), "peak_mb": round(usage.ru_maxrss / 1024), "rows": rows}
    print(f"{' '.join(arguments[:2])[:24]:24} {figures['peak_mb']:>6} MB {figures['seconds']:>7} s  rows {rows}", flush=True)
    return figures


if __name__ == "__main__":
    main()
