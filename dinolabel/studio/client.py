"""The client of one Label Studio: documented calls only, either kind of token, named errors.

Plain HTTP and not the SDK: one place for tokens, time-outs and error words; the SDK has no bulk listing and hides what was refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import requests

from dinolabel.studio.calls.backends import BackendsClient, MLBackend, Webhook, WebhooksClient
from dinolabel.studio.calls.leases import LeasesClient
from dinolabel.studio.calls.local_storages import LocalStoragesClient
from dinolabel.studio.calls.predictions import PredictionsClient
from dinolabel.studio.calls.probes import ProbesClient
from dinolabel.studio.calls.projects import Project, ProjectsClient
from dinolabel.studio.calls.tabs import TabsClient
from dinolabel.studio.calls.tasks import AnnotationsClient, TaskRow, TasksClient
from dinolabel.studio.calls.users import StudioUser, UsersClient
from dinolabel.studio.errors import StudioDenied, StudioUnreachable
from dinolabel.studio.http_client import ApiClient
from dinolabel.studio.media.network import USUAL, NetworkSettings

__all__ = ["LabelStudio", "MLBackend", "Project", "StudioUser", "TaskRow", "Webhook"]


class LabelStudio:
    """Label Studio, its calls by what they are about: studio.projects.get(3), studio.tasks.list(3), studio.predictions.delete(7), …

    url: as this machine reaches it. token: personal or legacy. aliases: other base URLs under which it appears in tasks.

    Safe to share between threads. Raises StudioUnreachable, StudioDenied or StudioRefused from every call.
    """

    def __init__(
        self, url: str, token: str, *, aliases: Sequence[str] = (), timeout: float = 30.0, network: NetworkSettings = USUAL
    ) -> None:
        self.api = ApiClient(url, token, timeout=timeout, network=network)
        self.projects = ProjectsClient(self.api)
        self.tasks = TasksClient(self.api)
        self.annotations = AnnotationsClient(self.api)
        self.predictions = PredictionsClient(self.api, self.tasks)
        self.backends = BackendsClient(self.api)
        self.webhooks = WebhooksClient(self.api)
        self.leases = LeasesClient(self.api)
        self.local_storages = LocalStoragesClient(self.api)
        self.tabs = TabsClient(self.api)
        self.users = UsersClient(self.api)
        self.probes = ProbesClient(self.api)
        self.aliases = tuple(each.rstrip("/") for each in aliases)

    @property
    def url(self) -> str:
        return self.api.url

    def version(self) -> str:
        """Label Studio's release, such as 1.23.2."""
        return str(self.api.json("GET", "/api/version").get("release", ""))

    def session_cookies(self, username: str, password: str) -> dict[str, str]:
        """Cookies of a browser session, by the login form; for driving a browser without typing."""
        address = f"{self.url}/user/login/"
        options = self.api.network.options(address)
        with self.api.network.session(address) as session:
            try:
                session.get(address, timeout=self.api.timeout, **options)
                form = {"email": username, "password": password, "csrfmiddlewaretoken": session.cookies.get("csrftoken", "")}
                headers = {"Referer": address}
                answer = session.post(address, data=form, headers=headers, timeout=self.api.timeout, allow_redirects=False, **options)
            except requests.RequestException as error:
                raise StudioUnreachable(f"Label Studio does not answer at {address} ({type(error).__name__}).") from error
            cookies = session.cookies.get_dict()
        if answer.status_code != 302:  # a wrong password gives a session cookie too, and the form once more
            raise StudioDenied(f"Label Studio at {self.url} does not accept this login.", hint="Check e-mail and password.")
        return cookies
