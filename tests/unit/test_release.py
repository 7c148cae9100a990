"""CHANGELOG.md has the form that docs/release.md closes, and agrees with pyproject.toml about the version."""

from __future__ import annotations

import datetime
import re
import tomllib

from packaging.version import Version

from tests import docs

CHANGELOG = (docs.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
SECTIONS = re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", CHANGELOG, re.MULTILINE | re.DOTALL)
GROUPS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def test_what_is_not_released_comes_first_and_then_the_newest() -> None:
    headings = [heading for heading, _ in SECTIONS]
    assert headings[0] == "[Unreleased]"
    released = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)", heading) for heading in headings[1:]]
    assert all(released), headings
    versions = [Version(each[1]) for each in released if each]
    days = [datetime.date.fromisoformat(each[2]) for each in released if each]
    assert versions == sorted(set(versions), reverse=True) and days == sorted(days, reverse=True)


def test_the_newest_section_is_the_version_at_hand() -> None:
    version = tomllib.loads((docs.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert SECTIONS[1][0].startswith(f"[{version}] - "), "close the changelog and raise the version together (docs/release.md)"


def test_every_line_is_in_a_group_and_no_group_is_empty() -> None:
    for heading, body in SECTIONS:
        before, *groups = re.split(r"^### ", body, flags=re.MULTILINE)
        assert "\n- " not in f"\n{before}", f"{heading}: a line stands in no group"
        names = [each.partition("\n")[0] for each in groups]
        assert names == [each for each in GROUPS if each in names], f"{heading}: {names}"
        assert all(re.search(r"^- \S", each, re.MULTILINE) for each in groups), heading
