"""docker/ without an engine: the image's build steps in a clean root folder, then compose.yml's services as processes on a read-only one.

Read-only, as uid 10001 without any rights, under their own names, with the environment that compose.yml and a docker/.env give; no network
but loopback is asked for anything. What it does not try: downloading the packages, and an engine's own networks and volumes.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dinolabel.studio.client import LabelStudio
from tests import composed, studio_calls
from tests.e2e import boxed, services
from tests.e2e.boxed import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1500)]  # the first boot on PostgreSQL: minutes on a busy machine
USUAL = (8080, 9090, 7860, 5432)
OURS = ("studio", "backend", "app")
BOOT_SECONDS = 600.0


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return boxed.build(tmp_path_factory.mktemp("image"), {"TORCH_INDEX": "file:///no/index/is/asked"})


def ran_in(image: Stage, *argv: str, volumes: Mapping[str, Path] | None = None) -> subprocess.CompletedProcess[str]:
    command = boxed.contained(image, argv, volumes or {})
    return subprocess.run(command, env=boxed.environment(image, {}), capture_output=True, text=True, check=False, timeout=200)


def test_the_image_holds_the_product_its_embedded_weights_and_no_secrets(image: Stage) -> None:
    said = ran_in(image, "dinolabel", "models", "--help")
    assert said.returncode == 0 and "export" in said.stdout, said.stderr
    where = ran_in(image, "python3", "-c", "import sys, dinolabel; print(sys.prefix, dinolabel.__path__[0])")
    assert where.stdout.split() == ["/opt/venv", "/opt/dinolabel/dinolabel"], where.stderr
    assert (image.root / "opt/dinolabel/dinolabel/nano/detector/model.safetensors").is_file()
    left_out = [image.root / "opt/dinolabel" / each for each in (".git", ".env", "docker/.env", "tests", ".venv")]
    assert not any(each.exists() for each in left_out)
    assert (image.command, image.user) == (["dinolabel", "serve"], "10001")


def test_nothing_can_be_written_but_data_and_tmp(image: Stage, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)
    tries = "for each in / /opt/dinolabel /opt/venv /etc /data /tmp; do touch $each/x 2>/dev/null && echo $each; done; id -u"
    done = ran_in(image, "sh", "-c", tries, volumes={"/data": tmp_path / "data"})
    assert done.stdout.split() == ["/data", "/tmp", "10001"]


@dataclass(frozen=True)
class Stack:
    """What `docker compose --profile full up` gives: services by name, ports by their usual number, the made-up docker/.env."""

    image: Stage
    services: Mapping[str, dict[str, Any]]
    ports: Mapping[int, int]
    given: Mapping[str, str]
    folder: Path

    def command(self, name: str, argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """`docker compose exec NAME ARGV` as a command line and its environment."""
        volumes = {}
        for each in self.services[name]["volumes"]:
            source, _, where = each.partition(":")
            volumes[where] = (composed.DOCKER / source).resolve() if source.startswith((".", "/")) else self.volume(source)
        given = self.services[name]["environment"] | {"DINOLABEL_PORT": str(self.ports[9090])}
        return boxed.contained(self.image, argv, volumes), boxed.environment(self.image, given)

    def volume(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            path.mkdir()
            subprocess.run(["chown", self.image.user, path], check=True)  # an engine copies /data's owner from the image
        return path

    def exec(self, name: str, *argv: str) -> subprocess.CompletedProcess[str]:
        command, environment = self.command(name, argv)
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)

    def healthy(self, name: str) -> bool:
        own = self.services[name].get("healthcheck", {}).get("test", [])[1:]
        usual = [each.replace("9090", str(self.ports[9090])) for each in self.image.healthcheck]
        return self.exec(name, *(own or usual)).returncode == 0


def until(truth: Callable[[], object], what: str, seconds: float = BOOT_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(1.0)


@pytest.fixture(scope="module")
def stack(image: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    made = subprocess.run([sys.executable, str(composed.DOCKER / "new_env.py")], capture_output=True, text=True, check=True)
    weights = {"DINOLABEL_DETECTOR_WEIGHTS": "nano", "DINOLABEL_EMBEDDER_WEIGHTS": "nano", "DINOLABEL_POLL_SECONDS": "2"}
    given = composed.env_file(made.stdout) | weights | {"HF_HUB_OFFLINE": "1", "DINOLABEL_THREADS": "1"}
    ports = {each: services.free_port() for each in USUAL}
    found = composed.services(given, profiles=["full"], ports=ports)
    up = Stack(image, found, ports, given, folder)
    database = found["database"]["environment"]
    login = {"user": database["POSTGRES_USER"], "password": database["POSTGRES_PASSWORD"], "name": database["POSTGRES_DB"]}
    with ExitStack() as running:
        running.enter_context(services.postgres(port=ports[5432], **login))
        for name, port in zip(OURS, USUAL, strict=False):
            command, environment = up.command(name, found[name].get("command", image.command))
            options = {"log": folder / f"{name}.log", "env": environment, "seconds": BOOT_SECONDS}
            running.enter_context(services.process(command, port=ports[port], **options))
        yield up


def test_all_services_get_healthy_and_a_project_gets_its_first_boxes(stack: Stack) -> None:
    for name in OURS:
        until(lambda name=name: stack.healthy(name), f"{name} is healthy")
    words = ["--title", "Party", "--prompt", "cat face", "--names", "tom,felix", "--photos", "/files/photos"]
    done = stack.exec("backend", "dinolabel", "init", *words, "--serve-url", f"http://backend.internal:{stack.ports[9090]}")
    assert done.returncode == 0, done.stdout + done.stderr
    studio = LabelStudio(f"http://127.0.0.1:{stack.ports[8080]}", stack.given["DINOLABEL_STUDIO_TOKEN"])
    (project,) = studio.projects.list()
    (connected,) = studio.backends.list(project.id)
    assert connected.state == "CO", "Label Studio reaches the backend by its name"
    until(lambda: studio.projects.get(project.id).model_version, "boxes are shown")
    opened = studio_calls.next_task(studio, project.id)
    assert opened is not None and opened["predictions"][0]["result"], "the task opens with a box"
    addresses = {row.data["image"] for row in studio.tasks.list(project.id)}
    assert all(each.startswith("/data/local-files/?d=photos/") for each in addresses), "right under every name a browser may use"
    assert len(addresses) == 72


def test_doctor_finds_nothing_broken(stack: Stack) -> None:
    said = stack.exec("backend", "dinolabel", "doctor")
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_app_asks_for_the_password(stack: Stack) -> None:
    import requests

    url = f"http://127.0.0.1:{stack.ports[7860]}"
    assert requests.get(f"{url}/config", timeout=20).status_code == 401
    with requests.Session() as session:
        login = {"username": "dinolabel", "password": stack.given["DINOLABEL_SECRET"]}
        assert session.post(f"{url}/login", data=login, timeout=20).status_code == 200
        assert session.get(f"{url}/config", timeout=20).status_code == 200
