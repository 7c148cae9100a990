"""Whose turn it is to write to a project, kept in Label Studio itself, so that backends that share nothing else can agree.

A lease is a webhook that is switched off: it belongs to a project, holds a header of ours, and Label Studio's clock dates it. Ids grow, so
the oldest live lease wins without any exchange; no clock of ours is compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dinolabel.studio.http_client import ApiClient

PLACE = "http://192.175.48.1/dinolabel-lease"
"""Never called: the webhook is off, and AS112's address (RFC 7535) is nobody's. A name would have to be resolved by Label Studio."""
HEADER = "X-Dinolabel-Lease"
SECONDS = 90.0
"""A lease that was not renewed for so long is dead, and its owner with it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """owner: readable, one per data folder. renewed: by Label Studio's clock."""

    id: int
    owner: str
    renewed: datetime

    @classmethod
    def of(cls, hook: Mapping[str, Any]) -> Lease:
        return cls(int(hook["id"]), str((hook.get("headers") or {}).get(HEADER) or ""), datetime.fromisoformat(str(hook["updated_at"])))


class LeasesClient:
    """Leases of projects: who may write now."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api

    def renew(self, project: int, owner: str) -> list[Lease]:
        """Say that owner is alive; every live lease of the project, the one who may write first."""
        mine = next((each for each in self._leases(project) if each.owner == owner), None)
        body = {"project": project, "url": PLACE, "headers": {HEADER: owner}, "is_active": False, "send_payload": False}
        method, path = ("PATCH", f"/api/webhooks/{mine.id}/") if mine else ("POST", "/api/webhooks/")
        now = Lease.of(self.api.json(method, path, json={**body, "send_for_all_actions": False, "actions": []})).renewed
        living = [each for each in self._leases(project) if now - each.renewed <= timedelta(seconds=SECONDS)]
        return sorted(living, key=lambda each: each.id)

    def drop(self, project: int, owner: str | None = None) -> None:
        """Take back owner's lease; without one, everybody's."""
        for each in self._leases(project):
            if owner in (None, each.owner):
                self.api.json("DELETE", f"/api/webhooks/{each.id}/")

    def _leases(self, project: int) -> list[Lease]:
        hooks = self.api.json("GET", "/api/webhooks/", params={"project": project})
        return [Lease.of(each) for each in hooks if each.get("url") == PLACE and each.get("project") == project]
