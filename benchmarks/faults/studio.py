"""A Label Studio that is away, slow, closed, crowded or broken, with work waiting: it goes on by itself, and says what is wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator

import requests

from benchmarks.faults.kills import BACK_SECONDS
from benchmarks.faults.lab import SECRET, Backend, Lab, Row, measured
from benchmarks.faults.proxy import MODES

FAULT_SECONDS = 5.0


def broken_studios(lab: Lab) -> Iterator[Row]:
    with lab.serving() as backend:
        for mode in MODES:
            yield _broken(lab, backend, mode)
        said = backend.said()
    token = lab.stand.local.token
    told = [said.count("Traceback (most recent call last)") + said.count('"exception"'), said.count(token) + said.count(SECRET)]
    yield Row("tracebacks in the log of all these", "what was foreseen is said in words", str(told[0]), told[0], "0", told[0] == 0)
    yield Row("tokens and secrets in that log", "none", str(told[1]), told[1], "0", told[1] == 0)


def _broken(lab: Lab, backend: Backend, mode: str) -> Row:
    known = lab.shown()[1]
    lab.proxy.mode = mode
    lab.change_version()
    slowest, state, end = 0.0, set(), time.monotonic() + FAULT_SECONDS * (3 if mode == "slow" else 1)
    while time.monotonic() < end:
        begun = time.monotonic()
        requests.get(f"{backend.url}/health", timeout=30).raise_for_status()
        slowest = max(slowest, time.monotonic() - begun)
        jobs = requests.get(f"{backend.url}/jobs", auth=("x", SECRET), headers={"Accept": "application/json"}, timeout=30).json()
        state |= {each["state"] for each in jobs["projects"]}
        time.sleep(0.2)
    lab.proxy.mode = ""
    seconds = measured(lambda: lab.shown(known=known)[0], seconds=60)
    doubled = lab.doubled()
    back = "never back in step" if seconds is None else f"in step {seconds:.1f} s after it was well"
    seen = f"{', '.join(sorted(state))}; {back}; doubled: {doubled}; /health at most {slowest:.2f} s"
    holds = seconds is not None and seconds <= BACK_SECONDS and doubled == 0 and slowest < 1
    return Row(f"Label Studio: {mode}", "goes on by itself", seen, seconds and round(seconds, 1), f"<= {BACK_SECONDS:.0f} s", holds)
