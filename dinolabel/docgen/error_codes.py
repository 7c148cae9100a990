"""What can be read off the error classes: for docs/reference.md their codes, for docs/troubleshooting.md what they mean and what to do.

Classes are found in the source, so that only the files that define errors are imported: not torch, not gradio.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import dinolabel
from dinolabel.vision.errors import DinolabelError

BEGIN, END = "<!-- errors -->", "<!-- /errors -->"


def classes() -> list[type[DinolabelError]]:
    """Every class of ours below DinolabelError, a parent before its children."""
    bases = dict(_defined())
    modules: dict[str, str] = {}
    known = {DinolabelError.__name__}
    while more := {name for name, (_, parents) in bases.items() if name not in known and known & set(parents)}:
        known |= more
        modules |= {name: bases[name][0] for name in more}
    found: list[type[DinolabelError]] = [getattr(importlib.import_module(module), name) for name, module in modules.items()]
    return sorted(found, key=lambda each: [kind.__name__ for kind in reversed(each.__mro__)])


def _defined() -> Iterator[tuple[str, tuple[str, list[str]]]]:
    """Class name -> (module, names of its bases), for every class in the package."""
    for module in sorted(each.name for each in pkgutil.walk_packages(dinolabel.__path__, "dinolabel.")):
        source = importlib.util.find_spec(module)
        for node in ast.parse(Path(str(source and source.origin)).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                yield node.name, (module, [ast.unparse(base).rsplit(".", 1)[-1] for base in node.bases])


def everything() -> list[type[DinolabelError]]:
    """The root and every class below it."""
    return [DinolabelError, *classes()]


def codes() -> str:
    """Markdown: each error under its branch, with the exit code of a command and the status of an HTTP answer."""
    from dinolabel.backend.errors import status_of
    from dinolabel.cli.exit_codes import code

    lines = ["| error | is a | exit code | HTTP status |", "|---|---|---|---|"]
    for kind in everything():
        parent = kind.__mro__[1].__name__
        lines.append(f"| `{kind.__name__}` | `{parent}` | {code(kind)} | {status_of(kind.__new__(kind))} |")
    return "\n".join(lines)


def meanings() -> str:
    """Markdown: what each error means and what to do, by name."""
    lines = ["| error | what it means | what to do |", "|---|---|---|"]
    for kind in sorted(everything(), key=lambda each: each.__name__):
        lines.append(f"| `{kind.__name__}` | {_first_sentence(kind)} | {_cell(kind.hint)} |")
    return "\n".join(lines)


def _first_sentence(kind: type[DinolabelError]) -> str:
    return _cell((kind.__doc__ or "").split(". ")[0].rstrip(".") + ".")


def _cell(text: str) -> str:
    return " ".join(text.replace("``", "`").replace("|", "\\|").replace("<", "&lt;").split())


def with_meanings(page: str) -> str:
    """docs/troubleshooting.md with a current table between its markers. Raises ValueError when they are not there."""
    if BEGIN not in page or END not in page:
        raise ValueError(f"expected {BEGIN!r} and {END!r} in docs/troubleshooting.md")
    before, rest = page.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{meanings()}\n{END}{rest.split(END, 1)[1]}"


def names() -> Mapping[str, type[DinolabelError]]:
    """Every error by its name."""
    return {each.__name__: each for each in everything()}
