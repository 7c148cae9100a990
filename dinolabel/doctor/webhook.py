"""What `dinolabel doctor` looks at in the callback: does Label Studio reach our backend, and does our one webhook carry the secret.

Changes nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dinolabel.cli import words
from dinolabel.doctor.machine import Finding
from dinolabel.local import up_state
from dinolabel.local.backend import secret
from dinolabel.projects import connect
from dinolabel.settings import Settings

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio, MLBackend, Webhook

AGAIN = "Connect it again: dinolabel attach --project {number} --serve-url {url} --yes"


def way_back(settings: Settings, studio: LabelStudio, number: int) -> Iterator[Finding]:
    """Backend and webhook of a project; neither is needed, because the backend polls."""
    ours = [each for each in studio.backends.list(number) if each.title == connect.TITLE]
    yield from map(_backend, ours)
    if not ours:
        yield Finding("ok", "callback", f"none, and none is needed: the backend asks every {words.duration(settings.poll_seconds)}")
    hooks = studio.webhooks.list(number)
    for each in ours:
        yield from _hooks(settings, each, hooks, number)
    known = {f"{each.url.rstrip('/')}/webhook" for each in ours}
    for hook in hooks:
        if connect.SECRET_HEADER in hook.headers and hook.url.rstrip("/") not in known:
            yield Finding(
                "warn", "webhook", f"{hook.url} is left of an earlier backend of ours", "Remove it in Label Studio: Settings, Webhooks."
            )


def _backend(backend: MLBackend) -> Finding:
    if backend.state == "CO":
        return Finding("ok", "callback", f"Label Studio reaches our backend at {backend.url}")
    return Finding(
        "warn" if not backend.error else "bad",
        "callback",
        f"Label Studio does not reach our backend at {backend.url}: {backend.error or 'disconnected'}",
        "Is `dinolabel serve` running with the same DINOLABEL_SECRET, at an address Label Studio reaches? Polling goes on meanwhile.",
    )


def _hooks(settings: Settings, backend: MLBackend, hooks: list[Webhook], number: int) -> Iterator[Finding]:
    url = backend.url.rstrip("/")
    again = AGAIN.format(number=number, url=url)
    there = [each for each in hooks if each.url.rstrip("/") == f"{url}/webhook"]
    asked = _secret(settings)
    if not there:
        yield Finding("warn", "webhook", "none: news arrives with the next poll only", again)
    elif len(there) > 1:
        yield Finding("warn", "webhook", f"{len(there)} of ours: each event is sent {len(there)} times", again)
    elif not there[0].active:
        yield Finding("warn", "webhook", f"{there[0].url} is switched off", again)
    elif asked and not hmac.compare_digest(there[0].headers.get(connect.SECRET_HEADER, "").encode(), asked.encode()):
        yield Finding("bad", "webhook", "it does not carry our secret, so its events are refused", again)
    else:
        yield Finding("ok", "webhook", f"{there[0].url}, {'with our secret' if asked else 'without a secret, as the backend asks none'}")


def _secret(settings: Settings) -> str | None:
    """What our backend asks for. Where `dinolabel up` runs that is the secret of the data folder, whatever the settings say."""
    started = up_state.find(settings.data_dir)
    if started is not None and settings.studio_url in (None, started.url):
        return secret(settings.data_dir)
    return settings.secret.get_secret_value() if settings.secret else None
