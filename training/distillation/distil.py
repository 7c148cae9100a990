"""Train a student on approved boxes, judge it beside the detector that taught it, and publish it when it may take its place.

    dinolabel distil --project 3

Reads top to bottom: what is taught, which size, fits that judge, thresholds and the gate, the fit that is published, the receipt.

With enough held-out groups one student is fitted, on the others, judged and published. With fewer, each half judges a student of the other
half; the one that is published is then fitted on all, with the threshold of those two. The threshold that judges a group is chosen on
groups that neither taught that student nor are judged with it (folds.py).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from dinolabel.training.distillation import categories, fitting, folds
from dinolabel.training.distillation.examples import Example, approved_example, proposed_example
from dinolabel.training.distillation.pictures import LabelledPicture, LabelledPictures
from dinolabel.training.errors import NotEnoughLabels, PicturesUnreadable
from dinolabel.training.evaluation import detector_gate
from dinolabel.training.evaluation.box_calibration import calibrate
from dinolabel.training.evaluation.boxes import JudgedPicture, best_threshold, match
from dinolabel.training.evaluation.detector_gate import DetectorDecision, JudgedDetector
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.detectors import student as plug
from dinolabel.vision.errors import MediaError
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.progress import Listener, Progress, ignore
from dinolabel.vision.proposals.candidates import MIN_SCORE, apply_thresholds
from dinolabel.vision.storage.versions import ID_DIGITS
from dinolabel.vision.students.store import StudentStore
from dinolabel.vision.students.student import DENSE, NMS_IOU, Student
from dinolabel.vision.types import Detection, Image, Prompt, Thresholds

log = structlog.get_logger(__name__)

LOW = Thresholds(MIN_SCORE, 0.0, NMS_IOU)  # what an average precision is made of
SIDES = range(256, 641, 64)  # of the square, pixels
SMALL, SMALLEST_SHARE = 24.0, 0.05  # pixels that the twentieth smallest of a hundred objects should have on its long side
TIMED = 5  # pictures whose work is measured
RECEIPT = "receipt.json"


@dataclass(frozen=True)
class Teacher:
    """The detector of the settings. folder: of its weights. phrases: phrase -> label, in the prompt's order. thresholds: as served."""

    pipeline: Pipeline
    folder: Path
    phrases: Mapping[str, str]
    thresholds: Thresholds

    def proposals(self, picture: LabelledPicture) -> tuple[LabelledPicture, list[Detection]]:
        """The picture with its size, and all that is found above MIN_SCORE, duplicates left out. Raises MediaError."""
        image = open_image(picture.path)
        (found,) = self.pipeline.candidates([image], Prompt.of(list(self.phrases)))
        sized = replace(picture, width=image.width, height=image.height)
        return sized, apply_thresholds(found, LOW, width=image.width, height=image.height, labels=self.phrases)

    def served(self, found: Iterable[Detection]) -> list[Detection]:
        return [each for each in found if each.score >= self.thresholds.box]


@dataclass(frozen=True)
class DistilOptions:
    """now: ISO time. minutes: after which all fits together are brought to an end. force: publish whatever the gate or a pin says.

    side: of the square that pictures are stretched to; None: chosen. waits: what passes the gate waits for somebody's yes.
    """

    project: str
    now: str
    seed: int = 0
    minutes: float | None = None
    force: bool = False
    side: int | None = None
    device: str = "auto"
    waits: bool = False


@dataclass(frozen=True)
class DistilResult:
    """published: whether it answers from now on. student_id: of what was made, published or not. folder: where it lies with its receipt."""

    published: bool
    student_id: str
    reason: str
    folder: Path
    metrics: Mapping[str, Any] = field(default_factory=dict)


