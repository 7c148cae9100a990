"""The backend of `dinolabel up`: `dinolabel serve` as a child on a free port, ended with us, whatever happens to us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from dinolabel import factory
from dinolabel.local import up_state
from dinolabel.local.backend_events import News
from dinolabel.settings import Settings
from dinolabel.studio.server import watchdog
from dinolabel.vision.errors import DinolabelError
from dinolabel.vision.storage.json_text import parse_json

GRACE_SECONDS = 15.0


class BackendEnded(DinolabelError):
    """The backend stopped by itself."""

    hint = "Its log says why."


class BackendSilent(DinolabelError):
    """The backend does not answer just now."""

    hint = "It may be busy; it is asked again."


class BackendProcess:
    """settings: with the Label Studio it talks to, its port and its secret in them. log_path: where its words go."""

    def __init__(self, settings: Settings, log_path: Path) -> None:
        self._settings, self.log_path = settings, log_path
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._settings.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> Self:
        """Start it; it loads weights first and answers later: see `ready`."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-I", watchdog.__file__, str(os.getpid()), *factory.PROGRAM, "serve"]
        with self._fresh_log() as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=factory.environment(self._settings),
                start_new_session=True,
            )
        return self

    def ready(self) -> bool:
        """Whether /health answers. Raises BackendEnded with its last words when it is gone."""
        self.check()
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{self.url}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def news(self, project: int) -> News:
        """What it tells of a project. Raises BackendEnded when it is gone, BackendSilent when it does not answer just now."""
        self.check()
        secret = self._settings.secret.get_secret_value() if self._settings.secret else ""
        request = urllib.request.Request(f"{self.url}/jobs", headers={"Accept": "application/json", "Authorization": f"Bearer {secret}"})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
                return News.of(parse_json(answer.read()), project)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BackendSilent(f"The backend does not answer: {type(error).__name__}.") from error

    def check(self) -> None:
        """Raises BackendEnded when it is gone."""
        if self._process is None or self._process.poll() is not None:
            raise BackendEnded(f"The backend has stopped.\n{self._last_words()}".strip(), hint=f"See {self.log_path}.")

    def stop(self) -> None:
        """End it and all its children; a second call does nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _fresh_log(self) -> IO[bytes]:
        if self.log_path.exists():
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        return self.log_path.open("wb")

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = [line for line in self.log_path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
            said = [line for line in lines if not line.startswith("{")] or lines
            return "\n".join(said[-2:])[-600:]
        return ""


def wait(backend: BackendProcess, *, poll: float = 0.3) -> None:
    """Until it answers, however long weights take to come and load. Raises BackendEnded."""
    while not backend.ready():
        time.sleep(poll)


def secret(data_dir: Path) -> str:
    """The backend's secret of this data folder: made once, kept 0600."""
    import secrets

    path = data_dir / "secret"
    if not path.exists():
        up_state.write_private(path, secrets.token_urlsafe(24))
    return path.read_text(encoding="utf-8").strip()


def free_port(preferred: int | None) -> int:
    """The preferred port when nobody has it, else any free one of loopback."""
    import socket

    for port in (preferred or 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise BackendEnded("No port is free on 127.0.0.1.", hint="Close some programs, or name one with --port.")
