"""Prometheus metrics of one service, in a registry of its own, so that two services in one process do not meet."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from dinolabel.backend.project_status import ProjectStatus

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.predict_seconds = Histogram(
            "dinolabel_predict_seconds", "Seconds /predict took.", registry=self._registry, buckets=(0.1, 0.3, 1, 3, 8, 20, 60)
        )
        self.predictions = Counter("dinolabel_predictions", "Tasks asked for in /predict.", ["outcome"], registry=self._registry)
        self.jobs = Counter("dinolabel_jobs", "Jobs that ended.", ["kind", "state"], registry=self._registry)
        self._tasks = Gauge("dinolabel_tasks", "Unfinished tasks.", ["project", "state"], registry=self._registry)
        self._suppressed = Gauge(
            "dinolabel_suppressed_boxes", "Boxes not sent because people keep deleting their like.", ["project"], registry=self._registry
        )
        self._in_step = Gauge("dinolabel_in_step", "1 when the project is as it should be.", ["project"], registry=self._registry)

    def render(self, statuses: list[ProjectStatus]) -> bytes:
        """Prometheus' text format."""
        self._tasks.clear()
        self._in_step.clear()
        for each in statuses:
            project = str(each.project)
            self._tasks.labels(project, "done").set(each.done)
            self._tasks.labels(project, "lacking").set(max(0, each.total - each.done))
            self._suppressed.labels(project).set(each.suppressed)
            self._in_step.labels(project).set(each.state == "in step")
        return bytes(generate_latest(self._registry))