def distil(
    pictures: LabelledPictures,
    others: Sequence[LabelledPicture],
    teacher: Teacher,
    options: DistilOptions,
    *,
    store: StudentStore,
    work: Path,
    listener: Listener = ignore,
) -> DistilResult:
    """pictures: people answered them. others: nobody did; the teacher's boxes count there. work: folder for what is half done.

    Same pictures, seed and machine: the same weights. Raises NotEnoughLabels, PicturesUnreadable, TeacherUnsuitable, ModelError.
    """
    began = time.monotonic()
    taught = _teach(pictures, others, teacher, listener)
    fits = _Fits(taught, teacher, options, work, listener)
    basis, parts = folds.folds(taught.rows)
    students = {each.name: fits.student(each.name, each.taught, several=len(parts) + (basis == folds.CROSSED)) for each in parts}
    judged, fold_of = fits.judge(parts, students)
    decision = None
    threshold, calibration = folds.UNCHOSEN, dict[str, tuple[float, float]]()
    if judged:
        found = match(judged, taught.labels)
        decision = _decide(judged, taught, teacher, fold_of, seed=options.seed)
        threshold, calibration = best_threshold(found), calibrate(found)
    final = students[parts[0].name] if basis == folds.HELD_OUT else fits.student("all", frozenset(taught.groups), several=3)
    metrics = {"basis": basis, **(_metrics(decision) if decision else {}), **fits.facts(), "work": fits.work_a_picture(final)}
    made = replace(final, threshold=threshold, calibration=calibration, metrics=metrics)
    return _publish(made, decision, taught, options, store, seconds=time.monotonic() - began, work=work)


@dataclass(frozen=True)
class _Taught:
    """rows: answered pictures with the prompt's labels. approved, proposed: by picture's key. served: what the teacher is served with."""

    labels: tuple[str, ...]
    rows: tuple[LabelledPicture, ...]
    approved: Mapping[str, Example]
    proposed: tuple[Example, ...]
    proposals: Mapping[str, Sequence[Detection]]
    digest: str
    unread: tuple[str, ...]
    mapped: Mapping[str, str | None]

    @property
    def groups(self) -> set[str]:
        return {each.group for each in self.rows}

    def examples(self, groups: frozenset[str]) -> list[Example]:
        return [self.approved[each.key] for each in self.rows if each.group in groups] + list(self.proposed)


def _teach(pictures: LabelledPictures, others: Sequence[LabelledPicture], teacher: Teacher, listener: Listener) -> _Taught:
    rows, found, unread = list[LabelledPicture](), dict[str, Sequence[Detection]](), list[str]()
    known = set[str]()
    total = len(pictures.rows) + len(others)
    free = list[LabelledPicture]()
    for done, picture in enumerate((*pictures.rows, *others)):
        listener(Progress("Asking the teacher", done, total))
        if picture.key in known:
            continue
        known.add(picture.key)
        try:
            sized, found[picture.key] = teacher.proposals(picture)
        except MediaError as error:  # one bad picture costs nobody else
            unread.append(f"{picture.path.name}: {error}")
            continue
        (rows if done < len(pictures.rows) else free).append(sized)
    if pictures.rows and not rows:
        raise PicturesUnreadable(f"None of {len(pictures.rows)} pictures can be read; the first: {unread[0]}")
    mapped = categories.prompt_labels(rows, found, teacher.phrases)
    rows = [categories.relabel(each, mapped) for each in rows]
    if not any(each.boxes for each in rows):
        raise NotEnoughLabels("No picture with an approved box: there is nothing to learn boxes from.", missing={})
    labels = tuple(dict.fromkeys(teacher.phrases.values()))
    approved = {each.key: approved_example(each, labels, teacher.served(found[each.key])) for each in rows}
    proposed = tuple(_proposed(each, labels, found[each.key], teacher.phrases) for each in free)
    whole = [pictures.digest, [each.key for each in free], sorted(teacher.phrases.items()), teacher.pipeline.detector.digest]
    digest = hashlib.sha256(json.dumps(whole).encode()).hexdigest()
    return _Taught(labels, tuple(rows), approved, proposed, found, digest, tuple(unread), mapped)


