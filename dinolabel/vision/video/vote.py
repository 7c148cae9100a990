"""Votes on who a track is: many detections, one vote."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from dinolabel.vision.types import Answer, Embeddings, Named, Unknown
from dinolabel.vision.video.tracker import Track

LEAST_LOOKS = 3
LEAST_AGREEMENT = 0.6


@dataclass
class Vote:
    """looks: how often the head was asked. A look that gave no name counts against every name."""

    looks: int = 0
    names: Counter[str] = field(default_factory=Counter)
    sums: dict[str, float] = field(default_factory=dict)

    def add(self, answer: Answer) -> None:
        self.looks += 1
        if isinstance(answer, Named):
            self.names[answer.label] += 1
            self.sums[answer.label] = self.sums.get(answer.label, 0.0) + answer.confidence

    @property
    def agreement(self) -> float:
        """Share of all looks that gave the most frequent name, 0..1."""
        return self.names.most_common(1)[0][1] / self.looks if self.names else 0.0

    @property
    def guess(self) -> str | None:
        """The name that most looks gave, None when none gave any."""
        return min(self.names, key=lambda name: (-self.names[name], -self.sums[name], name), default=None)

    @property
    def answer(self) -> Named | Unknown:
        """Named only by three looks or more of which 60 % agree; confidence: the mean of those that gave the name."""
        label = self.guess
        if label is None:
            return Unknown()
        confidence = self.sums[label] / self.names[label]
        sure = self.looks >= LEAST_LOOKS and self.agreement >= LEAST_AGREEMENT
        return Named(label, confidence) if sure else Unknown(label, confidence)

    def join(self, other: Vote) -> None:
        """Count another track's looks too: it turned out to be the same thing."""
        self.looks += other.looks
        self.names += other.names
        self.sums = {name: self.sums.get(name, 0.0) + other.sums.get(name, 0.0) for name in self.names}


@dataclass
class ObservedTrack:
    """A track with its vote. first, last: frames it is shown in, inclusive. embedding: sum of its looks', to know it again.

    away: (last, first) frames around each time it was off the screen.
    """

    track: Track
    vote: Vote = field(default_factory=Vote)
    first: int = 0
    last: int = 0
    last_look: float = float("-inf")
    embedding: Embeddings | None = None
    away: list[tuple[int, int]] = field(default_factory=list)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """First and last frame of each time it is on the screen."""
        edges = [self.first, *(each for pair in self.away for each in pair), self.last]
        return list(zip(edges[::2], edges[1::2], strict=True))

    def go_on(self, later: ObservedTrack) -> None:
        """Take in a later track of the same thing."""
        self.track.join(later.track)
        self.vote.join(later.vote)
        self.away.append((self.last, later.first))
        self.last = later.last
