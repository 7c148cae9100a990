"""A model hub on a free port: the few answers of the hub's HTTP interface that a description and a download need."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """files: of the one model `name`. lies: sent in place of a file. asked: every path. cut: bytes of a file that are sent once.

    gated: described to everybody, its files given to nobody.
    """

    name: str
    files: dict[str, bytes]
    lies: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""
    gated: bool = False

    def described(self) -> dict[str, object]:
        siblings = []
        for name, content in self.files.items():
            entry: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": hashlib.sha1(content).hexdigest()}
            if name.endswith(".safetensors"):
                entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
            siblings.append(entry)
        own = {"license": "other", "license_name": "lab-license", "license_link": "https://lab.example/licence"}
        card = own if self.gated else {"license": "apache-2.0"}
        return {
            "id": self.name,
            "modelId": self.name,
            "sha": COMMIT,
            "private": False,
            "tags": [],
            "siblings": siblings,
            "cardData": card,
            "gated": "manual" if self.gated else False,
        }

    def tree(self) -> list[dict[str, object]]:
        entries = []
        for name, content in self.files.items():
            entry: dict[str, object] = {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
            if name.endswith(".safetensors"):
                entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
            entries.append(entry)
        return entries


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = self.path.split("?")[0]
            hub.asked.append(f"{self.command} {path}")
            if path in (f"/api/models/{hub.name}", f"/api/models/{hub.name}/revision/{COMMIT}"):
                self.send(json.dumps(hub.described()).encode(), {"Content-Type": "application/json"}, body=body)
                return
            if path == f"/api/models/{hub.name}/tree/{COMMIT}":
                self.send(json.dumps(hub.tree()).encode(), {"Content-Type": "application/json"}, body=body)
                return
            name = path.removeprefix(f"/{hub.name}/resolve/{COMMIT}/")
            if name not in hub.files or hub.gated:
                self.send_response(403 if hub.gated else 404)
                self.send_header("X-Error-Code", "GatedRepo" if hub.gated else "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            etag = {"ETag": f'"{hashlib.sha256(hub.files[name]).hexdigest()}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            self.send(hub.lies.get(name, hub.files[name]), etag, body=body, name=name)

        def send(self, content: bytes, headers: dict[str, str], *, body: bool, name: str = "") -> None:
            start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
            rest = content[start:]
            self.send_response(206 if start else 200)
            for key, value in {**headers, "Content-Length": str(len(rest))}.items():
                self.send_header(key, value)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            if not body:
                return
            broken = hub.cut.pop(name, None)
            self.wfile.write(rest if broken is None else rest[:broken])
            if broken is not None:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
