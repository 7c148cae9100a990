"""Front door: how much a request may bring is decided by its headers, before its body is taken in; who sends slowly makes room for others.

waitress would take in a whole body before anybody is asked for the secret, and give its places to whoever holds them longest.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Request
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser

from dinolabel.backend.errors import TooLarge, body_of, status_of
from dinolabel.backend.http import auth
from dinolabel.vision.errors import DinolabelError

LARGEST_REQUEST = 256 * 2**20
"""Label Studio sends all selected tasks with all their older predictions in one request (measured: 2 MB for 1,000 tasks)."""
LARGEST = {"/predict": LARGEST_REQUEST, "/v1/detect": LARGEST_REQUEST, "/webhook": LARGEST_REQUEST, "/setup": 4 * 2**20}
SMALL = 64 * 2**10
"""Bytes for all other routes, and for who shows no secret: so much is read before the answer, as clients expect."""
HEADER_SECONDS = 10.0
BODY_SECONDS, BODY_RATE = 30.0, 32 * 2**10
"""A body has so long, and as long as it comes at so many bytes a second."""
MOST_CONNECTIONS = 400
"""Above that, the one that has been silent longest makes room; well below the files a process may have open (1024 where nobody set it)."""


class BoundedParser(HTTPRequestParser):  # type: ignore[misc]
    """A request, as it comes in. secret: of the server."""

    secret: str | None = None
    refused: Callable[[Exception], object] = staticmethod(lambda error: None)
    error: Any
    completed: bool
    expect_continue: bool
    body_bytes_received: int

    def __init__(self, adj: Any) -> None:
        super().__init__(adj)
        self.began = time.monotonic()
        self._most: int | None = None
        self._refusal: DinolabelError | None = None

    def received(self, data: bytes) -> int:
        """Take in so many bytes of them; the request is complete, with an error, as soon as it is known to be too large."""
        consumed = int(super().received(data))
        if self.headers_finished and self.error is None and self.body_rcv is not None:
            if self._most is None:
                self._most = self._allowed()
            if max(self.content_length, self.body_bytes_received) > self._most:
                why = self._refusal or TooLarge(f"More than {self._most:,} bytes are too many.")
                self.error, self.completed = _Answer(why), True
                self.refused(why)
        if self.completed:
            self.expect_continue = False  # else waitress would send 100 Continue now, and take in a body that is refused
        return consumed

    def is_slow(self, now: float) -> bool:
        """Whether it takes longer than an honest sender would."""
        if not self.headers_finished:
            return now - self.began > HEADER_SECONDS
        return now - self.began > BODY_SECONDS + self.body_bytes_received / BODY_RATE

    def _allowed(self) -> int:
        headers = {f"HTTP_{name}": value for name, value in self.headers.items()}
        request = Request({"REQUEST_METHOD": self.command.upper(), "PATH_INFO": self.path, "SERVER_NAME": "", "SERVER_PORT": "", **headers})
        try:
            auth.check(request, self.secret)
        except DinolabelError as error:
            self._refusal = error
            return SMALL
        return LARGEST.get(self.path, SMALL)


class PatientChannel(HTTPChannel):  # type: ignore[misc]
    """A connection that is given up when it sends slowly, or makes room for a new one."""

    parser_class = BoundedParser

    def __init__(self, server: Any, *given: Any, **named: Any) -> None:
        super().__init__(server, *given, **named)
        others = [each for each in server.active_channels.values() if each is not self and not each.requests and not each.will_close]
        if len(server.active_channels) > MOST_CONNECTIONS and others:
            min(others, key=lambda each: each.last_activity).will_close = True

    def readable(self) -> bool:
        # While an answer is being made, what was sent behind its request is not read: that is our slowness.
        if self.request is not None and not self.requests and self.request.is_slow(time.monotonic()):
            self.will_close = True
        return bool(super().readable())


class _Answer:
    """A refusal, as waitress sends it."""

    def __init__(self, error: DinolabelError) -> None:
        self._error = error

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        status = HTTPStatus(status_of(self._error))
        return f"{status.value} {status.phrase}", [("Content-Type", "application/json")], json.dumps(body_of(self._error)).encode()


def channel_class(secret: str | None, refused: Callable[[Exception], object]) -> Callable[..., HTTPChannel]:
    """Connections of a server with that secret. refused: told of what is turned away here."""
    parser = type("Parser", (BoundedParser,), {"secret": secret, "refused": staticmethod(refused)})
    return type("Channel", (PatientChannel,), {"parser_class": parser})
