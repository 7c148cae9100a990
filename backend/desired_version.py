"""Which bundle a project should show, and what to tell of the others: the pinned one, else the newest, else (where people are asked
first) the newest they agreed to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinolabel.backend.timestamps import EPOCH, parse_timestamp

if TYPE_CHECKING:
    from dinolabel.backend.project_registry import ProjectRecord
    from dinolabel.vision.bundles.registry import BundleStore

ASK = "ask"
BEGIN, END = "— dinolabel —", "— end of dinolabel —"
"""Around our lines in a project's description; the rest is people's."""
LINES = 5


def desired_bundle(entry: ProjectRecord, store: BundleStore) -> str | None:
    """A bundle's id, None for none."""
    name = str(entry.project)
    if entry.publish != ASK or store.pinned(name):
        return store.desired(name)
    there = {each.id for each in store.history(name)}
    return entry.agreed if entry.agreed in there else None


def awaiting_approval(entry: ProjectRecord, store: BundleStore) -> str | None:
    """The newest bundle when it waits for somebody's yes."""
    newest = store.newest(str(entry.project))
    return newest if entry.publish == ASK and newest != desired_bundle(entry, store) and not store.pinned(str(entry.project)) else None


def describe_verdicts(description: str, entry: ProjectRecord, store: BundleStore) -> str:
    """A project's description with the last verdicts at its end; without them when nobody asked for them."""
    before, _, rest = description.partition(BEGIN)
    kept = (before + rest.partition(END)[2]).rstrip() if rest else description
    verdicts = store.verdicts(str(entry.project))[-LINES:]
    if not entry.describe or not verdicts:
        return kept
    said = [_line(each) for each in reversed(verdicts)]
    return "\n".join([*filter(None, [kept]), BEGIN, *said, END])


def _line(verdict: object) -> str:
    facts = dict(verdict) if isinstance(verdict, dict) else {}
    at, word = parse_timestamp(facts.get("at")), "published" if facts.get("published") else "not published"
    return f"{at:%Y-%m-%d %H:%M} {word}: {facts.get('reason', '')}" if at > EPOCH else f"{word}: {facts.get('reason', '')}"
