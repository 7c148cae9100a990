"""`dinolabel app`: who may reach the page."""

from __future__ import annotations

import pytest

from dinolabel.commands.app import _from, login_of
from dinolabel.settings import Settings
from vision.errors import SettingsError


@pytest.mark.parametrize(
    ("auth", "host", "wanted"),
    [
        (None, "127.0.0.1", None),
        (None, "localhost", None),
        (None, "::1", None),
        ("a:b", "127.0.0.1", ("a", "b")),
        ("a:b:c", "0.0.0.0", ("a", "b:c")),
    ],
)
def test_login(auth: str | None, host: str, wanted: tuple[str, str] | None) -> None:
    assert login_of(auth, host=host) == wanted


def test_the_secret_is_a_login_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOLABEL_SECRET", "horse:staple")
    assert login_of(_from(Settings.load()), host="0.0.0.0") == ("dinolabel", "horse:staple")
    monkeypatch.delenv("DINOLABEL_SECRET")
    assert _from(Settings.load()) is None


@pytest.mark.parametrize(
    ("auth", "host", "words"),
    [
        (None, "0.0.0.0", "does not listen on 0.0.0.0"),
        (None, "example.org", "does not listen"),
        (None, "::", "does not listen"),
        ("a", "127.0.0.1", "needs a name"),
        ("a:", "127.0.0.1", "needs a name"),
        (":b", "127.0.0.1", "needs a name"),
    ],
)
def test_no_login(auth: str | None, host: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        login_of(auth, host=host)
