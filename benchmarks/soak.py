"""`python -m benchmarks.soak --minutes 10`: 16 annotators at one Label Studio and one backend, into soak.json; run by `make soak`.

Each opens a task, asks for boxes as the editor does, sends the page's other calls, and submits, without a pause; trainings go on meanwhile.
Times are of a client on the same machine, which Label Studio shares with us: they are worth comparing on one machine only.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from benchmarks.faults.lab import SECRET, Lab, lab
from benchmarks.studio.stand import CONFIG

ROOT = Path(__file__).resolve().parents[1]
PEOPLE = 16
SETTLED_SECONDS = 120.0
"""Growth of memory counts from here: caches, models and threads come first."""


@dataclass
class Counts:
    """seconds: by call. answers: by call and status. samples: (seconds since the start, MB, open files, threads)."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    samples: list[tuple[float, float, int, int]] = field(default_factory=list)
    submitted: int = 0
    studio_failed: int = 0

    def add(self, name: str, status: int, seconds: float) -> None:
        with self.lock:
            self.seconds[name].append(seconds)
            self.answers[name, status] += 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--pictures", type=int, default=72)
    asked = parser.parse_args()
    counts = Counts()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, lab(Path(folder), pictures=asked.pictures) as made:
        before = made.annotations()
        with made.serving(train_after=20) as backend:
            _at_work(made, backend.url or "", backend.process.pid, counts, 60 * asked.minutes)
            tracebacks = backend.said().count("answered_unforeseen")
        found = made.annotations() - before
    rows = _rows(counts, asked.minutes, lost=counts.submitted - found, tracebacks=tracebacks)
    (ROOT / "soak.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for each in rows:
        print("holds " if each["holds"] else "MISSED", each["what"], each["value"], "goal", each["goal"])
    return 0 if all(each["holds"] for each in rows) else 1


def _at_work(made: Lab, url: str, pid: int, counts: Counts, seconds: float) -> None:
    begun = time.monotonic()
    people = [threading.Thread(target=_annotate, args=(made, url, counts, begun + seconds, number)) for number in range(PEOPLE)]
    for each in people:
        each.start()
    while any(each.is_alive() for each in people):
        counts.samples.append((time.monotonic() - begun, *_of_process(pid)))
        time.sleep(1)


def _annotate(made: Lab, url: str, counts: Counts, end: float, seed: int) -> None:
    dice, studio, session = random.Random(seed), made.stand.studio, requests.Session()
    session.auth = ("x", SECRET)

    def ask(name: str, method: str, path: str, body: Any = None) -> Any:
        begun = time.monotonic()
        try:
            answer = session.request(method, url + path, json=body, timeout=60)
        except requests.RequestException:
            counts.add(name, 599, time.monotonic() - begun)
            return {}
        counts.add(name, answer.status_code, time.monotonic() - begun)
        return answer.json() if "json" in answer.headers.get("Content-Type", "") else {}

    tasks = made.rows()
    while time.monotonic() < end:
        task = dice.choice(tasks)
        about = {"project": f"{made.project}.1", "label_config": CONFIG, "tasks": [{"id": task.id, "data": dict(task.data)}]}
        ask("/setup", "POST", "/setup", {"project": about["project"], "schema": CONFIG, "hostname": "x"})
        context = {"context": {"result": []}} if dice.random() < 0.3 else {"context": None}
        ask("/predict", "POST", "/predict", about | {"params": context})
        try:
            region = _region(dice)
            studio.annotations.create(task.id, [region], lead_time=3.0)
            with counts.lock:
                counts.submitted += 1
        except Exception:  # noqa: BLE001 - Label Studio's own, which is counted
            with counts.lock:
                counts.studio_failed += 1
        ask("/webhook", "POST", "/webhook", {"action": "ANNOTATION_CREATED", "project": {"id": made.project}})
        ask("/health", "GET", "/health")
        if dice.random() < 0.1:
            ask("/", "GET", "/")
            ask("/metrics", "GET", "/metrics")


def _region(dice: random.Random) -> dict[str, Any]:
    """A box that a person drew."""
    value = {"x": dice.uniform(0, 50), "y": dice.uniform(0, 50), "width": 20, "height": 20, "rotation": 0}
    value["rectanglelabels"] = [dice.choice(("felix", "tom"))]  # type: ignore[assignment]
    place = {"from_name": "label", "to_name": "image", "original_width": 320, "original_height": 320}
    return {"id": f"r{dice.randrange(10**9)}", "type": "rectanglelabels", "origin": "manual", **place, "value": value}


def _of_process(pid: int) -> tuple[float, int, int]:
    """MB, open files, threads."""
    status = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(fields["VmRSS"].split()[0]) / 1024, len(list(Path(f"/proc/{pid}/fd").iterdir())), int(fields["Threads"])


def _rows(counts: Counts, minutes: float, *, lost: int, tracebacks: int) -> list[dict[str, Any]]:
    calls, failed = sum(counts.answers.values()), sum(count for (_, status), count in counts.answers.items() if status >= 500)
    settled = [each for each in counts.samples if each[0] >= min(SETTLED_SECONDS, 30 * minutes)]
    first, last = settled[: max(1, len(settled) // 5)], settled[-max(1, len(settled) // 5) :]

    def mean(samples: list[tuple[float, float, int, int]], at: int) -> float:
        return sum(each[at] for each in samples) / len(samples)

    growth = 100 * (mean(last, 1) / mean(first, 1) - 1)
    files, threads = (round(mean(last, at) - mean(first, at), 1) for at in (2, 3))
    rows: list[tuple[str, Any, str, bool]] = [
        ("minutes", minutes, ">= 10", minutes >= 10),
        ("annotators", PEOPLE, "16", True),
        ("calls to the backend", calls, "> 0", calls > 0),
        ("answers 5xx, and none at all", failed, "0", failed == 0),
        ("tracebacks in the backend's log", tracebacks, "0", tracebacks == 0),
        ("annotations submitted", counts.submitted, "> 0", counts.submitted > 0),
        ("annotations lost", lost, "0", lost == 0),
        ("submits that Label Studio refused", counts.studio_failed, "stated", True),
        ("memory of the backend, MB", round(mean(last, 1)), "stated", True),
        ("growth of memory after the second minute, %", round(growth, 1), "<= 5", growth <= 5),
        ("growth of open files", files, "<= 5", files <= 5),
        ("growth of threads", threads, "<= 3", threads <= 3),
    ]
    for name, seconds in sorted(counts.seconds.items()):
        ordered = sorted(seconds)
        p50, p99 = (ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.99))
        rows.append((f"{name}: p50 and p99 of {len(ordered)} calls, ms", [round(1000 * p50), round(1000 * p99)], "stated", True))
    return [{"what": what, "value": value, "goal": goal, "holds": holds} for what, value, goal, holds in rows]


if __name__ == "__main__":
    raise SystemExit(main())
