"""Metrics of one service, in Prometheus' text format. What is counted where is listed in docs/production.md, which a test compares.

Names are OpenTelemetry's and Prometheus' own where they have one (`http_server_request_duration_seconds`, `process_…`), else `dinolabel_…`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from dinolabel.backend.jobs.table import Job
from dinolabel.backend.observability import tracing
from dinolabel.backend.observability.snapshot import Snapshot
from dinolabel.backend.project_status import ProjectStatus
from dinolabel.vision.types import Detection, Named, Suppressed, Unknown

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.02, 0.1, 0.3, 1, 3, 8, 20, 60)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "_OTHER"
"""OpenTelemetry's word for what anybody may send, so that strangers do not make labels."""


class Metrics:
    """Counters of one service, in a registry of its own, so that two services in one process do not meet."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.predict_seconds = Histogram("dinolabel_predict_seconds", "Seconds /predict took.", registry=registry, buckets=SECONDS)
        self.predictions = Counter("dinolabel_predictions", "Tasks asked for in /predict.", ["outcome"], registry=registry)
        self._jobs = Counter("dinolabel_jobs", "Jobs that ended.", ["kind", "state", "cause"], registry=registry)
        self._gate = Counter("dinolabel_gate_decisions", "Trainings that ended, by what the gate said.", ["decision"], registry=registry)
        self._answers = Counter("dinolabel_answers", "Boxes that were answered.", ["project", "model_version", "answer"], registry=registry)
        self._refusals = Counter("dinolabel_refusals", "Requests that were refused, by error.", ["error"], registry=registry)
        http = ["http_request_method", "http_route", "http_response_status_code"]
        self._server = Histogram("http_server_request_duration_seconds", "Requests here.", http, registry=registry, buckets=SECONDS)
        http = ["http_request_method", "http_response_status_code", "error_type"]
        told = "Requests to Label Studio."
        self._client = Histogram("http_client_request_duration_seconds", told, http, registry=registry, buckets=SECONDS)
        self._stages = Histogram("dinolabel_stage_seconds", "Seconds of each step.", ["stage"], registry=registry, buckets=SECONDS)
        self._make_project_gauges()

    def _make_project_gauges(self) -> None:
        def gauge(name: str, told: str, *labels: str) -> Gauge:
            return Gauge(name, told, labels, registry=self._registry)

        as_it_should_be = "1 when the project is as it should be."
        self._tasks = gauge("dinolabel_tasks", "Unfinished tasks.", "project", "state")
        self._suppressed = gauge("dinolabel_suppressed_boxes", "Boxes not sent because people keep deleting their like.", "project")
        self._synced = gauge("dinolabel_project_synced", as_it_should_be, "project")
        self._visited = gauge("dinolabel_last_good_visit_timestamp_seconds", "When Label Studio was talked to last.", "project")
        # the names of 0.1, for one release more: this one, and the state "lacking" below
        self._in_step = gauge("dinolabel_in_step", as_it_should_be, "project")

    def watch(self, snapshot: Snapshot) -> None:
        """Show what is so at the moment of asking, too: queues, cache, disk, build."""
        self._registry.register(snapshot)

    def request_ended(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """A request that was answered here. route: as the router knows it; None where there is none such."""
        self._server.labels(method if method in METHODS else OTHER, route or OTHER, str(status)).observe(seconds)

    def refused(self, error: Exception) -> None:
        """A request that was refused by name, before or after its body was read."""
        self._refusals.labels(type(error).__name__).inc()

    def studio_asked(self, method: str, status: int | None, error: str, seconds: float) -> None:
        """A request to Label Studio. status: None when no answer came; error: then what happened, else ""."""
        self._client.labels(method, "" if status is None else str(status), error).observe(seconds)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure one step, in the metrics and in the trace."""
        begun = time.perf_counter()
        try:
            with tracing.span(name):
                yield
        finally:
            self._stages.labels(name).observe(time.perf_counter() - begun)

    def job_ended(self, job: Job, cause: str) -> None:
        """cause: what ended it, for a training that is not done."""
        self._jobs.labels(job.kind, job.state, cause).inc()
        if job.verdict is not None:
            self._gate.labels("published" if job.verdict.get("published") else "refused").inc()

    def boxes_answered(self, project: int, version: str, detections: Sequence[Detection]) -> None:
        """Of one picture: the share of `unknown` and `generic` by version is how a drift shows."""
        for each in detections:
            self._answers.labels(str(project), version, _kind(each)).inc()

    def render(self, statuses: list[ProjectStatus]) -> bytes:
        """Prometheus' text format."""
        for gauge in (self._tasks, self._synced, self._in_step, self._visited):
            gauge.clear()
        for each in statuses:
            project = str(each.project)
            self._tasks.labels(project, "done").set(each.done)
            self._tasks.labels(project, "failed").set(each.failed)
            for state in ("missing", "lacking"):
                self._tasks.labels(project, state).set(max(0, each.total - each.done))
            self._suppressed.labels(project).set(each.suppressed)
            self._visited.labels(project).set(each.good_at)
            for gauge in (self._synced, self._in_step):
                gauge.labels(project).set(each.state == "synced")
        return bytes(generate_latest(self._registry))


def _kind(detection: Detection) -> str:
    answer = detection.answer
    if isinstance(answer, Named):
        return "named"
    if isinstance(answer, Unknown):
        return "unknown"
    return "suppressed" if isinstance(answer, Suppressed) else "generic"
