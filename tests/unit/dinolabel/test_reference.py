from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from dinolabel.__main__ import application
from dinolabel.docgen import error_codes as reference_errors
from dinolabel.docgen import http as reference_http
from dinolabel.docgen import reference
from dinolabel.overview import command_names
from dinolabel.settings import Settings

REMEDY = "run `python -m dinolabel.docgen.reference` and commit what it writes"
DOCUMENTED = "".join((reference.ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/reference.md"))


MADE = (".env.example", "docs/reference.md", "docs/troubleshooting.md")


@pytest.mark.parametrize("path", [reference.ROOT / name for name in MADE])
def test_what_is_made_from_the_code_is_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == reference.files()[path], REMEDY


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_explained(name: str) -> None:
    assert Settings.model_fields[name].description
    assert f"`DINOLABEL_{name.upper()}`" in DOCUMENTED


@pytest.mark.parametrize("name", command_names())
def test_every_command_is_in_the_reference(name: str) -> None:
    assert f"`dinolabel {name}" in DOCUMENTED


def test_every_option_is_in_the_reference() -> None:
    def options(command: object) -> set[str]:
        own = {each for parameter in command.params for each in parameter.opts if each.startswith("--")}  # type: ignore[attr-defined]
        return own.union(*map(options, (each for each in getattr(command, "commands", {}).values() if not each.hidden)))

    missing = [each for each in options(typer.main.get_command(application())) if f"`{each}`" not in DOCUMENTED]
    assert not missing, REMEDY


def test_every_route_is_told_with_what_it_is_for() -> None:
    rows = re.findall(r"^\| `[A-Z ]+(/\S*)` \| (.*) \|$", reference_http.routes(), re.MULTILINE)
    assert {path for path, _ in rows} >= {"/health", "/setup", "/predict", "/webhook", "/v1/detect", "/metrics", "/jobs/<job>/cancel"}
    assert all(text.endswith(".") for _, text in rows), REMEDY


def test_every_error_has_its_codes() -> None:
    codes = reference_errors.codes()
    assert all(f"| `{name}` |" in codes for name in reference_errors.names())
    assert "| `NotEnoughLabels` | `TrainingError` | 6 | 409 |" in codes


def test_the_example_file_is_read_as_all_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uncommented as it stands, it changes nothing."""
    lines = reference.env_example().splitlines()
    (tmp_path / ".env").write_text("\n".join(line[2:] for line in lines if line.startswith("# DINOLABEL_") and not line.endswith("=")))
    monkeypatch.chdir(tmp_path)
    assert Settings.load() == Settings(_env_file=None)  # type: ignore[call-arg]


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        reference_errors.with_meanings("# Troubleshooting\n")


def test_the_settings_stand_in_one_place() -> None:
    readme = (reference.ROOT / "README.md").read_text(encoding="utf-8")
    assert "| `DINOLABEL_" not in readme and "docs/reference.md#settings" in readme
    assert "## Settings" in (reference.ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
