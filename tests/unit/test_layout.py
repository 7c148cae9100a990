"""How the house is laid out (docs/design.md §1): one meaning a class name, few files on a level, sub-packages that look one way."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_imports import FILES, name_of

MOST_FILES = 10
PLUGS = {  # a file here is a plug or a command: as many as there are
    "dinolabel/commands",
    "dinolabel/vision/detectors",
    "dinolabel/vision/embedders",
    "dinolabel/vision/heads",
    "dinolabel/exporters/formats",
    "dinolabel/exporters/importers",
}
MODULES = {name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in FILES}


def classes() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(name_of(path))
    return found


@pytest.mark.parametrize("room", ["backend", "training", "vision"])
def test_constructors_take_six_things_at_most(room: str) -> None:
    """More belong into an object of options."""
    many = {}
    for path in (each for each in FILES if name_of(each).startswith(f"dinolabel/{room}/")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                given = len(node.args.posonlyargs + node.args.args + node.args.kwonlyargs) - 1
                many |= {f"{name_of(path)}:{node.lineno}": given} if given > 6 else {}
    assert many == {}


def test_a_class_name_has_one_meaning() -> None:
    assert {name: places for name, places in classes().items() if len(places) > 1} == {}


def test_few_files_lie_on_a_level() -> None:
    levels: dict[str, int] = defaultdict(int)
    for path in FILES:
        levels[name_of(path).rpartition("/")[0]] += 1
    assert {level: count for level, count in levels.items() if count > MOST_FILES and level not in PLUGS} == {}


def package_of(module: str) -> tuple[str, str]:
    """Room and sub-package of a module; "" for what lies in the room itself, which its sub-packages may both use and be used by."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "", parts[2] if len(parts) > 3 else ""


def imports(module: str, path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "dinolabel":
            for each in node.names:
                whole = f"{node.module}.{each.name}"
                yield whole if whole in MODULES else node.module


def test_sub_packages_of_a_room_do_not_look_at_each_other() -> None:
    """One of two may import the other; both ways would make them one."""
    arrows: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for module, path in MODULES.items():
        room, own = package_of(module)
        for target in imports(module, path):
            other_room, other = package_of(target)
            if other_room == room and own and other and own != other:
                arrows[room, own, other].append(f"{module} -> {target}")
    both = {key: arrows[key] for key in arrows if (key[0], key[2], key[1]) in arrows}
    assert both == {}


def test_no_two_files_import_each_other() -> None:
    arrows = {(module, target) for module, path in MODULES.items() for target in imports(module, path) if target != module}
    assert {pair for pair in arrows if pair[::-1] in arrows} == set()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_package_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), f"{name_of(path)} begins without a sentence that says what it is"
