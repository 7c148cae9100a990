"""The HTTP border's table: which status an error answers with, and the body a client may see.

Looked up along the MRO, so a new leaf answers as its branch does; a test proves that every branch stands here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dinolabel.backend.answers import Refusal
from dinolabel.backend.project_registry import ProjectBusy
from dinolabel.vision.errors import (
    BundleMismatch,
    DinolabelError,
    LabelConfigError,
    MediaError,
    MediaRefused,
    MediaUnavailable,
    MediaUnreadable,
    ModelError,
    PromptMissing,
    PromptUnknown,
    RequestError,
    SettingsError,
    StudioError,
    TrainingError,
    UnknownPlug,
    nearest_entry,
)


class SecretWrong(RequestError):
    """The caller did not show the secret."""

    hint = (
        "In a browser: open the link that `dinolabel up` prints after `watch`, or give DINOLABEL_SECRET as the password (any user name). "
        "In a program: the same by Basic auth, or the header X-Dinolabel-Secret."
    )


class CrossSite(RequestError):
    """Another web site's page asked, not a person on ours."""

    hint = "Press the button on this backend's own page."


class Busy(RequestError):
    """More is asked for at once than is taken on."""

    hint = "Ask again in a second, with fewer pictures at once."


class ServerStopping(Busy):
    """The server is being stopped; what waits is answered with this."""

    hint = "Ask again when it is back."


class ProjectUnknown(RequestError):
    """This backend does not look after that project."""

    hint = "`dinolabel attach --project N` makes it do so; `dinolabel serve` names those that are attached."


class TooLarge(RequestError):
    """The request's body is larger than its route takes."""

    hint = "Send less at once: pictures by their addresses, tasks in several requests."


class JobUnknown(RequestError):
    """No job of that id."""

    hint = "See /jobs for those there are."


class JobTableUnavailable(RequestError):
    """The table of jobs cannot be read or written just now: a full disk, a lock that is held, rights."""

    hint = "Look at the room on the disk and the rights of the data folder; then ask again. Trainings wait meanwhile."


class NotReady(RequestError):
    """The server is up, and something that it needs is not."""

    hint = "`dinolabel doctor` says what to mend."


class WeightsDiffer(ModelError):
    """The project was attached with other weights than those that are running."""

    hint = "Start the backend with the weights the project was attached with, or attach it again to move it to these."


STATUS: Mapping[type[DinolabelError], int] = {
    DinolabelError: 500,
    SettingsError: 500,
    RequestError: 400,
    SecretWrong: 401,
    CrossSite: 403,
    JobUnknown: 404,
    ProjectUnknown: 404,
    TooLarge: 413,
    Busy: 503,
    ProjectBusy: 409,
    LabelConfigError: 422,
    PromptMissing: 422,
    PromptUnknown: 422,
    UnknownPlug: 400,
    MediaError: 422,
    MediaUnavailable: 502,
    MediaRefused: 403,
    MediaUnreadable: 422,
    ModelError: 503,
    BundleMismatch: 409,
    WeightsDiffer: 409,
    NotReady: 503,
    JobTableUnavailable: 503,
    StudioError: 502,
    TrainingError: 409,
}

UNFORESEEN = ("Something went wrong here that we did not foresee.", "Look at the backend's log; it says what and where.")

# An absolute path of this machine, but not the path of a URL.
PATH = re.compile(r"(?<![\w/.:<])(?:/|[A-Za-z]:\\)(?:[^\s/\\'\":,;]+[/\\])+([^\s/\\'\":,;]*)")
# What a token looks like: a JWT, or an authorization header that slipped into a message.
TOKEN = re.compile(r"eyJ[\w-]+\.[\w.-]+|\b(?:Bearer|Token|Basic)\s+[\w.~+/=-]{8,}|\b[0-9a-f]{40}\b|(?<=://)[^\s/@]+:[^\s/@]+(?=@)")


def status_of(error: DinolabelError) -> int:
    """The HTTP status: that of the nearest class in the error's MRO that stands in the table."""
    return nearest_entry(STATUS, error, STATUS[DinolabelError])


def body_of(error: DinolabelError) -> Refusal:
    """What a client sees: the sentence and the hint, without paths or tokens."""
    return {"error": presentable(str(error)), "hint": presentable(error.hint)}


def presentable(text: str) -> str:
    """``text`` with folders of this machine shortened to the file's name and anything like a token masked."""
    return PATH.sub(r"…/\1", TOKEN.sub("•••", text))
