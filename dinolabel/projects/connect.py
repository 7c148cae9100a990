"""Ties a project to a backend's address: the ML backend and ONE webhook with our secret; and unties it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dinolabel.backend.payloads import SECRET_HEADER, TITLE
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio

__all__ = ["SECRET_HEADER", "TITLE", "callable_address", "connect", "disconnect"]
NAME = re.compile(r"localhost|[\w-]+(\.[\w-]+)+|\[[0-9a-f:.]+\]", re.IGNORECASE)


def callable_address(url: str | None) -> str | None:
    """The address, if Label Studio would take it for a webhook: one whose host is a bare name it refuses with 400 (1.23.2, measured).

    Raises RequestError before anything is made.
    """
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        whole = parts.scheme in ("http", "https") and (parts.port is None or parts.port > 0)
    except ValueError:
        host, whole = "", False
    if not whole or not host:
        raise RequestError(f"{url!r} is no address.", hint="Write it as http://HOST:9090.")
    if not NAME.fullmatch(host):
        told = f"Label Studio takes no webhook whose host has no dot: {url}"
        raise RequestError(told, hint="Use the machine's address or full name; in compose, an alias such as backend.internal.")
    return url


def connect(studio: LabelStudio, project: int, url: str, *, secret: str | None = None) -> None:
    """Make Label Studio call the backend at ``url`` (as Label Studio reaches it). Safe to repeat; older addresses of ours go.

    Label Studio asks the backend while it is being added, so it must be up. Raises StudioRefused when Label Studio does not reach it.
    """
    from dinolabel.studio.label_configs.edit import has_prompt_field

    url = url.rstrip("/")
    ours = [each for each in studio.backends.list(project) if each.title == TITLE]
    for each in ours:
        if each.url.rstrip("/") != url:
            studio.backends.delete(each.id)
    asks = has_prompt_field(studio.projects.get(project).label_config)
    same = [each for each in ours if each.url.rstrip("/") == url]
    if not same:
        studio.backends.create(project, url, TITLE, interactive=asks, username=TITLE if secret else None, password=secret)
    elif asks and not same[0].interactive:
        studio.backends.set_interactive(same[0].id)
    _remove_hooks(studio, project, [gone for each in ours if (gone := each.url.rstrip("/")) != url])
    # Adding a backend makes a webhook of its own, without a secret: this takes its place.
    studio.webhooks.set(project, f"{url}/webhook", {SECRET_HEADER: secret} if secret else {})


def disconnect(studio: LabelStudio, project: int) -> list[str]:
    """Take away our backends and their webhooks (Label Studio leaves those behind); the addresses that were there."""
    ours = [each for each in studio.backends.list(project) if each.title == TITLE]
    urls = [each.url.rstrip("/") for each in ours]
    for each in ours:
        studio.backends.delete(each.id)
    _remove_hooks(studio, project, urls)
    return urls


def _remove_hooks(studio: LabelStudio, project: int, urls: list[str]) -> None:
    addresses = {f"{url}/webhook" for url in urls}
    for hook in studio.webhooks.list(project):
        if hook.url.rstrip("/") in addresses:
            studio.webhooks.delete(hook.id)
