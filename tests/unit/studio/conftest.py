"""A scripted HTTP server on a real socket: paths answer what a test says, and every request is kept."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Reply:
    """status, body (JSON when it is no bytes), headers; announced: a Content-Length that is not the body's; slow: seconds between bytes."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None
    slow: float = 0.0


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Host:
    """Answers 404 for what no test scripted."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.asked: list[Asked] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = Asked(self.command, self.path, dict(self.headers), body)
                host.asked.append(asked)
                _send(self, host.reply(asked))

            do_GET = do_POST = do_PATCH = do_DELETE = _answer

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def on(self, path: str, status: int = 200, body: Any = b"", **more: Any) -> Host:
        """Append a reply for a path, with or without its query. The last one of a path stays."""
        self.replies.setdefault(path, []).append(Reply(status, body, **more))
        return self

    def reply(self, asked: Asked) -> Reply:
        queue = self.replies.get(asked.path) or self.replies.get(asked.path.partition("?")[0]) or [Reply(404, {"detail": "Not found."})]
        return queue.pop(0) if len(queue) > 1 else queue[0]

    def authorizations(self) -> list[str | None]:
        return [each.headers.get("Authorization") for each in self.asked]


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    handler.send_response(reply.status)
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body) if reply.announced is None else reply.announced))
    handler.end_headers()
    try:
        if not reply.slow:
            handler.wfile.write(body)
        for at in range(len(body) if reply.slow else 0):
            handler.wfile.write(body[at : at + 1])
            handler.wfile.flush()
            time.sleep(reply.slow)
    except (BrokenPipeError, ConnectionResetError):
        handler.close_connection = True


@pytest.fixture
def hosts() -> Iterator[Callable[[], Host]]:
    """Makes hosts; all are shut down afterwards."""
    made: list[Host] = []

    def make() -> Host:
        made.append(Host())
        return made[-1]

    yield make
    for each in made:
        each.server.shutdown()
        each.server.server_close()


@pytest.fixture
def host(hosts: Callable[[], Host]) -> Host:
    return hosts()
