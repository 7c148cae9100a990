"""`dinolabel app`: who may reach the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from dinolabel.__main__ import run
from dinolabel.commands.app import _from, login_of
from dinolabel.settings import Settings
from dinolabel.vision.errors import SettingsError


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "nowhere"], "no folder nowhere"),
        (["--model", "."], "no exported model"),
        (["--model", ".", "--weights", "nano"], "brings its own weights"),
    ],
)
def test_a_model_that_is_none_is_refused_before_anything_is_loaded(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["app", *arguments]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
