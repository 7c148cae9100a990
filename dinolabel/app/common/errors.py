"""Errors as a person sees them: one table from kinds of error to a title, the error's sentence, its hint.

The only border between our errors and Gradio's; never a traceback, a path or a token.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import gradio as gr
import structlog

from dinolabel.vision.errors import (
    DinolabelError,
    MediaError,
    ModelError,
    RequestError,
    SettingsError,
    StudioError,
    TrainingError,
    nearest_entry,
)

log = structlog.get_logger(__name__)

TITLES: dict[type[DinolabelError], str] = {
    SettingsError: "A setting is wrong",
    RequestError: "Not yet",
    MediaError: "This picture does not work",
    ModelError: "The model cannot answer",
    StudioError: "Label Studio does not answer",
    TrainingError: "No new head",
}
UNFORESEEN = "Something went wrong"
SECONDS = 8.0


def title(error: BaseException | type[BaseException]) -> str:
    """By the nearest of the error's classes that is in the table."""
    return nearest_entry(TITLES, error, UNFORESEEN)


def message(error: DinolabelError) -> gr.Error:
    """Short, with the hint below; escaped, because Gradio shows HTML and a file's name may hold some."""
    words = f"{html.escape(str(error))}<br><small>{html.escape(error.hint)}</small>"
    return gr.Error(words, title=title(error), duration=SECONDS, print_exception=False)


@contextmanager
def _show(doing: str) -> Iterator[None]:
    """Our errors become messages, all others are logged and get a sentence without details."""
    try:
        yield
    except DinolabelError as error:
        log.info("app_refused", error=type(error).__name__, message=str(error))
        raise message(error) from error
    except gr.Error:
        raise
    except Exception as error:  # the outermost loop of Gradio's worker: what we did not foresee must not reach the browser
        log.exception("app_failed", doing=doing)
        raise gr.Error("See the log of `dinolabel app`.", title=UNFORESEEN, duration=SECONDS, print_exception=False) from error


def with_error_toast(work: Callable[..., Any]) -> Callable[..., Any]:
    """Run an event's function, and tell a person what went wrong in it."""

    @wraps(work)
    def wrapped(*arguments: Any) -> Any:
        with _show(work.__name__):
            return work(*arguments)

    return wrapped


def with_error_toasts(work: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """As with_error_toast, for a function that answers bit by bit."""

    @wraps(work)
    def wrapped(*arguments: Any) -> Iterator[Any]:
        with _show(work.__name__):
            yield from work(*arguments)

    return wrapped
