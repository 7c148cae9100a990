"""What Label Studio may stand on or behind, for tests: PostgreSQL, Redis, nginx with https, S3. Each on loopback, ended with the test.

A test that asks for one whose program is not on this machine is skipped, and says which program is missing.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dinolabel.studio.server.process import LocalStudio

WAIT_SECONDS = 90.0


class StudioWith(LocalStudio):
    """A Label Studio with more environment than ours usually has."""

    def __init__(self, data_dir: Path, extra: Mapping[str, str], **options: Any) -> None:
        super().__init__(data_dir, **options)
        self._extra = dict(extra)

    def _environment(self) -> dict[str, str]:
        return super()._environment() | self._extra


def program(name: str, *, also: str = "") -> str:
    """Its path; the test is skipped without it. also: a pattern of places beside PATH."""
    beside = sorted(Path("/").glob(also.lstrip("/"))) if also else []
    found = shutil.which(name) or next(map(str, beside), None)
    if found is None:
        pytest.skip(f"there is no {name} on this machine (Debian: apt-get install postgresql redis-server nginx-light)")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(command: Sequence[str], *, port: int, log: Path, seconds: float = WAIT_SECONDS, **options: Any) -> Iterator[None]:
    """Waits until its port answers, ends its whole group afterwards."""
    with log.open("wb") as output:
        running = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, **options)
    try:
        end = time.monotonic() + seconds
        while not _answers(port):
            words = log.read_text(errors="replace")[-2000:]
            assert running.poll() is None and time.monotonic() < end, f"{command[0]} did not start:\n{words}"
            time.sleep(0.1)
        yield
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGTERM)
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def postgres(
    *, port: int | None = None, user: str = "postgres", password: str = "postgres", name: str = "postgres"
) -> Iterator[dict[str, str]]:
    """A new cluster; yields the environment that makes Label Studio use it. PostgreSQL refuses root, so root becomes `postgres`."""
    initdb = program("initdb", also="/usr/lib/postgresql/*/bin/initdb")
    programs = Path(initdb).resolve().parent
    prefix = ["runuser", "-u", "postgres", "--"] if getpass.getuser() == "root" else []
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    chosen = str(port or free_port())
    try:
        (folder / "password").write_text(password)
        if prefix:
            for each in (folder, folder / "password"):
                shutil.chown(each, "postgres")
        login = ["-A", "scram-sha-256", "-U", user, f"--pwfile={folder / 'password'}"]
        subprocess.run([*prefix, initdb, "-D", folder / "db", *login], check=True, capture_output=True, cwd="/")
        quiet = ["-c", "fsync=off", "-c", "unix_socket_directories="]
        server = [*prefix, str(programs / "postgres"), "-D", str(folder / "db"), "-p", chosen, "-h", "127.0.0.1", *quiet]
        with process(server, port=int(chosen), log=folder / "log", cwd="/"):
            if name != "postgres":
                createdb = [programs / "createdb", "-h", "127.0.0.1", "-p", chosen, "-U", user, name]
                subprocess.run(createdb, check=True, env={"PGPASSWORD": password}, capture_output=True)
            names = {"HOST": "127.0.0.1", "PORT": chosen, "USER": user, "PASSWORD": password, "NAME": name}
            yield {"DJANGO_DB": "default"} | {f"POSTGRE_{each}": value for each, value in names.items()}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis(folder: Path, *, port: int | None = None) -> Iterator[int]:
    """Yields its port. Label Studio's own settings know 6379 only."""
    chosen = port or free_port()
    command = [program("redis-server"), "--port", str(chosen), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with process(command, port=chosen, log=folder / "redis.log"):
        yield chosen


@dataclass(frozen=True)
class Front:
    """An nginx. url: where Label Studio appears, https and on a sub-path. ca: who signed its certificate."""

    url: str
    ca: Path


@contextmanager
def nginx(folder: Path, *, upstream: int, port: int, path: str = "/ls") -> Iterator[Front]:
    """https on `port`, passing `path`/… on to loopback's `upstream` without the path, as Label Studio's documentation has it."""
    key, ca = folder / "own.key", folder / "own.pem"
    words = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2", "-nodes"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-keyout", key, "-out", ca, *words], check=True, capture_output=True)
    (folder / "nginx.conf").write_text(
        f"""daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
{"user root;" if getpass.getuser() == "root" else ""}
events {{ }}
http {{
  access_log {folder}/access.log; client_max_body_size 100m;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {ca}; ssl_certificate_key {key};
    location {path}/ {{
      proxy_pass http://127.0.0.1:{upstream}/;
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https;
    }}
  }}
}}
"""
    )
    files = ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    command = [program("nginx", also="/usr/sbin/nginx"), *files]
    with process(command, port=port, log=folder / "nginx.log"):
        yield Front(f"https://localhost:{port}{path}", ca)


class Bucket:
    """One bucket of moto's S3 server, which keeps everything in memory."""

    name = "photos"
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}

    def __init__(self, endpoint: str) -> None:
        import boto3

        self.endpoint = endpoint
        self._client = boto3.client("s3", endpoint_url=endpoint, **self.keys)
        self._client.create_bucket(Bucket=self.name)

    def put(self, key: str, body: bytes) -> str:
        """Returns the address tasks have for it."""
        self._client.put_object(Bucket=self.name, Key=key, Body=body)
        return f"s3://{self.name}/{key}"


@contextmanager
def s3() -> Iterator[Bucket]:
    server = pytest.importorskip("moto.server", reason="moto is not installed (pip install 'moto[s3]' flask-cors)")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        yield Bucket("http://{}:{}".format(*running.get_host_and_port()))
    finally:
        running.stop()
