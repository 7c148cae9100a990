"""A task's address becomes a file on this machine: mounted, uploaded, served by Label Studio, from an allowed host or a cloud."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, unquote

import requests

from dinolabel.studio.client import LabelStudio
from dinolabel.studio.media import inline
from dinolabel.studio.media import url as address
from dinolabel.studio.media.cache import MediaCache
from dinolabel.studio.media.download import DownloadDenied, DownloadLimits, download, host_not_listed
from dinolabel.studio.media.hidden_files import refuse_hidden
from dinolabel.studio.media.network import USUAL, NetworkSettings, is_literal
from dinolabel.studio.tokens import token_denied
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.errors import MediaError, MediaRefused, MediaUnavailable, MediaUnreadable


def check_decodes(path: Path) -> None:
    """Raises MediaUnreadable when the file is no whole picture."""
    _ = open_image(path).pixels


class MediaResolver:
    """Finds files for task addresses; downloads once, into ``cache_dir``.

    client: for what Label Studio serves; None when there is none. hosts: `host` or `host:port` that files may be fetched from, without any
    token. local_root: where Label Studio's document root is mounted here; nothing outside it is read. max_mb: of one file; cache_max_mb: of
    all. network: how others are reached, and which private addresses pictures may come from. verify: raises a MediaError when what was
    downloaded is not what it should be. A changed file at an unchanged address is not noticed.
    """

    def __init__(
        self,
        client: LabelStudio | None,
        *,
        cache_dir: Path,
        hosts: Sequence[str] = (),
        local_root: Path | None = None,
        max_mb: int = 100,
        cache_max_mb: int = 10_240,
        network: NetworkSettings = USUAL,
        limits: DownloadLimits | None = None,
        verify: Callable[[Path], None] = check_decodes,
    ) -> None:
        self.client = client
        self.network = network
        self._cache = MediaCache(cache_dir, max_mb=cache_max_mb)
        self.local_root = local_root.resolve() if local_root else None
        self._hosts = {each.lower() for each in hosts}
        self._limits = limits or DownloadLimits(max_mb * 2**20)
        self._verify = verify

    def resolve(self, url: str, *, task: int | None = None) -> Path:
        """A readable file for a task's address. task: its id, which clouds (s3://…) need the first time.

        Raises MediaUnavailable, MediaRefused (also for what is no address at all), MediaUnreadable; StudioDenied when Label Studio does not
        take our token.
        """
        try:
            return self._way(url, task)()
        except ValueError as error:  # of the libraries that it went through: letters that no file or host name can have
            raise address.senseless_address(error) from error

    def refusal(self, url: str, *, task: int | None = None) -> MediaError | None:
        """Why an address can never be read with these settings; None when it has a chance. Asks nobody, decodes nothing."""
        try:
            self._way(url, task)
        except MediaError as error:
            return error
        except ValueError as error:
            return address.senseless_address(error)
        return None

    def with_time_limit(self, seconds: float) -> MediaResolver:
        """The same, which gives up on a download after that long: for trying whether an address works at all."""
        made = copy.copy(self)
        made._limits = replace(self._limits, silence=min(seconds, self._limits.silence), total=min(seconds, self._limits.total))
        return made

    def _way(self, url: str, task: int | None) -> Callable[[], Path]:
        """How an address is read, decided without asking anybody. Raises MediaError where there is no way."""
        if not isinstance(url, str):
            raise MediaRefused("What the task has for its picture is no address.", hint="Import the task again with one picture in it.")
        url = url.strip()
        if fault := address.fault(url):
            raise MediaRefused(fault[0], hint=fault[1])
        refuse_hidden(url)
        scheme = address.scheme(url)
        if scheme is None:
            return self._relative(url)
        if scheme == "data":
            inline.check(url, max_bytes=self._limits.max_bytes)
            return partial(self._inline, url)
        if scheme == "file":
            return _path_getter(self._mounted(unquote(address.split(url).path)))
        if scheme not in {"http", "https"}:
            return self._cloud(url, None if task is None else f"tasks/{task}")
        path = self._studio_path(url)
        if path is not None:
            return self._relative(path)
        if not (self.is_ours(url) or self.is_listed(url)) and self._cache.get(url) is None:
            raise host_not_listed(url)
        return partial(self._fetch, url)

    def _inline(self, url: str) -> Path:
        """A file of what the address itself holds, made once. Its content is in no message."""
        known = self._cache.get(url)
        if known is not None:
            return known
        data = inline.decode(url, max_bytes=self._limits.max_bytes)
        return self._cache.put(
            url, lambda file: _write(file, data), lambda path: self._check(path, shown="The picture in the data: address")
        )

    def _relative(self, url: str) -> Callable[[], Path]:
        """`/data/local-files/?d=…` from the mount if it is there, else from Label Studio, like all it serves; the rest from the mount."""
        path = address.label_studio_path(url, self._bases)
        if path is None:
            return _path_getter(self._mounted(url))
        if cloud := address.parse_cloud(path):
            return self._cloud(*cloud)
        if ".." in re.split(r"[/\\?&=]", unquote(unquote(path))):
            raise MediaRefused("The address leads out of its folder.", hint="Remove `..` from the task's address.")
        if path.startswith(address.LOCAL_FILES) and self.local_root is not None:
            with suppress(MediaUnavailable):
                return _path_getter(self._mounted(parse_qs(address.split(path).query).get("d", [""])[0]))
        if self.client is None:
            raise MediaUnavailable(
                "Label Studio serves this file, and we have no connection to it.",
                hint="Set DINOLABEL_STUDIO_URL and DINOLABEL_STUDIO_TOKEN, or mount its files and set DINOLABEL_LOCAL_FILES_ROOT.",
            )
        return partial(self._fetch, self.client.url + path)

    def _mounted(self, name: str) -> Path:
        root = self.local_root
        if root is None:
            raise MediaRefused("Files of this machine are not read.", hint="Set DINOLABEL_LOCAL_FILES_ROOT to the folder tasks may name.")
        try:
            path = (root / name).resolve()
            inside, there = path.is_relative_to(root), path.is_file()
        except (OSError, ValueError) as error:
            raise MediaRefused("The task's address is no path.", hint=address.MEND) from error
        if not inside:
            raise MediaRefused(
                "The path leads out of the folder tasks may name.", hint="Only files below DINOLABEL_LOCAL_FILES_ROOT are read."
            )
        if not there:
            raise MediaUnavailable("There is no such file below DINOLABEL_LOCAL_FILES_ROOT.")
        return path

    def _cloud(self, uri: str, owner: str | None) -> Callable[[], Path]:
        """Label Studio has the storage's keys: it redirects to a signed address, or passes the bytes on. owner: `tasks/7`."""
        known = self._cache.get(uri)
        if known is not None:
            return _path_getter(known)
        if self.client is None or owner is None:
            raise MediaUnavailable(
                f"{uri.partition('://')[0]}:// addresses are resolved by Label Studio, for a task of it.",
                hint="Set DINOLABEL_STUDIO_URL and DINOLABEL_STUDIO_TOKEN.",
            )
        return partial(self._fetch, self.client.url + address.to_cloud(uri, owner), key=uri, signed=True)

    @property
    def _bases(self) -> tuple[str, ...]:
        return (self.client.url, *self.client.aliases) if self.client else ()

    def _studio_path(self, url: str) -> str | None:
        """The part after our Label Studio's address, under whatever name it was written; None when the address is another's.

        An unknown host in front of what only Label Studio serves is Label Studio under the name it has elsewhere (measured).
        """
        for base in self._bases:
            path = address.label_studio_path(url[len(base) :], ()) if url.startswith(base + "/") else None
            if path is not None:
                return path
        return None if self.is_listed(url) else address.path_at_any_host(url)

    def _fetch(self, url: str, *, key: str | None = None, signed: bool = False) -> Path:
        """The cached file of an address, downloaded when it is not there. signed: Label Studio's redirect may lead to any host."""
        known = self._cache.get(key or url)
        if known is not None:
            return known
        shown = unquote(key or url).rpartition("/")[2]
        return self._cache.put(
            key or url, lambda file: self._download(url, file, signed=signed), lambda path: self._check(path, shown=shown)
        )

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
            trip = _MediaDownloadPolicy(self, signed=signed)
            try:
                download(url, file, limits=self._limits, trip=trip)
                return
            except DownloadDenied as refusal:
                assert self.client is not None
                token = self.client.api.token
                if not token.retry_after_refusal(refusal.header) or last:
                    raise token_denied(token.kind, self.client.url, "401 for a file") from None

    def is_ours(self, url: str) -> bool:
        """Whether an address is at our Label Studio's own origin."""
        return self.client is not None and address.origin(url) == address.origin(self.client.url)

    def is_listed(self, url: str) -> bool:
        """Whether an address is at a host from the settings."""
        scheme, host, port = address.origin(url)
        return scheme in {"http", "https"} and (host in self._hosts or f"{host}:{port}" in self._hosts)


