"""One request to Label Studio and its answer or a named error: tokens, time-outs, retries, and its own words.

Redirects are never followed: the token goes to Label Studio's own address and nowhere else.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog
from requests.auth import AuthBase

from dinolabel.studio.errors import StudioBusy, StudioCutShort, StudioDenied, StudioRefused, StudioUnreachable
from dinolabel.studio.media.network import USUAL, NetworkSettings
from dinolabel.studio.tokens import Token, token_denied
from dinolabel.vision.errors import StudioError

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 5.0
RETRY_AFTER_SECONDS = (0.3, 1.0)
"""Pauses before a GET is tried again; what changes something is never repeated by itself."""

GONE_AWAY = {502, 503, 504}
TOO_MANY = 429
LONGEST_PAUSE = 5.0
"""Seconds that a call waits by itself where it is told how long; who is told to wait longer comes back later."""
LONGEST_RETRY = 600.0
WORDS_SHOWN = 400


class AuthorizationHeader(AuthBase):
    """As an auth object and not a header, because requests would let ~/.netrc overrule a header."""

    def __init__(self, value: str) -> None:
        self.value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self.value
        return request


class ApiClient:
    """Calls to one Label Studio. Safe to share between threads: each has its own connections. Keeps no cookies: they bring CSRF checks."""

    def __init__(self, url: str, token: str, *, timeout: float = 30.0, network: NetworkSettings = USUAL) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise StudioUnreachable(f"{url!r} is no address of a Label Studio.", hint="Write it like http://localhost:8080.")
        self.url = url.rstrip("/")
        self.token = Token(token)
        self.timeout = timeout
        self._local = threading.local()
        self.network = network
        self._options = network.options(self.url)
        self.on_answer: Callable[[str, int | None, str, float], object] = lambda method, status, error, seconds: None
        """Told of each request: its status, or None and the error's name, and its seconds."""

    def json(self, method: str, path: str, *, timeout: float | None = None, **request: Any) -> Any:
        """The decoded answer, None when it is empty. path begins with a slash; request: params, json, files as requests takes them.

        Raises StudioUnreachable, StudioDenied or StudioRefused.
        """
        answer = self.request(method, path, timeout=timeout, **request)
        if not answer.content:
            return None
        try:
            return answer.json()
        except requests.exceptions.JSONDecodeError as error:
            raise StudioUnreachable(f"What answers at {self.url}{path} does not speak like Label Studio.") from error

    def request(self, method: str, path: str, *, timeout: float | None = None, **request: Any) -> requests.Response:
        """Like `json`, but the response itself."""
        answer = self._authorize(method, path, timeout or self.timeout, request)
        if answer.status_code < 300:
            return answer
        raise self._error(method, path, answer)

    def authorization(self) -> str:
        """The Authorization header's value, for downloads from this very address."""
        return self.token.header(self._exchange)

    def _authorize(self, method: str, path: str, timeout: float, request: Mapping[str, Any]) -> requests.Response:
        try:
            return self._send_authorized(method, path, timeout, request)
        except StudioBusy as busy:  # it was not done, so also what changes something may be sent again
            if not 0 < busy.seconds <= LONGEST_PAUSE:
                raise
            log.info("studio_retry", method=method, path=path, pause=busy.seconds)
            time.sleep(busy.seconds)
            return self._send_authorized(method, path, timeout, request)

    def _send_authorized(self, method: str, path: str, timeout: float, request: Mapping[str, Any]) -> requests.Response:
        header = self.authorization()
        answer = self._send(method, path, timeout, auth=AuthorizationHeader(header), **request)
        if answer.status_code == 401 and self.token.retry_after_refusal(header):
            answer = self._send(method, path, timeout, auth=AuthorizationHeader(self.authorization()), **request)
        return answer

    def _exchange(self, personal: str) -> str:
        answer = self._send("POST", "/api/token/refresh/", self.timeout, json={"refresh": personal})
        if not answer.ok:
            raise self._error("POST", "/api/token/refresh/", answer)
        try:
            return str(answer.json()["access"])
        except (ValueError, KeyError, TypeError) as error:
            raise StudioUnreachable(f"What answers at {self.url}/api/token/refresh/ does not speak like Label Studio.") from error

    def _send(self, method: str, path: str, timeout: float, **request: Any) -> requests.Response:
        pauses = RETRY_AFTER_SECONDS if method == "GET" else ()
        for pause in (*pauses, None):
            try:
                answer = self._ask(method, path, timeout, request)
            except requests.exceptions.SSLError as error:
                raise StudioUnreachable(f"The certificate of {self.url} is not one this machine trusts.", hint=TRUST) from error
            except (requests.ConnectionError, requests.Timeout) as error:
                if pause is None:
                    raise StudioUnreachable(f"Label Studio does not answer at {self.url} ({_reason(error)}).") from error
            except requests.RequestException as error:
                raise StudioUnreachable(f"{self.url} cannot be asked: {_reason(error)}.") from error
            else:
                if answer.status_code == TOO_MANY:
                    raise StudioBusy(f"Label Studio at {self.url} asks for fewer requests (429).", seconds=_retry_after(answer))
                if answer.status_code not in GONE_AWAY or pause is None:
                    return answer
            log.info("studio_retry", method=method, path=path, pause=pause)
            time.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _ask(self, method: str, path: str, timeout: float, request: Mapping[str, Any]) -> requests.Response:
        begun, waits = time.monotonic(), (CONNECT_SECONDS, timeout)
        try:
            answer = self.session().request(method, self.url + path, timeout=waits, allow_redirects=False, **self._options, **request)
        except requests.RequestException as error:
            self.on_answer(method, None, type(error).__name__, time.monotonic() - begun)
            raise
        self.on_answer(method, answer.status_code, "", time.monotonic() - begun)
        return answer

    def session(self) -> requests.Session:
        """This thread's connections to Label Studio, kept open between requests."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = self.network.session(self.url)
            session.cookies.set_policy(_NO_COOKIES)
        return session

    def _error(self, method: str, path: str, answer: requests.Response) -> StudioError:
        status, words = answer.status_code, _words(answer)
        if status == 401:
            return token_denied(self.token.kind, self.url, words)
        if "reserved network address" in words:
            return StudioRefused(
                f"Label Studio refuses addresses in private networks: “{words}”",
                hint="Start Label Studio with USE_DEFAULT_BANNED_SUBNETS=false.",
                status=status,
            )
        if status == 403:
            return StudioDenied(f"The owner of our {self.token.kind} token may not {method} {path}: “{words}”")
        if status < 400:
            where = answer.headers.get("Location", "elsewhere")
            return StudioUnreachable(f"{self.url}{path} redirects to {where}.", hint="Set DINOLABEL_STUDIO_URL to the final address.")
        if status == 504:
            return StudioCutShort(f"The proxy in front of Label Studio at {self.url} gave up waiting for {method} {path}.")
        if status in GONE_AWAY:
            return StudioUnreachable(f"Label Studio at {self.url} is not there: its proxy answers {status}.")
        return StudioRefused(f"Label Studio refused {method} {path} ({status}): “{words}”", status=status)


TRUST = "Set DINOLABEL_CA_BUNDLE to a PEM file of the authority that signed it; checking is never switched off."
_NO_COOKIES = DefaultCookiePolicy(allowed_domains=[])


def _reason(error: requests.RequestException) -> str:
    return "time-out" if isinstance(error, requests.Timeout) else type(error).__name__


def _retry_after(answer: requests.Response) -> float:
    """Seconds, from a number or a date (RFC 9110); 0 when it does not say."""
    told = answer.headers.get("Retry-After", "").strip()
    try:
        seconds = float(told) if told.isdigit() else (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):  # a date without a time zone cannot be compared
        return 0.0
    return min(max(seconds, 0.0), LONGEST_RETRY)


def _words(answer: requests.Response) -> str:
    """Label Studio's own words, in one line. HTML is left out."""
    try:
        body = answer.json()
    except requests.exceptions.JSONDecodeError:
        return answer.reason or str(answer.status_code)
    if isinstance(body, dict):
        body = body.get("validation_errors") or body.get("detail") or body
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return text if len(text) <= WORDS_SHOWN else text[:WORDS_SHOWN] + "…"
