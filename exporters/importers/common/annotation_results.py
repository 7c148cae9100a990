"""What a picture that arrives becomes in Label Studio: its annotations, as their results."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from dinolabel.exporters.importers.common.records import Attributes, ImportedBox, ImportedImage
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.notes import write_notes
from dinolabel.studio.regions.writing import RegionDict, draw_region
from dinolabel.studio.reviews.annotations import PARTLY, unseen


def annotation_results(each: ImportedImage, config: LabelConfig, source: str) -> Iterator[list[RegionDict]]:
    """One annotation of what people approved, then one of what nobody looked at; source: said in each region's note.

    Without any box there is one that says "nothing here", unless that is not known: none then.
    """
    regions = [(box, _region(each, box, at, config, source)) for at, box in enumerate(each.boxes)]
    verified = [region for box, region in regions if box.verified]
    if verified or (each.looked_at and not each.unread):
        yield verified
    if unverified := [unseen(region, box.score) for box, region in regions if not box.verified]:
        yield unverified


def has_nothing_readable(each: ImportedImage) -> bool:
    """Whether an export of ours says that nobody answered, and has no box that a button made either."""
    return not (each.boxes or each.unread or each.looked_at)


def attribute_words(attributes: Attributes) -> str:
    """`occluded, colour red`; nothing for none."""
    return ", ".join(f"{name} {value}".strip() for name, value in attributes)


def kinds(undecided: Iterable[ImportedImage]) -> str:
    """Counts of marks that could not be used: `crowd 2, outline 1`."""
    counts = Counter(mark.kind for each in undecided for mark in each.unread)
    return ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))


def _region(each: ImportedImage, box: ImportedBox, at: int, config: LabelConfig, source: str) -> RegionDict:
    note = f"imported from {source}, {box.source}"
    found: dict[str, Any] = draw_region(
        _identity(source, each, box.source, at), box.label, box.box, config, width=each.width, height=each.height, quad=box.quad, note=note
    )
    found["meta"]["text"] += write_notes([attribute_words(box.attributes)])
    if each.unread and box.verified:
        found["meta"]["text"].append(f"{PARTLY}: {kinds([each])} could not be read")
    return found


def _identity(source: str, each: ImportedImage, box: str, at: int) -> str:
    """The same import gives the same ids, which differ within a picture."""
    return hashlib.sha1(f"{source}|{each.name}|{box}|{at}".encode(), usedforsecurity=False).hexdigest()[:10]
