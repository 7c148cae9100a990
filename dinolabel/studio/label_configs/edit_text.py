"""Writing label configs: escaping, hotkeys that do not collide, and adding one label without touching another byte."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.parsers import expat
from xml.sax.saxutils import escape

from dinolabel.vision.errors import LabelConfigError

# Measured: Label Studio hands out these keys by itself, in this order. `n` is not among them, so cycling on `n` collides with no label.
AUTO_HOTKEYS = (*"1234567890qwetasdfgzxcvbyiopjk",)
NAME_HOTKEYS = tuple(key for key in AUTO_HOTKEYS if key != "0")
GENERIC_HOTKEY = "0"

# Label Studio's own colours are pastel and its lines one pixel wide: on a photo a box is hardly seen, and names look alike. Labels get
# those of dinolabel.vision.images.colours.
LINE_WIDTH = 3

_ATTRIBUTE = re.compile(rb"""\s+(?P<name>[^\s=/>]+)\s*=\s*(?:"[^"]*"|'[^']*')""")
_TAG = re.compile(rb"""(?P<name><[^\s/>]+)(?:\s+[^\s=/>]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/?>""")
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def attribute(name: str, value: str) -> str:
    """` name="value"`, escaped. Raises LabelConfigError for characters that XML cannot carry or would change."""
    if _UNWRITABLE.search(value):
        raise LabelConfigError(
            f"{value!r} holds characters that cannot be written in a label config.", hint="Leave out line ends and control characters."
        )
    quoted = escape(value, {'"': "&quot;"})
    return f' {name}="{quoted}"'


def label_tag(value: str, *, hotkey: str | None, predicted_values: str | None = None, colour: str | None = None) -> str:
    tag = "<Label" + attribute("value", value)
    if hotkey is not None:
        tag += attribute("hotkey", hotkey)
    if predicted_values is not None:
        tag += attribute("predicted_values", predicted_values)
    if colour is not None:
        tag += attribute("background", colour)
    return tag + "/>"


def document(labels: Iterable[str], *, title: str | None, data_key: str, more: str = "") -> str:
    """A whole label config around label tags. The labels stand above the picture: below a tall one nobody sees them, nor their keys.

    more: attributes of the control.
    """
    header = f"  <Header{attribute('value', title)}/>\n" if title else ""
    image = f'  <Image name="image"{attribute("value", "$" + data_key)}/>\n'
    inner = "".join(f"    {tag}\n" for tag in labels)
    opened = f'<RectangleLabels name="label" toName="image" strokeWidth="{LINE_WIDTH}" canRotate="false"{more}>'
    control = f"  {opened}\n{inner}  </RectangleLabels>\n"
    return f"<View>\n{header}{control}{image}</View>"


def next_hotkey(explicit: Iterable[str], *, without: int) -> str | None:
    """The first key nobody has, or None when all are taken.

    explicit: keys written in the config. without: how many labels have no key written; Label Studio gives them the first free ones.
    """
    taken = {each.strip().lower() for each in explicit}
    free = [key for key in AUTO_HOTKEYS if key not in taken][without:]
    return next((key for key in free if key != GENERIC_HOTKEY), None)


def insert_label(xml: str, control: str, tag: str) -> str:
    """``xml`` with ``tag`` as the last child of the RectangleLabels called ``control``, indented like its labels; the rest untouched."""
    raw = xml.encode()
    labels, end = _positions(raw, control)
    content_end = len(raw[:end].rstrip())
    before_label = raw[: labels[-1]]
    indent = before_label[len(before_label.rstrip()) :]
    return (raw[:content_end] + indent + tag.encode() + raw[content_end:]).decode()


def set_attribute(xml: str, offset: int, name: str, value: str) -> str:
    """``xml`` with one attribute of the tag that begins at byte ``offset`` set; every other byte as it was."""
    raw = xml.encode()
    tag = _TAG.match(raw, offset)
    assert tag is not None, "the text has been parsed, so a tag begins there"
    fresh = attribute(name, value).encode()
    for each in _ATTRIBUTE.finditer(raw, tag.end("name"), tag.end()):
        if each["name"].decode() == name:
            return (raw[: each.start()] + fresh + raw[each.end() :]).decode()
    return (raw[: tag.end("name")] + fresh + raw[tag.end("name") :]).decode()


def offsets(xml: str, control: str) -> tuple[int, list[int]]:
    """Bytes at which the RectangleLabels called ``control`` begins, and its Label tags in order."""
    starts: list[int] = []
    labels, _ = _positions(xml.encode(), control, starts)
    return starts[0], labels


def image_offset(xml: str, name: str) -> int:
    """The byte at which the Image called ``name`` begins."""
    parser = expat.ParserCreate("utf-8")
    found: list[int] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "Image" and attributes.get("name") == name:
            found.append(parser.CurrentByteIndex)

    parser.StartElementHandler = start
    parser.Parse(xml.encode(), True)
    return found[0]


def _positions(raw: bytes, control: str, starts: list[int] | None = None) -> tuple[list[int], int]:
    """Byte offsets of the control's Label tags and of its closing tag; its own go to `starts`. The text has passed defusedxml before."""
    parser = expat.ParserCreate("utf-8")
    labels: list[int] = []
    ends: list[int] = []
    inside: list[bool] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        inside.append(tag == "RectangleLabels" and attributes.get("name") == control)
        if inside[-1] and starts is not None:
            starts.append(parser.CurrentByteIndex)
        if tag == "Label" and any(inside):
            labels.append(parser.CurrentByteIndex)

    def end(_tag: str) -> None:
        if inside.pop():
            ends.append(parser.CurrentByteIndex)

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.Parse(raw, True)
    return labels, ends[0]
