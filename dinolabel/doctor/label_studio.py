"""What `dinolabel doctor` looks at in Label Studio as a whole: where it is, whose token we show, what its server may call.

Changes nothing in Label Studio: what it would refuse is asked with requests that it refuses in any case.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dinolabel import factory
from dinolabel.cli import words
from dinolabel.doctor.machine import Finding, Level
from dinolabel.local import up_state
from dinolabel.settings import Settings

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio

MEASURED = (1, 23)
"""The release whose behaviour docs/label-studio.md records."""
PRIVATE = {"127.0.0.0/8": "127.0.0.1", "10.0.0.0/8": "10.0.0.1", "172.16.0.0/12": "172.16.0.1", "192.168.0.0/16": "192.168.0.1"}
METADATA = {"169.254.0.0/16": "169.254.169.254"}
SOON_DAYS = 30.0


def label_studio(settings: Settings) -> Iterator[Finding]:
    studio = factory.studio_if_set(settings)
    if studio is None:
        missing = "DINOLABEL_STUDIO_TOKEN" if settings.studio_url else "DINOLABEL_STUDIO_URL"
        level: Level = "bad" if settings.studio_url else "warn"
        yield Finding(
            level, "label studio", f"{missing} is not set", "Set it and its pair, or run `dinolabel up PHOTOS` to have one started."
        )
        return
    began = time.monotonic()
    who, release = studio.users.whoami(), studio.version()
    took = time.monotonic() - began
    ours = "started by `dinolabel up`, " if up_state.find(settings.data_dir) and not settings.studio_url else ""
    yield Finding(
        "ok", "label studio", f"{studio.url}, {ours}release {release}, {words.duration(took) if took > 1 else 'in under a second'}"
    )
    yield from _release(release)
    yield _token(studio, str(who.get("email") or who.get("username")))
    yield from _calls(studio)


def _release(release: str) -> Iterator[Finding]:
    head = tuple(int(each) if each.isdigit() else 0 for each in release.split(".")[:2])
    if head and head != MEASURED:
        text = f"release {release} was not measured; this was written against {MEASURED[0]}.{MEASURED[1]}"
        yield Finding("warn", "label studio", text, "Try it on a copy first; docs/label-studio.md says what we count on.")


def _token(studio: LabelStudio, owner: str) -> Finding:
    token = studio.api.token
    if token.kind == "legacy":
        fix = "Nothing to do while Label Studio takes it: Organization, Access Token Settings."
        return Finding("ok", "token", f"legacy, of {owner}, expires never; sent to {urlsplit(studio.url).netloc} only", fix)
    left = (token.ends - time.time()) / 86_400 if token.ends else None
    until = time.strftime(", until %Y-%m-%d", time.gmtime(token.ends)) if left is not None and left < 3650 else ""
    text = f"personal, of {owner}{until}; sent to {urlsplit(studio.url).netloc} only, dinolabel renews it"
    if left is not None and left < SOON_DAYS:
        return Finding("warn", "token", text, "Make a new one (Account & Settings, Personal Access Token) and set DINOLABEL_STUDIO_TOKEN.")
    return Finding("ok", "token", text)


def _calls(studio: LabelStudio) -> Iterator[Finding]:
    """Label Studio's switches against server-side request forgery, and which networks they leave open."""
    networks = PRIVATE | METADATA
    backends = [net for net, host in networks.items() if studio.probes.may_call("backends", f"http://{host}:9090")]
    webhooks = [net for net, host in networks.items() if studio.probes.may_call("webhooks", f"http://{host}:9090/webhook")]
    if not backends and not webhooks:
        fix = "Nothing to do: the backend polls. To connect one beside it, start Label Studio with USE_DEFAULT_BANNED_SUBNETS=false."
        yield Finding("ok", "private calls", "Label Studio calls no private address, so no backend beside it can be connected", fix)
    elif backends != webhooks:
        open_, closed = ("backends", "webhooks") if len(backends) > len(webhooks) else ("webhooks", "backends")
        fix = "Set USE_DEFAULT_BANNED_SUBNETS=false instead of ML_BLOCK_LOCAL_IP=false alone: connecting would stop half way."
        yield Finding("warn", "private calls", f"Label Studio calls private addresses for {open_}, but not for {closed}", fix)
    else:
        at_home = _loopback(studio.url)
        opened = f"Label Studio calls {words.join_words(backends)}: backends connect, and whoever may log in can make it call there"
        fix = "Ban what must stay closed with USER_ADDITIONAL_BANNED_SUBNETS=169.254.0.0/16,…; or close all and let the backend poll."
        yield Finding("ok" if at_home else "warn", "private calls", opened, "" if at_home else fix)


def _loopback(url: str) -> bool:
    from dinolabel.studio.media.loopback import is_loopback

    return is_loopback(urlsplit(url).hostname or "")
