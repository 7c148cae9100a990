"""docs/design.md against the code: its seams and their verbs, classes, modules and files, and the statuses of its errors."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dinolabel.docgen import error_codes as reference_errors
from dinolabel.studio.media.resolver import MediaResolver
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.protocols import Detector, Embedder, Head
from tests import docs

DESIGN = (docs.ROOT / "docs" / "design.md").read_text(encoding="utf-8")
SEAMS = {kind.__name__: kind for kind in (Detector, Embedder, Head, BundleStore, MediaResolver)}
PROTOCOLS = (Detector, Embedder, Head)
OTHERS = {"TextArea", "RectangleLabels", "LabelStudioMLBase", "SqliteHuey", "GroundingDINO"}
"""Names of Label Studio's, huey's and the models' makers."""


def section(number: int) -> str:
    return re.findall(rf"^## {number}\. .*?(?=^## |\Z)", DESIGN, re.MULTILINE | re.DOTALL)[0]


def seams() -> dict[str, list[str]]:
    """Each seam of §4 with the verbs in its second column."""
    rows = re.findall(r"^\| `(\w+)`[^|]* \| ([^|]+) \|", section(4), re.MULTILINE)
    return {name: [verb for code in re.findall(r"`([^`]+)`", cell) for verb in _verbs(code)] for name, cell in rows}


def _verbs(code: str) -> list[str]:
    """`publish / get` are two; of `embed(crops) -> …` it is the first word. A dotted name is no verb."""
    return [re.split(r"\W", part.strip())[0] for part in code.partition("->")[0].split(" / ") if "." not in part]


def test_the_seams_are_all_there() -> None:
    assert set(seams()) == set(SEAMS)


@pytest.mark.parametrize("name", sorted(SEAMS))
def test_a_seam_has_the_verbs_that_the_design_names(name: str) -> None:
    assert seams()[name] and [verb for verb in seams()[name] if not callable(getattr(SEAMS[name], verb, None))] == []


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.__name__)
def test_every_verb_of_a_protocol_is_in_the_design(protocol: type) -> None:
    own = {name for name, value in vars(protocol).items() if inspect.isfunction(value) and not name.startswith("_")}
    assert own and own <= set(seams()[protocol.__name__])


def sources() -> Iterator[Path]:
    for package in docs.ROOT.glob("*/__init__.py"):
        if package.parent.name != "tests":
            yield from package.parent.rglob("*.py")


def defined() -> set[str]:
    """Classes and type aliases of ours."""
    names: set[str] = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Assign):
                names |= {each.id for each in node.targets if isinstance(each, ast.Name)}
    return names


def test_every_class_in_the_design_is_ours_or_named_as_anothers() -> None:
    spoken = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z]+[a-z]+)+\b", DESIGN)) | set(re.findall(r"`([A-Z][a-z]\w+)`", DESIGN))
    spoken |= set(re.findall(r"\b([A-Z][a-z]+)\(", section(2)))
    assert len(spoken) > 20
    assert sorted(spoken - defined() - OTHERS) == []


TOP = "|".join(sorted(path.parent.name for path in docs.ROOT.glob("*/__init__.py")))
DOTTED = sorted(set(re.findall(rf"\b(?<!/)((?:{TOP})(?:\.\w+)+)\b(?!\.?(?:json|py)\b)", DESIGN)) - {"dinolabel.json", "dinolabel.report"})


@pytest.mark.parametrize("name", DOTTED)
def test_a_dotted_name_leads_somewhere(name: str) -> None:
    assert resolves(name.split("."))


def resolves(parts: list[str]) -> bool:
    """The longest module there is, then attributes of it."""
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for each in parts[end:]:
            found = getattr(found, each, None)
        return found is not None
    return False


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w-]+/[\w/.-]*)`", DESIGN))))
def test_a_path_is_there(path: str) -> None:
    """From the root, or within a room."""
    assert any(list(docs.ROOT.glob(before + path.rstrip("/"))) for before in ("", "*/", "*/*/")), path


def test_statuses_of_the_error_tree_are_those_of_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| (\d+) \|$", reference_errors.codes(), re.MULTILINE)
    told = re.findall(r"(\w+) (\d{3})\b", section(8).partition("```")[2])
    assert told and [(name, status) for name, status in told if dict(rows).get(name) != status] == []
