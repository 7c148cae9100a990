"""Regions that photo managers write as XMP: those of the Metadata Working Group (mwg-rs) and Microsoft's (MP), as marks in shares.

Both are shares of the picture as it lies in its file, before its EXIF turn: mwg-rs by middle and size (guidelines 2.0, 5.9), MP by the
left top corner and size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from dinolabel.exporters.importers.common.marks import ImportedMark, corners
from dinolabel.exporters.importers.common.records import label_of
from dinolabel.studio.regions.unread import Unread
from dinolabel.vision.decoding.frame_sizes import Size
from dinolabel.vision.types import Box

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
MWG = "{http://www.metadataworkinggroup.com/schemas/regions/}"
MICROSOFT = "{http://ns.microsoft.com/photo/1.2/t/RegionInfo#}"
NOT_READ = {
    "{http://ns.acdsee.com/regions/}RegionList": "ACDSee",
    "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}ImageRegion": "IPTC",
}
FOCUS = "focus"
"""Where a camera focused: nobody marked a thing there."""
SAME = 0.5
"""Overlap from which a region of one kind is that of the other: many programs write both."""

Fields = Mapping[str, str | Element]


@dataclass(frozen=True)
class XmpRegions:
    """marks: points are shares of the stored picture. size: of the picture that the regions were made on, as stored, if it is said."""

    marks: tuple[ImportedMark | Unread, ...]
    size: Size | None


def read_regions(packets: Sequence[bytes], source: str) -> XmpRegions:
    """Of a sidecar, or of the packets inside a picture. Raises ValueError for what is no XML."""
    try:
        roots = [defusedxml.ElementTree.fromstring(each) for each in packets]
    except (ParseError, DefusedXmlException, LookupError) as error:
        raise ValueError(f"its XMP is no XML: {error}") from error
    size = next((dim for root in roots for each in root.iter(f"{MWG}AppliedToDimensions") if (dim := _size(_fields(each)))), None)
    lists = [each for root in roots for each in root.iter(f"{MWG}RegionList")]
    marks = [_mwg(_fields(entry), f"{source} region {at}", size) for at, entry in enumerate(_entries(lists), 1)]
    people = [each for root in roots for each in root.iter(f"{MICROSOFT}Regions")]
    others = [_microsoft(_fields(entry), f"{source} person {at}") for at, entry in enumerate(_entries(people), 1)]
    found: Sequence[ImportedMark | Unread] = _join([each for each in marks if each is not None], others)
    return XmpRegions(tuple(found or list(_not_read(roots, source))), size)


def _not_read(roots: Sequence[Element], source: str) -> Iterator[Unread]:
    """Regions of kinds that are known and not read: where their numbers lie is not said alike by those who write them."""
    for tag, name in NOT_READ.items():
        why = f"regions of {name} are not read; write those of the Metadata Working Group too"
        for at, _ in enumerate(_entries([each for root in roots for each in root.iter(tag)]), 1):
            yield Unread(f"{source} region {at}", f"region of {name}", why)


def _entries(lists: Sequence[Element]) -> Iterator[Element]:
    for each in lists:
        yield from each.findall(f"*/{RDF}li")


def _fields(entry: Element) -> Fields:
    """What a structure of RDF holds, by local names: its attributes and elements, in it or in a Description of it."""
    found: dict[str, str | Element] = {}
    for node in (entry, *entry.findall(f"{RDF}Description")):
        found |= {_local(name): value for name, value in node.attrib.items()}
        found |= {_local(child.tag): child for child in node}
    return found


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name, "")
    return (value if isinstance(value, str) else "".join(value.itertext())).strip()


def _inner(fields: Fields, name: str) -> Fields:
    value = fields.get(name)
    return _fields(value) if isinstance(value, Element) else {}


def _mwg(fields: Fields, source: str, size: Size | None) -> ImportedMark | Unread | None:
    """None for what marks no thing."""
    kind, area, name = _text(fields, "Type").casefold(), _inner(fields, "Area"), _text(fields, "Name")
    if kind == FOCUS:
        return None
    if kind == "barcode":
        return Unread(source, "bar code", "it is a bar code")
    if "d" in area:
        return Unread(source, "circle", "a circle is not read")
    if "w" not in area and "h" not in area:
        return Unread(source, "point", "a point has no width and height")
    x, y, width, height = (_number(_text(area, each)) for each in ("x", "y", "w", "h"))
    if _text(area, "unit") == "pixel" and size is not None:
        x, y, width, height = x / size[0], y / size[1], width / size[0], height / size[1]
    # Apple's cameras write the faces that they see: without a name nobody looked at them
    verified = bool(name) or "FaceID" not in _inner(fields, "Extensions")
    return _mark(name, (x - width / 2, y - height / 2, width, height), source, verified=verified)


def _microsoft(fields: Fields, source: str) -> ImportedMark | Unread:
    values = [_number(each) for each in _text(fields, "Rectangle").split(",")]
    if len(values) != 4:
        return Unread(source, "person", "it names a person and no place" if _text(fields, "PersonDisplayName") else "it has no rectangle")
    left, top, width, height = values
    return _mark(_text(fields, "PersonDisplayName"), (left, top, width, height), source)


def _mark(name: str, place: tuple[float, float, float, float], source: str, *, verified: bool = True) -> ImportedMark | Unread:
    if not all(map(math.isfinite, place)):
        return Unread(source, "no numbers", "its place is no four numbers")
    if place[2] <= 0 or place[3] <= 0:
        return Unread(source, "no size", "its width or height is 0")
    return ImportedMark(label_of(name or None), corners(*place), source, verified=verified)


def _join(marks: Sequence[ImportedMark | Unread], others: Sequence[ImportedMark | Unread]) -> list[ImportedMark | Unread]:
    """What one kind says and the other does not; of one place the name that is given."""
    found = list(marks)
    for other in others:
        at = next((number for number, each in enumerate(found) if _is_same(each, other)), None)
        mine = found[at] if at is not None else None
        if at is None:
            found.append(other)
        elif isinstance(mine, ImportedMark) and isinstance(other, ImportedMark) and mine.label is None and other.label is not None:
            found[at] = replace(mine, label=other.label, verified=True)
    return found


def _is_same(one: ImportedMark | Unread, other: ImportedMark | Unread) -> bool:
    if isinstance(one, Unread) or isinstance(other, Unread) or (one.label and other.label and one.label != other.label):
        return False
    return _box(one).iou(_box(other)) >= SAME


def _box(mark: ImportedMark) -> Box:
    (x1, y1), _, (x2, y2), _ = mark.points
    return Box(x1, y1, x2, y2)


def _size(fields: Fields) -> Size | None:
    width, height = _number(_text(fields, "w")), _number(_text(fields, "h"))
    return (round(width), round(height)) if math.isfinite(width + height) and min(width, height) >= 1 else None


def _number(text: str) -> float:
    """Not a number for a text that is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
