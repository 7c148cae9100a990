"""What a label config's XML holds: the control, its image, its labels and thresholds, each checked and named when it is missing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from dinolabel.vision.errors import LabelConfigError

FOR_MODELS = "model_"
"""How attributes begin that Label Studio keeps for backends."""
SKIP, TEXT_THRESHOLD, EMBEDDER = "model_skip", "model_text_threshold", "model_embedder"
BOX_THRESHOLDS = ("model_box_threshold", "model_score_threshold", "score_threshold")
"""Ours; that of Label Studio's own backends; the same before it got its name. The first that is there counts."""
SHAPES = {"Rectangle", "Polygon", "Ellipse", "Brush", "KeyPoint", "Bitmask", "Vector", "VideoRectangle", "Choices", "Taxonomy", "TextArea"}


def read(xml: str) -> Element:
    """The root tag. Raises LabelConfigError for what is no XML, and for entities and DTDs."""
    try:
        root: Element = defusedxml.ElementTree.fromstring(xml, forbid_dtd=True)
    except ParseError as error:
        raise LabelConfigError(f"The label config is no XML: {error}.") from error
    except (DefusedXmlException, ValueError) as error:
        raise LabelConfigError(
            "The label config declares a DTD or entities, or holds characters that are no XML; it is refused."
        ) from error
    return root


def choose(root: Element, name: str | None = None) -> tuple[Element, Element]:
    """The control boxes go to and the image under it. Neither is in a <Repeater>, whose tags stand for several.

    name: of the control that somebody asked for.
    """
    repeated = {each for repeater in root.iter("Repeater") for each in repeater.iter()}
    images = {tag.get("name"): tag for tag in root.iter("Image") if tag not in repeated}
    controls = [tag for tag in root.iter("RectangleLabels") if tag not in repeated]
    over = [tag for tag in controls if tag.get("toName") in images]
    if not controls:
        raise _no_control(root)
    if not images:
        raise LabelConfigError("The label config has no <Image>.", hint='Add <Image name="image" value="$image"/> and point toName at it.')
    if not over:
        found = ", ".join(f"{tag.get('name')!r} to {tag.get('toName')!r}" for tag in controls)
        raise LabelConfigError(f"No <RectangleLabels> points at an <Image>: {found}; images: {', '.join(map(repr, images))}.")
    chosen = _choose_control(over) if name is None else _find_control(over, name)
    if not chosen.get("name"):
        raise LabelConfigError("The <RectangleLabels> has no name.")
    return chosen, images[chosen.get("toName")]


def _find_control(over: Sequence[Element], name: str) -> Element:
    """The control that somebody asked for."""
    for tag in over:
        if tag.get("name") == name:
            return tag
    raise LabelConfigError(f"There is no <RectangleLabels name={name!r}> over an image.", hint=f"There are: {_names(over)}.")


def _choose_control(over: Sequence[Element]) -> Element:
    """The one control that is not to be skipped; of several the one that our thresholds mark, else the one that other attributes mark."""
    open_ = [tag for tag in over if not is_skipped(tag)]
    if not open_:
        raise LabelConfigError(
            f'Every <RectangleLabels> has model_skip="true": {_names(over)}.',
            hint="Remove model_skip from the one that takes boxes.",
        )
    ours = [tag for tag in open_ if {*BOX_THRESHOLDS[:1], TEXT_THRESHOLD} & set(tag.attrib)]
    marked = [tag for tag in open_ if any(key.startswith(FOR_MODELS) and key != SKIP for key in tag.attrib)]
    chosen = ours or marked or open_
    if len(chosen) > 1:
        raise LabelConfigError(
            f"Several <RectangleLabels> could take the boxes: {_names(chosen)}.",
            hint='Mark one, for example with model_box_threshold="0.3", or leave the others out with model_skip="true"; for an export, '
            "--control names one.",
        )
    return chosen[0]


def is_skipped(tag: Element) -> bool:
    """Whether a control says that no model may write into it, as Label Studio's own backends read it."""
    return (tag.get(SKIP) or "").strip().lower() in {"1", "true", "yes"}


def unheeded_attributes(root: Element, control: Element) -> list[str]:
    """What the label config says to a backend and this one does not heed, one sentence each."""
    said = []
    for tag in root.iter():
        heeded = {SKIP, TEXT_THRESHOLD, EMBEDDER, *BOX_THRESHOLDS} if tag is control else {SKIP}
        for key in () if is_skipped(tag) else tag.attrib:
            if key.startswith(FOR_MODELS) and key not in heeded:
                said.append(f'{key}="{tag.get(key)}" of <{tag.tag} name={tag.get("name")!r}> is of another backend and is not heeded.')
    if (value := control.get("value") or "").startswith("$"):
        said.append(f'value="{value}" of {control.get("name")!r}: dynamic labels are not read, only those of the label config.')
    return said


