"""Snapshot of what is so at the moment when /metrics is asked: nothing of it is counted anywhere."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dinolabel.backend.jobs.runner import TABLE_ERRORS

if TYPE_CHECKING:
    from dinolabel.backend.inference.inference_queue import InferenceQueue
    from dinolabel.backend.jobs.runner import JobRunner
    from dinolabel.vision.storage.cache import Cache


class Snapshot(Collector):
    """queue: before the models. jobs: trainings. cache: None where there is none. folder: the data folder. build: labels of the build."""

    def __init__(self, queue: InferenceQueue, jobs: JobRunner, cache: Cache | None, folder: Path, build: dict[str, str]) -> None:
        self._queue, self._jobs, self._cache, self._folder = queue, jobs, cache, folder
        self._build = {"python": platform.python_version(), **build}

    def collect(self) -> Iterator[Metric]:
        """Each family anew."""
        yield InfoMetricFamily("dinolabel_build", "What is running.", self._build)
        yield from self._of_queue()
        yield from self._of_jobs()
        if self._cache is not None:
            lookups = CounterMetricFamily("dinolabel_cache_lookups", "Looked up in the cache.", labels=["kind", "result"])
            for kind, (hits, misses) in self._cache.counts().items():
                lookups.add_metric([kind, "hit"], hits)
                lookups.add_metric([kind, "miss"], misses)
            yield lookups
        if self._folder.exists():
            free = shutil.disk_usage(self._folder).free
            yield GaugeMetricFamily("dinolabel_data_free_bytes", "Room on the disk of the data folder.", free)

    def _of_queue(self) -> Iterator[Metric]:
        images = GaugeMetricFamily("dinolabel_queue_images", "Pictures that wait for the models.", labels=["priority"])
        oldest = GaugeMetricFamily("dinolabel_queue_oldest_seconds", "How long the oldest of them waits.", labels=["priority"])
        for priority, (count, seconds) in self._queue.waiting().items():
            images.add_metric([priority], count)
            oldest.add_metric([priority], seconds)
        yield images
        yield oldest

    def _of_jobs(self) -> Iterator[Metric]:
        """Nothing where the table cannot be read: /ready says why."""
        try:
            active = [each for each in self._jobs.all() if each.active]
        except TABLE_ERRORS:
            return
        waiting = GaugeMetricFamily("dinolabel_jobs_waiting", "Trainings that wait.")
        waiting.add_metric([], sum(each.started_at is None for each in active))
        yield waiting
        running = GaugeMetricFamily("dinolabel_job_running_seconds", "How long a training runs.", labels=["project"])
        for each in active:
            if each.started_at is not None:
                running.add_metric([str(each.project)], max(0.0, time.time() - each.started_at))
        yield running
