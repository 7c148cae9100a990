"""A project's label config as we understand it: what to look for, what to learn, where boxes go.

Label Studio's own convention carries it: labels with `predicted_values` are prompts, the others are learnt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from xml.etree.ElementTree import Element

from dinolabel.studio.label_colours import label_colours
from dinolabel.studio.label_configs import edit_text
from dinolabel.studio.label_configs import rename as renaming
from dinolabel.studio.label_configs import xml as label_xml
from dinolabel.studio.label_configs.label_names import find_label, normalise_name
from dinolabel.studio.label_roles import LabelRoles
from dinolabel.studio.media.picture_key import address_at
from dinolabel.vision.errors import LabelConfigError, PromptMissing
from dinolabel.vision.images.colours import assign_colours, next_colour
from dinolabel.vision.types import Detection, Named, Prompt, Suppressed

Kind = Literal["named", "generic", "unknown", "unlabelled"]

UNKNOWN = "unknown"
"""A label of this name (any case) says explicitly "none of the names": it is neither looked for nor learnt as a name."""


@dataclass(frozen=True, slots=True)
class LabelConfig:
    """control, object_name: names of the RectangleLabels and Image tags; data_key: the task's key that holds the picture, or a path to it.

    labels: all label names of the control, in order. prompt_map: phrase -> label, in order. learnt: labels that are names.
    generic: labels that say what the prompt found; no names, unless both was said. box_threshold, text_threshold: the project's own, 0..1,
    or None.
    aliases: earlier name -> label: what people and heads called so then. elsewhere: names of the other pictures, texts, … that are shown:
    what is marked on them is not in our picture. unheeded: what it says to backends and we do not do, in sentences.
    colours: label -> #rrggbb, as Label Studio's editor draws them.
    embedder: the one that tells names apart in this project, by its plug's name; empty for that of the settings.
    """

    control: str
    object_name: str
    data_key: str
    labels: tuple[str, ...]
    prompt_map: Mapping[str, str] = field(hash=False)
    learnt: tuple[str, ...]
    generic: tuple[str, ...]
    box_threshold: float | None = None
    text_threshold: float | None = None
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)
    elsewhere: frozenset[str] = frozenset()
    unheeded: tuple[str, ...] = ()
    colours: Mapping[str, str] = field(default_factory=dict, hash=False)
    embedder: str = ""

    @classmethod
    def parse(cls, xml: str, *, control: str | None = None, roles: LabelRoles | None = None) -> LabelConfig:
        """Read Label Studio's XML. control: which of several RectangleLabels is meant, by name; None: the one that is marked.

        roles: what its labels are for, where that was said beside it.

        Raises LabelConfigError that names what is missing or ambiguous.
        """
        root = label_xml.read(xml)
        boxes, image = label_xml.choose(root, control)
        tags = label_xml.labels(boxes)
        prompted = {
            name: values
            for name, tag in tags.items()
            if not is_unknown(name) and (values := _clean((tag.get("predicted_values") or "").split(",")))
        }
        prompt_map = _unique(prompted) if prompted else _own_names(tags)
        config = cls(
            control=boxes.get("name", ""),
            object_name=image.get("name", ""),
            data_key=label_xml.data_key(image),
            labels=tuple(tags),
            prompt_map=prompt_map,
            learnt=tuple(name for name in tags if name not in prompted and not is_unknown(name)),
            generic=tuple(prompted),
            box_threshold=label_xml.box_threshold(boxes),
            text_threshold=label_xml.threshold(boxes, label_xml.TEXT_THRESHOLD),
            aliases=renaming.aliases(tags),
            elsewhere=label_xml.elsewhere(root, image),
            unheeded=tuple(label_xml.unheeded_attributes(root, boxes)),
            colours=label_colours(tags),
            embedder=(boxes.get(label_xml.EMBEDDER) or "").strip(),
        )
        return config if roles is None else config.with_roles(roles)

    def with_roles(self, roles: LabelRoles) -> LabelConfig:
        """As if it said them itself. A label that is gone is left out, and named among what is not heeded.

        Raises LabelConfigError when nothing is left to look for.
        """
        if roles.embedder:
            return replace(self, embedder=roles.embedder).with_roles(replace(roles, embedder=""))
        box = self.box_threshold if roles.box_threshold is None else roles.box_threshold
        text = self.text_threshold if roles.text_threshold is None else roles.text_threshold
        if not roles.names_labels:
            return replace(self, box_threshold=box, text_threshold=text)
        today = {label: self.current_name(label) for label in (*roles.prompt.values(), *(roles.learn or ()))}
        learn = None if roles.learn is None else {today[each] for each in roles.learn}
        said = {phrase: today[label] for phrase, label in roles.prompt.items() if today[label] in self.labels}
        prompt_map = said if roles.prompt else {phrase: label for phrase, label in self.prompt_map.items() if label not in (learn or ())}
        if not prompt_map:
            hint = 'Say what finds them: dinolabel attach --project N --prompt "label=words".'
            raise LabelConfigError("Nothing is left to look for: every label is only learnt, or is gone.", hint=hint)
        chosen = set(self.labels) - set(prompt_map.values()) if learn is None else learn
        learnt = tuple(each for each in self.labels if each in chosen and not is_unknown(each))
        generic = tuple(dict.fromkeys(prompt_map.values()))
        lost = [label for label, now in today.items() if now not in self.labels]
        gone = [f"{each!r}, which `dinolabel attach` was told of, is no label any more." for each in lost]
        found = replace(self, prompt_map=prompt_map, learnt=learnt, generic=generic, unheeded=(*self.unheeded, *gone))
        return replace(found, box_threshold=box, text_threshold=text)

    @property
    def prompt(self) -> Prompt:
        """Raises PromptMissing when no label gives words to look for."""
        return Prompt.of(self.prompt_map)

    @property
    def live_labels(self) -> frozenset[str]:
        """The only labels that may be sent."""
        return frozenset(self.labels)

    def picture_in(self, data: Mapping[str, Any]) -> str:
        """The address of the picture in a task's data. Raises MediaRefused that says what the task has instead."""
        return address_at(data, self.data_key)

    def label_for(self, detection: Detection) -> str | None:
        """The label a detection is sent under, always one of `labels`; None: it is not sent."""
        answer = detection.answer
        if isinstance(answer, Suppressed):
            return None
        if isinstance(answer, Named) and (name := self.current_name(answer.label)) in self.labels and not is_unknown(name):
            return name
        return self.prompt_map.get(detection.phrase)

    def current_name(self, label: str) -> str:
        """The label that a name stands for now, whenever it was given and however its letters are stored; the name where there is none."""
        if label in self.aliases:
            return self.aliases[label]
        if label in self.labels or (label.isascii() and label == normalise_name(label)):
            return label
        before = find_label(label, self.aliases)
        return find_label(label, self.labels) or (self.aliases[before] if before is not None else label)

    def kind_of(self, label: str | None) -> Kind:
        """named, generic, unknown or unlabelled. Labels that are not in the config say nothing: unlabelled."""
        if label is None or label not in self.labels:
            return "unlabelled"
        if is_unknown(label):
            return "unknown"
        return "named" if label in self.learnt else "generic"

    def explain(self) -> list[str]:
        """What we understood, one sentence each, for a person."""
        lines = [f"Boxes go to {self.control!r} over {self.object_name!r}; the picture is the task's {self.data_key!r}."]
        lines += [f"Looks for {phrase!r} and calls it {label!r}." for phrase, label in self.prompt_map.items()]
        if self.learnt and not self.generic:
            lines.append(
                "No label has predicted_values, so every label's own name is what is looked for. If these are names of one kind of thing, "
                'add a label for the kind, such as <Label value="face" predicted_values="human face"/>.'
            )
        lines.append(f"Learns {', '.join(map(repr, self.learnt))} from approved boxes." if self.learnt else "Learns no names.")
        if any(map(is_unknown, self.labels)):
            lines.append("Boxes labelled unknown teach what is none of the names.")
        if self.embedder:
            lines.append(f"Tells names apart with the embedder {self.embedder!r}.")
        thresholds = {"Box": self.box_threshold, "Text": self.text_threshold}
        return lines + [f"{name} threshold of this project: {value:g}." for name, value in thresholds.items() if value is not None]


