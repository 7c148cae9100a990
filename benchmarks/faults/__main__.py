"""`python -m benchmarks.faults`: the table *fault, promised, seen* by real processes, and faults.json; run by `make faults`."""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from benchmarks.faults.disks import damaged_files, full_disks
from benchmarks.faults.kills import kill_writers, kills
from benchmarks.faults.lab import Lab, Row, alone, lab, until
from benchmarks.faults.studio import broken_studios

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("kills", "studio", "disks", "files", "ends")


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="in all")
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS, help="less than all writes no file")
    parser.add_argument("--alone", action="store_true", help="what needs no Label Studio, in two minutes")
    asked = parser.parse_args()
    begun, rows, dice = time.monotonic(), [], random.Random(asked.seed)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, _made(Path(folder), asked) as made:
        for row in _parts_alone(made, asked.kills, dice) if asked.alone else _parts(made, asked.only, asked.kills, dice):
            rows.append(row)
            print(f"{'holds ' if row.holds else 'MISSED'} {row.what} | {row.promised} | {row.seen}", flush=True)
    print(f"{sum(each.holds for each in rows)} of {len(rows)} hold, {time.monotonic() - begun:.0f} s")
    if {*asked.only} == {*PARTS}:
        rows.insert(0, Row("kills in all", "", "", asked.kills, ">= 100", asked.kills >= 100))
        if asked.alone:
            rows.append(Row("the parts with a Label Studio", "run", "not run: `--alone`", "not run", "run", False))
        text = json.dumps([asdict(each) for each in rows], indent=1, ensure_ascii=False)
        (ROOT / "faults.json").write_text(f"{text}\n", encoding="utf-8")
    return 0 if all(each.holds for each in rows) else 1


def _made(folder: Path, asked: argparse.Namespace) -> AbstractContextManager[Lab]:
    return alone(folder) if asked.alone else lab(folder, pictures=asked.pictures)


def _parts_alone(made: Lab, count: int, dice: random.Random) -> Iterator[Row]:
    yield kill_writers(made.stand.folder / "writes", count, dice)
    yield from ends(made, ("idle",))
    yield from damaged_files(made)
    yield from full_disks(made)


def _parts(made: Lab, only: list[str], count: int, dice: random.Random) -> Iterator[Row]:
    if "kills" in only:
        yield from kills(made, count, dice)
    if "studio" in only:
        yield from broken_studios(made)
    if "ends" in only:
        yield from ends(made)
    if "files" in only:
        yield from damaged_files(made)
    if "disks" in only:
        yield from full_disks(made)


def ends(made: Lab, stages: tuple[str, ...] = ("idle", "filling", "training")) -> Iterator[Row]:
    """SIGTERM while it has nothing to do, fills, and trains; a second server."""
    for stage in stages:
        with made.serving() as backend:
            if stage == "filling":
                made.change_version()
            if stage == "training":
                _start_training(made, backend.url or "")
            time.sleep(1.5)
            code, seconds = backend.end()
        holds = code == 0 and seconds <= 10
        yield Row(f"SIGTERM, {stage}", "exit 0 within 10 s", f"exit {code} after {seconds:.1f} s", round(seconds, 1), "<= 10 s", holds)
    with made.serving() as first:
        code, said = made.run("serve")
        yield Row(
            "a second server on one data folder", "refused, the first goes on", f"exit {code}: {said.split('. ')[0][-120:]}", code, "2",
            code == 2 and not first.ended(),
        )  # fmt: skip


def _start_training(made: Lab, url: str) -> None:
    import requests

    from benchmarks.faults.lab import SECRET

    requests.post(f"{url}/train", json={"project": made.project}, auth=("x", SECRET), timeout=30).raise_for_status()
    listed = {"auth": ("x", SECRET), "headers": {"Accept": "application/json"}, "timeout": 30}
    until(lambda: any(each["state"] == "running" for each in requests.get(f"{url}/jobs", **listed).json()["jobs"]), "the job", seconds=30)


if __name__ == "__main__":
    raise SystemExit(main())
