"""Users: who they are and which keys they press."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dinolabel.studio.http_client import ApiClient

Keys = Mapping[str, Mapping[str, Any]]
"""Element such as "regions:region:cycle" -> {"key": "n", "active": true}, as Label Studio stores it."""


@dataclass(frozen=True, slots=True)
class StudioUser:
    """Somebody with a login."""

    id: int
    email: str


class UsersClient:
    """People of our organization and their keys."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api

    def whoami(self) -> dict[str, Any]:
        """The token's owner: id, email, …"""
        return dict(self.api.json("GET", "/api/current-user/whoami"))

    def list(self) -> list[StudioUser]:
        """Everybody of our organization."""
        return [StudioUser(int(each["id"]), str(each["email"])) for each in self.api.json("GET", "/api/users/")]

    def hotkeys(self, person: int) -> dict[str, dict[str, Any]]:
        """Only the keys this person has of their own; Label Studio's own are not listed."""
        return {name: dict(entry) for name, entry in (self.api.json("GET", f"/api/users/{person}/").get("custom_hotkeys") or {}).items()}

    def set_hotkeys(self, person: int, keys: Keys) -> None:
        """All keys of a person, in place of those before; effective at their next page load.

        Label Studio 1.23.2 checks nothing here, and lets the organization's owner set anybody's (measured).
        """
        self.api.json("PATCH", f"/api/users/{person}/", json={"custom_hotkeys": dict(keys)})
