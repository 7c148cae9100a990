"""A task's address becomes a file on this machine: mounted, uploaded, served by Label Studio, from an allowed host or a cloud.

Knows where pictures may come from; what is in them is vision.media's.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, quote, unquote, urlsplit

from studio.client import Studio
from studio.download import Denied, Limits, download
from studio.tokens import denied
from vision.errors import MediaError, MediaRefused, MediaUnavailable, MediaUnreadable
from vision.media import open_image

SERVED = ("/data/", "/storage-data/")
LOCAL_FILES = "/data/local-files/"


def decodes(path: Path) -> None:
    """Raises MediaUnreadable when the file is no whole picture."""
    _ = open_image(path).pixels


class Media:
    """Finds files for task addresses; downloads once, into ``cache_dir``.

    client: for what Label Studio serves; None when there is none. hosts: `host` or `host:port` that files may be fetched from, without any
    token. local_root: where Label Studio's document root is mounted here; nothing outside it is read. max_mb: of one file.
    verify: raises a MediaError when what was downloaded is not what it should be. A changed file at an unchanged address is not noticed.
    """

    def __init__(
        self,
        client: Studio | None,
        *,
        cache_dir: Path,
        hosts: Sequence[str] = (),
        local_root: Path | None = None,
        max_mb: int = 100,
        limits: Limits | None = None,
        verify: Callable[[Path], None] = decodes,
    ) -> None:
        self.client = client
        self.cache_dir = cache_dir
        self.local_root = local_root.resolve() if local_root else None
        self._hosts = {each.lower() for each in hosts}
        self._limits = limits or Limits(max_mb * 2**20)
        self._verify = verify

    def resolve(self, url: str, *, task: int | None = None) -> Path:
        """A readable file for a task's address. task: its id, which clouds (s3://…) need the first time.

        Raises MediaUnavailable, MediaRefused, MediaUnreadable; StudioDenied when Label Studio does not take our token.
        """
        url = url.strip()
        scheme, _, rest = url.partition("://")
        if not rest or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
            return self._relative(url)
        if scheme.lower() == "file":
            return self._mounted(unquote(urlsplit(url).path))
        if scheme.lower() not in {"http", "https"}:
            return self._cloud(url, task)
        path = self._studio_path(url)
        return self._relative(path) if path is not None else self._fetch(url)

    def _relative(self, url: str) -> Path:
        """`/data/local-files/?d=…` from the mount if it is there, else from Label Studio, like all it serves; the rest from the mount."""
        if not url.startswith(SERVED):
            return self._mounted(url)
        if ".." in re.split(r"[/\\?&=]", unquote(unquote(url))):
            raise MediaRefused("The address leads out of its folder.", hint="Remove `..` from the task's address.")
        if url.startswith(LOCAL_FILES) and self.local_root is not None:
            with suppress(MediaUnavailable):
                return self._mounted(parse_qs(urlsplit(url).query).get("d", [""])[0])
        if self.client is None:
            raise MediaUnavailable(
                "Label Studio serves this file, and we have no connection to it.",
                hint="Set DINOLABEL_STUDIO_URL and DINOLABEL_STUDIO_TOKEN, or mount its files and set DINOLABEL_LOCAL_FILES_ROOT.",
            )
        return self._fetch(self.client.url + url)

    def _mounted(self, name: str) -> Path:
        root = self.local_root
        if root is None:
            raise MediaRefused("Files of this machine are not read.", hint="Set DINOLABEL_LOCAL_FILES_ROOT to the folder tasks may name.")
        try:
            path = (root / name).resolve()
            inside, there = path.is_relative_to(root), path.is_file()
        except (OSError, ValueError) as error:
            raise MediaUnavailable("The task's address is no path.") from error
        if not inside:
            raise MediaRefused(
                "The path leads out of the folder tasks may name.", hint="Only files below DINOLABEL_LOCAL_FILES_ROOT are read."
            )
        if not there:
            raise MediaUnavailable("There is no such file below DINOLABEL_LOCAL_FILES_ROOT.")
        return path

    def _cloud(self, uri: str, task: int | None) -> Path:
        """Label Studio has the storage's keys: it redirects to a signed address, or passes the bytes on."""
        scheme, place = uri.partition("://")[0], self._place(uri)
        if place.exists():
            return place
        if self.client is None or task is None:
            raise MediaUnavailable(
                f"{scheme}:// addresses are resolved by Label Studio, for a task of it.",
                hint="Set DINOLABEL_STUDIO_URL and DINOLABEL_STUDIO_TOKEN.",
            )
        code = base64.urlsafe_b64encode(uri.encode()).decode()
        return self._fetch(f"{self.client.url}/tasks/{task}/presign/?fileuri={quote(code)}", key=uri, signed=True)

    def _studio_path(self, url: str) -> str | None:
        """The part after our Label Studio's address, under whatever name it was written; None when the address is another's.

        An unknown host in front of /data/local-files/ or /data/upload/ is Label Studio under the name it has elsewhere (measured).
        """
        bases = (self.client.url, *self.client.aliases) if self.client else ()
        for base in bases:
            if url.startswith(base + "/") and url[len(base) :].startswith(SERVED):
                return url[len(base) :]
        parts = urlsplit(url)
        foreign = not self.listed(url) and parts.path.startswith((LOCAL_FILES, "/data/upload/"))
        return parts.path + (f"?{parts.query}" if parts.query else "") if foreign else None

    def _fetch(self, url: str, *, key: str | None = None, signed: bool = False) -> Path:
        """The cached file of an address, downloaded when it is not there. signed: Label Studio's redirect may lead to any host."""
        place = self._place(key or url)
        if place.exists():
            return place
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="part-", dir=place.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                self._download(url, file, signed=signed)
            self._check(Path(name), shown=unquote(key or url).rpartition("/")[2])
            os.replace(name, place)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return place

    def _place(self, key: str) -> Path:
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self.cache_dir / digest[:2] / digest[2:40]

    def _check(self, path: Path, *, shown: str) -> None:
        with path.open("rb") as file:
            head = file.read(512).lstrip().lower()
        if head.startswith((b"<!doctype", b"<html", b"{", b"<?xml")):
            raise MediaUnreadable(
                "The address gives a web page or text, no picture.", hint="Open it in a private browser window: a login page?"
            )
        try:
            self._verify(path)
        except MediaError as error:
            raise type(error)(str(error).replace(path.name, shown), hint=error.hint) from error

    def _download(self, url: str, file: IO[bytes], *, signed: bool) -> None:
        for last in (False, True):
            trip = _Trip(self, signed=signed)
            try:
                download(url, file, limits=self._limits, allowed=trip.allowed, authorization=trip.authorization)
                return
            except Denied as refusal:
                assert self.client is not None
                token = self.client.wire.token
                if not token.refused(refusal.header) or last:
                    raise denied(token.kind, self.client.url, "401 for a file") from None

    def ours(self, url: str) -> bool:
        """Whether an address is at our Label Studio's own origin."""
        return self.client is not None and _origin(url) == _origin(self.client.url)

    def listed(self, url: str) -> bool:
        """Whether an address is at a host from the settings."""
        scheme, host, port = _origin(url)
        return scheme in {"http", "https"} and (host in self._hosts or f"{host}:{port}" in self._hosts)


class _Trip:
    """One download with its redirects. signed: Label Studio's own redirect may lead anywhere, once."""

    def __init__(self, media: Media, *, signed: bool) -> None:
        self._media = media
        self._signed = signed
        self._hops: list[str] = []

    def allowed(self, hop: str) -> bool:
        self._hops.append(hop)
        return self._media.ours(hop) or self._media.listed(hop) or (self._signed and len(self._hops) == 2)

    def authorization(self, hop: str) -> str | None:
        """Our token for files that our Label Studio serves, and never after another host sent us there."""
        client = self._media.client
        if client is None or not all(map(self._media.ours, self._hops)):
            return None
        served = any(hop.startswith(client.url + path) for path in (*SERVED, "/tasks/"))
        return client.wire.authorization() if served else None


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme.lower(), (parts.hostname or "").lower(), port or {"https": 443}.get(parts.scheme.lower(), 80)
