"""What counts as loopback, alike for the backend's address and Host header, the app's address and the proxy."""

from __future__ import annotations

import pytest

from dinolabel.backend.http import auth
from dinolabel.commands import app
from dinolabel.studio.media.loopback import is_loopback
from dinolabel.studio.media.network import NetworkSettings
from dinolabel.vision.errors import SettingsError

LOOPBACK = [
    "localhost",
    "LOCALHOST",
    "LocalHost.",
    "photos.localhost",
    "a.b.Localhost.",
    "127.0.0.1",
    "127.255.255.254",
    "::1",
    "[::1]",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "[::FFFF:7f00:1]",
]
OTHERS = [
    "",
    ".",
    "0.0.0.0",
    "::",
    "[::]",
    "::ffff:0.0.0.0",
    "::ffff:10.0.0.1",
    "128.0.0.1",
    "126.255.255.255",
    "10.0.0.1",
    "127.1",
    "127.0.0.1.example.org",
    "evillocalhost",
    "localhost.example.org",
    ".localhost",
    "a..localhost",
    "localhost..",
    "[localhost",
    "studio",
]
TABLE = [(host, True) for host in LOOPBACK] + [(host, False) for host in OTHERS]


@pytest.mark.parametrize(("host", "expected"), TABLE)
def test_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(("host", "expected"), TABLE)
def test_backend_and_app_listen_on_loopback_alone_without_a_secret(host: str, expected: bool) -> None:
    for listen in (lambda: auth.check_address(host, None), lambda: app.login_of(None, host=host)):
        if expected:
            listen()
        else:
            with pytest.raises(SettingsError):
                listen()


IN_URLS = [(f"[{host}]" if ":" in host and host[0] != "[" else host, expected) for host, expected in TABLE if host != "[localhost"]


@pytest.mark.parametrize(("host", "expected"), IN_URLS)
def test_loopback_is_never_behind_a_proxy(host: str, expected: bool) -> None:
    network, url = NetworkSettings(proxy="http://proxy.example:3128"), f"http://{host}:8080/"
    assert ("proxies" not in network.options(url)) is expected
    assert network.session(url).trust_env is not expected
