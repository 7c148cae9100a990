"""The wall of one project: groups of unnamed crops, pages of suggestions, named crops, and the answers given."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dinolabel.vision.errors import RequestError
from dinolabel.vision.types import Box, Embeddings
from dinolabel.wall.crops import WallCrop
from dinolabel.wall.grouping.clusters import ENOUGH, TIGHT, Cluster, cluster_rows, tightness, typical_first
from dinolabel.wall.grouping.similarity import Vector, centre_of, comparable_rows, similarity_to
from dinolabel.wall.grouping.suggestions import SuggestionPolicy
from dinolabel.wall.journal import Answer, CropKey, CropState, Journal, Kind, Place

CARRIED = 0.7
"""IoU from which a box of a newer model version is the one that was decided."""
PAGE_GROUPS = 12
"""Groups on one page of suggestions: what a person takes in at a glance."""
EXAMPLES = 500
"""Crops of a name that others are compared with, at most."""
KNOWN, GROWN = 0.4, 1.25
"""Share of the wall that has a name from which its names may tell how tight groups must be: of a few names, all far apart, everything would
be loose. By what factor it grows until that is asked again."""


@dataclass(frozen=True, slots=True)
class Group:
    """Crops that look alike. id: stays while the wall is open. members: numbers of crops, the most typical first."""

    id: int
    members: Cluster


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A group that may bear a name. likeness: cosine to the nearest group or crop of that name. likely: shown as chosen."""

    group: Group
    likeness: float
    likely: bool


