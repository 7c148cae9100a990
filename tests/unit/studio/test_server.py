"""The server's bookkeeping, with a small program in place of label-studio; the real one is in tests/e2e."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dinolabel.studio.errors import StudioUnreachable
from dinolabel.studio.server.process import LocalStudio

KEEPER = Path(__file__).parents[3] / "dinolabel" / "studio" / "server" / "watchdog.py"

FAKE = """
import json, os, sys, subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer
port = int(sys.argv[sys.argv.index("--port") + 1])
data = sys.argv[sys.argv.index("--data-dir") + 1]
mine = {name: value for name, value in os.environ.items() if name.startswith("LABEL_STUDIO_") or name in ("HOST", "DATABASE_NAME")}
open(os.path.join(data, "env.json"), "w").write(json.dumps(mine))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(os.path.join(data, "pids"), "w").write(f"{os.getpid()} {child.pid}")
print("starting up", flush=True)
if os.path.exists(os.path.join(data, "fail")):
    child.kill()
    sys.exit("no such table: users")
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers.get("Authorization") == "Token " + os.environ["LABEL_STUDIO_USER_TOKEN"]
        body = json.dumps({"email": os.environ["LABEL_STUDIO_USERNAME"]} if known else {"status": "UP"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment whose label-studio is the program above. Returns the data folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python").symlink_to(os.path.realpath(sys.executable))
    (folder / "label-studio").write_text(FAKE)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    return tmp_path / "data"


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone(pids: list[int], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(alive, pids))


def pids(folder: Path) -> list[int]:
    return [int(each) for each in (folder / "pids").read_text().split()]


def test_it_answers_when_started_and_all_of_it_is_gone_when_stopped(fake: Path) -> None:
    with LocalStudio(fake) as server:
        assert server.running()
        running = pids(fake)
        assert all(map(alive, running))
    assert gone(running, 2)
    assert not server.running()
    server.stop()


def test_secrets_are_kept_and_nobody_elses_to_read(fake: Path) -> None:
    with LocalStudio(fake) as first:
        token, password = first.token, first.password
    assert len(token) == 40
    assert int(token, 16) >= 0
    for name in ("token", "password"):
        assert (fake / name).stat().st_mode & 0o777 == 0o600
    assert fake.stat().st_mode & 0o777 == 0o700
    with LocalStudio(fake) as second:
        assert (second.token, second.password, second.url) == (token, password, first.url)
    arguments = " ".join([token, password])
    assert token not in (fake / "studio.log").read_text(), arguments


def test_what_it_is_told(fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_DATABASE_NAME", "/somebody/elses.sqlite3")
    monkeypatch.setenv("DATABASE_NAME", "/somebody/elses.sqlite3")
    monkeypatch.setenv("HOST", "http://somewhere.example")
    with LocalStudio(fake, documents=tmp_path / "documents") as server:
        told = json.loads((fake / "env.json").read_text())
        assert told["LABEL_STUDIO_USER_TOKEN"] == server.token
    assert "LABEL_STUDIO_DATABASE_NAME" not in told
    assert "DATABASE_NAME" not in told
    assert told["LABEL_STUDIO_HOST"] == ""  # set, so that the bare HOST is not read
    assert told["LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS"] == "false"
    assert told["LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN"] == "true"
    assert told["LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED"] == "true"
    assert told["LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"] == str((tmp_path / "documents").resolve())


def test_it_is_told_to_call_nobody(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the person's own environment says; tests/e2e/test_connections.py watches the real one."""
    for name in ("COLLECT_ANALYTICS", "LATEST_VERSION_CHECK", "SENTRY_DSN", "FRONTEND_SENTRY_DSN"):
        for prefix in ("", "HEARTEX_", "LABEL_STUDIO_"):
            monkeypatch.setenv(prefix + name, "https://key@sentry.example/1" if "DSN" in name else "true")
    with LocalStudio(fake):
        told = json.loads((fake / "env.json").read_text())
    assert told["LABEL_STUDIO_COLLECT_ANALYTICS"] == told["LABEL_STUDIO_LATEST_VERSION_CHECK"] == "false"
    assert told["LABEL_STUDIO_SENTRY_DSN"] == told["LABEL_STUDIO_FRONTEND_SENTRY_DSN"] == ""


def test_its_pages_tips_are_not_fetched(tmp_path: Path) -> None:
    """Label Studio's own code under the settings that we start it with: without them it asks raw.githubusercontent.com."""
    program = (
        "import importlib.util, sys; sys.path.insert(0, importlib.util.find_spec('label_studio').submodule_search_locations[0])\n"
        "import requests; requests.get = lambda *_, **__: print('ASKED')\n"
        "import django; django.setup()\n"
        "from django.conf import settings; settings.ALLOWED_HOSTS = ['*']\n"
        "from django.test import Client\n"
        "print('answers', [(Client().get(path).status_code, Client().get(path).content) for path in ('/heidi-tips', '/heidi-tips/')])"
    )
    told = {name: value for name, value in LocalStudio(tmp_path)._environment().items() if name != "LABEL_STUDIO_HOST"}
    told |= {"LABEL_STUDIO_BASE_DATA_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=told, capture_output=True, text=True, timeout=240)
    assert "answers [(404, b'{}'), (404, b'{}')]" in done.stdout, done.stderr
    assert "ASKED" not in done.stdout


def test_a_failing_start_shows_its_last_words_and_leaves_nothing_running(fake: Path) -> None:
    fake.mkdir()
    (fake / "fail").touch()
    server = LocalStudio(fake)
    with pytest.raises(StudioUnreachable, match="no such table: users") as caught:
        server.start()
    assert "starting up" in str(caught.value)
    assert str(server.log_path) in caught.value.hint
    assert gone(pids(fake), 2)
    (fake / "fail").unlink()
    with server as again:
        assert again.running()


def test_a_start_that_takes_too_long_is_ended(fake: Path, tmp_path: Path) -> None:
    (tmp_path / "bin" / "label-studio").write_text("import time; print('still migrating', flush=True); time.sleep(600)")
    server = LocalStudio(fake)
    with pytest.raises(StudioUnreachable, match="did not answer") as caught:
        server.start(timeout=5.0)
    assert "still migrating" in str(caught.value)
    assert not server.running()


def test_somebody_elses_program_on_the_port_is_not_taken_for_ours(fake: Path, tmp_path: Path) -> None:
    program = (tmp_path / "bin" / "label-studio").read_text()
    (tmp_path / "bin" / "label-studio").write_text(program.replace('os.environ["LABEL_STUDIO_USER_TOKEN"]', '"another"'))
    with pytest.raises(StudioUnreachable, match="does not know the token"):
        LocalStudio(fake).start()
    assert gone(pids(fake), 2)


def test_no_label_studio_in_this_environment(fake: Path, tmp_path: Path) -> None:
    (tmp_path / "bin" / "label-studio").unlink()
    with pytest.raises(StudioUnreachable, match="label-studio") as caught:
        LocalStudio(fake).start()
    assert "pip install" in caught.value.hint


def test_a_port_that_is_taken_is_left_to_its_owner(fake: Path) -> None:
    with LocalStudio(fake) as first:
        url = first.url
    import socket

    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(url.rpartition(":")[2])))
        other.listen()
        with LocalStudio(fake) as second:
            assert second.url != url


# the keeper by itself


def keep(code: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", str(KEEPER), str(os.getpid()), sys.executable, "-c", code]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


def first_line(process: subprocess.Popen[bytes]) -> list[int]:
    assert process.stdout is not None
    return [int(each) for each in process.stdout.readline().split()]


SLEEPER = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


@pytest.mark.parametrize("status", [0, 3])
def test_the_keeper_ends_with_its_commands_status(status: int) -> None:
    assert keep(f"import sys; sys.exit({status})").wait(5) == status


def test_the_keeper_ends_its_command_when_the_pipe_closes() -> None:
    keeper = keep(SLEEPER)
    running = first_line(keeper)
    assert keeper.stdin is not None
    keeper.stdin.close()
    assert keeper.wait(5) == 0
    assert gone(running, 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_keeper_ends_its_command_when_told(number: signal.Signals) -> None:
    keeper = keep(SLEEPER)
    running = first_line(keeper)
    keeper.send_signal(number)
    keeper.wait(5)
    assert gone(running, 1)


def test_the_keeper_ends_what_will_not_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    impatient = tmp_path / "keeper.py"
    impatient.write_text(KEEPER.read_text().replace("GRACE_SECONDS = 8.0", "GRACE_SECONDS = 0.3"))
    monkeypatch.setattr(sys.modules[__name__], "KEEPER", impatient)
    keeper = keep("import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(600)")
    running = first_line(keeper)
    assert keeper.stdin is not None
    keeper.stdin.close()
    keeper.wait(5)
    assert gone(running, 1)


def test_the_keeper_ends_its_command_when_the_owner_is_killed(tmp_path: Path) -> None:
    code = f"""
import os, subprocess, sys, time
command = [sys.executable, "-I", {str(KEEPER)!r}, str(os.getpid()), sys.executable, "-c", {SLEEPER!r}]
subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
time.sleep(600)
"""
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    running = first_line(owner)
    assert all(map(alive, running))
    owner.kill()
    owner.wait()
    assert gone(running, 5)
