"""A label config that looks for more, or for something else by other thresholds, or that lets people type: one change, the rest as it
was."""

from __future__ import annotations

from dataclasses import replace

from dinolabel.studio.label_configs import edit_text
from dinolabel.studio.label_configs import xml as label_xml
from dinolabel.studio.label_configs.label_config import LabelConfig, add_name
from dinolabel.studio.label_configs.label_names import find_label, normalise_name
from dinolabel.studio.label_configs.prompt_field import NUMBERS
from dinolabel.studio.label_roles import LabelRoles
from dinolabel.vision.errors import LabelConfigError
from dinolabel.vision.types import Prompt

TYPING = "prompt"
SMALL = "font-size: 14px; font-weight: 400; line-height: 38px; margin: 0"
"""As the field beside it: Label Studio's smallest heading is larger than all else on the page (seen)."""


def add_prompt(xml: str, words: str) -> str:
    """``xml`` that looks for `dog, puppy`, or for `label=dog, puppy`. A label that is not there is made, on the next free key.

    Raises PromptMissing without words; LabelConfigError for words that are looked for already and for labels that are learnt.
    """
    for phrase, label in _typed(words).items():
        xml = _add_phrase(xml, phrase, label)
    return xml


def add_prompt_beside(roles: LabelRoles, config: LabelConfig, words: str) -> LabelRoles:
    """As add_prompt, in what is said beside a label config that stays as it is, so under a label that is there. config: with the roles.

    Raises PromptMissing without words; LabelConfigError for words that are looked for already and for labels that are not there.
    """
    typed = _typed(words)
    for phrase in typed:
        _refuse_known(phrase, config)
    return replace(roles, prompt=dict(config.prompt_map)).with_prompt(typed, config.labels)


def set_thresholds(xml: str, *, box: float | None = None, text: float | None = None) -> str:
    """``xml`` with the project's own thresholds, 0 to 1; None leaves one as it is. Raises LabelConfigError."""
    control = LabelConfig.parse(xml).control
    for name, value in (("model_box_threshold", box), ("model_text_threshold", text)):
        if value is not None:
            xml = edit_text.set_attribute(xml, edit_text.offsets(xml, control)[0], name, f"{value:g}")
    LabelConfig.parse(xml)  # says what is wrong with a number
    return xml


def set_embedder(xml: str, embedder: str) -> str:
    """``xml`` of a project that tells names apart with this embedder. Raises LabelConfigError."""
    place = edit_text.offsets(xml, LabelConfig.parse(xml).control)[0]
    return edit_text.set_attribute(xml, place, label_xml.EMBEDDER, embedder)


def add_prompt_field(xml: str) -> str:
    """``xml`` with a text area to look for something else on one picture, and a number for its box threshold, above the picture.

    Above, because what we say back appears under the text area, where a tall picture would hide it. Raises LabelConfigError when one of
    the names is taken.
    """
    config, root = LabelConfig.parse(xml), label_xml.read(xml)
    taken = {name for tag in root.iter() if (name := tag.get("name"))}
    if clash := sorted(taken & {TYPING, *NUMBERS}):
        hint = "People can type already, or another tag has the name: rename it."
        raise LabelConfigError(f"The label config has a tag called {clash[0]!r} already.", hint=hint)
    over = edit_text.attribute("toName", config.object_name)
    # smartOnly: asks also while Label Studio's switch Auto-Annotation is off, where smart alone says nothing and does nothing.
    tags = (
        f'<View style="display: flex; gap: 12px; align-items: flex-start">\n'
        f'    <View style="flex: 1"><TextArea name="{TYPING}"{over} smart="true" smartOnly="true" rows="1"'
        f' placeholder="Look for something else on this picture: type it, press Enter"/></View>\n'
        f'    <Header value="least score" size="6" style="{SMALL}"/>\n'
        f'    <Number name="box_threshold"{over} min="0" max="1" step="0.05"/>\n  </View>\n  '
    )
    raw = xml.encode()
    place = edit_text.image_offset(xml, config.object_name)
    changed = (raw[:place] + tags.encode() + raw[place:]).decode()
    LabelConfig.parse(changed)
    return changed


def has_prompt_field(xml: str) -> bool:
    """Whether people can type a prompt: Label Studio asks the backend then only when it is connected as interactive."""
    tags = (tag.attrib for tag in label_xml.read(xml).iter("TextArea"))
    return any(value == "true" for each in tags for name, value in each.items() if name.lower() in ("smart", "smartonly"))


def _typed(words: str) -> dict[str, str]:
    """phrase -> label of `dog, puppy` or `label=dog, puppy`. Raises PromptMissing."""
    label, _, phrases = words.rpartition("=")
    label = normalise_name(label)
    return {phrase: label or phrase for phrase in Prompt.parse(phrases).phrases}


def _refuse_known(phrase: str, config: LabelConfig) -> None:
    if phrase in config.prompt_map:
        raise LabelConfigError(f"The project looks for {phrase!r} already, as {config.prompt_map[phrase]!r}.", hint="Nothing is to do.")


def _add_phrase(xml: str, phrase: str, label: str) -> str:
    config = LabelConfig.parse(xml)
    _refuse_known(phrase, config)
    label = find_label(label, config.labels) or label
    if label in config.generic:
        place = edit_text.offsets(xml, config.control)[1][config.labels.index(label)]
        known = [each for each, own in config.prompt_map.items() if own == label]
        return edit_text.set_attribute(xml, place, "predicted_values", ",".join([*known, phrase]))
    if label in config.labels:
        raise LabelConfigError(
            f"{label!r} is a name that is learnt from approved boxes; looking for it by words would end that.",
            hint=f"Give the words a label of their own, for example “{phrase} (found)={phrase}”.",
        )
    if not config.generic and phrase != label:
        hint = f"Add {phrase!r} by itself, or give the labels predicted_values."
        raise LabelConfigError("In this project every label is looked for by its own name.", hint=hint)
    return add_name(xml, label, predicted_values=phrase if config.generic else None)
