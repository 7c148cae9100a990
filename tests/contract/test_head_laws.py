"""The laws of dinolabel.testing for every file in dinolabel/vision/heads."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from dinolabel.testing import check_head
from dinolabel.testing.heads import HEAD_LAWS
from dinolabel.vision.heads import PLUGINS


@pytest.fixture(params=PLUGINS.own_names())
def plug(request: pytest.FixtureRequest) -> ModuleType:
    return PLUGINS.load(request.param)


def test_there_are_heads() -> None:
    assert {"linear", "prototype"} <= set(PLUGINS.names())


@pytest.mark.parametrize("law", HEAD_LAWS, ids=lambda law: law.__name__)
def test_a_law(plug: ModuleType, law: Callable[[Any, Any], None]) -> None:
    law(plug.build, plug.restore)


def test_a_head_of_ours_by_the_suite_that_others_call() -> None:
    knn = PLUGINS.load("knn")
    check_head(knn.build, knn.restore)
