"""The two kinds of access token of Label Studio, and the headers they become.

A legacy token is sent as it is. A personal one (a JWT) only buys access tokens that live five minutes (measured).
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from dinolabel.studio.errors import StudioDenied
from dinolabel.vision.storage.json_text import parse_json

TokenKind = Literal["personal", "legacy"]

EARLY_SECONDS = 30.0
"""An access token is renewed this long before it ends, so that it does not end on its way."""

LEGACY_OFF = "legacy token authentication has been disabled"


class Token:
    """What a person pasted. Raises StudioDenied when it cannot be a token. Safe to share between threads; never shown by repr."""

    def __init__(self, text: str) -> None:
        self._text = text.strip()
        if not re.fullmatch(r"[\x21-\x7e]+", self._text):
            raise StudioDenied("The access token is empty or holds characters that no token has.")
        claims = _claims(self._text)
        if claims.get("token_type") == "access":
            raise StudioDenied("This is an access token that lives five minutes.", hint="Set DINOLABEL_STUDIO_TOKEN to the personal token.")
        self.kind: TokenKind = "personal" if claims else "legacy"
        ends = claims.get("exp")
        self.ends: float | None = float(ends) if isinstance(ends, int | float) else None  # seconds since the epoch; legacy ones have no end
        self._access = ""
        self._ends = 0.0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Token({self.kind})"

    def header(self, exchange: Callable[[str], str]) -> str:
        """Value of the Authorization header. exchange: personal token -> access token, called when there is no fresh one."""
        if self.kind == "legacy":
            return f"Token {self._text}"
        with self._lock:
            if time.time() > self._ends - EARLY_SECONDS:
                self._access = exchange(self._text)
                self._ends = _claims(self._access).get("exp") or time.time() + 240.0
            return f"Bearer {self._access}"

    def retry_after_refusal(self, header: str) -> bool:
        """Label Studio said 401 to this header. True: it was an access token, which is dropped, so trying once more makes sense."""
        with self._lock:
            if header == f"Bearer {self._access}":
                self._ends = 0.0
        return self.kind == "personal"


def token_denied(kind: TokenKind, url: str, words: str) -> StudioDenied:
    """The error for a 401, with the way out that fits."""
    if LEGACY_OFF in words.lower():
        return StudioDenied(f"Label Studio at {url} does not accept legacy tokens any more, and DINOLABEL_STUDIO_TOKEN is one.")
    return StudioDenied(f"Label Studio at {url} does not accept the {kind} token: “{words}”")


def _claims(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified; empty when it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = parse_json(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}
