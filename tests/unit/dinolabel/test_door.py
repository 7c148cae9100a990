from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest

from dinolabel.local.door import Door

COOKIES = {"sessionid": "abc123", "csrftoken": "def456"}
TARGET = "http://127.0.0.1:9/projects/1/data?labeling=1"


def get(link: str, path: str | None = None) -> http.client.HTTPResponse:
    parts = urlsplit(link)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    connection.request("GET", path or parts.path)
    return connection.getresponse()


def test_the_link_hands_over_the_session_and_leads_on() -> None:
    with Door(TARGET, COOKIES) as door:
        answer = get(door.link)
    assert (answer.status, answer.headers["Location"]) == (302, TARGET)
    cookies = answer.headers.get_all("Set-Cookie")
    assert cookies == ["sessionid=abc123; Path=/; SameSite=Lax; HttpOnly", "csrftoken=def456; Path=/; SameSite=Lax"]
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/enter/", "/enter/wrong", "//", "/enter/%00"])
def test_no_other_path_opens(path: str) -> None:
    with Door(TARGET, COOKIES) as door:
        answer = get(door.link, path)
        assert (answer.status, answer.headers.get("Set-Cookie")) == (404, None)
        assert get(door.link).status == 302


def test_it_opens_once() -> None:
    with Door(TARGET, COOKIES) as door:
        assert [get(door.link).status, get(door.link).status] == [302, 404]


def test_it_is_gone_afterwards_and_each_door_has_its_own_key() -> None:
    with Door(TARGET, COOKIES) as door, Door(TARGET, COOKIES) as other:
        assert urlsplit(door.link).path != urlsplit(other.link).path
        assert len(urlsplit(door.link).path) > 30
    with pytest.raises(ConnectionRefusedError):
        get(door.link)
