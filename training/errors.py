"""What can stop a training before a head is made.

A refusal by the gate is no error: it is a `Verdict` with its reason.

    TrainingError (dinolabel.vision.errors)
     ├ ManifestUnreadable
     ├ PicturesUnreadable
     ├ TeacherUnsuitable
     └ NotEnoughLabels
"""

from __future__ import annotations

from collections.abc import Mapping

from dinolabel.vision.errors import TrainingError


class ManifestUnreadable(TrainingError):
    """The folder is no export of crops, or of another format."""

    hint = "Make it again with `dinolabel export crops --project N --out DIR`."


class PicturesUnreadable(TrainingError):
    """The folder holds no pictures with boxes in COCO's format."""

    hint = "Make it with `dinolabel export coco --project N --out DIR`, or name a folder in COCO's format."


class TeacherUnsuitable(TrainingError):
    """A student cannot be made from this detector."""

    hint = "The dense student takes the backbone of a GroundingDINO, MM-GroundingDINO or LLMDet; set DINOLABEL_DETECTOR=grounding_dino."


class NotEnoughLabels(TrainingError):
    """There is nothing to learn names from. missing: how many more approved boxes each label needs; {} when no label is known yet."""

    hint = "Give boxes a name in Label Studio, submit, and train again. One box per name is enough to begin; 10 to 20 are good."

    def __init__(self, message: str, *, missing: Mapping[str, int], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.missing = dict(missing)
