"""Leases in Label Studio's webhooks: dated by its clock, the oldest live one first, and no webhook that anybody is called by."""

from __future__ import annotations

from typing import Any

import pytest

from dinolabel.studio.calls.leases import HEADER, PLACE
from dinolabel.studio.client import LabelStudio


@pytest.fixture
def studio(host: Any) -> LabelStudio:
    return LabelStudio(host.url, "0" * 40)


def hook(number: int, owner: str, at: str, **more: Any) -> dict[str, Any]:
    about = {"project": 5, "url": PLACE, "headers": {HEADER: owner}, "is_active": False, "actions": [], "created_at": at}
    return {"id": number, "updated_at": f"2026-11-22T10:{at}.123456Z", **about, **more}


def test_a_newcomer_makes_one_that_is_switched_off_and_stands_behind_the_older(host: Any, studio: LabelStudio) -> None:
    older, mine = hook(3, "there.a", "00:30"), hook(7, "here.b", "01:00")
    host.on("/api/webhooks/?project=5", 200, [older]).on("/api/webhooks/?project=5", 200, [mine, older])
    host.on("/api/webhooks/", 201, mine)
    assert [each.owner for each in studio.leases.renew(5, "here.b")] == ["there.a", "here.b"]
    (sent,) = [each for each in host.asked if each.method == "POST"]
    assert sent.json == {
        "project": 5, "url": PLACE, "headers": {HEADER: "here.b"}, "is_active": False,
        "send_payload": False, "send_for_all_actions": False, "actions": [],
    }  # fmt: skip


def test_who_was_silent_for_too_long_does_not_count_and_mine_is_renewed_not_repeated(host: Any, studio: LabelStudio) -> None:
    dead, before, now = hook(3, "there.a", "00:00"), hook(7, "here.b", "01:00"), hook(7, "here.b", "01:31")
    host.on("/api/webhooks/?project=5", 200, [dead, before]).on("/api/webhooks/?project=5", 200, [dead, now])
    host.on("/api/webhooks/7/", 200, now)
    assert [each.id for each in studio.leases.renew(5, "here.b")] == [7]
    assert [each.method for each in host.asked] == ["GET", "PATCH", "GET"]


def test_a_lease_is_not_listed_as_a_webhook_and_only_mine_is_dropped(host: Any, studio: LabelStudio) -> None:
    called = hook(1, "", "00:00", url="http://127.0.0.1:9090/webhook", headers={}, is_active=True)
    host.on("/api/webhooks/?project=5", 200, [called, hook(3, "there.a", "00:00"), hook(7, "here.b", "00:01")])
    host.on("/api/webhooks/7/", 204)
    assert [each.id for each in studio.webhooks.list(5)] == [1]
    studio.leases.drop(5, "here.b")
    assert [each.path for each in host.asked if each.method == "DELETE"] == ["/api/webhooks/7/"]
