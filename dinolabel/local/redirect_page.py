"""A door into Label Studio or our own page: one link that logs this machine's browser in and leads to a page, once and for minutes.

Cookies do not tell ports apart, so a page of ours on 127.0.0.1 can hand over the session of another server on 127.0.0.1.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

OPEN_SECONDS = 600.0
SCRIPTS_READ = frozenset({"csrftoken"})
"""Cookies that Label Studio's own page has to read; all others are kept from scripts."""


class RedirectPage:
    """Serves ``link`` on loopback until it was used or is too old. target: where it leads. cookies: the session there."""

    def __init__(
        self, target: str, cookies: Mapping[str, str], *, seconds: float = OPEN_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._target, self._cookies = target, dict(cookies)
        self._clock, self._until = clock, clock() + seconds
        self._path = f"/enter/{secrets.token_urlsafe(24)}"
        self._lock = threading.Lock()
        self._used = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="door", daemon=True)

    @property
    def link(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{self._path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _open_once(self, path: str) -> bool:
        with self._lock:
            known = secrets.compare_digest(path.encode(), self._path.encode())
            opened = known and not self._used and self._clock() < self._until
            self._used = self._used or opened
            return opened

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not door._open_once(self.path):
                    self.send_error(404, "This link was used already, is too old, or never was one")
                    return
                self.send_response(302)
                for name, value in door._cookies.items():
                    self.send_header("Set-Cookie", f"{name}={value}; Path=/; SameSite=Lax{'' if name in SCRIPTS_READ else '; HttpOnly'}")
                for name, value in (("Location", door._target), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer")):
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """The link is a secret: it is not logged."""

        return Handler
