"""The students of the bench: good ones of both halves of the demo, of nouns the teacher knows badly, and bad ones for the gate to refuse.

Each is fitted once and kept in .cache/distil-bench; how to make one is written down here, so that nothing else decides it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.distil import world
from benchmarks.distil.world import DEMO, HOME, TEACHER, Drawn
from dinolabel.training.distillation import fitting
from dinolabel.training.distillation.distil import _found, _proposed, side_for
from dinolabel.training.distillation.examples import Example, approved_example
from dinolabel.training.distillation.pictures import LabelledPicture
from dinolabel.vision.detectors import student as plug
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.students.student import DENSE, Student
from dinolabel.vision.types import Box, Detection

NOW = "2026-11-30T12:00:00+00:00"
CAT = "cat face"


@dataclass(frozen=True)
class Recipe:
    """noun: looked for. half: 0 or 1, of the demo's scenes (or of another noun's first 72). pictures: approved ones. others: with the
    teacher's boxes on unanswered scenes. fault: what is wrong with the approved boxes; seed: of the fit. steps: of it; None: as many as the
    product takes."""

    noun: str = CAT
    half: int = 0
    pictures: int = 36
    others: bool = True
    fault: str = ""
    seed: int = 0
    steps: int | None = None


RECIPES = {f"cat-{half}-{seed}": Recipe(half=half, seed=seed) for seed in range(3) for half in range(2)} | {
    "owl": Recipe("owl"),
    "candy": Recipe("candy"),
    "two": Recipe(pictures=2, others=False, steps=30),
    "shifted": Recipe(half=1, others=False, fault="shifted", steps=30),
    "swapped": Recipe(half=1, others=False, fault="swapped", steps=30),
    "missing": Recipe(others=False, fault="missing", steps=30),
    "wide": Recipe(others=False, fault="wide", steps=30),
    "one": Recipe(pictures=1, others=False, steps=20),
    "four": Recipe(pictures=4, others=False, steps=30),
    "nine": Recipe(pictures=9, others=False, steps=45),
    "short": Recipe(others=False, steps=20),
    "half-as-long": Recipe(half=1, others=False, steps=45),
}


def numbers(recipe: Recipe) -> list[int]:
    return list(range(recipe.half, 72, 2))[: recipe.pictures]


def examples(recipe: Recipe) -> list[Example]:
    """What it is taught from."""
    asked = world.teacher(recipe.noun)
    cats = recipe.noun == CAT
    folder = DEMO if cats else world.draw(recipe.noun)
    taught, labels = world.read(folder, asked, keep=numbers(recipe)), (recipe.noun,)
    rng = np.random.default_rng(recipe.seed)
    rows = [_with_fault(each, recipe.fault, rng) for each in taught.rows]
    made = [approved_example(each, labels, asked.served(taught.found[each.key])) for each in rows]
    if recipe.others:
        free = world.read(world.draw("cat others"), asked) if cats else world.read(folder, asked, keep=range(72, 144))
        made += [_proposed(each, labels, free.found[each.key], asked.phrases) for each in free.rows]
    return made


def _with_fault(row: LabelledPicture, fault: str, rng: np.random.Generator) -> LabelledPicture:
    if not fault:
        return row
    kept = [(box, label) for box, label in zip(row.boxes, row.labels, strict=True) if fault != "missing" or rng.random() < 0.5]
    boxes = tuple(_spoilt(box, fault, row, rng) for box, _ in kept)
    return replace(row, boxes=boxes, labels=tuple(label for _, label in kept))


def _spoilt(box: Box, fault: str, row: LabelledPicture, rng: np.random.Generator) -> Box:
    wide, high = box.width, box.height
    if fault == "shifted":
        moved = Box(box.x1 + 0.25 * wide, box.y1 + 0.1 * high, box.x2 + 0.25 * wide, box.y2 + 0.1 * high)
    elif fault == "wide":
        moved = Box(box.x1 - 0.2 * wide, box.y1 - 0.15 * high, box.x2 + 0.2 * wide, box.y2 + 0.15 * high)
    elif fault == "swapped" and rng.random() < 0.5:
        x, y = rng.uniform(0, row.width - wide), rng.uniform(0, row.height - high)
        moved = Box(x, y, x + wide, y + high)
    else:
        moved = box
    return moved.clip(row.width, row.height) or box


def fit(name: str) -> tuple[Student, fitting.FitCourse]:
    """From what is kept, or made now: some 40 CPU seconds."""
    recipe, folder = RECIPES[name], HOME / "fits" / name
    ready = (folder / "student.json").is_file()
    shown = [] if ready else examples(recipe)
    side = side_for([each.picture for each in shown if each.approved]) if shown else 256
    course = fitting.fit(shown, TEACHER, fitting.FitOptions(side, 1, recipe.seed, device="cpu", steps=recipe.steps), folder, stage=name)
    if not ready:
        known = {"name": "gdino-nano", "weights": "nano", "digest": "0" * 16}
        Student(DENSE, (recipe.noun,), {recipe.noun: recipe.noun}, side, 0.5, known, NOW, folder).save(folder)
    return Student.load(folder), course


def found_by(student: Student, drawn: Drawn, name: str) -> dict[str, list[Detection]]:
    """What a student finds in these scenes, by key; kept."""
    path = HOME / "found" / f"{name}.json"
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {key: [Detection(Box(*box), phrase, score) for box, phrase, score in rows] for key, rows in kept.items()}
    asked = Pipeline(plug.build(str(student.folder), device="cpu"))
    made = {row.key: _found(asked, row, student.phrases) for row in drawn.rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({key: [[each.box.xyxy, each.phrase, each.score] for each in rows] for key, rows in made.items()}))
    return made
