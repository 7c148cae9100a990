"""Names that change: a label gets another name, two become one, one goes; what people annotated stays as it is and is read anew.

The label config carries it: `<Label value="maria" formerly="mary|mari"/>` says that boxes named `mary` are of maria.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple
from xml.etree.ElementTree import Element
from xml.parsers import expat

from dinolabel.studio.label_configs import edit_text
from dinolabel.studio.label_configs import xml as label_xml
from dinolabel.studio.label_configs.label_names import find_label
from dinolabel.vision.errors import LabelConfigError

FORMERLY = "formerly"
BETWEEN = "|"


class Span(NamedTuple):
    """Byte offsets of a Label in the label config: of its first tag, behind that tag, behind all of it."""

    start: int
    tag_end: int
    end: int


def aliases(tags: Mapping[str, Element]) -> dict[str, str]:
    """Earlier name -> the name of today. A name that is a label itself is no alias."""
    found: dict[str, str] = {}
    for name, tag in tags.items():
        for before in (tag.get(FORMERLY) or "").split(BETWEEN):
            if before.strip() and before.strip() not in tags:
                found.setdefault(before.strip(), name)
    return found


def rename_label(xml: str, old: str, new: str) -> str:
    """``xml`` with a label under another name, or, when the new one is there already, with the two as one.

    The old name stays beside the new one as `formerly`; every other byte is as it was. Raises LabelConfigError for names that cannot be.
    """
    control, tags = _labels(xml)
    old, new = find_label(old, tags) or old, find_label(new, tags) or unicodedata.normalize("NFC", new)
    if old not in tags:
        raise LabelConfigError(f"There is no label {old!r}.", hint=f"There are: {', '.join(tags)}.")
    if old == new or not new.strip() or new != new.strip() or any(BETWEEN in each for each in (old, new)):
        raise LabelConfigError(f"{old!r} cannot become {new!r}.", hint=f"Choose another name, without {BETWEEN!r} and outer spaces.")
    if tags[old].get("predicted_values"):
        raise LabelConfigError(f"{old!r} is what boxes without a name are called.", hint="Only names that are learnt can change.")
    past = _former_names(tags[old])
    if new not in tags:
        which = "alias" if tags[old].get("alias") else "value"
        return _edit(xml, control, old, {which: new, FORMERLY: _join_names([old, *past], new)})
    if tags[new].get("predicted_values"):
        raise LabelConfigError(f"{new!r} is what boxes without a name are called.", hint="Choose a name that is learnt.")
    kept = _edit(xml, control, new, {FORMERLY: _join_names([*_former_names(tags[new]), old, *past], new)})
    return _remove(kept, old)


def add_alias(xml: str, name: str, alias: str) -> str:
    """``xml`` where boxes named `alias` count as `name`. Where alias is a label itself, the two become one."""
    control, tags = _labels(xml)
    name, alias = find_label(name, tags) or name, find_label(alias, tags) or unicodedata.normalize("NFC", alias)
    if alias in tags:
        return rename_label(xml, alias, name)
    if name not in tags or BETWEEN in alias or not alias.strip():
        raise LabelConfigError(f"{alias!r} cannot stand for {name!r}.", hint=f"There are: {', '.join(tags)}.")
    return _edit(xml, control, name, {FORMERLY: _join_names([*_former_names(tags[name]), alias.strip()], name)})


def remove_label(xml: str, name: str) -> str:
    """``xml`` without this label, and without this name among the earlier names of others."""
    control, tags = _labels(xml)
    for other, tag in tags.items():
        if other != name and name in _former_names(tag):
            xml = _edit(xml, control, other, {FORMERLY: _join_names([each for each in _former_names(tag) if each != name], other) or None})
    return _remove(xml, name) if name in tags else xml


def _remove(xml: str, name: str) -> str:
    control, tags = _labels(xml)
    if len(tags) == 1:
        raise LabelConfigError(f"{name!r} is the only label.", hint="Add another one first.")
    raw, span = xml.encode(), _span(xml, control, name)
    before = raw[: span.start]
    return (before[: len(before.rstrip())] + raw[span.end :]).decode()


def _labels(xml: str) -> tuple[str, dict[str, Element]]:
    control, _ = label_xml.choose(label_xml.read(xml))
    return control.get("name", ""), label_xml.labels(control)


def _former_names(tag: Element) -> list[str]:
    return [each.strip() for each in (tag.get(FORMERLY) or "").split(BETWEEN) if each.strip()]


def _join_names(names: list[str], present: str) -> str:
    return BETWEEN.join(each for each in dict.fromkeys(names) if each != present)


def _edit(xml: str, control: str, name: str, attributes: Mapping[str, str | None]) -> str:
    """``xml`` with these attributes of one label's tag set, or taken away where None or empty."""
    raw, span = xml.encode(), _span(xml, control, name)
    tag = raw[span.start : span.tag_end].decode()
    for attribute, value in attributes.items():
        pattern = rf"""\s+{attribute}\s*=\s*("[^"]*"|'[^']*')"""
        written = edit_text.attribute(attribute, value) if value else ""
        there = re.search(pattern, tag)
        start, end = (there.start(), there.end()) if there else [len(re.sub(r"\s*/?>$", "", tag))] * 2
        tag = tag[:start] + written + tag[end:]
    return (raw[: span.start] + tag.encode() + raw[span.tag_end :]).decode()


def _span(xml: str, control: str, name: str) -> Span:
    """Where a label's tag is. The text has passed defusedxml before."""
    raw = xml.encode()
    parser = expat.ParserCreate("utf-8")
    found: list[Span] = []
    inside: list[bool] = []
    open_labels: list[tuple[str, int]] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        inside.append(tag == "RectangleLabels" and attributes.get("name") == control)
        if tag == "Label" and any(inside):
            open_labels.append((attributes.get("alias") or attributes.get("value") or "", parser.CurrentByteIndex))

    def end(tag: str) -> None:
        inside.pop()
        if tag != "Label" or not open_labels:
            return
        label, begin = open_labels.pop()
        if label == name:
            tag_end = begin + _tag_length(raw[begin:])
            at = parser.CurrentByteIndex
            found.append(Span(begin, tag_end, tag_end if at <= tag_end else at + _tag_length(raw[at:])))

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.Parse(raw, True)
    return found[0]


def _tag_length(raw: bytes) -> int:
    """Bytes of the tag that `raw` begins with: up to the first `>` outside quotes."""
    match = re.match(rb"""<(?:[^>"']|"[^"]*"|'[^']*')*>""", raw)
    return match.end() if match else len(raw)
