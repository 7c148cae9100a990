"""Suggestion policy: which likeness is worth a person's look, and which is shown as chosen; learnt from the answers."""

from __future__ import annotations

from dataclasses import dataclass, field

SHOWN, CHOSEN = 0.45, 0.6
"""Cosine from which a group is shown on a page, and shown as chosen, before enough answers are known."""
LOWEST, HIGHEST = 0.5, 0.7
"""Between which the line may move: the first answers are about few names, and a line that shows nothing would learn no more."""
ENOUGH = 24
"""Answers, right and wrong ones among them, from which the line between them is drawn by them."""
GAP = CHOSEN - SHOWN


@dataclass
class SuggestionPolicy:
    """Draws the line where the fewest answers lie on its wrong side: each of those cost a person an act."""

    _right: list[float] = field(default_factory=list)
    _wrong: list[float] = field(default_factory=list)
    line: float = CHOSEN

    def is_likely(self, likeness: float) -> bool:
        """Whether a group is shown as chosen."""
        return likeness >= self.line

    def is_worth_showing(self, likeness: float) -> bool:
        """Whether a group is shown at all."""
        return likeness >= self.line - GAP

    def learn(self, likeness: float, *, right: bool) -> None:
        """Add an answer: whether a group of this likeness bore the name."""
        (self._right if right else self._wrong).append(likeness)
        if len(self._right) + len(self._wrong) >= ENOUGH and self._right and self._wrong:
            found = min({*self._right, *self._wrong, HIGHEST}, key=lambda line: (self._misses(line), abs(line - CHOSEN)))
            self.line = min(max(found, LOWEST), HIGHEST)

    def _misses(self, line: float) -> int:
        return sum(each < line for each in self._right) + sum(each >= line for each in self._wrong)