def is_unknown(label: str) -> bool:
    return label.strip().casefold() == UNKNOWN


def build(
    prompt_map: Mapping[str, str], names: Sequence[str], *, title: str | None = None, data_key: str = "image", embedder: str = ""
) -> str:
    """A label config for phrases -> labels and names to learn, with fixed hotkeys: the first prompt label 0, names 1 to 9, then letters.

    embedder: as LabelConfig has it. Raises PromptMissing without a phrase, LabelConfigError for names that cannot be used.
    """
    synonyms: dict[str, list[str]] = {}
    for phrase, label in prompt_map.items():
        if re.search(r"[,\n]", phrase):
            raise LabelConfigError(f"The phrase {phrase!r} holds a comma.", hint="Give each phrase by itself.")
        synonyms.setdefault(label, []).append(phrase)
    if not synonyms:
        raise PromptMissing("There is nothing to look for: the prompt is empty.")
    generic, *others = synonyms
    keys = [edit_text.GENERIC_HOTKEY, *edit_text.NAME_HOTKEYS]
    hotkeys = dict(zip((generic, *names, *others), keys, strict=False))
    colours = assign_colours(synonyms, names)
    tags = [
        edit_text.label_tag(each, hotkey=hotkeys.get(each), predicted_values=",".join(synonyms[each]), colour=colours[each])
        for each in synonyms
    ]
    tags += [edit_text.label_tag(each, hotkey=hotkeys.get(each), colour=colours[each]) for each in names]
    more = edit_text.attribute(label_xml.EMBEDDER, embedder) if embedder else ""
    xml = edit_text.document(tags, title=title, data_key=data_key, more=more)
    if unusable := set(synonyms) - set(LabelConfig.parse(xml).generic):
        raise PromptMissing(f"There are no words to look for in the prompt of {', '.join(map(repr, sorted(unusable)))}.")
    return xml


