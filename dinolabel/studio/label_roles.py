"""Label roles: what the labels of a project are for, said beside a label config that stays as it is.

For a project whose label config may not be touched: some labels are looked for by words, others are learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dinolabel.studio.label_configs.label_names import find_label
from dinolabel.vision.errors import LabelConfigError


@dataclass(frozen=True, slots=True)
class LabelRoles:
    """prompt: phrase -> label, in order; empty: as the label config says, but for labels to learn. learn: labels that are learnt; None:
    those that are not looked for. A label is both only where it stands in both. box_threshold, text_threshold: the project's own, 0 to 1;
    None: as the label config says. embedder: what tells names apart in the project; empty: as its label config says.
    """

    prompt: Mapping[str, str] = field(default_factory=dict, hash=False)
    learn: tuple[str, ...] | None = None
    box_threshold: float | None = None
    text_threshold: float | None = None
    embedder: str = ""

    @property
    def names_labels(self) -> bool:
        """Whether anything was said of labels."""
        return bool(self.prompt) or self.learn is not None

    @classmethod
    def of(cls, prompt: Mapping[str, str], learn: Iterable[str] | None, labels: Sequence[str], *, embedder: str = "") -> LabelRoles | None:
        """labels: those there are; each is kept as it is spelled there. None when nothing was said. Raises LabelConfigError."""
        if not prompt and learn is None and not embedder:
            return None
        learnt = None if learn is None else tuple(dict.fromkeys(_spelled(each, labels) for each in learn))
        return cls({phrase: _spelled(label, labels) for phrase, label in prompt.items()}, learnt, embedder=embedder)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> LabelRoles:
        """As dataclasses.asdict gives it."""
        learn = stored.get("learn")
        thresholds = {name: stored.get(name) for name in ("box_threshold", "text_threshold")}
        chosen = str(stored.get("embedder") or "")
        return cls(dict(stored.get("prompt") or {}), None if learn is None else tuple(learn), **thresholds, embedder=chosen)

    def with_prompt(self, prompt: Mapping[str, str], labels: Sequence[str]) -> LabelRoles:
        """The same, looking for more. Raises LabelConfigError for a label that is not there."""
        return replace(self, prompt={**self.prompt, **{phrase: _spelled(label, labels) for phrase, label in prompt.items()}})

    def with_thresholds(self, *, box: float | None = None, text: float | None = None) -> LabelRoles:
        """The same with these; None leaves one as it is. Raises LabelConfigError."""
        for name, value in (("box", box), ("text", text)):
            if value is not None and not 0.0 <= value <= 1.0:
                raise LabelConfigError(f"The {name} threshold {value:g} is no number from 0 to 1.", hint="Write for example 0.3.")
        return replace(
            self,
            box_threshold=self.box_threshold if box is None else box,
            text_threshold=self.text_threshold if text is None else text,
        )

    def with_learnt(self, names: Iterable[str]) -> LabelRoles:
        """The same, learning more; as it is where all that is not looked for is learnt anyway."""
        return self if self.learn is None else replace(self, learn=tuple(dict.fromkeys((*self.learn, *names))))

    def renamed(self, today: Callable[[str], str]) -> LabelRoles:
        """The same by the names that labels have now."""
        learn = None if self.learn is None else tuple(dict.fromkeys(map(today, self.learn)))
        return replace(self, prompt={phrase: today(label) for phrase, label in self.prompt.items()}, learn=learn)

    def without(self, forgotten: Callable[[str], bool]) -> LabelRoles:
        """The same without the labels that are to be forgotten."""
        learn = None if self.learn is None else tuple(each for each in self.learn if not forgotten(each))
        return replace(self, prompt={phrase: label for phrase, label in self.prompt.items() if not forgotten(label)}, learn=learn)


def _spelled(label: str, labels: Sequence[str]) -> str:
    found = find_label(label, labels)
    if found is None:
        hint = f'There are: {", ".join(labels)}. Write label=words, for example "{labels[0]}=cat face".'
        raise LabelConfigError(f"The project has no label {label!r}.", hint=hint)
    return found