def _proposed(picture: LabelledPicture, labels: Sequence[str], found: Sequence[Detection], phrases: Mapping[str, str]) -> Example:
    return proposed_example(picture, labels, [(each.box, phrases[each.phrase], each.score) for each in found])


def side_for(rows: Sequence[LabelledPicture]) -> int:
    """The smallest side at which nearly every object is SMALL pixels long; the largest where none is enough."""
    shares = [max(box.width / row.width, box.height / row.height) for row in rows for box in row.boxes]
    wanted = SMALL / max(float(np.quantile(shares, SMALLEST_SHARE)), 1e-6) if shares else SIDES[0]
    return next((each for each in SIDES if each >= wanted), SIDES[-1])


class _Fits:
    """Makes students, each in a folder named by all that decides it, so that one that was finished is not made again."""

    def __init__(self, taught: _Taught, teacher: Teacher, options: DistilOptions, work: Path, listener: Listener) -> None:
        self._taught, self._teacher, self._options, self._listener = taught, teacher, options, listener
        self.side = options.side or side_for(taught.rows)
        key = hashlib.sha256(json.dumps([taught.digest, self.side, options.seed, options.minutes]).encode()).hexdigest()[:ID_DIGITS]
        self.home = work / key
        self._courses: dict[str, fitting.FitCourse] = {}

    def student(self, name: str, groups: frozenset[str], *, several: int) -> Student:
        """Fitted on the pictures of these groups; the threshold is not chosen yet. several: fits that share the minutes."""
        options, detector = self._options, self._teacher.pipeline.detector
        seconds = None if options.minutes is None else options.minutes * 60 / several
        wish = fitting.FitOptions(self.side, len(self._taught.labels), options.seed, seconds, options.device)
        folder = self.home / name
        stage = "Training the student" if name in ("all", "held-out") else f"Training a student to judge by, the {name} of two"
        examples = self._taught.examples(groups)
        self._courses[name] = fitting.fit(examples, self._teacher.folder, wish, folder, stage=stage, listener=self._listener)
        known = {"weights": detector.weights, "name": detector.name, "digest": detector.digest}
        made = Student(DENSE, self._taught.labels, dict(self._teacher.phrases), self.side, folds.UNCHOSEN, known, options.now, folder)
        made.save(folder)
        return made

    def judge(self, parts: Sequence[folds.Fold], students: Mapping[str, Student]) -> tuple[list[JudgedPicture], dict[str, str]]:
        """What each student finds in the pictures it has not seen, and the fold of each group."""
        judged, fold_of = list[JudgedPicture](), dict[str, str]()
        for part in parts:
            asked = Pipeline(plug.build(str(students[part.name].folder), device=self._options.device))
            for picture in (each for each in self._taught.rows if each.group in part.judged):
                fold_of[picture.group] = part.name
                judged.append(judged_picture(picture, _found(asked, picture, self._teacher.phrases), self._teacher.phrases))
        return judged, fold_of

    def work_a_picture(self, student: Student) -> dict[str, float]:
        """Milliseconds of CPU time that a picture takes, median of TIMED: of the student and of its teacher."""
        asked = plug.build(str(student.folder), device=self._options.device)
        spent: dict[str, list[float]] = {"student": [], "teacher": []}
        for picture in self._taught.rows[:TIMED]:
            image, prompt = open_image(picture.path), Prompt.of(list(self._teacher.phrases))
            image = Image.from_array(image.pixels)  # decoded: that is not their work
            for name, detector in (("student", asked), ("teacher", self._teacher.pipeline.detector)):
                began = time.process_time()
                detector.candidates([image], prompt)
                spent[name].append(1000 * (time.process_time() - began))
        return {name: round(float(np.median(each)), 1) for name, each in spent.items()}

    def facts(self) -> dict[str, Any]:
        cpu = {name: each.cpu_seconds for name, each in self._courses.items()}
        return {"cpu_seconds": cpu, "steps": {name: each.steps for name, each in self._courses.items()}, "side": self.side}


