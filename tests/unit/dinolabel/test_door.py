from __future__ import annotations

import http.client
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from dinolabel.backend.http import auth
from dinolabel.local.redirect_page import RedirectPage
from tests.doubles.door import Door as Backend
from tests.unit.backend.conftest import World

COOKIES = {"sessionid": "abc123", "csrftoken": "def456"}
TARGET = "http://127.0.0.1:9/projects/1/data?labeling=1"


def get(link: str, path: str | None = None) -> http.client.HTTPResponse:
    parts = urlsplit(link)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    connection.request("GET", path or parts.path)
    return connection.getresponse()


def test_the_link_hands_over_the_session_and_leads_on() -> None:
    with RedirectPage(TARGET, COOKIES) as door:
        answer = get(door.link)
    assert (answer.status, answer.headers["Location"]) == (302, TARGET)
    cookies = answer.headers.get_all("Set-Cookie")
    assert cookies == ["sessionid=abc123; Path=/; SameSite=Lax; HttpOnly", "csrftoken=def456; Path=/; SameSite=Lax"]
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/enter/", "/enter/wrong", "//", "/enter/%00"])
def test_no_other_path_opens(path: str) -> None:
    with RedirectPage(TARGET, COOKIES) as door:
        answer = get(door.link, path)
        assert (answer.status, answer.headers.get("Set-Cookie")) == (404, None)
        assert get(door.link).status == 302


def test_it_opens_once() -> None:
    with RedirectPage(TARGET, COOKIES) as door:
        assert [get(door.link).status, get(door.link).status] == [302, 404]


def test_it_is_gone_afterwards_and_each_door_has_its_own_key() -> None:
    with RedirectPage(TARGET, COOKIES) as door, RedirectPage(TARGET, COOKIES) as other:
        assert urlsplit(door.link).path != urlsplit(other.link).path
        assert len(urlsplit(door.link).path) > 30
    with pytest.raises(ConnectionRefusedError):
        get(door.link)


def test_a_link_is_gone_after_ten_minutes() -> None:
    now = 100.0
    with RedirectPage(TARGET, COOKIES, clock=lambda: now) as door:
        now += 601.0
        answer = get(door.link)
        assert (answer.status, answer.headers.get("Set-Cookie")) == (404, None)
    now = 100.0
    with RedirectPage(TARGET, COOKIES, clock=lambda: now) as door:
        now += 590.0
        assert get(door.link).status == 302


def test_the_key_of_our_page_is_kept_from_scripts_and_leads_into_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    backend = Backend(world, world.service(), secret="s3cret")
    with RedirectPage(f"{backend.server.url}/", {auth.COOKIE: auth.cookie("s3cret")}) as door:
        answer = get(door.link)
        (given,) = answer.headers.get_all("Set-Cookie")
        assert given.startswith(f"{auth.COOKIE}=") and given.endswith("; Path=/; SameSite=Lax; HttpOnly")
    page = requests.get(answer.headers["Location"], headers={"Cookie": given.partition(";")[0], "Accept": "text/html"}, timeout=30)
    assert page.status_code == 200 and "No project yet" in page.text
    assert "s3cret" not in given + page.url + page.text
    backend.close()
