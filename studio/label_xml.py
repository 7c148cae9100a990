"""What a label config's XML holds: the control, its image, its labels and thresholds, each checked and named when it is missing.

Knows Label Studio's tags; what they mean for us is studio.label_config's.
"""

from __future__ import annotations

import math
import re
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from vision.errors import LabelConfigError


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
    """The control boxes go to and the image under it. name: of the control that somebody asked for."""
    images = {tag.get("name"): tag for tag in root.iter("Image")}
    controls = list(root.iter("RectangleLabels"))
    over = [tag for tag in controls if tag.get("toName") in images]
    chosen = [tag for tag in over if any(key.startswith("model_") for key in tag.attrib)] or over
    if not controls:
        raise LabelConfigError("The label config has no <RectangleLabels>.")
    if not images:
        raise LabelConfigError("The label config has no <Image>.", hint='Add <Image name="image" value="$image"/> and point toName at it.')
    if not over:
        found = ", ".join(f"{tag.get('name')!r} to {tag.get('toName')!r}" for tag in controls)
        raise LabelConfigError(f"No <RectangleLabels> points at an <Image>: {found}; images: {', '.join(map(repr, images))}.")
    if name is not None:
        chosen = [tag for tag in over if tag.get("name") == name]
    if not chosen:
        there = ", ".join(repr(tag.get("name")) for tag in over)
        raise LabelConfigError(f"There is no <RectangleLabels name={name!r}> over an image.", hint=f"There are: {there}.")
    if len(chosen) > 1:
        raise LabelConfigError(
            f"Several <RectangleLabels> could take the boxes: {', '.join(repr(tag.get('name')) for tag in chosen)}.",
            hint='Mark one, for example with model_box_threshold="0.3"; for an export, --control names one.',
        )
    if not chosen[0].get("name"):
        raise LabelConfigError("The <RectangleLabels> has no name.")
    return chosen[0], images[chosen[0].get("toName")]


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
    if not labels:
        raise LabelConfigError(f"<RectangleLabels name={control.get('name')!r}> has no <Label>.")
    return labels


def data_key(image: Element) -> str:
    """The task's key that an image shows."""
    value = image.get("value") or ""
    if not re.fullmatch(r"\$\S+", value):
        raise LabelConfigError(
            f"<Image name={image.get('name')!r}> shows {value!r}, not one key of the task.",
            hint='Write value="$image"; valueList is not read.',
        )
    return value[1:]


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
