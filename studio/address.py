"""Reads a task's address: what Label Studio serves, under whatever name and prefix, what lies in a cloud, what is somewhere else.

Knows how addresses are written (measured forms in docs/label-studio.md); fetches nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from urllib.parse import parse_qs, quote, unquote, urlsplit

SERVED = ("/data/", "/storage-data/")
LOCAL_FILES = "/data/local-files/"

_CLOUD = re.compile(r"/(tasks|projects)/(\d+)/(?:resolve|presign)/?\?")
_PREFIXED = re.compile(r"(?:/[^/?#]+)+?(/data/(?:upload|local-files)/.*|/(?:tasks|projects)/\d+/(?:resolve|presign)/?\?.*)")
_ANYWHERE = re.compile(r"(?:/[^/?#]+)*?(/data/(?:upload|local-files)/.*|/(?:tasks|projects)/\d+/(?:resolve|presign)/?\?.*)")


def served(path: str, bases: Sequence[str]) -> str | None:
    """The part of a path-with-query that Label Studio serves, without the prefix it has behind a proxy; None when it is no such path.

    bases: Label Studio's known addresses, whose own paths are prefixes (`https://host/ls` -> `/ls`).
    """
    for prefix in sorted({urlsplit(each).path.rstrip("/") for each in bases} | {""}, key=len, reverse=True):
        rest = path[len(prefix) :] if path.startswith(prefix + "/") else ""
        if rest.startswith(SERVED) or _CLOUD.match(rest):
            return rest
    elsewhere = _PREFIXED.fullmatch(path)
    return elsewhere[1] if elsewhere else None


def served_anywhere(url: str) -> str | None:
    """The same for an absolute address on a host we do not know: Label Studio under the name it has for others (measured)."""
    parts = urlsplit(url)
    found = _ANYWHERE.fullmatch(parts.path + (f"?{parts.query}" if parts.query else ""))
    return found[1] if found else None


def in_cloud(path: str) -> tuple[str, str] | None:
    """(`s3://…`, `tasks/7`) of `/tasks/7/resolve/?fileuri=…`, which is what Label Studio's task listing says for s3://… (measured)."""
    found = _CLOUD.match(path)
    code = parse_qs(urlsplit(path).query).get("fileuri", [""])[0] if found else ""
    if not found or not code:
        return None
    try:
        uri = base64.urlsafe_b64decode(code.encode()).decode()
    except (binascii.Error, ValueError):
        uri = unquote(code)
    return uri, f"{found[1]}/{found[2]}"


def to_cloud(uri: str, owner: str) -> str:
    """The path at which Label Studio redirects to a signed address, or passes the bytes on. owner: `tasks/7` or `projects/3`."""
    return f"/{owner}/presign/?fileuri={quote(base64.urlsafe_b64encode(uri.encode()).decode())}"


def origin(url: str) -> tuple[str, str, int]:
    """(scheme, host, port), lower case, the port written out; port -1 when it is no number."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme.lower(), (parts.hostname or "").lower(), port or {"https": 443}.get(parts.scheme.lower(), 80)
