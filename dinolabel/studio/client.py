"""The client of one Label LabelStudio: documented calls only, either kind of token, named errors.

Plain HTTP and not the SDK: one place for tokens, time-outs and error words; the SDK has no bulk listing and hides what was refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import requests

from dinolabel.studio.calls.backends import BackendCalls, MLBackend, Webhook
from dinolabel.studio.calls.leases import LeaseCalls
from dinolabel.studio.calls.people import StudioUser, UserCalls
from dinolabel.studio.calls.predictions import PredictionCalls
from dinolabel.studio.calls.probes import ProbeCalls
from dinolabel.studio.calls.projects import Project, ProjectCalls
from dinolabel.studio.calls.tabs import TabCalls
from dinolabel.studio.calls.tasks import TaskRow
from dinolabel.studio.errors import StudioDenied, StudioUnreachable
from dinolabel.studio.http_client import ApiClient
from dinolabel.studio.media.network import USUAL, NetworkSettings

__all__ = ["LabelStudio", "MLBackend", "Project", "StudioUser", "TaskRow", "Webhook"]


class LabelStudio(ProjectCalls, PredictionCalls, BackendCalls, ProbeCalls, UserCalls, TabCalls, LeaseCalls):
    """url: as this machine reaches it. token: personal or legacy. aliases: other base URLs under which it appears in tasks.

    Safe to share between threads. Raises StudioUnreachable, StudioDenied or StudioRefused from every call.
    """

    def __init__(
        self, url: str, token: str, *, aliases: Sequence[str] = (), timeout: float = 30.0, network: NetworkSettings = USUAL
    ) -> None:
        self.wire = ApiClient(url, token, timeout=timeout, network=network)
        self.aliases = tuple(each.rstrip("/") for each in aliases)

    @property
    def url(self) -> str:
        return self.wire.url

    def version(self) -> str:
        """Label LabelStudio's release, such as 1.23.2."""
        return str(self.wire.json("GET", "/api/version").get("release", ""))

    def session_cookies(self, username: str, password: str) -> dict[str, str]:
        """Cookies of a browser session, by the login form; for driving a browser without typing."""
        address = f"{self.url}/user/login/"
        options = self.wire.network.options(address)
        with self.wire.network.session(address) as session:
            try:
                session.get(address, timeout=self.wire.timeout, **options)
                form = {"email": username, "password": password, "csrfmiddlewaretoken": session.cookies.get("csrftoken", "")}
                headers = {"Referer": address}
                answer = session.post(address, data=form, headers=headers, timeout=self.wire.timeout, allow_redirects=False, **options)
            except requests.RequestException as error:
                raise StudioUnreachable(f"Label Studio does not answer at {address} ({type(error).__name__}).") from error
            cookies = session.cookies.get_dict()
        if answer.status_code != 302:  # a wrong password gives a session cookie too, and the form once more
            raise StudioDenied(f"Label Studio at {self.url} does not accept this login.", hint="Check e-mail and password.")
        return cookies
