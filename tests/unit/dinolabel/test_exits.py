"""Every error of every room has an exit code, found by walking the tree."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import dinolabel
from dinolabel.cli import exit_codes
from dinolabel.vision import errors
from dinolabel.vision.errors import DinolabelError

ROOMS = ("vision", "studio", "exporters", "training", "backend", "app")


def family(kind: type[DinolabelError]) -> list[type[DinolabelError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in family(child))]


def every_error() -> list[type[DinolabelError]]:
    for module in pkgutil.walk_packages(dinolabel.__path__, "dinolabel."):
        if module.name.rpartition(".")[2] == "errors":
            importlib.import_module(module.name)
    ours = {each for each in family(DinolabelError)[1:] if each.__module__.split(".")[0] == "dinolabel"}
    return sorted(ours, key=lambda each: each.__qualname__)


def test_the_tree_is_walked() -> None:
    assert {errors.SettingsError, errors.PromptMissing, errors.BundleMismatch, errors.MediaRefused} <= set(every_error())


@pytest.mark.parametrize("kind", every_error(), ids=lambda each: each.__qualname__)
def test_every_error_has_a_code_of_its_own_kind(kind: type[DinolabelError]) -> None:
    assert exit_codes.code(kind.__new__(kind)) == exit_codes.code(kind)
    bad_news = kind.__module__.split(".")[1] not in ROOMS  # a command's own, such as a demo that did not come out right
    assert exit_codes.code(kind) in {*exit_codes.CODES.values(), *([exit_codes.OTHER] if bad_news else [])}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.SettingsError("x"), 2),
        (errors.PromptMissing("x"), 2),
        (errors.UnknownPlug("x"), 2),
        (errors.MediaUnreadable("x"), 3),
        (errors.WeightsMissing("x"), 4),
        (errors.BundleMismatch("x"), 4),
        (errors.StudioError("x"), 5),
        (errors.TrainingError("x"), 6),
        (errors.DinolabelError("x"), 1),
        (RuntimeError("x"), 1),
    ],
)
def test_known_codes(error: Exception, code: int) -> None:
    assert exit_codes.code(error) == code
