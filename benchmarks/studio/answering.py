"""How soon /setup, /health and /webhook are answered while the model is at work on 500 new pictures and a training runs.

A call is what Label Studio makes: a connection of its own, JSON, the secret.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from benchmarks.studio.stand import CONFIG, SECRET, Stand

AUTH = ("bench", SECRET)


def measure(stand: Stand, project: int, unseen: Sequence[Path], *, calls: int) -> dict[str, float]:
    """Milliseconds, 99th percentile. Calls go on in turn until there are enough; the work is begun again whenever it ends before."""
    _approve(stand, project)
    over = threading.Event()
    workers = [
        threading.Thread(target=_predict, args=(stand, project, unseen, over)),
        threading.Thread(target=_train, args=(stand, project, over)),
    ]
    for each in workers:
        each.start()
    time.sleep(2)
    took: dict[str, list[float]] = {"setup": [], "health": [], "webhook": []}
    try:
        for number in range(calls):
            for name, seconds in took.items():
                seconds.append(_call(stand, project, name, number))
    finally:
        over.set()
        for each in workers:
            each.join()
    for name, seconds in took.items():
        print(
            f"/{name}: median {1000 * statistics.median(seconds):.1f} ms, p99 {_p99(seconds):.1f} ms, worst {1000 * max(seconds):.1f} ms",
            flush=True,
        )
    return {f"{name}_p99_ms": _p99(seconds) for name, seconds in took.items()}


def _p99(seconds: Sequence[float]) -> float:
    return 1000 * statistics.quantiles(seconds, n=100, method="inclusive")[-1]


def _call(stand: Stand, project: int, name: str, number: int) -> float:
    assert stand.backend is not None
    url, begun = f"{stand.backend.url}/{name}", time.perf_counter()
    if name == "health":
        answer = requests.get(url, timeout=30)
    else:
        answer = requests.post(url, json=_body(project, name, number), auth=AUTH, timeout=30)
    seconds = time.perf_counter() - begun
    answer.raise_for_status()
    return seconds


def _body(project: int, name: str, number: int) -> Mapping[str, Any]:
    if name == "setup":
        return {
            "project": f"{project}.1763800000",
            "schema": CONFIG,
            "hostname": "http://localhost",
            "access_token": "none",
            "extra_params": {},
        }
    about = {"id": project, "label_config": CONFIG}
    return {"action": "ANNOTATION_CREATED", "project": about, "annotation": {"id": number, "result": []}, "task": {"id": number}}


def _predict(stand: Stand, project: int, unseen: Sequence[Path], over: threading.Event) -> None:
    """One request after the other for 500 pictures; what is done is in the cache, so each begins with what is left."""
    assert stand.backend is not None
    left = [
        {"id": number, "data": {"image": f"/data/local-files/?d={each.relative_to(stand.documents)}"}}
        for number, each in enumerate(unseen, 1)
    ]
    while not over.is_set() and left:
        body = {"tasks": left[:500], "project": f"{project}.1763800000", "label_config": CONFIG, "params": {"context": {}}}
        answer = requests.post(f"{stand.backend.url}/predict", json=body, auth=AUTH, timeout=120).json()
        left = [task for task, each in zip(left[:500], answer["results"], strict=True) if not each] + left[500:]


def _train(stand: Stand, project: int, over: threading.Event) -> None:
    assert stand.backend is not None
    while not over.is_set():
        requests.post(f"{stand.backend.url}/train", json={"project": project}, auth=AUTH, timeout=30).raise_for_status()
        over.wait(1.0)


def _approve(stand: Stand, project: int, count: int = 40) -> None:
    """So many tasks submitted as they are, so that there is something to train on."""
    shown = stand.studio.projects.get(project).model_version
    for row in list(stand.studio.tasks.list(project))[:count]:
        prediction = next(each for each in stand.studio.predictions.list(row.id) if each["model_version"] == shown)
        result = [{**each, "origin": "prediction"} for each in prediction["result"]]
        stand.studio.annotations.create(row.id, result, lead_time=3.0, parent_prediction=prediction["id"])
