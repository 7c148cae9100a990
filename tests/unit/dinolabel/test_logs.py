from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from dinolabel import logging_setup

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging_setup._known.clear()
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"event": "hello", "project": 3}, {"event": "hello", "project": 3}),
        ({"token": "abc"}, {"token": logging_setup.MASK}),
        ({"studio_token": None}, {"studio_token": None}),
        ({"tokens": 12}, {"tokens": 12}),
        ({"Authorization": "Token abc"}, {"Authorization": logging_setup.MASK}),
        ({"headers": {"Cookie": "sessionid=1", "Accept": "*/*"}}, {"headers": {"Cookie": logging_setup.MASK, "Accept": "*/*"}}),
        ({"event": "sent Token 0123456789abcdef to"}, {"event": f"sent Token {logging_setup.MASK} to"}),
        ({"event": "Bearer abc.def.ghi-jkl"}, {"event": f"Bearer {logging_setup.MASK}"}),
        ({"event": f"got {JWT} back"}, {"event": f"got {logging_setup.MASK} back"}),
        ({"url": "http://me:pass@host/x"}, {"url": f"http://{logging_setup.MASK}@host/x"}),
        ({"url": "http://host/x?token=abcdef&page=2"}, {"url": f"http://host/x?token={logging_setup.MASK}&page=2"}),
        ({"url": "http://host/data/local-files/?d=a/b.jpg"}, {"url": "http://host/data/local-files/?d=a/b.jpg"}),
        ({"args": ["a", {"secret": "b"}]}, {"args": ["a", {"secret": logging_setup.MASK}]}),
        ({"ok": True, "secret_set": True}, {"ok": True, "secret_set": True}),
        ({"event": "my known-secret here"}, {"event": f"my {logging_setup.MASK} here"}),
    ],
)
def test_masking(event: dict[str, Any], expected: dict[str, Any]) -> None:
    logging_setup.register_secret("known-secret", None, "")
    assert logging_setup.mask_secrets(None, "info", dict(event)) == expected


def test_lines_are_json_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    logging_setup.configure("info")
    structlog.get_logger("dinolabel.backend.reconciler.reconciler").info("filled", project=3, token="abc")
    structlog.get_logger("x").debug("not this")
    logging.getLogger("waitress").warning("queue depth is %d, Bearer abcdefghi", 4)
    captured = capsys.readouterr()
    assert captured.out == ""
    first, second = (json.loads(line) for line in captured.err.splitlines())
    assert (first["event"], first["project"], first["token"], first["level"]) == ("filled", 3, logging_setup.MASK, "info")
    assert second["event"] == f"queue depth is 4, Bearer {logging_setup.MASK}"
    assert first["logger"] == "dinolabel.backend.reconciler.reconciler" and first["timestamp"].endswith("Z")


def test_a_traceback_in_a_log_line_is_masked_too(capsys: pytest.CaptureFixture[str]) -> None:
    logging_setup.configure("info", as_json=True)
    try:
        raise ValueError(f"refused {JWT}")
    except ValueError:
        structlog.get_logger("x").exception("broke")
    line = json.loads(capsys.readouterr().err)
    assert "ValueError" in line["exception"] and JWT not in line["exception"]