def add_name(xml: str, name: str, hotkey: str | None = None, *, predicted_values: str | None = None) -> str:
    """``xml`` with one more label, on the next free hotkey; every other byte as it was. Raises LabelConfigError.

    Without predicted_values it is a name to learn, with them something to look for.
    """
    config = LabelConfig.parse(xml)
    if (there := find_label(name, config.labels)) is not None:
        raise LabelConfigError(f"The label {name!r} is there already: {_kind_words(config.kind_of(there))}.", hint="Choose another name.")
    if (before := find_label(name, config.aliases)) is not None:
        raise LabelConfigError(f"{name!r} is an earlier name of {config.aliases[before]!r}.", hint="Boxes of that name count already.")
    root = label_xml.read(xml)
    explicit = [key for tag in root.iter() if (key := tag.get("hotkey"))]
    if hotkey is not None and hotkey in explicit:
        raise LabelConfigError(f"The hotkey {hotkey!r} is taken.", hint="Choose another key, or none to take the next free one.")
    tags = label_xml.labels(label_xml.choose(root)[0]).values()
    without = sum(1 for each in tags if not each.get("hotkey"))
    key = hotkey or edit_text.next_hotkey(explicit, without=without)
    colours = [colour for each in tags if (colour := each.get("background"))]
    # Only where all others have colours of their own: else Label Studio hands them out, as it did before.
    colour = next_colour(colours) if len(colours) == len(tags) else None
    tag = edit_text.label_tag(name, hotkey=key, predicted_values=predicted_values, colour=colour)
    changed = edit_text.insert_label(xml, config.control, tag)
    LabelConfig.parse(changed)
    return changed


def _kind_words(kind: Kind) -> str:
    return {"named": "a name that is learnt", "generic": "what the project looks for", "unknown": "what is none of the names"}.get(
        kind, "a label"
    )


def hotkeys(xml: str) -> dict[str, str]:
    """label -> the key it has in the editor: the one written, else the one Label Studio hands out. Labels beyond the keys are left out."""
    root = label_xml.read(xml)
    tags = label_xml.labels(label_xml.choose(root)[0])
    taken = {key.strip().lower() for tag in root.iter() if (key := tag.get("hotkey"))}
    free = (key for key in edit_text.AUTO_HOTKEYS if key not in taken)
    keys = {name: tag.get("hotkey") or next(free, None) for name, tag in tags.items()}
    return {name: key for name, key in keys.items() if key}


def _clean(words: Iterable[str]) -> tuple[str, ...]:
    """Phrases as dinolabel.vision.types.Prompt keeps them; full stops, commas and the like separate phrases for a detector, so they go."""
    spaced = (re.sub(r"[.,;?\s]+", " ", each).strip() for each in words)
    kept = [each for each in spaced if each]
    return Prompt.of(kept).phrases if kept else ()


def _own_names(tags: Mapping[str, Element]) -> dict[str, str]:
    prompt_map: dict[str, str] = {}
    for name in tags:
        for phrase in () if is_unknown(name) else _clean([name]):
            prompt_map.setdefault(phrase, name)
    return prompt_map


def _unique(prompted: Mapping[str, Iterable[str]]) -> dict[str, str]:
    prompt_map: dict[str, str] = {}
    for name, phrases in prompted.items():
        for phrase in phrases:
            if prompt_map.setdefault(phrase, name) != name:
                raise LabelConfigError(
                    f"Both {prompt_map[phrase]!r} and {name!r} have the predicted value {phrase!r}.", hint="Give it to one label only."
                )
    return prompt_map
