"""One file over HTTP into an open file: size, time and redirects bounded, the token only where it belongs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import IO, Any, Protocol
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import parse_url

from dinolabel.studio.http_client import CONNECT_SECONDS, TRUST, AuthorizationHeader
from dinolabel.studio.media import url as address
from dinolabel.vision.errors import MediaLate, MediaRefused, MediaUnavailable

HOPS = 5
PIECE = 1 << 16
PASSING = frozenset({408, 425, 429})
"""Statuses that say: not now."""


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """max_bytes: of one file. silence: seconds without a byte. total: seconds for all of it."""

    max_bytes: int
    silence: float = 20.0
    total: float = 120.0


class DownloadDenied(Exception):
    """The server said 401 to the Authorization header we sent."""

    def __init__(self, header: str) -> None:
        super().__init__("401")
        self.header = header


class DownloadPolicy(Protocol):
    """What is decided about each address of a download: whether it may be asked, what it is shown, and by which connections."""

    def allowed(self, hop: str) -> bool: ...

    def authorization(self, hop: str) -> str | None: ...

    def session(self, hop: str) -> requests.Session: ...

    def options(self, hop: str) -> dict[str, Any]: ...


def download(url: str, into: IO[bytes], *, limits: DownloadLimits, trip: DownloadPolicy) -> None:
    """Follow redirects by hand, each hop as the trip decides.

    Raises MediaRefused (host or size), MediaUnavailable (status), MediaLate (time, a busy server), DownloadDenied (401 to our header).
    """
    end = time.monotonic() + limits.total
    for _ in range(HOPS):
        if not trip.allowed(url):
            raise host_not_listed(url)
        _refuse_ambiguous(url)
        header = trip.authorization(url)
        try:
            with _get(url, header, limits, trip) as answer:
                if answer.is_redirect:
                    url = urljoin(url, answer.headers["Location"])
                    continue
                _check(answer, url, header)
                return _copy(answer, into, url, limits, end)
        except requests.exceptions.SSLError as error:
            raise MediaUnavailable(f"The certificate of {_host(url)} is not one this machine trusts.", hint=TRUST) from error
        except (requests.Timeout, ReadTimeoutError) as error:
            raise MediaLate(f"{_host(url)} is too slow.") from error
        except (requests.RequestException, HTTPError, UnicodeError) as error:
            kind = MediaUnavailable if isinstance(error, ValueError) else MediaLate  # an address that makes no sense never will
            raise kind(f"{_host(url)} did not deliver the file ({type(error).__name__}).") from error
    raise MediaUnavailable(f"{_host(url)} redirects without end.")


def _refuse_ambiguous(url: str) -> None:
    """Raises MediaRefused where the library that connects reads another host out of an address than the one that was judged."""
    judged = address.origin(url)
    try:
        dialled, plain = _dialled(url), _dialled(f"{judged[0]}://{f'[{judged[1]}]' if ':' in judged[1] else judged[1]}:{judged[2]}/")
    except (requests.RequestException, HTTPError, UnicodeError):
        return  # no address for it either: said when it is asked to connect
    if dialled != plain:
        raise MediaRefused("The task's address can be read as that of two different hosts.", hint=address.MEND)


def _dialled(url: str) -> tuple[str, str, int]:
    """(scheme, host, port) that requests would connect to."""
    found = parse_url(requests.Request("GET", url).prepare().url or "")
    scheme = (found.scheme or "").lower()
    return scheme, (found.host or "").lower(), found.port or {"https": 443}.get(scheme, 80)


def _get(url: str, header: str | None, limits: DownloadLimits, trip: DownloadPolicy) -> requests.Response:
    auth, waits = AuthorizationHeader(header) if header else None, (CONNECT_SECONDS, limits.silence)
    return trip.session(url).get(url, auth=auth, stream=True, allow_redirects=False, timeout=waits, **trip.options(url))


def _check(answer: requests.Response, url: str, header: str | None) -> None:
    if answer.status_code == 401 and header:
        raise DownloadDenied(header)
    if answer.status_code != 200:
        kind = MediaLate if answer.status_code in PASSING or answer.status_code >= 500 else MediaUnavailable
        raise kind(f"{_host(url)} answers {answer.status_code} {answer.reason or ''} for the picture.".replace("  ", " "))


def _copy(answer: requests.Response, into: IO[bytes], url: str, limits: DownloadLimits, end: float) -> None:
    too_large = MediaRefused(
        f"The picture is larger than {limits.max_bytes / 2**20:.0f} MB.", hint="Raise DINOLABEL_MEDIA_MAX_MB, or make the file smaller."
    )
    announced = answer.headers.get("Content-Length", "")
    if announced.isdigit() and int(announced) > limits.max_bytes:
        raise too_large
    size = 0
    # read1 gives what has arrived; reading whole pieces would let a host that drips bytes hold us for ever.
    while piece := answer.raw.read1(PIECE, decode_content=True):
        size += len(piece)
        if size > limits.max_bytes:
            raise too_large
        if time.monotonic() > end:
            raise MediaLate(f"{_host(url)} is too slow: not there after {limits.total:.0f} s.")
        into.write(piece)


def host_not_listed(url: str) -> MediaRefused:
    host = _host(url)
    return MediaRefused(f"Pictures are not fetched from {host}.", hint=f"If you trust it: DINOLABEL_MEDIA_HOSTS={host}")


def _host(url: str) -> str:
    """For messages: addresses may carry signatures, so only the host is shown."""
    return urlsplit(url).netloc.rpartition("@")[2] or "there"
