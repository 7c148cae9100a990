"""What `/metrics` counts and what the docs say it counts are the same: names, types, labels."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dinolabel.backend.http.metrics import Metrics
from dinolabel.backend.jobs.table import DONE
from dinolabel.backend.project_status import ProjectStatus
from tests import docs

TABLE = re.compile(r"^\| `(dinolabel_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)


@pytest.fixture(scope="module")
def counted() -> dict[str, tuple[str, frozenset[str]]]:
    """Each metric as Prometheus knows it, with its type and labels, after everything was counted once."""
    meters = Metrics()
    meters.predict_seconds.observe(1.0)
    meters.predictions.labels("ready").inc()
    meters.jobs.labels("train", DONE).inc()
    page = meters.render([ProjectStatus(project=1)]).decode()
    found = {}
    for family in text_string_to_metric_families(page):
        if family.name.endswith("_created"):  # the library's own, beside each counter and histogram
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, frozenset(label for sample in family.samples for label in sample.labels) - {"le"})
    return found


def test_the_table_is_what_is_counted(counted: dict[str, tuple[str, frozenset[str]]]) -> None:
    page = (docs.ROOT / "docs" / "production.md").read_text(encoding="utf-8")
    told = {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in TABLE.findall(page)}
    assert told == counted


def test_every_metric_that_a_page_names_is_counted(counted: dict[str, tuple[str, frozenset[str]]]) -> None:
    """Label Studio's settings file of ours, `dinolabel_settings.py`, is none."""
    named = {name for page in docs.PAGES for name in re.findall(r"\bdinolabel_[a-z_]+\b(?!\.py)", page.read_text(encoding="utf-8"))}
    assert named == set(counted)
