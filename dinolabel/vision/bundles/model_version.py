"""The model_version Label Studio sees: readable, and different whenever a different answer is possible."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping

from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.protocols import Detector
from dinolabel.vision.students.student import Student
from dinolabel.vision.types import CropPolicy, Thresholds

DIGITS = 8
SIZES = re.compile(r"-(small|base|large|giant|huge)$")


def model_version(
    *,
    detector: Detector,
    prompt_map: Mapping[str, str],
    thresholds: Thresholds,
    live_labels: Iterable[str],
    policy: CropPolicy,
    bundle: Bundle | None = None,
    embedder_name: str | None = None,
    aliases: Mapping[str, str] | None = None,
    student: Student | None = None,
) -> str:
    """`gdino-tiny.1a2b3c4d` for boxes alone, `gdino-tiny.dinov2-s.3c.9f8e7d6c` for boxes and the names of a bundle.

    prompt_map: phrase -> label. live_labels: the label config's; only those that the bundle can name count, and policy only
    with a bundle, because nothing else of them decides an answer. aliases: a bundle's name -> the label it is sent under, where that is
    another one. student: what is asked before the detector, which answers where it finds nothing. Order never counts.
    """
    decides: list[object] = [
        detector.name,
        detector.digest,
        sorted(prompt_map.items()),
        [thresholds.box, thresholds.text, thresholds.nms_iou],
    ]
    decides += ["student", student.digest] if student else []
    parts = [_slug(student.name if student else detector.name)]
    if bundle is not None:
        embedder = embedder_name or bundle.embedder_name
        decides += [embedder, bundle.digest, sorted(set(live_labels) & set(bundle.labels))]
        decides += [[policy.margin, policy.max_side, policy.min_side]]
        decides += [renamed] if (renamed := sorted((old, new) for old, new in (aliases or {}).items() if old in bundle.labels)) else []
        parts += [_escape_digest(_slug(SIZES.sub(lambda size: f"-{size[1][0]}", embedder))), f"{len(bundle.labels)}c"]
    digest = hashlib.sha256(json.dumps(decides).encode()).hexdigest()
    return ".".join([*parts, digest[:DIGITS]])


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model"


def _escape_digest(slug: str) -> str:
    """`gdino.deadbeef` must not be the beginning of `gdino.deadbeef-net.3c.…`."""
    return f"e-{slug}" if re.match(rf"[0-9a-f]{{{DIGITS}}}", slug) else slug