def _names(tags: Iterable[Element]) -> str:
    return ", ".join(repr(tag.get("name")) for tag in tags)


def _no_control(root: Element) -> LabelConfigError:
    """Why there is no <RectangleLabels>: what there is instead, and what to write."""
    there = {tag.tag for tag in root.iter()}
    repeated = {each.tag for repeater in root.iter("Repeater") for each in repeater.iter()}
    if "RectangleLabels" in repeated:
        return LabelConfigError(
            "The label config repeats its pictures and boxes (<Repeater>, {{idx}}), which is not read.",
            hint='Make a task of every picture, with one <Image name="image" value="$image"/> and one <RectangleLabels> over it.',
        )
    if {"Labels", "Rectangle"} <= there:
        return LabelConfigError(
            "The label config keeps boxes and their names in two tags, <Rectangle> and <Labels>, which is not read.",
            hint="Put the same <Label> tags into <RectangleLabels name=… toName=…> instead of <Labels> and <Rectangle>.",
        )
    others = sorted(each for each in there if each.endswith("Labels") or each in SHAPES)
    return LabelConfigError(f"The label config has no <RectangleLabels>{', only ' if others else ''}{_tags(others)}.")


def _tags(names: Iterable[str]) -> str:
    return " and ".join(f"<{each}>" for each in names)


def elsewhere(root: Element, image: Element) -> frozenset[str]:
    """Names of what else a task shows: other pictures, texts, sounds. A second view of the same picture is no other."""
    shown = {name: tag.get("value", "") for tag in root.iter() if (name := tag.get("name")) and tag.get("value", "").startswith("$")}
    return frozenset(name for name, value in shown.items() if value != image.get("value"))


def labels(control: Element) -> dict[str, Element]:
    """Label name -> tag, in order; the alias where there is one, as Label Studio stores it."""
    labels: dict[str, Element] = {}
    for tag in control.iter("Label"):
        name = tag.get("alias") or tag.get("value") or ""
        if not name.strip():
            raise LabelConfigError(f"A <Label> of {control.get('name')!r} has no value.", hint='Write <Label value="name"/>.')
        if name in labels:
            raise LabelConfigError(f"The label {name!r} stands twice in {control.get('name')!r}.", hint="Remove one of them.")
        labels[name] = tag
    if not labels and (value := control.get("value") or "").startswith("$"):
        raise LabelConfigError(
            f'{control.get("name")!r} takes its labels from each task (dynamic labels, value="{value}"), which are not read.',
            hint='Write the labels into the label config: <Label value="name"/>.',
        )
    if not labels:
        raise LabelConfigError(f"<RectangleLabels name={control.get('name')!r}> has no <Label>.")
    return labels


def data_key(image: Element) -> str:
    """The task's key that an image shows, or the path to it: `image`, `data.image`, `images[0]`."""
    name, value = image.get("name"), image.get("value") or ""
    if listed := image.get("valueList") or image.get("valuelist"):
        raise LabelConfigError(
            f"<Image name={name!r}> shows a list of pictures (valueList={listed!r}), which is not read.",
            hint='Make a task of every picture and write value="$image".',
        )
    if "{{" in value:
        raise LabelConfigError(
            f"<Image name={name!r}> shows {value!r}, which a <Repeater> would fill in; that is not read.",
            hint='Make a task of every picture and write value="$image".',
        )
    if not re.fullmatch(r"\$[^\s$]+", value):
        told = f"shows {value!r}, not one key of the task" if value else "says no value, so no key of the task"
        raise LabelConfigError(f"<Image name={name!r}> {told}.", hint='Write value="$image".')
    return value[1:]


def box_threshold(control: Element) -> float | None:
    """0..1, or None when the control does not say: ours before that of Label Studio's own backends."""
    return next((value for name in BOX_THRESHOLDS if (value := threshold(control, name)) is not None), None)


def threshold(control: Element, name: str) -> float | None:
    """0..1, or None when the control does not say."""
    text = control.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        raise LabelConfigError(f"{name}={text!r} is no number from 0 to 1.", hint=f'Write for example {name}="0.3".')
    return value
