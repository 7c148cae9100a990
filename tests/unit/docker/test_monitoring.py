"""Dashboard and alerts: read by Prometheus' own checker and by Grafana's own types, and asking for what is counted."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.docs import ROOT

MONITORING = ROOT / "docker" / "monitoring"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
RULES = [rule for group in yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
COUNTED = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram) \|([^|]*)\|", re.MULTILINE)
ASKED = re.compile(r"\b(?:dinolabel|http|process)_[a-z_]+")


def promtool(*arguments: str) -> str:
    """What Prometheus' checker says; it fails the test where it finds fault."""
    tool = shutil.which("promtool")
    assert tool is not None, "Debian's package `prometheus` has it."
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_reads_the_alerts_and_the_settings() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", "--lint=all", "--lint-fatal", str(MONITORING / "alerts.yml"))
    promtool("check", "config", "--syntax-only", str(MONITORING / "prometheus.yml"))


def test_prometheus_reads_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(QUERIES)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", str(tmp_path / "queries.yml"))


@pytest.mark.parametrize("query", [*QUERIES, *(each["expr"] for each in RULES)])
def test_what_is_asked_for_is_counted(query: str) -> None:
    """By name and by label, as docs/production.md lists them, which is compared with /metrics elsewhere."""
    page = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
    kinds = {name: kind for name, kind, _ in COUNTED.findall(page)}
    labels = {label for _, _, told in COUNTED.findall(page) for label in re.findall(r"`(\w+)`", told)} | {"le", "instance", "job", "up"}
    for name in ASKED.findall(query):
        if name in labels:
            continue
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert kinds.get(name) or kinds.get(base) == "histogram", name
    for group in re.findall(r"by \(([^)]*)\)", query):
        assert {each.strip() for each in group.split(",")} <= labels
    assert {*re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)", query)} <= labels


def test_grafanas_types_know_every_field_of_the_dashboard() -> None:
    """What they do not know would be lost on the way through them."""
    plugins.register_default_plugins()
    back = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(DASHBOARD)))
    assert list(_lost(DASHBOARD, back, "")) == []


def _lost(before: Any, after: Any, path: str) -> Any:
    if isinstance(before, dict):
        for key, value in before.items():
            yield from _lost(value, after.get(key) if isinstance(after, dict) else None, f"{path}/{key}")
    elif isinstance(before, list):
        for at, value in enumerate(before):
            yield from _lost(value, after[at] if isinstance(after, list) and at < len(after) else None, f"{path}/{at}")
    elif before != after:
        yield path


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({each["id"] for each in panels}) == len(panels)
    taken = [(x, y) for each in panels for x in _range(each, "x", "w") for y in _range(each, "y", "h")]
    assert len({*taken}) == len(taken) and all(0 <= x < 24 for x, _ in taken)


def _range(panel: dict[str, Any], at: str, size: str) -> range:
    place = panel["gridPos"]
    return range(place[at], place[at] + place[size])


def test_every_alert_says_what_to_do() -> None:
    assert all(each["annotations"].keys() == {"summary", "description"} and each["labels"]["severity"] for each in RULES)
    assert len({each["alert"] for each in RULES}) == len(RULES)