def _found(pipeline: Pipeline, picture: LabelledPicture, phrases: Mapping[str, str]) -> list[Detection]:
    image = open_image(picture.path)
    return pipeline.predict([image], Prompt.of(list(phrases)), thresholds=LOW, labels=phrases)[0]


def judged_picture(picture: LabelledPicture, found: Sequence[Detection], phrases: Mapping[str, str]) -> JudgedPicture:
    truth = tuple(zip(picture.boxes, picture.labels, strict=True))
    said = tuple((each.box, phrases[each.phrase], each.score) for each in found)
    return JudgedPicture(picture.group, truth, said, picture.crowds)


def _decide(
    judged: Sequence[JudgedPicture], taught: _Taught, teacher: Teacher, fold_of: Mapping[str, str], *, seed: int
) -> DetectorDecision:
    rows = [each for each in taught.rows if each.group in fold_of]
    rows.sort(key=lambda row: list(dict.fromkeys(fold_of.values())).index(fold_of[row.group]))
    theirs = [judged_picture(each, taught.proposals[each.key], teacher.phrases) for each in rows]
    mine = JudgedDetector(tuple(judged), folds.swapped_thresholds(judged, taught.labels, lambda group: fold_of[group]))
    served = np.full(len({each.group for each in theirs}), teacher.thresholds.box)
    return detector_gate.decide(mine, JudgedDetector(tuple(theirs), served), taught.labels, seed=seed)


def _metrics(decision: DetectorDecision) -> dict[str, Any]:
    return {
        "student": vars(decision.student), "teacher": vars(decision.teacher), "bound": decision.bound, "groups": decision.groups,
        "objects": decision.objects, "warnings": decision.warnings,
    }  # fmt: skip


def _publish(
    made: Student,
    decision: DetectorDecision | None,
    taught: _Taught,
    options: DistilOptions,
    store: StudentStore,
    *,
    seconds: float,
    work: Path,
) -> DistilResult:
    project = options.project
    reason = decision.reason if decision else "There is nothing to judge it by: too few pictures with boxes. It is offered, not published."
    wanted, pinned = bool(decision and decision.publish), store.pinned(project)
    if wanted and pinned and not options.force:
        wanted, reason = False, f"{pinned} is pinned, so this student is only offered. {reason}"
    if wanted and options.waits and not options.force:
        wanted, reason = False, f"It passed, and waits for your yes: `dinolabel students use` shows it. {reason}"
    published = wanted or options.force
    if options.force and not wanted:
        reason = f"Published because it was forced. Without: {reason}"
    student_id = made.digest[:ID_DIGITS]
    receipt = {
        "format": 1, "at": options.now, "project": project, "published": published, "student": student_id, "verdict": reason,
        "seconds": round(seconds, 1), "seed": options.seed, "threshold": made.threshold, "metrics": dict(made.metrics),
        "checks": [vars(each) for each in decision.checks] if decision else [],
        "data": {
            "answered": len(taught.rows), "boxes": sum(len(each.boxes) for each in taught.rows), "unanswered": len(taught.proposed),
            "corrected": sum(each.weight > 1 for each in taught.approved.values()), "unreadable": taught.unread,
            "labels": taught.labels, "categories": dict(taught.mapped), "digest": taught.digest,
        },
    }  # fmt: skip
    if published:
        store.publish(project, made, receipt)
        folder = store.folder(project, student_id)
    else:
        folder = store.is_refused(project, options.now)
        made.save(folder)
        (folder / RECEIPT).write_text(json.dumps(receipt, indent=1, sort_keys=True, default=str), encoding="utf-8")
    verdict = {"at": options.now, "published": published, "bundle": student_id if published else None, "reason": reason}
    store.add_verdict(project, {**verdict, "metrics": dict(made.metrics)})
    shutil.rmtree(made.folder.parent, ignore_errors=True)
    log.info("distilled", project=project, published=published, student=student_id, seconds=round(seconds, 1), reason=reason)
    return DistilResult(published, student_id, reason, folder, made.metrics)
