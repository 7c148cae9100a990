"""Boxes and captions on a copy of a picture, readable at any size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.ImageFont

from dinolabel.vision.images.colours import colour_of, text_colour
from dinolabel.vision.proposals.labelled_box import LabelledBox
from dinolabel.vision.types import Detection, Named, Pixels

if TYPE_CHECKING:
    import supervision as sv

EAST_ASIAN = 0x2E80  # from here on DejaVu has no glyphs
EAST_ASIAN_FONTS = ("NotoSansCJK-Regular.ttc", "wqy-zenhei.ttc", "PingFang.ttc", "msyh.ttc", "arialuni.ttf")


def draw(
    pixels: Pixels,
    detections: Sequence[Detection],
    label_of: Callable[[Detection], str | None],
    *,
    scores: bool = True,
    colours: Mapping[str, str] | None = None,
) -> Pixels:
    """An annotated copy of (H, W, 3) uint8 RGB pixels.

    label_of: what to call a detection; None leaves it out. scores: beside the label stands the confidence of a name, else the score.
    colours: label -> #rrggbb; others have one of their own.
    """
    labelled = [(each, label) for each in detections if (label := label_of(each)) is not None]
    canvas = np.array(pixels)
    if not labelled:
        return canvas
    # Best last, so that it lies on top of what it overlaps.
    labelled.reverse()
    detections, labels = zip(*labelled, strict=True)
    captions = [caption(label, each) if scores else label for each, label in labelled]
    return np.asarray(_annotate(canvas, detections, captions, [colour_of(label, colours) for label in labels]))


def to_supervision(found: Sequence[LabelledBox], *, classes: Sequence[str] | None = None) -> sv.Detections:
    """What was found in one picture as supervision's Detections, in the same order; confidence is the detector's score.

    classes: class_id is a label's place among them; None: among the labels that were found, in alphabetical order. data: `class_name`, the
    label, `phrase`, and `name_confidence`, NaN without a name. Raises ValueError for a label that is not among the classes.
    """
    import supervision as sv

    labels = [each.label for each in found]
    known = sorted(set(labels)) if classes is None else list(classes)
    return sv.Detections(
        xyxy=np.array([each.box.xyxy for each in found], np.float32).reshape(-1, 4),
        confidence=np.array([each.score for each in found], np.float32),
        class_id=np.array([known.index(label) for label in labels], int),
        data={
            "class_name": np.array(labels, str),
            "phrase": np.array([each.phrase for each in found], str),
            "name_confidence": np.array([np.nan if each.confidence is None else each.confidence for each in found], np.float32),
        },
    )


def caption(label: str, detection: Detection) -> str:
    """`jason 0.97`: the confidence of a name, else the detector's score."""
    value = detection.answer.confidence if isinstance(detection.answer, Named) else detection.score
    return f"{label} {value:.2f}"


@cache
def font_file(text: str) -> str | None:
    """A font file that can write the text; None for Pillow's own, which lacks even umlauts.

    DejaVu Sans comes with matplotlib; its folder is asked for without importing it.
    """
    if any(ord(each) >= EAST_ASIAN for each in text):
        for name in EAST_ASIAN_FONTS:
            with suppress(OSError):
                return str(PIL.ImageFont.truetype(name).path)
    place = find_spec("matplotlib")
    folders = (place.submodule_search_locations or []) if place else []
    return next((str(path) for each in folders if (path := Path(each, "mpl-data/fonts/ttf/DejaVuSans.ttf")).is_file()), None)


def _annotate(canvas: Pixels, detections: Sequence[Detection], captions: Sequence[str], colours: Sequence[str]) -> Any:
    import supervision as sv

    boxes = sv.Detections(xyxy=np.array([each.box.xyxy for each in detections]), class_id=np.arange(len(detections)))
    palette = sv.ColorPalette.from_hex(list(colours))
    longer = max(canvas.shape[:2])
    # Small pictures are shown enlarged or side by side with others: up to a point their captions are larger in proportion.
    frame = sv.BoxAnnotator(palette, thickness=max(1, round(max(longer / 400, min(3, longer / 200)))))
    words = sv.RichLabelAnnotator(
        palette,
        text_color=sv.ColorPalette.from_hex([text_colour(each) for each in colours]),
        font_path=font_file("".join(captions)),
        font_size=max(10, round(max(longer / 45, min(18, longer / 30)))),
        text_padding=max(2, round(longer / 300)),
        smart_position=True,
    )
    # supervision works on BGR; colours are given as they shall look.
    drawn = frame.annotate(np.ascontiguousarray(canvas[..., ::-1]), boxes)
    return np.ascontiguousarray(words.annotate(drawn, boxes, labels=list(captions))[..., ::-1])
