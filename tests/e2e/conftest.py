"""One real Label Studio for a whole test run, on loopback with its data in a temporary folder, and a client of it.

With several pytest workers the first one starts it and the others use it; it ends when the last of them is done.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect

from dinolabel.studio.client import LabelStudio
from dinolabel.studio.server.process import LocalStudio
from tests import studio_calls

expect.set_options(timeout=60_000)  # what is waited for comes; on a machine with other work not within Playwright's five seconds


@dataclass(frozen=True)
class Server:
    """documents: the folder whose subfolders Label Studio may serve as local files. data: its own folder."""

    url: str
    token: str
    username: str
    password: str
    documents: Path
    data: Path


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def _shared(root: Path) -> Iterator[Server]:
    """The server of a test run; the worker that started it waits for the others before it ends it."""
    documents, card, users = root / "documents", root / "server.json", root / "users"
    own: LocalStudio | None = None
    with _locked(root / "lock"):
        users.mkdir(exist_ok=True)
        if not card.exists():
            documents.mkdir(exist_ok=True)
            own = LocalStudio(root / "studio", documents=documents).start()
            card.write_text(json.dumps({"url": own.url, "token": own.token, "username": own.username, "password": own.password}))
        facts = json.loads(card.read_text())
        me = users / str(time.monotonic_ns())
        me.touch()
    try:
        yield Server(**facts, documents=documents, data=root / "studio")
    finally:
        me.unlink()
        while own is not None:
            with _locked(root / "lock"):
                if not any(users.iterdir()):
                    card.unlink()  # a worker that comes later starts its own
                    own.stop()
                    own = None
            time.sleep(0.2)


@pytest.fixture(scope="session")
def studio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "label-studio"
    folder.mkdir(exist_ok=True)
    with _shared(folder) as server:
        yield server


@pytest.fixture
def studio(studio_server: Server) -> LabelStudio:
    """A client with the legacy token."""
    return LabelStudio(studio_server.url, studio_server.token)


@pytest.fixture
def project_of(studio: LabelStudio, request: pytest.FixtureRequest) -> Iterator[Callable[[str], int]]:
    """Makes projects from a label config, named after the test, and deletes them afterwards."""
    made: list[int] = []

    def make(label_config: str) -> int:
        made.append(studio.projects.create(f"test {request.node.name}"[:50], label_config).id)
        return made[-1]

    yield make
    for each in made:
        studio_calls.delete_project(studio, each)
