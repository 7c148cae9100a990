"""A student: a small detector that a project trained for its own few labels; its folder, and what its card tells.

The folder is what the plug `student` reads: config.json (how the network is built), model.safetensors, student.json (this card).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dinolabel.vision.errors import ModelError
from dinolabel.vision.file_digest import sha256_of_file
from dinolabel.vision.storage.json_text import parse_json
from dinolabel.vision.types import Thresholds

CARD, CONFIG, WEIGHTS_FILE = "student.json", "config.json", "model.safetensors"
FORMAT = 1
NMS_IOU = 0.6
DENSE, RF_DETR = "dense", "rf_detr"


@dataclass(frozen=True)
class Student:
    """kind: which network (DENSE, RF_DETR). labels: what it finds, in the order of its columns. phrases: words of a prompt -> the label.

    side: of the square that a picture is stretched to, pixels. threshold: least score of a box, chosen on pictures that did not train.
    calibration: label -> slope and intercept on the score's logit, for how often such a box is right. teacher: what it learnt from: the
    `weights`, `name` and `digest` of the detector. created_at: ISO time. metrics: as judged. folder: where its files lie.
    """

    kind: str
    labels: tuple[str, ...]
    phrases: Mapping[str, str]
    side: int
    threshold: float
    teacher: Mapping[str, str]
    created_at: str
    folder: Path = field(compare=False)
    calibration: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def digest(self) -> str:
        """Hex digest of its weights and all else that decides what it finds."""
        decides = [self.kind, self.labels, sorted(self.phrases.items()), self.side, self.threshold]
        files = [sha256_of_file(self.folder / name) for name in (WEIGHTS_FILE, CONFIG)]
        return hashlib.sha256(json.dumps([*decides, *files]).encode()).hexdigest()

    @property
    def name(self) -> str:
        """The first part of a model_version that it answers for: `student-gdino-nano`."""
        return f"student-{self.teacher.get('name', 'detector')}"

    @property
    def thresholds(self) -> Thresholds:
        """As it is served: a box has one score, which is its phrase's too."""
        return Thresholds(self.threshold, 0.0, NMS_IOU)

    def answers(self, prompt_map: Mapping[str, str]) -> bool:
        """Whether it was trained for every phrase (-> label) that is asked: a new one is the teacher's."""
        return bool(prompt_map) and all(self.phrases.get(phrase) == label for phrase, label in prompt_map.items())

    def save(self, folder: Path) -> None:
        """Its files and card into another folder. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in (WEIGHTS_FILE, CONFIG):
            if folder.resolve() != self.folder.resolve():
                shutil.copyfile(self.folder / name, folder / name)
        card = {
            "format": FORMAT, "kind": self.kind, "labels": self.labels, "phrases": dict(self.phrases), "side": self.side,
            "threshold": self.threshold, "calibration": dict(self.calibration), "teacher": dict(self.teacher),
            "created_at": self.created_at, "metrics": dict(self.metrics), "digest": replace(self, folder=folder).digest,
        }  # fmt: skip
        (folder / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Student:
        """What save wrote. Raises ModelError when it is not there, damaged, or of a later format."""
        try:
            card = parse_json((folder / CARD).read_text(encoding="utf-8"))
            if card["format"] != FORMAT:
                raise ModelError(f"{folder.name} has format {card['format']}; this dinolabel reads {FORMAT}.", hint="Update dinolabel.")
            found = cls(
                str(card["kind"]), tuple(card["labels"]), card["phrases"], int(card["side"]), float(card["threshold"]), card["teacher"],
                card["created_at"], folder, {label: (a, b) for label, (a, b) in card["calibration"].items()}, card["metrics"],
            )  # fmt: skip
            _ = found.digest  # its other files are read here, and not at the first picture
        except FileNotFoundError as error:
            name = Path(error.filename or CARD).name
            raise ModelError(f"{folder.name} holds no student: {name} is missing.", hint="Train one with `dinolabel distil`.") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"The student in {folder.name} is damaged: {error}.", hint="Train again with `dinolabel distil`.") from error
        return found

    def check(self) -> Student:
        """The same. Raises ModelError where its files were changed after its card was written."""
        card = parse_json((self.folder / CARD).read_text(encoding="utf-8"))
        if self.digest != card.get("digest"):
            told = f"The student in {self.folder.name} was changed after it was written."
            raise ModelError(told, hint="Train again with `dinolabel distil`.")
        return self
