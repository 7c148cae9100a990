"""Ties a project to a backend's address: the ML backend and ONE webhook with our secret; and unties it.

Knows Label Studio's client and the shape of our addresses; what a backend does with a call is the backend's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.names import SECRET_HEADER, TITLE

if TYPE_CHECKING:
    from studio.client import Studio

__all__ = ["SECRET_HEADER", "TITLE", "connect", "disconnect"]


def connect(studio: Studio, project: int, url: str, *, secret: str | None = None) -> None:
    """Make Label Studio call the backend at ``url`` (as Label Studio reaches it). Safe to repeat; older addresses of ours go.

    Label Studio asks the backend while it is being added, so it must be up. Raises StudioRefused when Label Studio does not reach it.
    """
    from studio.adopting import lets_type

    url = url.rstrip("/")
    ours = [each for each in studio.backends(project) if each.title == TITLE]
    for each in ours:
        if each.url.rstrip("/") != url:
            studio.remove_backend(each.id)
    asks = lets_type(studio.project(project).label_config)
    same = [each for each in ours if each.url.rstrip("/") == url]
    if not same:
        studio.add_backend(project, url, TITLE, interactive=asks, username=TITLE if secret else None, password=secret)
    elif asks and not same[0].interactive:
        studio.set_interactive(same[0].id)
    _remove_hooks(studio, project, [gone for each in ours if (gone := each.url.rstrip("/")) != url])
    # Adding a backend makes a webhook of its own, without a secret: this takes its place.
    studio.set_webhook(project, f"{url}/webhook", {SECRET_HEADER: secret} if secret else {})


def disconnect(studio: Studio, project: int) -> list[str]:
    """Take away our backends and their webhooks (Label Studio leaves those behind); the addresses that were there."""
    ours = [each for each in studio.backends(project) if each.title == TITLE]
    urls = [each.url.rstrip("/") for each in ours]
    for each in ours:
        studio.remove_backend(each.id)
    _remove_hooks(studio, project, urls)
    return urls


def _remove_hooks(studio: Studio, project: int, urls: list[str]) -> None:
    addresses = {f"{url}/webhook" for url in urls}
    for hook in studio.webhooks(project):
        if hook.url.rstrip("/") in addresses:
            studio.remove_webhook(hook.id)
