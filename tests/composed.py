"""docker/compose.yml as an engine reads it: variables put in, profiles chosen, overrides laid on top."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

DOCKER = Path(__file__).resolve().parents[1] / "docker"
VARIABLE = re.compile(r"\$\{(\w+)(?:(:[-?])((?:\[[^]]*\]|[^}])*))?\}")


def interpolated(text: str, given: Mapping[str, str]) -> str:
    """Raises ValueError with the file's own words for a `${NAME:?words}` that is not given."""

    def value(found: re.Match[str]) -> str:
        name, how, rest = found.groups()
        if given.get(name):
            return given[name]
        if how == ":?":
            raise ValueError(f"{name}: {rest}")
        return rest or ""

    return VARIABLE.sub(value, text)


def services(
    given: Mapping[str, str], *, profiles: Iterable[str] = (), ports: Mapping[int, int] | None = None
) -> dict[str, dict[str, Any]]:
    """Name -> service of compose.yml. given: what docker/.env and the shell say. ports: instead of the usual ones."""

    def put_in(each: Any) -> Any:
        """After parsing, as an engine does: a value with brackets stays text."""
        if isinstance(each, dict):
            return {name: put_in(value) for name, value in each.items()}
        if isinstance(each, list):
            return [put_in(value) for value in each]
        text = interpolated(each, given) if isinstance(each, str) else each
        for usual, other in (ports or {}).items() if isinstance(text, str) else ():
            text = re.sub(rf"\b{usual}\b", str(other), text)
        return text

    whole = put_in(yaml.safe_load((DOCKER / "compose.yml").read_text()))
    chosen = set(profiles)
    found = {name: each for name, each in whole["services"].items() if chosen.issuperset(each.get("profiles", ()))}
    for each in found.values():
        each["environment"] = {
            name: given.get(name) if value is None else str(value)
            for name, value in each["environment"].items()
            if value is not None or name in given
        }
    return found


def env_file(text: str) -> dict[str, str]:
    """The lines of a `.env`."""
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.M))