@dataclass
class Wall:
    """crops with their unit rows, and what people answered. generic: labels that are no names.

    Thread-safe. Answers are in the journal before a method returns; Label Studio learns of them elsewhere (`studio_sync`).
    """

    crops: Sequence[WallCrop]
    rows: Embeddings
    journal: Journal
    generic: frozenset[str]
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def __post_init__(self) -> None:
        self.rows = comparable_rows(self.rows)
        self._at: dict[CropKey, int] = {each.key: number for number, each in enumerate(self.crops)}
        self._taken = {number for number, each in enumerate(self.crops) if each.taken}
        self.carry_over()
        self.policy = SuggestionPolicy()
        self._next = 0
        self._groups: dict[int, Group] = {}
        self._past: dict[int, Group] = {}
        self._centres: dict[int, Vector] = {}
        self.group_again()

    def group_again(self) -> None:
        """Cluster what is still open anew: with what was named meanwhile, the project's own tightness may be known."""
        with self._lock:
            known = self._named()
            told = len(known) >= KNOWN * len(self.crops)
            self.tight = tightness(self.rows[list(known)], list(known.values())) if told else TIGHT
            self._grouped_at = len(known)
            open_ones = self.open_crops()
            self._past |= self._groups  # somebody may still look at one of them
            self._groups, self._centres = {}, {}
            for each in cluster_rows(self.rows[open_ones], self.tight):
                self._put(self._next, tuple(open_ones[at] for at in each))
                self._next += 1

    def _named(self) -> dict[int, str]:
        """Number of each crop that has a name -> the name: without a look at those that nobody said anything about."""
        states = self.states()
        said = {self._at[key] for key in states if key in self._at}
        return {at: name for at in sorted(said | self._taken) if (name := self.name_of(at, states))}

    def carry_over(self) -> list[Answer]:
        """Give decisions about boxes that a newer model version made anew to the boxes that are there now; what was noted for that.

        A box is the same where it overlaps the decided one by CARRIED, and is the only one of its task to do so.
        """
        there: dict[int, list[WallCrop]] = {}
        for crop in self.crops:
            if not crop.taken:
                there.setdefault(crop.task, []).append(crop)
        noted = []
        for answer in self.journal.in_force():
            gone = [
                (key, place) for key, place in zip(answer.crops, answer.places, strict=False) if key not in self._at and key[0] in there
            ]
            states = self.states()
            new = [crop for key, place in gone for crop in _same_place(place, there[key[0]]) if not _knows(states.get(crop.key), answer)]
            if new:
                moved = replace(answer, crops=tuple(each.key for each in new), places=tuple(each.place for each in new))
                noted.append(self.journal.append(moved))
        return noted

    # What stands on the wall

    def states(self) -> dict[CropKey, CropState]:
        """What people decided of each crop, as the journal has it."""
        return self.journal.states()

    def name_of(self, at: int, states: dict[CropKey, CropState] | None = None) -> str | None:
        """The name of a crop that people gave, here or in the editor; None while it has none."""
        crop = self.crops[at]
        if crop.taken:
            return None if crop.label is None or crop.label in self.generic else crop.label
        state = (self.states() if states is None else states).get(crop.key)
        return state.decision.name if state and state.decision and state.decision.kind == "name" else None

    def open_crops(self) -> list[int]:
        """Numbers of the crops that nobody has decided: not named, not hidden, not said to be no object, not a person's own."""
        states = self.states()
        return [at for at, each in enumerate(self.crops) if not each.taken and not _decided(states.get(each.key))]

    def groups(self) -> list[Group]:
        """What is left to name, the largest first."""
        with self._lock:
            left = set(self.open_crops())
            found = [Group(each.id, rest) for each in self._groups.values() if (rest := tuple(at for at in each.members if at in left))]
        return sorted(found, key=lambda each: (-len(each.members), each.id))

    def names(self) -> dict[str, list[int]]:
        """Each name with its crops, those that look least like the others of it first."""
        found: dict[str, list[int]] = {}
        for at, name in self._named().items():
            found.setdefault(name, []).append(at)
        return {name: list(reversed(typical_first(self.rows, members))) for name, members in sorted(found.items())}

    def predicted(self) -> dict[str, list[int]]:
        """Open crops that Label Studio shows under a name, by that name, the surest first: to be confirmed in bulk."""
        found: dict[str, list[int]] = {}
        for at in self.open_crops():
            label = self.crops[at].label
            if label is not None and label not in self.generic:
                found.setdefault(label, []).append(at)
        return {name: sorted(members, key=lambda at: -(self.crops[at].score or 0.0)) for name, members in sorted(found.items())}

    def suggestions(self, name: str, count: int = PAGE_GROUPS) -> list[Suggestion]:
        """The open groups that are most like a name, nearest first; [] when none is near enough to be worth a look."""
        with self._lock:
            states = self.states()
            known = [at for at, each in self._named().items() if each == name]
            denied = sorted(self._at[key] for key, state in states.items() if key in self._at and name in state.not_names)
            open_ones = [each for each in self.groups() if not _denied(each, self.crops, states, name)]
            if not known or not open_ones:
                return []
            centres = np.stack([self._centres[each.id] for each in open_ones])
            like = similarity_to(centres, self._typical(known), self._typical(denied) if denied else None)
            order = [int(at) for at in np.argsort(-like, kind="stable")[:count] if self.policy.is_worth_showing(float(like[at]))]
            page = [Suggestion(open_ones[at], float(like[at]), self.policy.is_likely(float(like[at]))) for at in order]
        return page if any(each.likely for each in page) else []

    def find_like(self, examples: Iterable[CropKey], against: Iterable[CropKey] = ()) -> list[tuple[int, float]]:
        """Numbers of all other crops with their likeness to the nearest example, the most alike first. against: what it is not like."""
        wanted, unwanted = [self.number_of(each) for each in examples], [self.number_of(each) for each in against]
        if not wanted:
            raise RequestError("No example was given.", hint="Choose a crop first.")
        like = similarity_to(self.rows, self.rows[wanted], self.rows[unwanted] if unwanted else None)
        mine = {*wanted, *unwanted}
        return [(int(at), float(like[at])) for at in np.argsort(-like, kind="stable") if at not in mine]

    # What people answer

    def answer(self, kind: Kind, crops: Iterable[CropKey], *, who: str, name: str = "", page: str = "") -> Answer:
        """Note an answer. Raises RequestError for crops that are not on the wall or that a person submitted in the editor."""
        keys = list(dict.fromkeys(crops))
        if not keys:
            raise RequestError("No crop was chosen.", hint="Choose a group or a crop first.")
        if kind in ("name", "not this name") and not name.strip():
            raise RequestError("No name was given.", hint="Type one, or press the key of one.")
        for key in keys:
            if key not in self._at:
                raise _not_here(key)
            if self.crops[self._at[key]].taken:
                raise RequestError(f"Task {key[0]} was submitted in Label Studio meanwhile.", hint="Change its names there.")
        places = tuple(self.crops[self._at[key]].place for key in keys)
        given = self.journal.append(Answer(0, kind, tuple(keys), name.strip(), who, page, places=places))
        self._group_when_grown()
        return given

    def answer_page(self, name: str, page: Sequence[Suggestion], chosen: Iterable[int], *, who: str) -> list[Answer]:
        """The answer to a page of suggestions. chosen: ids of the groups that bear the name; it is remembered that the others do not."""
        right = set(chosen)
        yes = [each for each in page if each.group.id in right]
        no = [each for each in page if each.group.id not in right]
        for each in page:
            self.policy.learn(each.likeness, right=each.group.id in right)
        given = []
        for kind, groups in (("name", yes), ("not this name", no)):
            keys = [self.crops[at].key for each in groups for at in each.group.members]
            if keys:
                given.append(self.answer(kind, keys, name=name, who=who, page=f"like {name}"))  # type: ignore[arg-type]
        return given

    def undo(self, who: str) -> Answer | None:
        """Take back the last answer of a person; None when there is none."""
        return self.journal.undo(who)

    def split(self, group: int, crops: Iterable[CropKey]) -> int:
        """Make a group of its own of some crops of a group. Returns its id."""
        with self._lock:
            keys = set(crops)
            whole = self._find(group).members
            apart = tuple(at for at in whole if self.crops[at].key in keys)
            if not apart or len(apart) == len(whole):
                raise RequestError("Choose some crops of the group, and not all.", hint="Arrows and x choose them.")
            self._put(group, tuple(at for at in whole if at not in apart))
            self._next += 1
            self._put(self._next - 1, apart)
            return self._next - 1

    def merge(self, groups: Sequence[int]) -> int:
        """Make one group of several. Returns the id of the first, which holds all of them."""
        with self._lock:
            first, *others = dict.fromkeys(groups)
            members = [at for each in (first, *others) for at in self._find(each).members]
            for each in others:
                self._past[each] = self._groups.pop(each)
                del self._centres[each]
            self._put(first, typical_first(self.rows, members))
            return first

    def find_group(self, group: int) -> Group:
        """The group as it is now, without what was decided meanwhile. Raises RequestError."""
        with self._lock:
            left = set(self.open_crops())
            return Group(group, tuple(at for at in self._find(group).members if at in left))

    def number_of(self, key: CropKey) -> int:
        """Raises RequestError."""
        if key not in self._at:
            raise _not_here(key)
        return self._at[key]

    def _group_when_grown(self) -> None:
        """Group anew, looser, where most names are known and their crops stay apart that way. Never tighter: the rest is what is hard."""
        with self._lock:
            known = self._named()
            if len(known) >= max(ENOUGH, GROWN * self._grouped_at, KNOWN * len(self.crops)):
                self._grouped_at = len(known)
                if tightness(self.rows[list(known)], list(known.values())) > self.tight:
                    self.group_again()

    def _typical(self, members: Sequence[int]) -> Embeddings:
        """(K, D) centres of what some crops show, such as one person from the left and from the right."""
        rows = self.rows[list(members)[:: -(-len(members) // EXAMPLES)]]
        return np.stack([centre_of(rows, each) for each in cluster_rows(rows, self.tight)])

    def _find(self, group: int) -> Group:
        found = self._groups.get(group) or self._past.get(group)
        if found is None:
            raise RequestError(f"There is no group {group}.", hint="Load the page again.")
        return found

    def _put(self, group: int, members: Cluster) -> None:
        self._groups[group] = Group(group, members)
        self._centres[group] = centre_of(self.rows, members)


def _not_here(key: CropKey) -> RequestError:
    return RequestError(f"Box {key[1]} of task {key[0]} is not on this wall.", hint="Load the page again: the project has changed.")


def _same_place(place: Place, crops: Sequence[WallCrop]) -> list[WallCrop]:
    found = [each for each in crops if Box(*place).iou(Box(*each.place)) >= CARRIED]
    return found if len(found) == 1 else []


def _knows(state: CropState | None, answer: Answer) -> bool:
    """Whether a crop has its own decision already, or the same denial."""
    return state is not None and (answer.name in state.not_names if answer.kind == "not this name" else state.decision is not None)


def _decided(state: CropState | None) -> bool:
    return state is not None and state.decision is not None


def _state(states: dict[CropKey, CropState], crop: WallCrop) -> CropState:
    return states.get(crop.key) or CropState()


def _denied(group: Group, crops: Sequence[WallCrop], states: dict[CropKey, CropState], name: str) -> bool:
    """Whether people said of most of a group that it is not so named."""
    no = sum(name in _state(states, crops[at]).not_names for at in group.members)
    return 2 * no >= len(group.members)
