"""Which head a command means, by the first characters of its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.vision.bundles.registry import BundleStore, PublishedBundle


def resolve_head(store: BundleStore, project: str, start: str) -> PublishedBundle:
    """The one head whose id begins so. Raises RequestError that lists what there is."""
    heads = store.heads(project)
    matches = [each for each in heads if each.id.startswith(start)]
    if len(matches) == 1:
        return matches[0]
    for gone in store.forgotten_ids(project):
        if not matches and gone.startswith(start):
            store.folder(project, gone)  # says why it is gone
    there = ", ".join(each.id for each in heads) or "none"
    raise RequestError(f"{'Several heads start' if matches else 'No head starts'} with {start!r}.", hint=f"There are: {there}.")
