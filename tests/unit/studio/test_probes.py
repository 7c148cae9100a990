from __future__ import annotations

from typing import Any

import pytest

from dinolabel.studio.calls.probes import Caller
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.errors import StudioDenied

TOKEN = "0123456789abcdef0123456789abcdef01234567"
BANNED = {"detail": "URL resolves to a reserved network address (block: 10.0.0.0/8)"}
# As Label Studio 1.23.2 answers (measured).
ALLOWED = {"status_code": 400, "detail": "Validation error", "validation_errors": {"is_active": ["Must be a valid boolean."]}}


@pytest.mark.parametrize(("caller", "path"), [("backends", "/api/ml/"), ("webhooks", "/api/webhooks/")])
@pytest.mark.parametrize(("status", "body", "answer"), [(403, BANNED, False), (400, ALLOWED, True), (404, {"detail": "Not found."}, None)])
def test_what_label_studio_would_call(host: Any, caller: Caller, path: str, status: int, body: Any, answer: bool | None) -> None:
    host.on(path, status, body)
    assert LabelStudio(host.url, TOKEN).probes.may_call(caller, "http://10.0.0.1:9090") is answer
    (asked,) = host.asked
    assert asked.json["url"] == "http://10.0.0.1:9090"


def test_what_was_made_after_all_is_taken_away(host: Any) -> None:
    host.on("/api/webhooks/", 201, {"id": 7}).on("/api/webhooks/7/", 204)
    assert LabelStudio(host.url, TOKEN).probes.may_call("webhooks", "http://10.0.0.1/") is True
    assert [(each.method, each.path) for each in host.asked][-1] == ("DELETE", "/api/webhooks/7/")


def test_a_token_that_may_not_ask(host: Any) -> None:
    host.on("/api/ml/", 403, {"detail": "You do not have permission to perform this action."})
    with pytest.raises(StudioDenied):
        LabelStudio(host.url, TOKEN).probes.may_call("backends", "http://10.0.0.1/")
