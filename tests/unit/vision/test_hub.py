"""Why the hub gave nothing, in words without numbers of sockets."""

from __future__ import annotations

import socket

import pytest

from dinolabel.vision.loading.hub import tell_reason, ways_out

NOT_FOUND = "its address is not found. Is there a network?"


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


class ReadTimeout(Exception):
    """As HTTP clients call theirs."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (socket.gaierror(-2, "Name or service not known"), NOT_FOUND),
        (caused(OSError("[Errno -3] Temporary"), socket.gaierror(-3, "Temporary")), NOT_FOUND),
        (caused(OSError("no files"), caused(OSError("x"), socket.gaierror(8, "nodename"))), NOT_FOUND),
        (OSError(111, "Connection refused"), "Connection refused."),
        (OSError(101, "Network is unreachable"), "Network is unreachable."),
        (TimeoutError(110, "Connection timed out"), "no answer within 5 s."),
        (ReadTimeout(), "no answer within 5 s."),
        (OSError("401 Client Error.\nRequest ID: x"), "401 Client Error."),
        (OSError(), "OSError."),
    ],
)  # fmt: skip
def test_a_reason_is_in_words(error: Exception, said: str) -> None:
    assert tell_reason(error) == said


def test_a_circle_of_causes_ends() -> None:
    one, two = OSError("one"), OSError("two")
    one.__cause__, two.__cause__ = two, one
    assert tell_reason(one) == "one."


def test_the_ways_out_are_commands_a_line_each() -> None:
    assert "`dinolabel weights fetch --to weights`" in ways_out()
    assert "`dinolabel weights fetch a/b c/d --to weights`" in ways_out("a/b", "c/d", "a/b")
    assert len(ways_out().splitlines()) == 4
