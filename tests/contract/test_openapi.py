"""The description of the whole API: every route is in it, answers are as it says, and no body, however odd, is answered 500."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dinolabel.backend.http import openapi
from dinolabel.backend.http.server import create_app
from tests.contract.test_http_contract import EVERY_ROUTE
from tests.doubles.scripted_studio import CONFIG
from tests.unit.backend.conftest import World

TOLD: dict[str, Any] = openapi.description(create_app(None, release="1.2.3"))  # type: ignore[arg-type]
POSTED = [path for path, methods in TOLD["paths"].items() if "requestBody" in methods.get("post", {})]
ODD_TEXT = st.text(st.characters(codec=None), max_size=8)  # halves of surrogates, too
SCALARS = st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats() | ODD_TEXT
JUNK = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD_TEXT, inner, max_size=3), max_leaves=6)
PLAUSIBLE = st.sampled_from(
    [
        1, "1.17", "3", 0.5, "", "dog", "\ud800", "ü" * 9, CONFIG, "<View/>", "TASKS_CREATED", [], {}, [{}], {"id": 1}, {"result": [1]},
        {"context": {"result": []}}, [{"id": 1, "data": {"image": "//["}}], [{"url": "http://[x"}], [{"base64": "iVBORw0KGgo="}],
    ]
)  # fmt: skip


def valid(answer: Any, schema: Any) -> None:
    jsonschema.validate(answer, {**schema, "components": TOLD["components"]})


def described(path: str, method: str) -> tuple[Any, Any]:
    """Schemas of an operation's answer and refusals."""
    responses = TOLD["paths"][path][method.lower()]["responses"]
    return tuple(responses[status]["content"].get("application/json", {"schema": {}})["schema"] for status in ("2XX", "400"))


@pytest.fixture
def client(world: World) -> FlaskClient:
    world.project(1)
    return create_app(world.service()).test_client()


def test_every_route_is_described_and_so_is_the_release() -> None:
    routes = {(method.upper(), path.replace("{job}", "x")) for path, methods in TOLD["paths"].items() for method in methods}
    assert routes == {*EVERY_ROUTE, ("GET", "/health")} - {("GET", "/nowhere")}
    assert TOLD["info"]["version"] == "1.2.3"
    refs = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(TOLD)))
    assert refs == {f"#/components/schemas/{name}" for name in TOLD["components"]["schemas"]}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/health", None), ("GET", "/versions", None), ("POST", "/setup", {"project": "1.1", "schema": CONFIG}),
        ("POST", "/predict", {"project": "1.1", "label_config": CONFIG, "tasks": [{"id": 1, "data": {"image": "/gone.png"}}]}),
        ("POST", "/webhook", {"action": "START_TRAINING", "project": {"id": 1}}), ("POST", "/train", {"project": 1}),
        ("POST", "/prompt", {"project": 1, "words": "dog"}), ("GET", "/jobs", None), ("POST", "/jobs/{job}/cancel", None),
        ("GET", "/v1/openapi.json", None),
    ],
)  # fmt: skip
def test_answers_are_as_described_and_no_field_is_left_out(client: FlaskClient, method: str, path: str, body: Any) -> None:
    job = client.post("/train", json={"project": 1}).json["job"]  # type: ignore[index]
    answer = client.open(path.replace("{job}", job), method=method, json=body)
    assert answer.status_code < 300, answer.text
    schema, _ = described(path, method)
    valid(answer.json, schema)
    named = TOLD["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {})
    assert set(answer.json) <= set(named.get("properties", answer.json))  # type: ignore[arg-type]


@st.composite
def bodies(draw: st.DrawFn, path: str) -> bytes:
    """A body whose fields have the right names and any values, or anything."""
    schema = TOLD["components"]["schemas"]
    content = TOLD["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    name = (content.get("allOf") or [content])[0]["$ref"].rpartition("/")[2]
    fields = st.fixed_dictionaries({}, optional=dict.fromkeys(schema[name]["properties"], PLAUSIBLE | JUNK))
    return draw(st.binary(max_size=60) | (fields | JUNK).map(lambda value: json.dumps(value).encode()))


@pytest.mark.parametrize("path", POSTED)
def test_no_body_however_odd_is_our_fault(client: FlaskClient, path: str) -> None:
    answered, refused = described(path, "post")

    @settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(bodies(path))
    @example(b"[" * 100_000)
    @example(b'{"a":' * 100_000)
    @example(b'{"prompt":"cat","images":[{"base64":"aaaa"}],"box_threshold":' + b"9" * 400 + b"}")
    @example(json.dumps({"prompt": "cat", "images": [{"base64": "ü" * 8}]}).encode())
    def ask(body: bytes) -> None:
        answer = client.post(path, data=body, headers={"Content-Type": "application/json"})
        assert answer.status_code < 500 or answer.status_code in (502, 503), (answer.status_code, body, answer.text)
        valid(answer.json, answered if answer.status_code < 300 else refused)

    ask()
