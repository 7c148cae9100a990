"""A proxy before Label Studio that behaves as broken networks, proxies and servers do."""

from __future__ import annotations

import http.client
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

MODES = ("down", "slow", "401", "403", "429", "500", "504", "html", "half", "cut", "object", "null", "list")
SLOW_SECONDS = 10.0


class FaultyProxy:
    """upstream: Label Studio's address. mode: one of MODES, or "" for a good one."""

    def __init__(self, upstream: str) -> None:
        proxy, self.mode = self, ""
        self._upstream = urlsplit(upstream)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _go(self) -> None:
                proxy._answer(self)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = _go

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, asked: BaseHTTPRequestHandler) -> None:
        body, mode = asked.rfile.read(int(asked.headers.get("Content-Length") or 0)), self.mode
        if mode == "down":
            _hang_up(asked)
        elif mode.isdigit():
            _say(asked, int(mode), json.dumps({"detail": "Made."}).encode(), **({"Retry-After": "2"} if mode == "429" else {}))
        elif mode == "html":
            _say(asked, 200, b"<!doctype html><html><body>Sign in</body></html>", **{"Content-Type": "text/html"})
        elif mode in ("object", "null", "list"):
            _say(asked, 200, {"object": b'{"status": "maintenance"}', "null": b"null", "list": b"[]"}[mode])
        else:
            time.sleep(SLOW_SECONDS if mode == "slow" else 0)
            self._forward(asked, body, mode)

    def _forward(self, asked: BaseHTTPRequestHandler, body: bytes, mode: str) -> None:
        connection = http.client.HTTPConnection(self._upstream.netloc, timeout=120)
        headers = {name: value for name, value in asked.headers.items() if name.lower() not in ("connection", "host")}
        try:
            connection.request(asked.command, asked.path, body=body, headers=headers | {"Host": self._upstream.netloc})
            answer = connection.getresponse()
            data = answer.read()
        except OSError:
            _hang_up(asked)
            return
        finally:
            connection.close()
        kept = {
            name: value for name, value in answer.getheaders() if name.lower() not in ("transfer-encoding", "content-length", "connection")
        }
        if mode in ("half", "cut"):
            _say(asked, answer.status, data[: len(data) // 2], length=len(data) if mode == "cut" else None, **kept)
            if mode == "cut":
                _hang_up(asked)
        else:
            _say(asked, answer.status, data, **kept)


def _say(asked: BaseHTTPRequestHandler, status: int, data: bytes, *, length: int | None = None, **headers: str) -> None:
    asked.send_response(status)
    for name, value in ({"Content-Type": "application/json"} | headers).items():
        asked.send_header(name, value)
    asked.send_header("Content-Length", str(len(data) if length is None else length))
    asked.end_headers()
    asked.wfile.write(data)


def _hang_up(asked: BaseHTTPRequestHandler) -> None:
    asked.close_connection = True
    asked.connection.close()