def _write(file: IO[bytes], data: bytes) -> None:
    file.write(data)


def _path_getter(path: Path) -> Callable[[], Path]:
    return lambda: path


class _MediaDownloadPolicy:
    """One download with its redirects. signed: Label Studio's own redirect may lead anywhere public, once."""

    def __init__(self, media: MediaResolver, *, signed: bool) -> None:
        self._media = media
        self._signed = signed
        self._hops: list[str] = []

    def allowed(self, hop: str) -> bool:
        self._hops.append(hop)
        return self._media.is_ours(hop) or self._media.is_listed(hop) or (self._signed and len(self._hops) == 2)

    def authorization(self, hop: str) -> str | None:
        """Our token for files that our Label Studio serves, and never after another host sent us there."""
        client = self._media.client
        if client is None or not all(map(self._media.is_ours, self._hops)) or not hop.startswith(client.url + "/"):
            return None
        return client.api.authorization() if address.label_studio_path(hop[len(client.url) :], ()) is not None else None

    def session(self, hop: str) -> requests.Session:
        """Our Label Studio may be at any address: settings name it. Other hosts may not stand for private ones."""
        network = self._media.network
        if self._media.client is not None and self._media.is_ours(hop):
            return self._media.client.api.session()
        listed = address.origin(hop)[1] if self._media.is_listed(hop) else None
        return network.guarded_session(hop, named=lambda host: is_literal(host) and host.strip("[]").lower() == listed)

    def options(self, hop: str) -> dict[str, Any]:
        client = self._media.client
        network = client.api.network if client is not None and self._media.is_ours(hop) else self._media.network
        return network.options(hop)
