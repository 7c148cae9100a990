"""What is told of each request, of Label Studio and of each step: in the metrics, in the log and in the trace."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from dinolabel.backend.http.server import create_app, serve
from dinolabel.backend.observability import tracing
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.errors import StudioUnreachable
from tests.doubles.door import Door
from tests.unit.backend.conftest import World


@pytest.fixture
def door(world: World) -> Iterator[Door]:
    made = Door(world, world.service())
    yield made
    made.close()


def samples(door: Door, name: str) -> dict[tuple[str, ...], float]:
    """Values of one sample by the values of its labels, in the labels' order."""
    page = door("GET", "/metrics").text
    rows = [each for family in text_string_to_metric_families(page) for each in family.samples if each.name == name]
    return {tuple(each.labels[key] for key in sorted(each.labels)): each.value for each in rows}


def test_requests_are_counted_by_route_and_status_not_by_what_strangers_send(door: Door) -> None:
    for path in ("/jobs/1/cancel", "/jobs/2/cancel", "/nowhere/1", "/nowhere/2"):
        door("POST", path)
    door("BREW", "/health")
    found = samples(door, "http_server_request_duration_seconds_count")
    assert found["POST", "404", "/jobs/<job>/cancel"] == 2
    assert found["POST", "404", "_OTHER"] == 2
    assert found["_OTHER", "405", "_OTHER"] == 1
    assert not any("nowhere" in each for labels in found for each in labels)


def test_refusals_are_counted_by_error_also_those_of_the_front_door(world: World) -> None:
    service = world.service()
    server = serve(create_app(service, secret="a-secret"), "127.0.0.1", 0, secret="a-secret", refused=service.meters.refused)
    door = Door(world, service, secret="a-secret")
    door("POST", "/train", {"project": 999_999})
    threading.Thread(target=server.run, daemon=True).start()
    assert requests.post(server.url + "/train", json={}, timeout=30).status_code == 401
    server.close()
    assert samples(door, "dinolabel_refusals_total") == {("ProjectUnknown",): 1.0, ("SecretWrong",): 1.0}
    door.close()


def test_a_picture_is_measured_step_by_step_and_its_boxes_by_answer(door: Door) -> None:
    project = door.world.project(2, attach=False)
    for _ in range(2):
        door.predict(project, door.tasks(project))
    stages = samples(door, "dinolabel_stage_seconds_count")
    assert (stages["fetch",], stages["detect",]) == (4, 1)
    assert samples(door, "dinolabel_cache_lookups_total")["detections", "hit"] == 2
    assert sum(samples(door, "dinolabel_answers_total").values()) == 8
    assert {labels[0] for labels in samples(door, "dinolabel_answers_total")} == {"generic"}


def test_requests_to_label_studio_are_told_with_what_came_of_them(door: Door) -> None:
    told: list[tuple[Any, ...]] = []
    studio = LabelStudio(door.server.url, "0" * 40)
    studio.api.on_answer = lambda *each: told.append(each[:3])
    assert studio.api.request("GET", "/health").status_code == 200
    with socket.create_server(("127.0.0.1", 0)) as probe:
        studio.api.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(StudioUnreachable):
        studio.api.request("POST", "/health")
    assert told == [("GET", 200, ""), ("POST", None, "ConnectionError")]


def test_the_log_has_a_line_a_request_but_for_what_asks_all_day(door: Door) -> None:
    with capture_logs() as logs:
        door("GET", "/health")
        door("GET", "/versions", headers={"X-Request-ID": "mine"})
    lines = [each for each in logs if each["event"] == "answered" and each["log_level"] == "info"]
    (line,) = lines
    assert {key: line[key] for key in ("method", "path", "status", "caller")} == {
        "method": "GET", "path": "/versions", "status": 200, "caller": "127.0.0.1",
    }  # fmt: skip
    assert line["bytes"] > 0 and line["seconds"] >= 0


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracing.use(provider)
    yield kept
    tracing.use(None)


def test_a_request_is_a_trace_with_its_steps_in_it(door: Door, spans: InMemorySpanExporter) -> None:
    project = door.world.project(1, attach=False)
    caller = "4bf92f3577b34da6a3ce929d0e0e4736"
    body = {"project": f"{project}.1", "tasks": door.tasks(project), "label_config": door.world.studio.projects.get(project).label_config}
    headers = {"traceparent": f"00-{caller}-00f067aa0ba902b7-01", "X-Request-ID": "mine"}
    assert requests.post(door.server.url + "/predict", json=body, headers=headers, timeout=60).status_code == 200
    found = {each.name: each for each in spans.get_finished_spans()}
    request = found["POST /predict"]
    assert f"{request.context.trace_id:032x}" == caller, "the caller's trace goes on"
    assert (request.attributes or {})["http.response.status_code"] == 200
    for step in ("fetch", "detect"):
        parent = found[step].parent
        assert parent is not None and parent.span_id == request.context.span_id, "in threads of their own, too"


def test_without_the_setting_there_are_no_spans(door: Door) -> None:
    with tracing.span("anything") as made:
        assert made is None
