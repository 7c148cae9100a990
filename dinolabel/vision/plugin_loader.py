"""Plug-ins by name: the files of a folder of ours, and the modules that installed packages name in an entry point.

A plug is imported when it is loaded and not before: lists, plans and help read names, files and what packages say of themselves.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module, machinery, metadata, util
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

import structlog

from dinolabel.vision.errors import DinolabelError, ModelError, UnknownPlug, first_line

log = structlog.get_logger(__name__)

OURS = "dinolabel"
NAME = re.compile(r"[a-z][a-z0-9_-]*")
IN_THE_WAY = "If this names torchvision or timm: uninstall them, they do not fit the torch that is here. Else `python run.py setup`."


@dataclass(frozen=True, slots=True)
class Plugin:
    """name: what it is chosen by. module: what is imported. package: who brings it, `dinolabel-blobs 1.0`; empty for one of ours."""

    name: str
    module: str
    package: str = ""


@dataclass(frozen=True, slots=True)
class PluginKind:
    """All plug-ins of one kind.

    word: what one is called in a sentence. group: the entry points of packages that bring one. folder: our package, whose files are ours.
    verbs: functions or objects, one of which its module must have. among_others: other files lie in our folder, so that only those with
    `def VERB(` count. error: what a plug that cannot be imported raises.
    """

    word: str
    group: str
    folder: str
    verbs: tuple[str, ...] = ("build",)
    among_others: bool = False
    error: type[DinolabelError] = ModelError

    def names(self) -> list[str]:
        """What there is, sorted: ours and those of installed packages. Imports none of them."""
        return sorted(self._known())

    def own_names(self) -> list[str]:
        """Those of our folder, sorted. Files are read at most, and not imported."""
        return sorted(self._files_of_ours())

    def outside(self) -> list[Plugin]:
        """Those of installed packages, sorted by name."""
        return [each for _, each in sorted(self._known().items()) if each.package]

    def refused(self) -> list[str]:
        """A sentence for each plug-in of a package that is not used: a name that is taken, an entry point that names no module."""
        return [sentence for each in self._entries().values() for sentence in each if isinstance(sentence, str)]

    def load(self, name: str) -> ModuleType:
        """The module of a plug. Raises UnknownPlug, or the kind's error where it cannot be imported or lacks its function."""
        plugin = self.plugin(name)
        try:
            module = import_module(plugin.module)
        except (ImportError, RuntimeError) as error:
            raise self._broken(plugin, first_line(error)) from error
        except Exception as error:  # a stranger's file may fail in any way
            if not plugin.package:
                raise
            raise self._broken(plugin, f"{type(error).__name__}: {first_line(error)}") from error
        if not any(hasattr(module, verb) for verb in self.verbs):
            raise self._broken(plugin, f"{plugin.module} has no `{'` and no `'.join(self.verbs)}`")
        return module

    def load_all(self) -> Iterator[tuple[str, ModuleType]]:
        """Each name with its module; a package's that cannot be imported is left out with a warning. Raises as `load` for ours."""
        for name, plugin in sorted(self._known().items()):
            try:
                yield name, self.load(name)
            except DinolabelError as error:
                if not plugin.package:
                    raise
                log.warning("plugin_left_out", plugin=name, package=plugin.package, why=str(error))

    def plugin(self, name: str) -> Plugin:
        """Raises UnknownPlug that lists those there are, and says why one of that name is not used."""
        known = self._known()
        because = [sentence for sentence in self._entries().get(name, ()) if isinstance(sentence, str)]
        if name not in known:
            there = f"There is no {self.word} {name!r}; there are: {', '.join(sorted(known)) or 'none'}."
            raise UnknownPlug(" ".join([there, *because]))
        for sentence in because:
            log.warning("plugin_refused", why=sentence)
        return known[name]

    def files(self, name: str) -> list[Path]:
        """The source of a plug, which is not imported: its file, or of a package its `__init__.py` first. Raises as `load`."""
        plugin = self.plugin(name)
        spec = util.find_spec(plugin.module) if not plugin.package else _find_spec(plugin.module)
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            raise self._broken(plugin, f"there is no file of {plugin.module}")
        first = Path(spec.origin)
        return [first, *(sorted(set(first.parent.rglob("*.py")) - {first}) if first.name == "__init__.py" else ())]

    def _known(self) -> dict[str, Plugin]:
        ours = {name: Plugin(name, f"{self.folder}.{name}") for name in self._files_of_ours()}
        theirs = {each.name: each for entries in self._entries().values() for each in entries if isinstance(each, Plugin)}
        return theirs | ours

    def _files_of_ours(self) -> Iterator[str]:
        marks = re.compile(rf"^def (?:{'|'.join(self.verbs)})\(", re.MULTILINE)
        for finder, name, _ in iter_modules(sys.modules[self.folder].__path__):
            if name.startswith("_"):
                continue
            if self.among_others:
                spec = finder.find_spec(name, None)  # type: ignore[call-arg]
                if spec is None or not spec.origin or not marks.search(Path(spec.origin).read_text(encoding="utf-8")):
                    continue
            yield name

    def _entries(self) -> dict[str, list[Plugin | str]]:
        """By name what packages bring: the plug-in, or why it is not used."""
        ours, found = set(self._files_of_ours()), defaultdict(list)
        for entry in _entry_points(self.group):
            found[entry.name].append(entry)
        return {name: self._judged(name, entries, taken=name in ours) for name, entries in sorted(found.items())}

    def _judged(self, name: str, entries: list[metadata.EntryPoint], *, taken: bool) -> list[Plugin | str]:
        who = " and ".join(sorted(map(_package, entries)))
        if taken:
            return [f"The {self.word} {name} of {who} is not used: dinolabel has one of that name."]
        if len(entries) > 1:
            return [f"The {self.word} {name} is brought by {who}: neither is used."]
        if not NAME.fullmatch(name):
            return [f"The {self.word} {name!r} of {who} is not used: a name has small letters, digits, - and _."]
        if entries[0].attr:
            return [f"The {self.word} {name} of {who} is not used: {entries[0].value} is an object, and a plug-in is a module."]
        return [Plugin(name, entries[0].module, who)]

    def _broken(self, plugin: Plugin, why: str) -> DinolabelError:
        of = f" of {plugin.package}" if plugin.package else ""
        hint = f"Mend or uninstall {plugin.package.rpartition(' ')[0]}; docs/plugins.md says what a plug-in holds." if of else IN_THE_WAY
        return self.error(f"The {self.word} {plugin.name}{of} cannot be imported: {why}", hint=hint)


def _package(entry: metadata.EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.module


def _entry_points(group: str) -> list[metadata.EntryPoint]:
    """Without our own package's: its folders are the truth, installed or not."""
    return _entry_points_of_others(tuple(sys.path)).get(group, [])


@cache
def _entry_points_of_others(_path: tuple[str, ...]) -> Mapping[str, list[metadata.EntryPoint]]:
    """By group, of every package on this sys.path. Read once: of 230 packages in three hundredths of a second, and a name of one is read
    out of all that it says of itself."""
    every = metadata.entry_points()
    groups = [each for each in every.groups if each.startswith(f"{OURS}.")]
    return {name: [each for each in every.select(group=name) if each.dist is None or each.dist.name != OURS] for name in groups}


def _find_spec(module: str) -> machinery.ModuleSpec | None:
    """As importlib.util.find_spec, but the packages that a module lies in are not imported: they might bring torch."""
    first, *rest = module.split(".")
    try:
        spec = util.find_spec(first)
    except (ImportError, ValueError):
        return None
    for end in range(1, len(rest) + 1):
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = machinery.PathFinder.find_spec(".".join((first, *rest[:end])), list(spec.submodule_search_locations))
    return spec
