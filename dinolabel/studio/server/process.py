"""A Label Studio of our own for people who have none: started, waited for, and ended with all its processes."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import requests
import structlog

from dinolabel.studio.errors import StudioUnreachable

log = structlog.get_logger(__name__)

USERNAME = "dinolabel@example.com"
LOG_LINES_SHOWN = 15


class LocalStudio:
    """Label Studio on loopback with its data in ``data_dir`` (SQLite, secrets 0600, studio.log).

    port: None takes the one it had last time when that is free, else any free one. documents: a folder whose subfolders Label Studio may
    serve as local files. Safe to start again on the same folder; a second one at the same time is refused.
    """

    def __init__(self, data_dir: Path, *, port: int | None = None, documents: Path | None = None) -> None:
        self.data_dir = data_dir.resolve()
        self.documents = documents.resolve() if documents else None
        self.username = USERNAME
        self._asked_port = port
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def token(self) -> str:
        """A legacy token, 40 hexadecimal characters, made at the first start."""
        return self._secret("token", secrets.token_hex(20))

    @property
    def password(self) -> str:
        return self._secret("password", secrets.token_urlsafe(12))

    @property
    def log_path(self) -> Path:
        return self.data_dir / "studio.log"

    def start(self, *, timeout: float = 600.0) -> Self:
        """Returns once it answers; a first boot makes its tables, which a busy machine may take minutes for.

        Raises StudioUnreachable with the last lines of its log.
        """
        if self._process is not None:
            return self
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_lock()
        try:
            self._port = self._asked_port or _free_port(self._last_port())
            self._launch()
            self._wait(time.monotonic() + timeout)
        except BaseException:
            self.stop()
            raise
        (self.data_dir / "port").write_text(f"{self._port}\n")
        log.info("studio_started", url=self.url, data_dir=str(self.data_dir))
        return self

    def stop(self) -> None:
        """Ends every process of it; a second call does nothing."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            log.info("studio_stopped", url=self.url)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _take_lock(self) -> None:
        """Held by us and by the keeper, so that a new server waits for what is left of one whose owner was killed."""
        handle = (self.data_dir / "lock").open("w")
        for _ in range(100):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.1)
            else:
                self._lock = handle
                return
        handle.close()
        raise StudioUnreachable(
            f"Another Label Studio is running on {self.data_dir}.",
            hint="Stop it, or choose another folder with DINOLABEL_DATA_DIR.",
        )

    def _launch(self) -> None:
        program = Path(sys.executable).parent / "label-studio"
        if not program.exists():
            raise StudioUnreachable(
                f"There is no {program}.", hint="Install Label Studio into this environment: pip install -r requirements.txt."
            )
        assert self._lock is not None
        if self.log_path.exists():
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        keeper = [sys.executable, "-I", str(Path(__file__).with_name("watchdog.py")), str(os.getpid())]
        arguments = ["start", "--no-browser", "--data-dir", str(self.data_dir), "--port", str(self._port), "--internal-host", "127.0.0.1"]
        with self.log_path.open("wb") as output:
            self._process = subprocess.Popen(
                [*keeper, sys.executable, str(program), *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.data_dir,
                env=self._environment(),
                start_new_session=True,
                pass_fds=[self._lock.fileno()],
            )

    def _environment(self) -> dict[str, str]:
        """Ours without anything meant for another Label Studio. The prefixed names win over bare ones such as HOST or DEBUG."""
        foreign = re.compile(r"(LABEL_STUDIO|HEARTEX|DJANGO|POSTGRE|MYSQL|MINIO|STORAGE)_|DATABASE_NAME$|SECRET_KEY$|PYTHONPATH$")
        environment = {name: value for name, value in os.environ.items() if not foreign.match(name)}
        settings = {
            "USERNAME": self.username,
            "PASSWORD": self.password,
            "USER_TOKEN": self.token,
            "ENABLE_LEGACY_API_TOKEN": "true",
            "HOST": "",  # local files stay relative, so another port next time breaks no task
            "DEBUG": "false",
            "USE_DEFAULT_BANNED_SUBNETS": "false",  # else a backend on loopback cannot be connected
            "DISABLE_SIGNUP_WITHOUT_LINK": "true",
            "COLLECT_ANALYTICS": "false",
            "LATEST_VERSION_CHECK": "false",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
            "LOCAL_FILES_SERVING_ENABLED": "true" if self.documents else "false",
            **({"LOCAL_FILES_DOCUMENT_ROOT": str(self.documents)} if self.documents else {}),
        }
        at_home = {"DJANGO_SETTINGS_MODULE": "dinolabel_settings", "PYTHONPATH": str(Path(__file__).with_name("beside"))}
        return environment | {f"LABEL_STUDIO_{name}": value for name, value in settings.items()} | at_home | {"LOG_LEVEL": "WARNING"}

    def _wait(self, deadline: float) -> None:
        with requests.Session() as session:
            session.trust_env = False  # no proxy stands before our own loopback
            while time.monotonic() < deadline:
                if not self.running():
                    raise StudioUnreachable(f"Label Studio ended while starting.\n{self._last_words()}", hint=f"See {self.log_path}.")
                try:
                    if session.get(f"{self.url}/health", timeout=5).ok:
                        return self._check_ours(session)
                except requests.RequestException:
                    time.sleep(0.2)
        raise StudioUnreachable(f"Label Studio did not answer at {self.url} in time.\n{self._last_words()}", hint=f"See {self.log_path}.")

    def _check_ours(self, session: requests.Session) -> None:
        """Label Studio moves to another port when its own was taken meanwhile; then somebody else is answering here."""
        try:
            answer = session.get(f"{self.url}/api/current-user/whoami", headers={"Authorization": f"Token {self.token}"}, timeout=30)
            ours = answer.ok and answer.json().get("email") == self.username
        except (requests.RequestException, ValueError):
            ours = False
        if not ours:
            raise StudioUnreachable(
                f"What answers at {self.url} does not know the token in {self.data_dir}.",
                hint="Another program took the port, or the file `token` was replaced: start again, or choose another folder.",
            )

    def _last_port(self) -> int | None:
        try:
            return int((self.data_dir / "port").read_text())
        except (OSError, ValueError):
            return None

    def _last_words(self) -> str:
        try:
            lines = self.log_path.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(line for line in lines[-LOG_LINES_SHOWN:] if line.strip())

    def _secret(self, name: str, fresh: str) -> str:
        path = self.data_dir / name
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(fresh)
        except FileExistsError:
            return path.read_text().strip()
        return fresh


def _free_port(preferred: int | None) -> int:
    for port in (preferred, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StudioUnreachable("No port is free on 127.0.0.1.", hint="Close some programs, or name a port.")
