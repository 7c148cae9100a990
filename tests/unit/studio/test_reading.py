"""What of a result is a box of ours, and what marks a place in the picture and was not used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.reading import overlap, read
from dinolabel.studio.regions.shapes import hull, kind_of, names_of

XML = """<View><Image name="image" value="$image"/><Image name="copy" value="$image"/><Image name="second" value="$other"/>
<Text name="words" value="$text"/><RectangleLabels name="label" toName="image"><Label value="face" predicted_values="human face"/>
<Label value="jason"/><Label value="lacy"/></RectangleLabels></View>"""
CONFIG = LabelConfig.parse(XML)
PLACE = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}  # of 200 x 100: 20, 20, 80, 60
BOX = (20.0, 20.0, 80.0, 60.0)
POINTS = [[10, 20], [40, 20], [40, 60], [10, 60]]


def entry(value: Any = None, kind: str | None = "rectanglelabels", **more: Any) -> dict[str, Any]:
    made = {"id": "a", "from_name": "label", "to_name": "image", "type": kind, "original_width": 200, "original_height": 100}
    return {**made, "value": {**PLACE, "rectanglelabels": ["jason"]} if value is None else value, **more}


def named(*names: str, **place: Any) -> dict[str, Any]:
    return {**PLACE, **place, "rectanglelabels": list(names)}


def other(value: Any, kind: str) -> dict[str, Any]:
    return entry(value, kind, from_name="else")


BARE = {"original_width": None, "original_height": None}
PAIR = [
    entry(PLACE, "rectangle", from_name="bbox"),
    entry({**PLACE, "labels": ["jason"]}, "labels"),
    entry({**PLACE, "text": ["one"]}, "textarea", from_name="text"),
]


@pytest.mark.parametrize(
    ("result", "boxes", "kinds"),
    [
        # read
        ([entry()], [("jason", BOX)], []),
        ([entry(named("jason", x="10", y=" 20 ", width="30.0", height="4e1"))], [("jason", BOX)], []),
        ([entry(named("jason", x=40, y=60, width=-30, height=-40))], [("jason", BOX)], []),  # drawn from the other corner
        ([entry(named("jason", rotation=None))], [("jason", BOX)], []),
        ([entry({**PLACE, "rectanglelabels": "jason"})], [("jason", BOX)], []),
        ([entry(named("face", "jason"))], [("jason", BOX)], []),
        ([entry(named())], [(None, BOX)], []),
        ([entry(original_width="200", original_height="100")], [("jason", BOX)], []),
        # named by an entry of its own, in any order, with what a person wrote about it
        (PAIR, [("jason", BOX)], []),
        (PAIR[::-1], [("jason", BOX)], []),
        ([entry(PLACE, "rectangle", from_name="bbox"), entry()], [("jason", BOX)], []),
        ([entry({**PLACE, "labels": ["jason"]}, "labels")], [("jason", BOX)], []),
        # marks a place and is none of our boxes
        ([other({"points": POINTS, "closed": True, "polygonlabels": ["x"]}, "polygonlabels")], [], ["outline"]),
        ([other({"points": POINTS}, "polygon"), entry({"labels": ["jason"]}, "labels")], [], ["outline"]),
        ([other({"format": "rle", "rle": [0, 1], "brushlabels": ["x"]}, "brushlabels")], [], ["brush"]),
        ([other({"imageDataURL": "data:image/png;base64,AA=="}, "bitmask")], [], ["brush"]),
        ([other({"x": 1, "y": 1, "radiusX": 3, "radiusY": 4, "ellipselabels": ["x"]}, "ellipselabels")], [], ["ellipse"]),
        ([other({"x": 1, "y": 1, "width": 0.5, "keypointlabels": ["x"]}, "keypointlabels")], [], ["key point"]),
        ([other({"vertices": [{"x": 1, "y": 1}], "vectorlabels": ["x"]}, "vectorlabels")], [], ["line"]),
        ([other({"points": []}, "polygonlabels")], [], ["outline"]),
        ([other(None, "rectanglelabels")], [], ["box of another control"]),
        ([entry(PLACE, "rectangle", from_name="bbox")], [], ["box of another control"]),
        ([other({"x": 1, "y": 1, "depth": 3}, "cuboid")], [], ["unknown shape"]),
        ([other({"rle": [0, 1]}, "superpixels")], [], ["brush"]),
        ([entry(named("jason", "lacy"))], [], ["two names"]),
        ([entry(named("jason", "gone"))], [], ["two names"]),
        ([entry(named("jason", x="left"))], [], ["no numbers"]),
        ([entry(named("jason", x=None))], [], ["no numbers"]),
        ([entry(named("jason", width=float("nan")))], [], ["no numbers"]),
        ([entry(named("jason", rotation="a bit"))], [], ["no numbers"]),
        ([entry(named("jason", x=10, width=-30))], [], ["backwards"]),  # turned over it lies left of the picture
        ([entry(named("jason", x=120))], [], ["outside"]),
        ([entry(named("jason", x=1e300))], [], ["outside"]),
        ([entry(named("jason", width=0))], [], ["under a pixel"]),
        ([entry(named("jason", width=0.4))], [], ["under a pixel"]),
        ([entry({}, "rectanglelabels")], [], ["no numbers"]),
        ([{"id": "v", "from_name": "label", "type": "rectanglelabels"}], [], ["damaged"]),
        ([None, "text", entry()], [("jason", BOX)], ["damaged", "damaged"]),
        ({"a": 1}, [], []),
        ("regions", [], ["damaged"]),
        # marks none
        (None, [], ["damaged"]),  # of a script: nobody said that nothing is there
        ({}, [], ["damaged"]),
        ([entry({**named(), "rectanglelabels": [" jason "]})], [("jason", BOX)], []),
        ([other({"text": ["a cat"]}, "textarea"), other({"choices": ["good"]}, "choices"), other({"number": 3}, "number")], [], []),
        ([other({"rating": 3}, "rating"), other({"datetime": "2026"}, "datetime"), other({"taxonomy": [["x"]]}, "taxonomy")], [], []),
        ([{"type": "relation", "from_id": "a", "to_id": "b"}, other({"selected": "left"}, "pairwise")], [], []),
        ([entry(), other({**PLACE, "choices": ["good"]}, "choices"), other({**PLACE, "text": ["x"]}, "textarea")], [("jason", BOX)], []),
        ([other({"sequence": [{"frame": 1, **PLACE}], "labels": ["cat"]}, "videorectangle")], [], []),
        ([entry({"start": 1, "end": 4, "labels": ["PER"]}, "labels", from_name="ner", to_name="words")], [], []),
        # in another picture; but a second view of ours is ours
        ([entry(to_name="second", from_name="else")], [], []),
        ([entry(to_name="copy", from_name="else")], [], ["box of another control"]),
    ],
)  # fmt: skip
def test_what_a_result_says(result: Any, boxes: list[Any], kinds: list[str]) -> None:
    found = read(result, CONFIG)
    assert [(region.label, region.box.xyxy) for region, _ in found.boxes] == [(name, pytest.approx(box)) for name, box in boxes]
    assert [each.kind for each in found.unread] == kinds
    assert all(each.why for each in found.unread)


def test_a_mark_that_was_not_used_costs_the_others_nothing() -> None:
    found = read([other({"points": POINTS}, "polygonlabels"), entry(), entry(named("jason", "lacy"), id="b")], CONFIG)
    assert [region.id for region, _ in found.boxes] == ["a"]
    assert [(each.region, each.kind) for each in found.unread] == [("a", "outline"), ("b", "two names")]
    assert found.names == {"b": ("jason", "lacy")}


@pytest.mark.parametrize(("turn", "size"), [(0, (96, 64)), (30, (96, 64)), (-90, (64, 96)), (200, (4000, 300))])
def test_without_a_size_the_picture_is_the_size(turn: float, size: tuple[int, int]) -> None:
    """The same box on the measured picture as if its size had been written down, turned boxes too."""
    value = named("jason", x=40, y=40, width=20, height=30, rotation=turn)
    width, height = size
    ((known, _),) = read([entry(value, original_width=width, original_height=height)], CONFIG).boxes
    ((bare, _),) = read([entry(value, **BARE)], CONFIG).boxes
    assert bare.percent is not None and known.percent is None
    (x1, y1, x2, y2), quad = bare.percent.on(width, height)
    assert (max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)) == pytest.approx(known.box.xyxy)
    assert quad == known.quad


def test_a_box_drawn_backwards_and_turned_keeps_its_corners() -> None:
    forwards = named("jason", x=40, y=40, width=20, height=30, rotation=90)
    # the corner at the other end of the width: 40 px down, since it is turned by a right angle
    backwards = named("jason", x=40, y=80, width=-20, height=30, rotation=90)
    ((first, _),), ((second, _),) = (read([entry(each)], CONFIG).boxes for each in (forwards, backwards))
    assert second.box.xyxy == pytest.approx(first.box.xyxy)
    assert np.allclose(second.quad, first.quad)


def painted(x1: int, y1: int, x2: int, y2: int) -> list[int]:
    """A brush of Label Studio's own making over pixels of 200 x 100."""
    from label_studio_sdk.converter.brush import mask2rle

    mask = np.zeros((100, 200), np.uint8)
    mask[y1:y2, x1:x2] = 255
    return [int(each) for each in mask2rle(mask)]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("rectanglelabels", PLACE, (10, 20, 40, 60)),
        ("rectangle", {**PLACE, "rotation": 90}, (-10, 20, 10, 80)),  # 60 x 40 px: 40 to the left and 60 down
        ("polygonlabels", {"points": POINTS}, (10, 20, 40, 60)),
        ("ellipse", {"x": 50, "y": 50, "radiusX": 10, "radiusY": 20}, (40, 30, 60, 70)),
        ("ellipse", {"x": 50, "y": 50, "radiusX": 10, "radiusY": 20, "rotation": 90}, (40, 30, 60, 70)),  # a circle of 20 px
        ("ellipse", {"x": 50, "y": 50, "radiusX": 10, "radiusY": 10, "rotation": 90}, (45, 30, 55, 70)),
        ("keypointlabels", {"x": 12, "y": 34, "width": 0.5}, (12, 34, 12, 34)),
        ("vector", {"vertices": [{"x": 10, "y": 20}, {"x": 40, "y": 60}]}, (10, 20, 40, 60)),
        ("brushlabels", {"format": "rle", "rle": painted(20, 20, 80, 60)}, (10, 20, 40, 60)),
        ("brushlabels", {"format": "rle", "rle": [255] * 40}, None),  # says that it is of four billion pixels
        ("brushlabels", {"format": "rle", "rle": painted(0, 0, 0, 0)}, None),
        ("bitmask", {"imageDataURL": "data:image/png;base64,AA=="}, None),
        ("polygonlabels", {"points": "none"}, None),
        ("choices", {"choices": ["x"]}, None),
    ],
)  # fmt: skip
def test_the_hull_of_a_mark(kind: str, value: Any, expected: tuple[float, ...] | None) -> None:
    found = hull(entry(value, kind))
    assert found is None if expected is None else found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"rectanglelabels": ["a", "b"]}, ["a", "b"]),
        ({"polygonlabels": ["a"], "points": []}, ["a"]),
        ({"labels": ["a", "a"]}, ["a"]),
        ({"sequence": [], "labels": ["a"]}, ["a"]),
        ({"rectanglelabels": "a"}, ["a"]),
        ({"rectanglelabels": [1, None, "a"]}, ["a"]),
        ({"choices": ["a"]}, []),
        ("a", []),
    ],
)
def test_the_names_of_a_region(value: Any, names: list[str]) -> None:
    assert names_of({"value": value}) == names


def test_overlap_is_of_hulls_whatever_they_mark() -> None:
    assert overlap(entry(), other({"points": POINTS}, "polygonlabels")) == pytest.approx(1.0)
    assert overlap(entry(), other({"choices": ["x"]}, "choices")) == 0.0
    assert kind_of(entry(None, None)) == "box"
