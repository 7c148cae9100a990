"""What `dinolabel doctor` says about the pictures of a project: which can never be read, and whether one of each place can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dinolabel import factory
from dinolabel.cli import words
from dinolabel.doctor import picture_remarks, picture_trial
from dinolabel.doctor.machine import Finding
from dinolabel.settings import Settings

if TYPE_CHECKING:
    from dinolabel.doctor.picture_remarks import RemarkSurvey
    from dinolabel.doctor.picture_trial import PlaceTrial, UnreadableTasks
    from dinolabel.studio.client import TaskRow
    from dinolabel.studio.label_configs.label_config import LabelConfig

REASONS = 10
NUMBERS = 5
REMARKED = "Nothing to do where that is meant: docs/pictures.md says how pictures are read. Save further pages as pictures of their own."


def pictures(settings: Settings, rows: Sequence[TaskRow], config: LabelConfig) -> Iterator[Finding]:
    """Judge all addresses and fetch one picture of each place, as the backend would."""
    if not rows:
        yield Finding("warn", "picture", "the project has no task yet", "Import pictures in Label Studio.")
        return
    media = factory.media(settings)
    found = picture_trial.judge(rows, config, media)
    for tried in found.tried:
        yield Finding("ok" if tried.error is None else "warn" if tried.slow else "bad", "picture", place_sentence(tried), _hint(tried))
    if found.places > len(found.tried):
        more = words.count_noun(found.places - len(found.tried), "more place", "more places")
        yield Finding("ok", "picture", f"{more} were not tried")
    for never in found.never[:REASONS]:
        yield Finding("bad", "picture", unreadable_sentence(never, found.total), never.hint)
    if len(found.never) > REASONS:
        rest = found.never[REASONS:]
        tasks = words.count_noun(sum(len(each.tasks) for each in rest), "task")
        yield Finding("bad", "picture", f"{tasks} more can never be read, for {len(rest)} more reasons", "Mend the ones above first.")
    if any(tried.error is None for tried in found.tried):
        yield from _remarked(picture_remarks.survey(rows, config, media))


def _remarked(seen: RemarkSurvey) -> Iterator[Finding]:
    """Pictures of which not all is used, or not as it is."""
    for each in seen.remarks:
        of = f"{len(each.tasks):,} of {words.count_noun(seen.looked, 'picture')} that {'was' if seen.looked == 1 else 'were'} looked at"
        rest = f" ({seen.total - seen.looked:,} more were not)" if seen.total > seen.looked else ""
        yield Finding("warn", "picture", f"{of}{rest}: {each.text}{_numbers(each.tasks)}", REMARKED)


def place_sentence(tried: PlaceTrial) -> str:
    """What trying a place came to, in a line."""
    if tried.error is None:
        return f"task {tried.task} was fetched from {tried.place}: {tried.size[0]} x {tried.size[1]}"
    return f"{tried.place} ({words.count_noun(tried.tasks, 'task')}): task {tried.task}: {str(tried.error).rstrip('.')}"


def unreadable_sentence(never: UnreadableTasks, total: int) -> str:
    """How many of all tasks, why, and the first of their numbers, in a line."""
    of = f"{len(never.tasks):,} of {words.count_noun(total, 'task')}"
    return f"{of} can never be read: {never.why.rstrip('.')}{_numbers(never.tasks)}"


def _numbers(tasks: Sequence[int]) -> str:
    """` (task 7)`, ` (tasks 3, 4, 9, …)`: where to begin looking."""
    first = ", ".join(map(str, tasks[:NUMBERS])) + (", …" if len(tasks) > NUMBERS else "")
    return f" ({'task' if len(tasks) == 1 else 'tasks'} {first})"


def _hint(tried: PlaceTrial) -> str:
    return "" if tried.error is None else tried.error.hint
