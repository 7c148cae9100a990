"""Authentication of requests: the secret of Label Studio's calls and of its webhook, a browser that was let in to the page, no web site
behind its back."""

from __future__ import annotations

import hmac
import re
from contextlib import suppress
from urllib.parse import urlsplit

from flask import Request
from itsdangerous import BadSignature, TimestampSigner

from dinolabel.backend.errors import CrossSite, SecretWrong
from dinolabel.backend.payloads import SECRET_HEADER
from dinolabel.studio.media.loopback import is_loopback
from dinolabel.vision.errors import SettingsError

OPEN = frozenset({"/health"})
OURSELVES = frozenset({"same-origin", "none"})
READING = frozenset({"GET", "HEAD", "OPTIONS"})
COOKIE = "dinolabel_page"
COOKIE_SECONDS = 30 * 24 * 3600
"""As long as a project is worked on; the link that gives the cookie works once and for minutes."""
PAGE = (("GET", "/"), ("GET", "/jobs"), ("GET", "/docs"), ("GET", "/v1/openapi.json"), ("POST", "/train"), ("POST", "/prompt"))
CANCEL = re.compile(r"/jobs/[^/]+/cancel")


def check(request: Request, secret: str | None) -> None:
    """Raises SecretWrong or CrossSite. /health is open to all: it says nothing that is not for everybody."""
    if request.path in OPEN:
        return
    if secret is None:
        # Without a secret we listen on loopback only; another name in Host means a web site has pointed its own name at us.
        if not is_loopback(request.host.rpartition(":")[0] if request.host.rpartition(":")[2].isdigit() else request.host):
            raise CrossSite("Without a secret this backend answers to localhost only.", hint="Set DINOLABEL_SECRET to use another name.")
    elif not (any(equal_secrets(each, secret) for each in given_secret(request)) or _let_in(request, secret)):
        raise SecretWrong("The secret is missing or wrong.")
    if request.method not in READING:
        check_origin(request)


def cookie(secret: str) -> str:
    """What a browser may show on the page instead of the secret. It says nothing of the secret, and another secret ends it."""
    return TimestampSigner(secret, salt=COOKIE).sign(COOKIE).decode()


def _let_in(request: Request, secret: str) -> bool:
    """Whether a browser that was let in asks for the page, or one of the page's own buttons does.

    A cookie comes along whoever asks, so for a button the browser has to say that our page sent it; its silence is no yes.
    """
    given = request.cookies.get(COOKIE)
    if given is None or not _of_page(request):
        return False
    if request.method not in READING and request.headers.get("Origin") is None and request.headers.get("Sec-Fetch-Site") != "same-origin":
        return False
    try:
        return TimestampSigner(secret, salt=COOKIE).unsign(given, max_age=COOKIE_SECONDS) == COOKIE.encode()
    except BadSignature:
        return False


def _of_page(request: Request) -> bool:
    method = "GET" if request.method == "HEAD" else request.method
    return (method, request.path) in PAGE or (method == "POST" and CANCEL.fullmatch(request.path) is not None)


def check_origin(request: Request) -> None:
    """Browsers say whose page sends a POST; Label Studio's server says nothing, and is let through. Raises CrossSite."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None and site not in OURSELVES:
        raise CrossSite("A page of another site sent this request.")
    if origin is not None and _host_of(origin) != request.host:
        raise CrossSite("A page of another site sent this request.")


def _host_of(origin: str) -> str | None:
    with suppress(ValueError):
        return urlsplit(origin).netloc
    return None


def given_secret(request: Request) -> list[str]:
    """The secrets a caller shows: webhook header, password of Basic auth under any user name, or a bearer token."""
    given = None
    with suppress(ValueError):  # letters beyond ASCII are no base64
        given = request.authorization
    basic = given.password if given is not None and given.type == "basic" else None
    bearer = given.token if given is not None and given.type == "bearer" else None
    plain = [each for each in (request.headers.get(SECRET_HEADER), bearer) if each is not None]
    # WSGI hands header bytes over as Latin-1, whatever they were.
    as_sent = [each.encode("latin-1", "replace").decode("utf-8", "replace") for each in plain]
    return [*plain, *as_sent, *([] if basic is None else [basic])]


def equal_secrets(one: str, other: str) -> bool:
    """In constant time, so that a wrong guess does not say how wrong it is."""
    return hmac.compare_digest(one.encode(), other.encode())


def check_address(host: str, secret: str | None) -> None:
    """Raises SettingsError for an address that others can reach without a secret."""
    if secret is None and not is_loopback(host):
        raise SettingsError(
            f"The backend would listen on {host} for everybody.",
            hint="Set DINOLABEL_SECRET (init and attach hand it to Label Studio), or listen on 127.0.0.1.",
        )
