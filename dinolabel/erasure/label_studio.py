"""Takes a name out of Label Studio as far as it is ours: predictions and the label config; counts what people made, which stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dinolabel.erasure.text_search import Mention
from dinolabel.vision.progress import Listener, Progress, ignore

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio
    from dinolabel.studio.label_configs.label_config import LabelConfig


@dataclass(frozen=True)
class ErasedPredictions:
    """predictions: rewritten. annotations: of people, by task, that hold the name and stay."""

    predictions: int
    annotations: tuple[int, ...]


def clean(
    studio: LabelStudio,
    project: int,
    config: LabelConfig,
    mention: Mention,
    *,
    listener: Listener = ignore,
) -> ErasedPredictions:
    """Rewrite every prediction of the project that says the name: the box stays, under the generic label."""
    rows = list(studio.tasks.list(project))
    rewritten, people = 0, []
    for done, row in enumerate(rows):
        listener(Progress("Label Studio's predictions", done, len(rows)))
        for prediction in studio.predictions.list(row.id) if row.versions else ():
            result = [_without(each, config, mention) for each in prediction.get("result") or []]
            if result != prediction.get("result"):
                studio.predictions.set_result(int(prediction["id"]), [each for each in result if each is not None], task=row.id)
                rewritten += 1
        if (row.annotated or row.cancelled) and any(holds(each, mention) for each in studio.tasks.get(row.id).get("annotations") or []):
            people.append(row.id)
    return ErasedPredictions(rewritten, tuple(people))


def _without(region: Mapping[str, Any], config: LabelConfig, mention: Mention) -> dict[str, Any] | None:
    """The region under a generic label and with notes that do not hold the name; None where there is no generic label."""
    value, meta = dict(region.get("value") or {}), dict(region.get("meta") or {})
    if any(map(mention.within, value.get("rectanglelabels") or ())):
        if not config.generic:
            return None
        value["rectanglelabels"] = [config.generic[0]]
    if "text" in meta:
        meta["text"] = mention.pruned(meta["text"])
    return {**region, "value": value, **({"meta": meta} if meta else {})}


def holds(annotation: Mapping[str, Any], mention: Mention) -> bool:
    """Whether a value or a note of an annotation holds the name."""
    held = [[each.get("value"), each.get("meta")] for each in annotation.get("result") or [] if isinstance(each, Mapping)]
    return bool(mention.pruned(held) != held)
