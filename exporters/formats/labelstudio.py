"""Tasks that Label Studio imports again: `tasks-00000.json`, … and `label_config.xml`; regions are kept letter by letter, but
that those which nobody looked at get a note that says so.

Addresses stay, unless pictures are to be served from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Unpack

import structlog

from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.output.atomic_output import atomic_folder
from dinolabel.exporters.pipeline.collection import FORMAT, ExportContext, Json
from dinolabel.exporters.pipeline.malformed_tasks import readable_tasks
from dinolabel.exporters.pipeline.refusals import TASKS, refuse_loss, runs
from dinolabel.exporters.pipeline.report import ExportReport, ReportBuilder, boxes_to_export, is_negative
from dinolabel.exporters.unlisted_files import CARD
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.notes import read_notes, write_notes
from dinolabel.studio.regions.shapes import kind_of
from dinolabel.studio.reviews.annotations import (
    FORGOTTEN,
    PARTLY,
    UNVERIFIED,
    Annotation,
    annotations_of,
    is_auto_accepted,
    unverified,
)
from dinolabel.studio.reviews.annotator_policy import review_by_policy
from dinolabel.studio.reviews.decisions import Review

TASKS_IN_FILE = 1000
"""Tasks in one file: Label Studio takes what a browser can upload, 250 MB by default."""

KEPT = ("was_cancelled", "ground_truth", "lead_time")
"""Not completed_by: a number that is another person, or nobody, on another server; the task's meta has it."""

FORGOTTEN_HERE = f"{PARTLY}: somebody in this picture is forgotten"

log = structlog.get_logger(__name__)


