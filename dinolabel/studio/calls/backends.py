"""ML backends and webhooks of a project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dinolabel.studio.calls import leases
from dinolabel.studio.http_client import ApiClient

ASKING_SECONDS = 130.0
"""Label Studio itself waits up to 100 s for a backend before it answers us."""


@dataclass(frozen=True, slots=True)
class MLBackend:
    """state: CO connected, DI disconnected, ER error, TR training, PR predicting. model_version: as its /setup said last."""

    id: int
    project: int
    url: str
    title: str
    state: str
    error: str
    model_version: str
    interactive: bool

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> MLBackend:
        return cls(
            id=int(reply["id"]),
            project=int(reply["project"]),
            url=str(reply.get("url") or ""),
            title=str(reply.get("title") or ""),
            state=str(reply.get("state") or ""),
            error=str(reply.get("error_message") or ""),
            model_version=str(reply.get("model_version") or ""),
            interactive=bool(reply.get("is_interactive")),
        )


@dataclass(frozen=True, slots=True)
class Webhook:
    """headers: sent with every event, such as a shared secret. project: None when it is for the whole organization."""

    id: int
    url: str
    project: int | None
    active: bool
    headers: Mapping[str, str] = field(hash=False, repr=False)
    actions: tuple[str, ...] = ()

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> Webhook:
        return cls(
            id=int(reply["id"]),
            url=str(reply.get("url") or ""),
            project=reply.get("project"),
            active=bool(reply.get("is_active")),
            headers=dict(reply.get("headers") or {}),
            actions=tuple(reply.get("actions") or ()),
        )


class BackendsClient:
    """ML backends that are connected to projects."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api

    def create(
        self, project: int, url: str, title: str, *, interactive: bool = False, username: str | None = None, password: str | None = None
    ) -> MLBackend:
        """Connect a running backend. Label Studio asks its /health and /setup first, and as a side effect creates a webhook to url/webhook
        and shows the backend's live predictions (project.model_version becomes the title)."""
        body: dict[str, Any] = {"project": project, "url": url, "title": title, "is_interactive": interactive}
        if password is not None:
            body |= {"auth_method": "BASIC_AUTH", "basic_auth_user": username or "", "basic_auth_pass": password}
        return MLBackend.of(self.api.json("POST", "/api/ml/", json=body, timeout=ASKING_SECONDS))

    def list(self, project: int) -> list[MLBackend]:
        """Label Studio asks each for its health meanwhile."""
        return [MLBackend.of(each) for each in self.api.json("GET", "/api/ml/", params={"project": project}, timeout=ASKING_SECONDS)]

    def set_interactive(self, backend: int) -> None:
        """From the next page load on, Label Studio asks this backend while people draw or type.

        Label Studio 1.23.2 answers 500 to a change that does not repeat address and project; an empty password stands for the one it has.
        """
        path = f"/api/ml/{backend}"
        known = self.api.json("GET", path, timeout=ASKING_SECONDS)
        body = {"project": known["project"], "url": known["url"], "is_interactive": True}
        if known.get("auth_method") == "BASIC_AUTH":
            body |= {"auth_method": "BASIC_AUTH", "basic_auth_user": known.get("basic_auth_user") or "", "basic_auth_pass": ""}
        self.api.json("PATCH", path, json=body, timeout=ASKING_SECONDS)

    def delete(self, backend: int) -> None:
        """Its webhook stays, and the project goes on naming it as what is shown, so nothing is (measured): set another version."""
        self.api.json("DELETE", f"/api/ml/{backend}")

    def start_training(self, backend: int) -> None:
        """What the button *Start training* does."""
        self.api.json("POST", f"/api/ml/{backend}/train", json={}, timeout=ASKING_SECONDS)


class WebhooksClient:
    """Webhooks of a project: whom Label Studio tells what happened."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api

    def list(self, project: int) -> list[Webhook]:
        """Those that are meant to be called; leases (dinolabel.studio.calls.leases) are not."""
        found = self.api.json("GET", "/api/webhooks/", params={"project": project})
        return [Webhook.of(each) for each in found if each.get("url") != leases.PLACE]

    def set(self, project: int, url: str, headers: Mapping[str, str]) -> Webhook:
        """Exactly one active webhook to url, with these headers, for all events; twins, such as the automatic one, are removed."""
        body = {
            "project": project,
            "url": url,
            "headers": dict(headers),
            "send_payload": True,
            "send_for_all_actions": True,
            "is_active": True,
        }
        there = [each.id for each in self.list(project) if each.url.rstrip("/") == url.rstrip("/")]
        for twin in there[1:]:
            self.delete(twin)
        method, path = ("PATCH", f"/api/webhooks/{there[0]}/") if there else ("POST", "/api/webhooks/")
        return Webhook.of(self.api.json(method, path, json=body))

    def delete(self, webhook: int) -> None:
        self.api.json("DELETE", f"/api/webhooks/{webhook}/")
