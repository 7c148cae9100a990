"""Which addresses Label Studio's own server would call, found out without making anything."""

from __future__ import annotations

from typing import Any, Literal

from dinolabel.studio.errors import StudioRefused
from dinolabel.studio.http_client import ApiClient

Caller = Literal["backends", "webhooks"]
_REQUESTS: dict[Caller, tuple[str, dict[str, Any]]] = {
    # Each body breaks two other rules, so that it is refused in any case; Label Studio judges the address first.
    "backends": ("/api/ml/", {"project": None, "is_interactive": "neither"}),
    "webhooks": ("/api/webhooks/", {"actions": ["NO_SUCH_ACTION"], "is_active": "neither"}),
}


class ProbesClient:
    """Questions about Label Studio's own settings that no documented call answers."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api

    def may_call(self, caller: Caller, url: str) -> bool | None:
        """Whether Label Studio would accept a backend or webhook at url; None when its answer says neither. Makes neither.

        Two switches of it decide: ML_BLOCK_LOCAL_IP for backends, SSRF_PROTECTION_ENABLED for webhooks, imports and storages; with both on,
        USE_DEFAULT_BANNED_SUBNETS and USER_ADDITIONAL_BANNED_SUBNETS say which networks are banned.
        """
        path, wrong = _REQUESTS[caller]
        try:
            made = self.api.json("POST", path, json={"url": url, **wrong})
        except StudioRefused as error:
            if "reserved network address" in str(error):
                return False
            return True if error.status == 400 else None
        if isinstance(made, dict) and "id" in made:  # a Label Studio that lets anything pass: leave nothing behind
            self.api.request("DELETE", f"{path}{made['id']}{'' if caller == 'backends' else '/'}")
        return True
