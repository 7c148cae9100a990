"""Prints what can be read off the code: `.env.example`, docs/reference.md, the errors' table of docs/troubleshooting.md, the entry points
of pyproject.toml.

Run `python -m dinolabel.docgen.reference` after changing a setting, a command, a route, an error or a plug-in; a test compares the files
with this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from dinolabel.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PLATFORM = "your platform's data folder"  # differs from machine to machine: the page must not
HTTP = 'Routes of `dinolabel serve`. With `DINOLABEL_SECRET` set, all but `/health` ask for it. An error is `{"error": …, "hint": …}`.'
DETECT = "How pictures are sent, and what else can be answered: [production.md](production.md)."
ERRORS = "What each means and what to do: [troubleshooting.md](troubleshooting.md#errors-by-name). A log line names its error as `error=…`."


def settings_rows() -> Iterator[tuple[str, str, str]]:
    """(environment variable, default as text, what it is for), in the order of the class."""
    for name, field in Settings.model_fields.items():
        yield f"DINOLABEL_{name.upper()}", _default(name, field.default), field.description or ""


def _default(name: str, value: Any) -> str:
    if name == "data_dir":
        return PLATFORM
    if value is None or value == () or value is PydanticUndefined:
        return ""
    return str(value)


def settings_table() -> str:
    """The Markdown table of docs/reference.md."""
    lines = ["| setting | default | what it is for |", "|---|---|---|"]
    lines += [f"| `{name}` | {_code(default)} | {text} |" for name, default, text in settings_rows()]
    return "\n".join(lines)


def _code(default: str) -> str:
    return default if default == PLATFORM else f"`{default}`" if default else "none"


def env_example() -> str:
    """Text of `.env.example`: every setting, commented out, with its default."""
    head = "# Copy to `.env` and uncomment what you change. An environment variable beats this file, a flag beats both.\n"
    body = [f"# {text}\n# {name}={'' if default == PLATFORM else default}\n" for name, default, text in settings_rows()]
    return head + "\n" + "\n".join(body)


def reference() -> str:
    """Text of docs/reference.md: every command with its options, every setting, route and error."""
    import typer.main

    from dinolabel.__main__ import application
    from dinolabel.docgen import error_codes as reference_errors
    from dinolabel.docgen import http as reference_http

    root = typer.main.get_command(application())
    parts = ["# Reference", "", "Made by `python -m dinolabel.docgen.reference`; do not edit.", "", "## Commands", ""]
    for path, command in _walk(root, ("dinolabel",)):
        parts += _command(path, command)
    parts += [
        "## Settings",
        "",
        "Each is an environment variable, or a line of `.env`; flags overrule them, and a project's label config overrules flags.",
        "",
        settings_table(),
        "",
    ]
    parts += ["## HTTP", "", HTTP, "", reference_http.routes(), "", "### `POST /v1/detect`", "", DETECT, ""]
    parts += [reference_http.detect_fields(), "", "## Errors", "", ERRORS, "", reference_errors.codes(), ""]
    return "\n".join(parts)


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        if each.hidden:
            continue
        yield from _walk(each, (*path, name))


def _command(path: tuple[str, ...], command: Any) -> list[str]:
    lines = [f"### `{' '.join(path)}`", "", _prose(command.help or ""), ""]
    options = [each for each in command.params if each.name != "help"]
    if options:
        lines += ["| option | what it is for |", "|---|---|"]
        lines += [f"| {_names(each)} | {_prose(getattr(each, 'help', None) or '')} |" for each in options]
        lines.append("")
    return lines


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{(parameter.metavar or parameter.name).upper()}`"
    names = [*parameter.opts, *parameter.secondary_opts]
    return ", ".join(f"`{each}`" for each in names)


def _prose(text: str) -> str:
    """Help text as Markdown: paragraphs kept, terminal markup and line-wrapping marks taken off, examples as code."""
    clean = re.sub(r"\[/?[a-z ]*\]", "", text.replace("\b", "")).strip()
    return re.sub(r"^( *)(?:Example:\s*)?(dinolabel .+)$", r"\1Example: `\2`", clean, flags=re.MULTILINE)


def with_entry_points(project: str) -> str:
    """pyproject.toml with our own plug-ins registered as those of other packages are, a table for each kind."""
    from dinolabel.doctor.plugins import KINDS

    tables = []
    for kind in KINDS:
        lines = [f'{name} = "{kind.folder}.{name}"' for name in kind.own_names()]
        tables.append("\n".join((f'[project.entry-points."{kind.group}"]', *lines)) + "\n\n")
    before = re.sub(r'^\[project\.entry-points\."[^\n]*\n(?:[^\[\n][^\n]*\n)*\n', "", project, flags=re.MULTILINE)
    return before.replace("[project.optional-dependencies]\n", "".join(tables) + "[project.optional-dependencies]\n", 1)


def files() -> Mapping[Path, str]:
    """Each file this makes, with the text it should have."""
    from dinolabel.docgen.error_codes import with_meanings

    trouble, project = ROOT / "docs" / "troubleshooting.md", ROOT / "pyproject.toml"
    return {
        project: with_entry_points(project.read_text(encoding="utf-8")),
        ROOT / ".env.example": env_example(),
        ROOT / "docs" / "reference.md": reference(),
        trouble: with_meanings(trouble.read_text(encoding="utf-8")),
    }


def write() -> list[Path]:
    """Write the files that are not current; returns them."""
    changed = [path for path, text in files().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files()[path], encoding="utf-8")
    return changed


if __name__ == "__main__":
    from dinolabel.cli import console

    for path in write():
        console.out.print(f"wrote {path.relative_to(ROOT)}")
