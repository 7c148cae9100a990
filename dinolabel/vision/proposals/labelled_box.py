"""One found thing as people read it: a line of a table, an object of the JSON, a caption on a picture.

For use without a label config, where a phrase is also the generic label; with one, `dinolabel.studio.label_configs.label_config` gives
the label.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dinolabel.vision.types import Box, Detection, Named, Reference, Suppressed, Unknown


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """label: the name when the head knows it, else the generic label. phrase: what the words matched. score: the detector's, 0..1.

    confidence: of the name, calibrated, 0..1; None when there is none. guess: the head's best guess when it does not know.
    box: pixels, xyxy. because: the approved crops it leans on, most alike first.
    """

    label: str
    phrase: str
    score: float
    confidence: float | None
    guess: str | None
    box: Box
    because: tuple[Reference, ...] = ()

    @classmethod
    def of(cls, detection: Detection, labels: Mapping[str, str] | None = None, names: Mapping[str, str] | None = None) -> LabelledBox:
        """labels: phrase -> label, where a phrase is not its own label. names: what the head says -> label; None: as it says.

        With `names`, a name that is not in it is not given.
        """
        answer = detection.answer
        named = answer if isinstance(answer, Named) and (names is None or answer.label in names) else None
        return cls(
            label=(names or {}).get(named.label, named.label) if named else (labels or {}).get(detection.phrase, detection.phrase),
            phrase=detection.phrase,
            score=detection.score,
            confidence=named.confidence if named else None,
            guess=answer.nearest if isinstance(answer, Unknown) else None,
            box=detection.box,
            because=answer.because if isinstance(answer, Named | Unknown) else (),
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON: see row."""
        return self.row()

    def row(self) -> dict[str, Any]:
        """JSON: {"label", "phrase", "score", "confidence" or null, "guess" or null, "box": [x1, y1, x2, y2] in pixels,
        "because": [{"crop": id in the bundle, "label", "distance"}]}."""
        confidence = None if self.confidence is None else round(self.confidence, 4)
        return {
            "label": self.label,
            "phrase": self.phrase,
            "score": round(self.score, 4),
            "confidence": confidence,
            "guess": self.guess,
            "box": list(self.box.xyxy),
            "because": [{"crop": each.id, "label": each.label, "distance": each.distance} for each in self.because],
        }


def without_suppressed(detections: Iterable[Detection]) -> list[Detection]:
    """Without those whose like people keep deleting."""
    return [each for each in detections if not isinstance(each.answer, Suppressed)]
