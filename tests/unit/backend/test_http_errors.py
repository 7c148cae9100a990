"""The border's table: every error of every room has a status of its branch, and nothing private reaches a client."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

from dinolabel import backend, studio, training, vision
from dinolabel.backend.errors import STATUS, WeightsDiffer, body_of, presentable, status_of
from dinolabel.vision import errors
from dinolabel.vision.errors import DinolabelError


def every_error() -> Iterator[type[DinolabelError]]:
    """The whole tree, from every file of the rooms that the backend may meet errors of."""
    for room in (vision, studio, training, backend):
        for each in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            if each.name.endswith("errors") or (room is backend and each.name != "dinolabel.backend.model"):
                importlib.import_module(each.name)
    waiting = [DinolabelError]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting += kind.__subclasses__()


def made(kind: type[DinolabelError]) -> DinolabelError:
    error = kind.__new__(kind)
    Exception.__init__(error, "A sentence.")
    return error


ROOMS = ("dinolabel.vision.", "dinolabel.studio.", "dinolabel.backend.")
"""What a request can meet; commands' own errors are known here only where a test before has imported one."""
ERRORS = sorted({each for each in every_error() if each.__module__.startswith(ROOMS)}, key=lambda each: each.__name__)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda each: each.__name__)
def test_every_error_has_a_branch_in_the_table_and_a_hint(kind: type[DinolabelError]) -> None:
    nearest = next(each for each in kind.__mro__ if each in STATUS)
    assert nearest is not DinolabelError or kind is DinolabelError, f"{kind.__name__} would answer as any error: give its branch a status"
    assert 400 <= status_of(made(kind)) <= 599
    assert kind.hint


def test_the_tree_that_is_tested_is_the_whole_tree() -> None:
    names = {each.__name__ for each in ERRORS}
    assert {"StudioUnreachable", "StudioDenied", "StudioRefused", "BundleMismatch", "ProjectBusy", "JobUnknown"} <= names


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.SettingsError, 500), (errors.RequestError, 400), (errors.LabelConfigError, 422), (errors.PromptMissing, 422),
        (errors.UnknownPlug, 400), (errors.MediaUnavailable, 502), (errors.MediaRefused, 403), (errors.MediaUnreadable, 422),
        (errors.WeightsMissing, 503), (errors.DeviceUnavailable, 503), (errors.BundleMismatch, 409), (errors.StudioError, 502),
        (errors.TrainingError, 409), (WeightsDiffer, 409),
    ],
)  # fmt: skip
def test_the_statuses_of_the_design(kind: type[DinolabelError], status: int) -> None:
    assert status_of(made(kind)) == status


def test_a_leaf_nobody_listed_answers_as_its_branch() -> None:
    class Leaf(errors.MediaRefused):
        pass

    assert status_of(Leaf("No.")) == 403


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The file /home/jane/photos/a.jpg is broken.", "The file …/a.jpg is broken."),
        ("'/srv/x/y.png'", "'…/y.png'"),
        (r"C:\Users\jane\a.jpg is broken", "…/a.jpg is broken"),
        ("See http://host:8080/projects/3/data.", "See http://host:8080/projects/3/data."),
        ("GET /predict is not there", "GET /predict is not there"),
        ("Token 0123456789abcdef0123456789abcdef01234567 is bad", "••• is bad"),
        ("Authorization: Bearer eyJhbGciOi.eyJzdWIiOi.sig", "Authorization: •••"),
        ("http://user:secret@host/x", "http://•••@host/x"),
        ("3/4 of 5 tasks", "3/4 of 5 tasks"),
    ],
)
def test_neither_folders_nor_tokens_reach_a_client(text: str, shown: str) -> None:
    assert presentable(text) == shown


def test_the_body_is_sentence_and_hint() -> None:
    error = errors.MediaUnreadable("/data/media/ab/cd.jpg is HTML.", hint="Re-save /data/media/ab/cd.jpg.")
    assert body_of(error) == {"error": "…/cd.jpg is HTML.", "hint": "Re-save …/cd.jpg."}
