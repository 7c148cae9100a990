"""A backend behind a real socket, and a way to knock at it."""

from __future__ import annotations

import threading
from typing import Any, Self

import requests

from dinolabel.backend.http.server import Server, create_app, serve
from tests.doubles.scripted_studio import CONFIG
from tests.unit.backend.conftest import World


class Door:
    """A running server. secret: shown as Label Studio does, unless a call says otherwise."""

    def __init__(self, world: World, service: Any, *, secret: str | None = None) -> None:
        self.world, self.service, self.secret = world, service, secret
        self.server: Server = serve(create_app(service, secret=secret), "127.0.0.1", 0, secret=secret)
        threading.Thread(target=self.server.run, daemon=True).start()
        self.session = requests.Session()
        self.session.trust_env = False

    @classmethod
    def at_work(cls, world: World, *, secret: str | None = None, **options: Any) -> Self:
        """With a service that has been started."""
        service = world.service(**options)
        service.start()
        return cls(world, service, secret=secret)

    def __call__(self, method: str, path: str, body: Any = None, **how: Any) -> requests.Response:
        auth = ("dinolabel", self.secret.encode()) if self.secret and "headers" not in how and "auth" not in how else how.pop("auth", None)
        return self.session.request(method, self.server.url + path, json=body, auth=auth, timeout=30, **how)

    def predict(self, project: int, tasks: list[dict[str, Any]], **more: Any) -> requests.Response:
        body = {"project": f"{project}.1795348528", "label_config": CONFIG, "tasks": tasks, "params": {"context": None}}
        return self("POST", "/predict", body | more)

    def tasks(self, project: int) -> list[dict[str, Any]]:
        return [{"id": each.id, "data": each.data, "annotations": [], "predictions": []} for each in self.world.studio.tasks.list(project)]

    def detect(self, **how: Any) -> requests.Response:
        """As a program asks: with nothing but what the call says."""
        return self.session.post(self.server.url + "/v1/detect", timeout=60, **how)

    def close(self) -> None:
        self.session.close()  # a connection that is kept open would hold the server's loop
        self.server.close()
