"""What can stop a training before a head is made.

A refusal by the gate is no error: it is a `Verdict` with its reason.

    TrainingError (dinolabel.vision.errors)
     ├ ManifestUnreadable
     └ NotEnoughLabels
"""

from __future__ import annotations

from collections.abc import Mapping

from dinolabel.vision.errors import TrainingError


class ManifestUnreadable(TrainingError):
    """The folder is no export of crops, or of another format."""

    hint = "Make it again with `dinolabel export crops --project N --out DIR`."


class NotEnoughLabels(TrainingError):
    """There is nothing to learn names from. missing: how many more approved boxes each label needs; {} when no label is known yet."""

    hint = "Give boxes a name in Label Studio, submit, and train again. One box per name is enough to begin; 10 to 20 are good."

    def __init__(self, message: str, *, missing: Mapping[str, int], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.missing = dict(missing)