def export(tasks: Iterable[Json], config: LabelConfig, out: Path, **how: Unpack[ExportContext]) -> ExportReport:
    """Write `out`, whole or not at all. Raises ExportRefused, and what dinolabel.exporters.pipeline.refusals has."""
    wish, progress = how.get("wish", ExportOptions()), how.get("progress", lambda done, total: None)
    tally = ReportBuilder(config.learnt, wish.unverified)
    failed: list[Json] = []
    with atomic_folder(out, name="labelstudio") as folder:
        files = _Files(folder)
        for done, task in enumerate(readable_tasks(tasks, failed)):
            progress(done, 0)
            review = review_by_policy(task, config, annotators=wish.annotators, generic_is_unknown=how.get("generic_is_unknown", False))
            written = None if review.state(unverified=wish.unverified) == "untouched" else _task(task, review, config, wish)
            silenced = written is not None and not written["annotations"]
            tally.add(review, negative=is_negative(review, wish), left_out=silenced)
            if written is not None and not silenced:
                files.add(written)
        files.close()
        if not files.tasks:
            (folder / "tasks-00000.json").write_text("[]\n", encoding="utf-8")
        if "xml" in how:
            (folder / "label_config.xml").write_text(how["xml"], encoding="utf-8")
        report = tally.report(rows=files.boxes, failed=tuple(failed))
        refuse_loss(report, files.tasks, out, allow_missing=wish.allow_missing)
        card = {"format": "labelstudio", "version": FORMAT, "classes": config.labels, TASKS: runs(files.numbers), "report": asdict(report)}
        (folder / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    log.info("exported", format="labelstudio", tasks=files.tasks, boxes=files.boxes)
    return report


class _Files:
    """One list after the other, a task a line."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tasks, self.boxes = folder, 0, 0
        self.numbers: list[int] = []
        self._open: Any = None

    def add(self, task: Mapping[str, Any]) -> None:
        if self.tasks % TASKS_IN_FILE == 0:
            self.close()
            self._open = (self.folder / f"tasks-{self.tasks // TASKS_IN_FILE:05}.json").open("w", encoding="utf-8", newline="\n")
        self._open.write(("[\n" if self.tasks % TASKS_IN_FILE == 0 else ",\n") + json.dumps(task))
        self.tasks += 1
        self.numbers.append(task["meta"]["dinolabel"]["task"])
        self.boxes += sum(len(each["result"]) for each in task["annotations"])

    def close(self) -> None:
        """End the file that is open."""
        if self._open is not None:
            self._open.write("\n]\n")
            self._open.close()
            self._open = None


def _task(task: Json, review: Review, config: LabelConfig, wish: ExportOptions) -> dict[str, Any]:
    leaving = boxes_to_export(review, wish)
    kept: dict[int, set[str]] = {}
    for each in leaving:
        kept.setdefault(each.annotation, set()).add(each.region)
    for mark in review.unread_of(unverified=wish.unverified):
        kept.setdefault(mark.annotation, set())
    for conflict in review.conflicts:  # people may settle it where the tasks go
        for number, region in zip(conflict.annotations, conflict.regions, strict=True):
            kept.setdefault(number, set()).add(region)
    every = [each for each in annotations_of(task, config) if not each.cancelled and (wish.unverified or not each.made_by_button)]
    said = [each.id for each in sorted(every, key=lambda each: each.made_by_button) if not (kept and each.made_by_button)]
    if not kept or (review.state() == "looked at" and all(each.verdict == "unverified" for each in leaving)):
        kept |= {each: set() for each in said[:1]}  # nothing is in this picture, as one of them says, whatever a button proposed
    stored = {each.get("id"): each for each in task.get("annotations") or [] if isinstance(each, Mapping)}
    ours = {"format": FORMAT, "task": task["id"], "annotators": {str(each.annotation): each.who for each in leaving}}
    if any(each.made_by_button and not each.regions for each in every if each.id in kept):
        ours["unverified"] = True
    earlier = task.get("meta")
    leave = [_annotation(stored[each.id], each, kept[each.id]) for each in every if each.id in kept]
    return {
        "data": task.get("data") or {},
        "meta": {**(earlier if isinstance(earlier, Mapping) else {}), "dinolabel": ours},
        "annotations": [each for each in leave if each is not None],
        "predictions": list(_predictions(task, kept)),
    }


def _annotation(stored: Json, annotation: Annotation, kept: set[str]) -> dict[str, Any] | None:
    """All of it but the boxes that another annotation's stand for, and what hangs on those, such as a choice.

    None for one whose every region was of somebody who is forgotten: Label Studio would read "nothing here".
    """
    boxes = list(zip(annotation.regions, annotation.entries, strict=True))
    staying = [entry for region, entry in boxes if region.id in kept]
    going = [entry for region, entry in boxes if region.id not in kept]
    gone = {str(entry.get("id")) for entry in going} - {str(entry.get("id")) for entry in staying}
    result = [
        _marked(entry) if annotation.made_by_button else entry
        for entry in stored.get("result") or []
        if not any(entry is each for each in going) and not (isinstance(entry, Mapping) and str(entry.get("id")) in gone)
    ]
    facts = {name: stored[name] for name in KEPT if stored.get(name) is not None}
    if not stored.get(FORGOTTEN):
        return {"result": result, **facts}
    facts.pop("lead_time", None)  # with it the note would count as seen by whoever submitted
    marked = [_noted(entry, FORGOTTEN_HERE) for entry in result]
    return {"result": marked, **facts} if any(isinstance(each, Mapping) and kind_of(each) for each in result) else None


def _marked(entry: Any) -> Any:
    """An entry of what a button made, with a note that says so: Label Studio forgets all else that tells it when it imports."""
    if isinstance(entry, Mapping) and (is_auto_accepted(entry) or unverified(entry)):
        return entry
    return _noted(entry, UNVERIFIED)


def _noted(entry: Any, note: str) -> Any:
    """An entry with one more note, where it marks a place."""
    if not isinstance(entry, Mapping) or not kind_of(entry):
        return entry
    meta = entry.get("meta")
    earlier = meta if isinstance(meta, Mapping) else {}
    return {**entry, "meta": {**earlier, "text": write_notes([*read_notes(entry), note])}}


def _predictions(task: Json, kept: Collection[int]) -> Iterator[dict[str, Any]]:
    """The predictions that kept annotations began from, each once: they tell later what people changed."""
    seen: set[Any] = set()
    for annotation in task.get("annotations") or []:
        prediction = annotation.get("prediction")
        if annotation.get("id") in kept and isinstance(prediction, Mapping) and isinstance(prediction.get("result"), list):
            if prediction.get("id") not in seen:
                yield {name: prediction[name] for name in ("result", "model_version", "score") if prediction.get(name) is not None}
            seen.add(prediction.get("id"))
