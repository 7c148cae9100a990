"""Plug-ins of installed packages: found without being imported, kept from harming the others, and refused by name."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from dinolabel import commands
from dinolabel.exporters import formats, importers
from dinolabel.vision import detectors, embedders, heads, plugins
from dinolabel.vision.errors import DinolabelError, ModelError, RequestError, UnknownPlug
from dinolabel.vision.loading.lazy_models import cache_key
from dinolabel.vision.plugin_loader import PluginKind
from tests.doubles.outside_package import DETECTOR, Bring
from tests.doubles.outside_package import bring as bring

KINDS: list[tuple[PluginKind, str]] = [
    (detectors.PLUGINS, DETECTOR),
    (embedders.PLUGINS, DETECTOR),
    (heads.PLUGINS, "def build(): ...\ndef restore(arrays, labels): ..."),
    (formats.PLUGINS, "def export(): ..."),
    (importers.PLUGINS, "def read(): ..."),
    (commands.PLUGINS, "def command(): ..."),
]


@pytest.mark.parametrize(("kind", "text"), KINDS, ids=lambda each: each.group if isinstance(each, PluginKind) else "")
def test_a_package_brings_one_of_each_kind(bring: Bring, kind: PluginKind, text: str) -> None:
    before = kind.names()
    folder = bring("some-package", {"some_module.py": text}, {f"{kind.group}/theirs": "some_module"})
    assert kind.names() == sorted([*before, "theirs"])
    assert [(each.name, each.package) for each in kind.outside()] == [("theirs", "some-package 1.0")]
    assert "some_module" not in sys.modules
    assert isinstance(kind.load("theirs"), ModuleType) and kind.files("theirs") == [folder / "some_module.py"]


def test_a_file_of_ours_needs_no_registration() -> None:
    for kind, _ in KINDS:
        assert kind.own_names() and set(kind.own_names()) <= set(kind.names())
        assert all(not name.startswith("_") for name in kind.own_names())


def test_how_weights_are_found_is_read_without_importing_anything(bring: Bring) -> None:
    files = {"heavy/__init__.py": "raise SystemError('imported')", "heavy/deep/__init__.py": DETECTOR, "heavy/deep/net.py": "# of it too"}
    bring("heavy", files, {"dinolabel.detectors/deep": "heavy.deep"})
    assert plugins.needs("detector", "deep") == "none"
    location = plugins.locate("detector", "deep", "https://detector.example")
    assert (location.where, location.here) == ("none", True)
    source = plugins.source("detector", "deep")
    assert "# of it too" in source and source.startswith("heavy 1.0\n")
    assert cache_key(location, source) != cache_key(location, source.replace("too", "two"))
    assert "heavy" not in sys.modules
    with pytest.raises(ModelError, match=r"detector deep of heavy 1\.0 cannot be imported: SystemError: imported"):
        plugins.load_detector("deep", "")


FAULTS = {
    "taken": ({"m.py": DETECTOR}, {"dinolabel.detectors/owlv2": "m"}, "detector owlv2 of odd 1.0 is not used: dinolabel has one of that"),
    "object": ({"m.py": DETECTOR}, {"dinolabel.detectors/odd": "m:build"}, "m:build is an object, and a plug-in is a module"),
    "name": ({"m.py": DETECTOR}, {"dinolabel.detectors/Odd One": "m"}, "a name has small letters, digits, - and _"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_name_that_cannot_be_used_is_refused_by_name(bring: Bring, fault: str) -> None:
    files, entries, sentence = FAULTS[fault]
    before = detectors.PLUGINS.names()
    bring("odd", files, entries)
    assert detectors.PLUGINS.names() == before
    (said,) = detectors.PLUGINS.refused()
    assert sentence in said
    assert detectors.PLUGINS.plugin("owlv2").package == ""
    name = next(iter(entries)).partition("/")[2]
    if name not in before:
        with pytest.raises(UnknownPlug) as raised:
            detectors.PLUGINS.load(name)
        assert sentence in str(raised.value)


def test_of_two_packages_with_one_name_neither_is_used(bring: Bring) -> None:
    for name in ("one", "other"):
        bring(name, {f"{name}_module.py": DETECTOR}, {"dinolabel.detectors/same": f"{name}_module"})
    assert detectors.PLUGINS.refused() == ["The detector same is brought by one 1.0 and other 1.0: neither is used."]
    with pytest.raises(UnknownPlug, match="neither is used"):
        detectors.PLUGINS.load("same")


BROKEN = {
    "raises": ("import nothing_like_it", "cannot be imported: No module named 'nothing_like_it'"),
    "exits": ("raise KeyError('x')", "cannot be imported: KeyError: 'x'"),
    "syntax": ("def build(:", "SyntaxError: invalid syntax"),
    "verb": ("WEIGHTS = 'none'", "odd_module has no `"),
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("kind", [kind for kind, _ in KINDS], ids=lambda kind: kind.group)
def test_a_broken_one_is_an_error_of_its_own_only(bring: Bring, kind: PluginKind, broken: str) -> None:
    text, sentence = BROKEN[broken]
    ours = kind.names()
    bring("odd", {"odd_module.py": text}, {f"{kind.group}/odd": "odd_module"})
    with pytest.raises(kind.error) as raised:
        kind.load("odd")
    assert sentence in str(raised.value) and f"{kind.word} odd of odd 1.0" in str(raised.value)
    assert isinstance(raised.value, RequestError | ModelError) and "uninstall odd" in raised.value.hint
    if kind in (heads.PLUGINS, commands.PLUGINS):
        assert [name for name, _ in kind.load_all()] == ours


def test_a_module_that_is_not_there(bring: Bring) -> None:
    bring("odd", {}, {"dinolabel.detectors/odd": "odd_package.odd"})
    for ask in (plugins.needs, plugins.source):
        with pytest.raises(ModelError, match=r"there is no file of odd_package\.odd"):
            ask("detector", "odd")
    with pytest.raises(DinolabelError, match="No module named 'odd_package'"):
        detectors.PLUGINS.load("odd")


def test_no_python_in_its_file(bring: Bring) -> None:
    bring("odd", {"odd_module.py": "def build(:"}, {"dinolabel.detectors/odd": "odd_module"})
    with pytest.raises(ModelError, match="detector odd is no Python"):
        plugins.needs("detector", "odd")
