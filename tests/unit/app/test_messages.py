"""The table of the app's messages is complete, and what it lets through is safe to show."""

from __future__ import annotations

import gradio as gr
import pytest

from dinolabel.app.common import errors as messages
from dinolabel.vision import errors

KINDS = [each for each in errors.DinolabelError.__subclasses__() if each.__module__ == errors.__name__]  # commands' own never come here


@pytest.mark.parametrize("kind", KINDS, ids=lambda each: each.__name__)
def test_every_kind_has_a_title(kind: type[errors.DinolabelError]) -> None:
    assert messages.title(kind) != messages.UNFORESEEN


def test_leaves_are_found_along_the_tree() -> None:
    assert messages.title(errors.PromptMissing("x")) == messages.TITLES[errors.RequestError]
    assert messages.title(RuntimeError("x")) == messages.UNFORESEEN


def test_ours_is_told_with_its_hint_and_escaped() -> None:
    def work(name: str) -> None:
        raise errors.MediaUnreadable(f"{name} is broken.", hint="Save <it> again.")

    with pytest.raises(gr.Error) as caught:
        messages.with_error_toast(work)("<img src=x onerror=alert(1)>.jpg")
    assert caught.value.message == "&lt;img src=x onerror=alert(1)&gt;.jpg is broken.<br><small>Save &lt;it&gt; again.</small>"
    assert caught.value.title == "This picture does not work"


def test_what_we_did_not_foresee_tells_nothing() -> None:
    def work() -> None:
        raise KeyError("/secret/path/token")

    with pytest.raises(gr.Error) as caught:
        messages.with_error_toast(work)()
    assert "secret" not in caught.value.message
    assert "log" in caught.value.message


def test_answers_pass_through() -> None:
    assert messages.with_error_toast(lambda one, two: one + two)(1, 2) == 3
