"""What can go wrong between us and Label Studio, each with what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from dinolabel.vision.errors import StudioError


class StudioUnreachable(StudioError):
    """Nobody answers at Label Studio's address, or something that is not Label Studio does."""

    hint = "Is Label Studio running, and is DINOLABEL_STUDIO_URL the address this machine reaches it by? Open it in a browser here."


class StudioCutShort(StudioUnreachable):
    """A proxy in front of Label Studio gave up waiting; Label Studio itself goes on with what was asked (measured)."""

    hint = "Raise the proxy's time limit (nginx: proxy_read_timeout 300s), or set DINOLABEL_STUDIO_URL to an address without it."


class StudioBusy(StudioUnreachable):
    """Label Studio, or the proxy in front of it, asks for less at once (429). ``seconds``: after which it wants to be asked again."""

    hint = "It is asked again by itself. If it goes on, give this machine a higher limit where requests are counted."

    def __init__(self, message: str, *, hint: str | None = None, seconds: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.seconds = seconds


class StudioDenied(StudioError):
    """Label Studio does not accept our token, or the token's owner may not do this."""

    hint = (
        "Two ways out: make a personal access token in Label Studio (your initials, Account & Settings, Personal Access Token) and set "
        "DINOLABEL_STUDIO_TOKEN to it; or let the organization accept legacy tokens (Organization, Access Token Settings, Legacy Tokens)."
    )


class StudioRefused(StudioError):
    """Label Studio understood and said no. ``status``: its HTTP status. ``tasks``: the tasks it is about, where known."""

    hint = "The words in quotes are Label Studio's own; mend what they name and try again."

    def __init__(self, message: str, *, hint: str | None = None, status: int | None = None, tasks: Sequence[int] = ()) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.tasks = tuple(tasks)


class ProjectMissing(StudioRefused):
    """Label Studio has no project of that number, or our token's owner may not see it."""

    hint = "Name one of them with --project N."
