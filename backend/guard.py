"""Who may ask: the secret of Label Studio's calls and of its webhook, and no web site behind a person's back.

Knows headers only.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from flask import Request

from backend.errors import CrossSite, SecretWrong
from backend.names import SECRET_HEADER
from studio.loopback import is_loopback
from vision.errors import SettingsError

OPEN = frozenset({"/health"})
OURSELVES = frozenset({"same-origin", "none"})


def check(request: Request, secret: str | None) -> None:
    """Raises SecretWrong or CrossSite. /health is open to all: it says nothing that is not for everybody."""
    if request.path in OPEN:
        return
    if secret is None:
        # Without a secret we listen on loopback only; another name in Host means a web site has pointed its own name at us.
        if not is_loopback(request.host.rpartition(":")[0] if request.host.rpartition(":")[2].isdigit() else request.host):
            raise CrossSite("Without a secret this backend answers to localhost only.", hint="Set DINOLABEL_SECRET to use another name.")
    elif not any(same(each, secret) for each in shown(request)):
        raise SecretWrong("The secret is missing or wrong.")
    if request.method not in {"GET", "HEAD", "OPTIONS"}:
        check_origin(request)


def check_origin(request: Request) -> None:
    """Browsers say whose page sends a POST; Label Studio's server says nothing, and is let through. Raises CrossSite."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None and site not in OURSELVES:
        raise CrossSite("A page of another site sent this request.")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise CrossSite("A page of another site sent this request.")


def shown(request: Request) -> list[str]:
    """The secrets a caller shows: webhook header, password of Basic auth under any user name, or a bearer token."""
    given = request.authorization
    basic = given.password if given is not None and given.type == "basic" else None
    bearer = given.token if given is not None and given.type == "bearer" else None
    plain = [each for each in (request.headers.get(SECRET_HEADER), bearer) if each is not None]
    # WSGI hands header bytes over as Latin-1, whatever they were.
    as_sent = [each.encode("latin-1", "replace").decode("utf-8", "replace") for each in plain]
    return [*plain, *as_sent, *([] if basic is None else [basic])]


def same(one: str, other: str) -> bool:
    """In constant time, so that a wrong guess does not say how wrong it is."""
    return hmac.compare_digest(one.encode(), other.encode())


def check_address(host: str, secret: str | None) -> None:
    """Raises SettingsError for an address that others can reach without a secret."""
    if secret is None and not is_loopback(host):
        raise SettingsError(
            f"The backend would listen on {host} for everybody.",
            hint="Set DINOLABEL_SECRET (init and attach hand it to Label Studio), or listen on 127.0.0.1.",
        )
