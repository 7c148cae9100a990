"""The laws of dinolabel.testing for every export and import format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dinolabel.exporters import formats, importers
from dinolabel.testing import check_exporter, check_importer
from dinolabel.testing.exporters import EXPORTER_LAWS, draw_project, run_export
from dinolabel.testing.importers import IMPORTER_LAWS

RETURN = [name for name in importers.names() if name in formats.names() and name != "xmp"]
"""Sidecars are written for a folder of photos that lies elsewhere, and read beside them (test_incoming_xmp)."""


@pytest.fixture(scope="module", params=RETURN)
def data_set(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A format that is read too, and an export in it."""
    folder = tmp_path_factory.mktemp(request.param)
    run_export(formats.load(request.param).export, draw_project(folder / "pictures"), folder / "pictures", folder / "out")
    return request.param, folder / "out"


@pytest.mark.parametrize("law", EXPORTER_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", formats.names())
def test_a_law_of_exports(name: str, law: Callable[[Any, Path], None], tmp_path: Path) -> None:
    law(formats.load(name).export, tmp_path)


@pytest.mark.parametrize("law", IMPORTER_LAWS, ids=lambda law: law.__name__)
def test_a_law_of_imports(data_set: tuple[str, Path], law: Callable[[Any, Path, Path], None], tmp_path: Path) -> None:
    name, folder = data_set
    law(importers.load(name).read, folder, tmp_path)


def test_formats_of_ours_by_the_suites_that_others_call(tmp_path: Path) -> None:
    coco = formats.load("coco")
    check_exporter(coco.export)
    run_export(coco.export, draw_project(tmp_path / "pictures"), tmp_path / "pictures", tmp_path / "out")
    check_importer(importers.load("coco").read, tmp_path / "out")
