from __future__ import annotations

import pytest

from dinolabel.cli.plan import Plan, confirm
from dinolabel.vision.errors import RequestError


def test_a_plan_is_aligned_says_a_verb_once_and_keeps_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    Plan.of("Do [this]", [("adds", "one"), ("adds", "two [2]")], [("leaves alone", "the rest")]).show()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert [line.rstrip() for line in shown.err.splitlines()] == [
        "",
        "Do [this]",
        "  adds          one",
        "                two [2]",
        "  leaves alone  the rest",
        "",
    ]


def test_yes_asks_nobody_and_no_terminal_means_no() -> None:
    assert confirm(yes=True)
    with pytest.raises(RequestError, match="no terminal") as caught:
        confirm(yes=False)
    assert "--yes" in caught.value.hint
