"""Strangers at the front door: a body is refused before it is read, who sends slowly makes room, and /health answers meanwhile."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
import requests

from dinolabel.backend.http import front_door
from tests.doubles.door import Door
from tests.unit.backend.conftest import World
from tests.waiting import eventually

SECRET = "a-secret"
SHOWN = f"X-Dinolabel-Secret: {SECRET}\r\n"
GREAT = 10**9


@pytest.fixture
def locked(world: World) -> Iterator[Door]:
    made = Door(world, world.service(), secret=SECRET)
    yield made
    made.close()


def knock(door: Door, sent: str) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", door.server.port), timeout=60)
    made.sendall(sent.encode("latin-1"))
    return made


def head(path: str, more: str) -> str:
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n"


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("/predict", f"Content-Length: {GREAT}\r\n", 401),
        ("/v1/detect", "Transfer-Encoding: chunked\r\n", 401),
        ("/health", f"Content-Length: {GREAT}\r\n", 413),
        ("/predict", f"Expect: 100-continue\r\nContent-Length: {GREAT}\r\n", 401),
        ("/predict", f"Authorization: Basic \xff\r\nContent-Length: {GREAT}\r\n", 401),
        ("/predict", f"{SHOWN}Origin: http://[\r\nContent-Length: {GREAT}\r\n", 403),
        ("/train", f"{SHOWN}Content-Length: {front_door.SMALL + 1}\r\n", 413),
        ("/setup", f"{SHOWN}Content-Length: {8 * 2**20}\r\n", 413),
        ("/predict", f"{SHOWN}Content-Length: {front_door.LARGEST_REQUEST}\r\n", None),
        ("/webhook", f"{SHOWN}Content-Length: {8 * 2**20}\r\n", None),
        ("/train", f"Content-Length: {front_door.SMALL}\r\n", None),
    ],
)
def test_a_body_is_refused_before_it_is_read(locked: Door, path: str, more: str, status: int | None) -> None:
    """Of a body that says its length nothing is sent; of one that does not, somewhat more than is read. None: the body is waited for."""
    with knock(locked, head(path, more)) as client:
        if "chunked" in more:
            client.sendall(f"{front_door.SMALL + 1:x}\r\n{'x' * (front_door.SMALL + 1)}".encode())
        if status is None:
            client.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.recv(1)
            return
        answer = client.makefile("rb").read().decode()
    assert answer.startswith(f"HTTP/1.1 {status} ") and '"hint"' in answer, answer


def test_a_small_body_without_the_secret_is_answered_as_any(locked: Door) -> None:
    answer = locked("POST", "/train", {"project": 1}, headers={})
    assert (answer.status_code, set(answer.json())) == (401, {"error", "hint", "request"})


def test_half_sent_requests_keep_nobody_from_health(locked: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than there are places: the oldest makes room."""
    monkeypatch.setattr(front_door, "MOST_CONNECTIONS", 20)
    half = [knock(locked, "POST /predict HTTP/1.1\r\nHost: localhost\r\n") for _ in range(60)]
    try:
        for _ in range(3):
            assert requests.get(f"{locked.server.url}/health", timeout=30).status_code == 200
        eventually(lambda: len(locked.server._server.active_channels) <= 22, 30)
    finally:
        for each in half:
            each.close()


@pytest.mark.parametrize(
    ("sent", "limits"),
    [
        ("POST /predict HTTP/1.1\r\nHost: localhost\r\n", {"HEADER_SECONDS": 0.2}),
        (head("/predict", f"{SHOWN}Content-Length: 1000\r\n") + "{", {"BODY_SECONDS": 0.2}),
    ],
    ids=["headers", "body"],
)
def test_who_sends_drop_by_drop_is_given_up(locked: Door, monkeypatch: pytest.MonkeyPatch, sent: str, limits: dict[str, float]) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(front_door, name, value)
    with knock(locked, sent) as client:
        end = time.monotonic() + 60
        try:
            while time.monotonic() < end:
                client.sendall(b"x")  # a drop each time: it is never silent for long
                time.sleep(0.05)
        except OSError:
            return
    pytest.fail("it was let in for ever")
