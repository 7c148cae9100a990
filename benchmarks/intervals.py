"""How often a printed 95 % interval holds the truth, on simulated projects of which the truth is known. Measures, asserts nothing.

python -m benchmarks.intervals --projects 1000 --out intervals.json

Objects are spread over pictures, and the answers of one picture are alike (beta-binomial). Of the wrong answers half are another name,
half none.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dinolabel.training import intervals
from dinolabel.training.metrics import EvaluationReport, evaluate_answers, resample_f1
from dinolabel.vision.types import Answer, Named, Unknown

SIZES = {5: (4, 5), 8: (4, 8), 13: (4, 8, 13), 30: (4, 8, 20)}  # objects: pictures
ACCURACIES = (0.7, 0.8, 0.9, 0.95, 0.99)
CORRELATIONS = (0.0, 0.1, 0.3)
SHARES = {"two names": (1.0, 1.0), "four names, the rarer the harder": (1.0, 1 / 2, 1 / 3, 1 / 4)}
CONFIDENCES = ("honest", "sure", "mixed")
SURE, UNSURE = 0.97, 0.6
FIGURES = ("accuracy", "coverage", "accuracy_named", "macro_f1", "ece")
RESAMPLED = "macro_f1, resampled only"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """accuracy: of all objects. correlation: of right answers within a picture. names: how frequent each is. confidence: which kind."""

    objects: int
    pictures: int
    accuracy: float
    correlation: float
    names: tuple[float, ...]
    confidence: str

    @property
    def frequency(self) -> Floats:
        return np.array(self.names) / sum(self.names)

    @property
    def right(self) -> Floats:
        """Of each name: errors grow with rarity, so that their mean is as asked."""
        wrong = 1 / self.frequency
        return np.asarray(1 - (1 - self.accuracy) * wrong / float(self.frequency @ wrong))

    def f1(self) -> Floats:
        """Of each name, among endlessly many objects."""
        missed = (1 - self.right) / 2 / (len(self.names) - 1)
        said = self.frequency * self.right + float(self.frequency @ missed) - self.frequency * missed
        return np.asarray(2 * self.frequency * self.right / (self.frequency + said))

    def error(self) -> float:
        """Calibration error among endlessly many objects."""
        said = {"honest": (), "sure": (SURE,), "mixed": (SURE, UNSURE)}[self.confidence]
        return float(np.mean([abs(each - self.accuracy) for each in said])) if said else 0.0


def settings() -> Iterator[Setting]:
    """Every combination; kinds of confidence by turns."""
    sizes = [(objects, pictures) for objects, each in SIZES.items() for pictures in each]
    for at, (size, accuracy, correlation, names) in enumerate(product(sizes, ACCURACIES, CORRELATIONS, SHARES.values())):
        yield Setting(*size, accuracy, correlation, names, CONFIDENCES[at % len(CONFIDENCES)])


def simulated(setting: Setting, random: np.random.Generator) -> EvaluationReport:
    """One project's held-out side, scored."""
    objects, pictures = setting.objects, setting.pictures
    picture = np.concatenate([np.arange(pictures), random.integers(0, pictures, objects - pictures)])
    name = random.choice(len(setting.names), objects, p=setting.frequency)
    chance = _chances(setting, picture, name, random)
    right, confused = random.random(objects) < chance, random.random(objects) < 0.5
    other = (name + random.integers(1, len(setting.names), objects)) % len(setting.names)
    said = {
        "honest": chance,
        "sure": np.full(objects, SURE),
        "mixed": np.where(random.random(objects) < 0.5, SURE, UNSURE),
    }[setting.confidence]
    answers: list[Answer] = []
    for at in range(objects):
        guess = str(name[at] if right[at] else other[at])
        answers.append(Named(guess, float(said[at])) if right[at] or confused[at] else Unknown(guess, float(said[at])))
    labels = [str(each) for each in range(len(setting.names))]
    return evaluate_answers([str(each) for each in name], answers, groups=[f"{each:03d}" for each in picture], labels=labels)


def _chances(setting: Setting, picture: npt.NDArray[np.int64], name: npt.NDArray[np.int64], random: np.random.Generator) -> Floats:
    """(N,) chance of a right answer: a beta distribution a picture and name, drawn at the same quantile for all objects of the picture."""
    if not setting.correlation:
        return np.asarray(setting.right[name])
    spread = (1 - setting.correlation) / setting.correlation
    drawn = np.stack([random.beta(each * spread, (1 - each) * spread, setting.pictures) for each in setting.right])
    return np.asarray(drawn[name, picture])


def held(setting: Setting, found: EvaluationReport) -> Mapping[str, tuple[bool, float]]:
    """Of each figure: whether its interval holds the truth, and its width."""
    seen = [found.per_label[str(each)].objects > 0 for each in range(len(setting.names))]
    wrong = 1 - setting.accuracy
    truth = {
        "accuracy": setting.accuracy,
        "coverage": 1 - wrong / 2,
        "accuracy_named": setting.accuracy / (1 - wrong / 2),
        "macro_f1": float(setting.f1()[seen].mean()),
        "ece": setting.error(),
    }
    bounds = {figure: getattr(found, f"{figure}_interval") for figure in FIGURES}
    bounds[RESAMPLED], truth[RESAMPLED] = intervals.middle(resample_f1(found.confusion, seed=0)), truth["macro_f1"]
    return {figure: (low - 1e-9 <= truth[figure] <= high + 1e-9, high - low) for figure, (low, high) in bounds.items()}


def measured(projects: int) -> list[dict[str, Any]]:
    """A row a setting and figure: share of the projects whose interval holds the truth, mean width."""
    random, rows = np.random.default_rng(0), []
    for setting in settings():
        found = [held(setting, simulated(setting, random)) for _ in range(projects)]
        for figure in found[0]:
            inside, width = (float(np.mean([each[figure][at] for each in found])) for at in range(2))
            rows.append({**vars(setting), "figure": figure, "held": round(inside, 4), "width": round(width, 4)})
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: the least and the mean share held by number of objects, over pictures, accuracies, correlations and names."""
    lines = ["| figure | objects | settings | held at least | on average | mean width |", "|---|---|---|---|---|---|"]
    for figure in dict.fromkeys(row["figure"] for row in rows):
        for objects in SIZES:
            some = [row for row in rows if row["figure"] == figure and row["objects"] == objects]
            inside, width = ([row[key] for row in some] for key in ("held", "width"))
            cells = (len(some), f"{min(inside):.3f}", f"{np.mean(inside):.3f}", f"{np.mean(width):.2f}")
            lines.append(f"| {figure} | {objects} | " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--projects", type=int, default=1000, help="simulated for each setting")
    wanted.add_argument("--out", type=Path)
    given = wanted.parse_args()
    rows = measured(given.projects)
    print(table(rows))
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
