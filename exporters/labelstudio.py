"""Tasks that Label Studio imports again: `tasks-00000.json`, … and `label_config.xml`; regions are kept letter by letter.

Knows Label Studio's task JSON; opens no picture. Addresses stay, unless pictures are to be served from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Unpack

import structlog

from exporters.gather import FORMAT, MARK, How, Json
from exporters.report import Report, Tally, chosen, empty
from exporters.whole import whole
from exporters.wish import Wish
from studio.annotations import by_button, unseen
from studio.label_config import LabelConfig
from studio.results import identified
from studio.several import decided, reviewed
from studio.tasks import Review

TASKS = 1000
"""Tasks in one file: Label Studio takes what a browser can upload, 250 MB by default."""

KEPT = ("was_cancelled", "ground_truth", "lead_time")
"""Not completed_by: a number that is another person, or nobody, on another server; the task's meta has it."""

log = structlog.get_logger(__name__)


def export(tasks: Iterable[Json], config: LabelConfig, out: Path, **how: Unpack[How]) -> Report:
    """Write `out`, whole or not at all. Raises ExportRefused."""
    wish, tally, progress = how.get("wish", Wish()), Tally(config.learnt), how.get("progress", lambda done, total: None)
    with whole(out, mark=MARK) as folder:
        files = _Files(folder)
        for done, task in enumerate(tasks):
            progress(done, 0)
            review = reviewed(task, config, annotators=wish.annotators, generic_is_unknown=how.get("generic_is_unknown", False))
            negative = empty(task, review, config, wish)
            tally.add(review, negative=negative)
            if negative or chosen(review, wish):
                files.add(_task(task, review, config, wish))
        files.close()
        if not files.tasks:
            (folder / "tasks-00000.json").write_text("[]\n", encoding="utf-8")
        if "xml" in how:
            (folder / "label_config.xml").write_text(how["xml"], encoding="utf-8")
        report = tally.report(rows=files.boxes)
        card = {"format": "labelstudio", "version": FORMAT, "classes": config.labels, "report": asdict(report)}
        (folder / MARK).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    log.info("exported", format="labelstudio", tasks=files.tasks, boxes=files.boxes)
    return report


class _Files:
    """One list after the other, a task a line."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tasks, self.boxes = folder, 0, 0
        self._open: Any = None

    def add(self, task: Mapping[str, Any]) -> None:
        if self.tasks % TASKS == 0:
            self.close()
            self._open = (self.folder / f"tasks-{self.tasks // TASKS:05}.json").open("w", encoding="utf-8", newline="\n")
        self._open.write(("[\n" if self.tasks % TASKS == 0 else ",\n") + json.dumps(task))
        self.tasks += 1
        self.boxes += sum(len(each["result"]) for each in task["annotations"])

    def close(self) -> None:
        """End the file that is open."""
        if self._open is not None:
            self._open.write("\n]\n")
            self._open.close()
            self._open = None


def _task(task: Json, review: Review, config: LabelConfig, wish: Wish) -> dict[str, Any]:
    kept: dict[int, set[str]] = {}
    for each in chosen(review, wish):
        kept.setdefault(each.annotation, set()).add(each.region)
    answers = list(_annotations(task, kept, config))
    if decided(task, config) and not review.conflicts and all(each.verdict == "unverified" for each in chosen(review, wish)):
        answers.insert(0, {"result": [], "was_cancelled": False})  # nobody who looked saw anything, whatever a button proposed
    people = {str(each.annotation): each.who for each in chosen(review, wish)}
    return {
        "data": task.get("data") or {},
        "meta": {**(task.get("meta") or {}), "dinolabel": {"format": FORMAT, "task": task["id"], "annotators": people}},
        "annotations": answers,
        "predictions": list(_shown(task, kept)),
    }


def _annotations(task: Json, kept: Mapping[int, set[str]], config: LabelConfig) -> Iterator[dict[str, Any]]:
    for annotation in task.get("annotations") or []:
        if annotation.get("id") not in kept:
            continue
        ours = identified(annotation.get("result") or [], config)
        chosen_entries = [entry for region, entry in ours if region.id in kept[annotation["id"]]]
        with_box = {entry.get("id") for _, entry in ours}
        # what hangs on a box that stays, such as a choice, stays with it; what hangs on none belongs to the picture
        ids = {entry.get("id") for entry in chosen_entries}
        result = [
            entry
            for entry in annotation.get("result") or []
            if any(entry is each for each in chosen_entries)
            or (entry.get("from_name") != config.control and (entry.get("id") in ids or entry.get("id") not in with_box))
        ]
        if by_button(annotation):  # where it comes to next, only its own mark says so
            result = [unseen(entry) if any(entry is each for each in chosen_entries) else entry for entry in result]
        yield {"result": result, **{name: annotation[name] for name in KEPT if annotation.get(name) is not None}}


def _shown(task: Json, kept: Mapping[int, set[str]]) -> Iterator[dict[str, Any]]:
    """The predictions that kept annotations began from, each once: they tell later what people changed."""
    seen: set[Any] = set()
    for annotation in task.get("annotations") or []:
        prediction = annotation.get("prediction")
        if annotation.get("id") in kept and isinstance(prediction, Mapping) and isinstance(prediction.get("result"), list):
            if prediction.get("id") not in seen:
                yield {name: prediction[name] for name in ("result", "model_version", "score") if prediction.get(name) is not None}
            seen.add(prediction.get("id"))
