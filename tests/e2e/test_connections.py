"""The running product opens no connection but the ones it was told to: its processes under strace, its pages in a real browser.

Everything here is told loopback addresses only. Nothing tells the libraries to be quiet: no HF_HUB_OFFLINE, no switch for telemetry.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from dinolabel.demo import screens
from dinolabel.local import up_state
from dinolabel.studio.client import LabelStudio
from tests.e2e import started
from tests.e2e.watched import Watch

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
SCENE = started.SCENES / "scene-000.jpg"
QUIET = (
    "HF_HUB_OFFLINE",
    "HF_HUB_DISABLE_TELEMETRY",
    "DISABLE_TELEMETRY",
    "DO_NOT_TRACK",
    "GRADIO_ANALYTICS_ENABLED",
    "TRANSFORMERS_OFFLINE",
)


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path / "trace")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    found = started.environment(tmp_path / "data", HF_HOME=str(tmp_path / "hub"))
    return {name: value for name, value in found.items() if name not in QUIET}


@contextmanager
def dinolabel(watch: Watch, environment: dict[str, str], *arguments: str) -> Iterator[Path]:
    """Runs meanwhile, watched; gives the log of what it prints."""
    log = watch.trace.with_name("log")
    command = [*watch.command, sys.executable, "-m", "dinolabel", *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=started.ROOT, env=environment
        )  # fmt: skip
    try:
        yield log
        assert process.poll() is None, log.read_text()
    finally:
        for each in started.family(process.pid):
            if each != process.pid:  # strace ends with what it watches
                subprocess.run(["kill", f"-{signal.SIGINT.value}", str(each)], check=False, capture_output=True)
        process.wait(60)


def address(log: Path) -> str:
    """Where the program says it is, once it answers there."""

    def answers() -> str | None:
        found = [word.rstrip("/.") for word in log.read_text().split() if word.startswith("http://127.0.0.1:")]
        try:
            return found[-1] if found and requests.get(found[-1], timeout=5).status_code < 500 else None
        except requests.RequestException:
            return None

    return started.until(answers, seconds=240, what=log.read_text)


@pytest.mark.parametrize(
    "program",
    [
        "import socket; s = socket.socket(); s.setblocking(False); s.connect_ex(('192.0.2.1', 80))",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))",
        "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).connect_ex(('2001:db8::1', 80))",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', \"import socket; s = socket.socket(); s.setblocking(False);"
        " s.connect_ex(('192.0.2.1', 80))\"])",
    ],
)
def test_the_watcher_sees_what_is_forbidden(watch: Watch, program: str) -> None:
    subprocess.run([*watch.command, sys.executable, "-c", program], check=True, timeout=60)
    assert len(watch.addresses()) == 1
    assert watch.strangers() or "AF_INET6" in program  # a kernel without IPv6 refuses before the address is of interest


def test_detect_opens_none_at_all(watch: Watch, environment: dict[str, str], tmp_path: Path) -> None:
    command = ["dinolabel", "detect", str(SCENE), "--prompt", "cat face", "--weights", "nano", "--out", str(tmp_path / "out")]
    done = subprocess.run([*watch.command, sys.executable, "-m", *command], capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "cat face" in done.stdout
    assert watch.addresses() == set()


def test_serve_only_answers(watch: Watch, environment: dict[str, str]) -> None:
    with dinolabel(watch, environment, "serve", "--weights", "nano", "--port", "0") as log:
        url = address(log)
        with SCENE.open("rb") as picture:
            answer = requests.post(f"{url}/v1/detect", files={"image": picture}, data={"prompt": "cat face"}, timeout=240)
        assert answer.ok, answer.text
        assert answer.json()["results"][0]["found"]
        assert watch.strangers() == set()


def test_the_app_and_its_page_stay_at_home(watch: Watch, environment: dict[str, str]) -> None:
    asked: list[str] = []
    with dinolabel(watch, environment, "app", "--weights", "nano", "--port", "0", "--no-browser") as log:
        url = address(log)
        with screens.editor(url, {}) as page:
            page.on("request", lambda request: asked.append(request.url))
            page.goto(url)
            page.get_by_text("Boxes from words").wait_for(timeout=60_000)
            page.wait_for_timeout(3_000)
        assert watch.strangers() == set()
    assert asked
    assert strange(asked) == set()


def test_up_its_label_studio_and_the_pages_stay_at_home(watch: Watch, environment: dict[str, str], tmp_path: Path) -> None:
    asked: list[str] = []
    photos, data = tmp_path / "photos", Path(environment["DINOLABEL_DATA_DIR"])
    started.pictures(photos, 3)
    words = ["up", str(photos), "--data", str(data), "--prompt", "cat face", "--weights", "nano", "--no-browser"]
    with dinolabel(watch, environment, *words) as log:
        link = started.until(lambda: linked(log), seconds=400, what=log.read_text)
        found = up_state.find(data)
        assert found is not None
        studio = LabelStudio(found.url, found.token)
        (project,) = studio.projects.list()
        tasks = started.until(lambda: [each for each in studio.tasks.list(project.id) if each.versions], seconds=240, what=log.read_text)
        with screens.editor(found.url, {}) as page:
            page.on("request", lambda request: asked.append(request.url))
            page.goto(link)
            for where in ("", "/projects", f"/projects/{project.id}/settings", "/organization", "/user/account"):
                page.goto(f"{found.url}{where}", wait_until="domcontentloaded")
                page.wait_for_timeout(2_000)
            page.goto(f"{found.url}/projects/{project.id}/data?task={tasks[0].id}", wait_until="domcontentloaded")
            page.wait_for_function(screens.REGIONS_DRAWN, timeout=60_000)
            page.wait_for_timeout(5_000)
        assert requests.get(f"{found.url}/heidi-tips/", timeout=30).status_code == 404  # Label Studio itself would ask GitHub
        assert watch.strangers() == set()
    assert len(asked) > 10
    assert strange(asked) == set()


def linked(log: Path) -> str | None:
    return next((word for word in log.read_text().split() if word.startswith("http://127.0.0.1:") and "/enter/" in word), None)


def strange(asked: list[str]) -> set[str]:
    """Addresses a page asked that are not on this machine; data: and blob: are no connections."""
    return {
        each
        for each in asked
        if urlsplit(each).scheme not in ("data", "blob") and urlsplit(each).hostname not in ("127.0.0.1", "localhost")
    }
