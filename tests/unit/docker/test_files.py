"""What docker/ says, held against what the product says: settings, pins, and what the linters know of such files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

import run
from dinolabel.settings import Settings
from tests import composed
from tests.composed import DOCKER

DOCKERFILE = (DOCKER / "Dockerfile").read_text()
COMPOSE = (DOCKER / "compose.yml").read_text()
EXAMPLE = (DOCKER / "env.example").read_text()
MADE_UP = {"DINOLABEL_SECRET": "a", "DINOLABEL_STUDIO_TOKEN": "b"}
OF_THE_IMAGE = {"DINOLABEL_DATA_DIR", "DINOLABEL_HOST"}
OF_NOBODY = {"DINOLABEL_PORT"}  # inside a container the port is what compose.yml publishes
OF_AN_OVERRIDE = {"DINOLABEL_CA_BUNDLE"}
FILES = ("compose.yml", "compose.gpu.yml", "compose.ca.yml")


def tool(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (python run.py setup)")
    return found


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([tool("hadolint"), str(DOCKER / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", FILES)
def test_compose_files_are_of_the_specification(name: str) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed (python run.py setup)")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(DOCKER / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_check_can_fail(tmp_path: Path) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed (python run.py setup)")
    wrong = tmp_path / "compose.yml"
    wrong.write_text(COMPOSE.replace("read_only: true", "readonly: true"))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(wrong)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "readonly" in done.stdout + done.stderr


def test_every_setting_reaches_the_containers() -> None:
    settings = {f"DINOLABEL_{name.upper()}" for name in Settings.model_fields}
    passed = set(yaml.safe_load(COMPOSE)["x-settings"])
    assert {each for each in passed if each.startswith("DINOLABEL_")} == settings - OF_THE_IMAGE - OF_NOBODY - OF_AN_OVERRIDE
    assert all(f"{each}=" in DOCKERFILE for each in OF_THE_IMAGE)
    assert all(f"{each}:" in (DOCKER / "compose.ca.yml").read_text() for each in OF_AN_OVERRIDE)


def test_the_image_installs_what_run_py_does() -> None:
    (install,) = re.findall(r"^RUN --mount(?:.*\\\n)+.*", DOCKERFILE, re.M)
    assert re.findall(r"(\w+\.lock)", install) == ["build.lock", "torch.lock", "dinolabel.lock", "faces.lock"]
    assert {f"{each}.lock" for each in ("build", "torch", "dinolabel", "faces")} == {each.name for each in run.LOCKS.iterdir()}
    assert install.count(" ".join(run.EXACTLY[:2])) == 4, "all by their hashes"


def test_build_arguments_have_the_same_defaults_with_and_without_compose() -> None:
    """Some engines hand over an argument that nobody set as an empty one, which would mean torch with CUDA, and no base image."""
    alone = dict(re.findall(r"^ARG (\w+)(?:=(.*))?$", DOCKERFILE, re.M))
    by_compose = {
        name: composed.interpolated(str(each), {}) for name, each in yaml.safe_load(COMPOSE)["x-product"]["build"]["args"].items()
    }
    assert by_compose == alone
    gpu = yaml.safe_load((DOCKER / "compose.gpu.yml").read_text())["services"]["backend"]["build"]["args"]
    assert composed.interpolated(gpu["TORCH_INDEX"], {}) == ""


def test_the_embedded_weights_and_every_room_go_into_the_image_and_secrets_do_not() -> None:
    kept = set(re.findall(r"^!(\S+)$", (DOCKER / "Dockerfile.dockerignore").read_text(), re.M))
    rooms = {each.parent.name for each in DOCKER.parent.glob("*/__init__.py")} - {"tests"}
    assert rooms | {"docker", "requirements.txt", "pyproject.toml", "README.md", "LICENSE", "NOTICE"} == kept
    assert "docker/.env" in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()


def test_alone_it_is_the_backend_and_in_full_everything() -> None:
    assert set(composed.services(MADE_UP)) == {"backend"}
    assert set(composed.services(MADE_UP, profiles=["full"])) == {"backend", "app", "studio", "database"}


def test_without_secrets_it_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"DINOLABEL_SECRET: run docker/new_env\.py first"):
        composed.services({})


def test_our_services_need_no_rights_and_write_nowhere_but_to_data_and_tmp() -> None:
    for name, each in composed.services(MADE_UP, profiles=["full"]).items():
        if name == "database":
            continue
        assert each["read_only"] and each["tmpfs"] == ["/tmp"] and each["cap_drop"] == ["ALL"], name
        writable = [volume for volume in each["volumes"] if not volume.endswith(":ro")]
        assert [volume.split(":")[-1] for volume in writable] == ["/data"], name
        assert all(port.startswith("127.0.0.1:") for port in each["ports"]), f"{name} is open to the network"


def test_a_proxy_is_not_asked_for_neighbours() -> None:
    from requests.utils import should_bypass_proxies

    (backend,) = composed.services(MADE_UP | {"NO_PROXY": "labels.example.org"}).values()
    hosts = backend["environment"]["NO_PROXY"]
    own = ("studio:8080", "backend.internal:9090", "localhost:9090", "labels.example.org")
    assert all(should_bypass_proxies(f"http://{each}/", no_proxy=hosts) for each in own)
    assert not should_bypass_proxies("https://pictures.example.org/", no_proxy=hosts)
    settings = Settings(_env_file=None, **{"no_proxy": yaml.safe_load(backend["environment"]["DINOLABEL_NO_PROXY"])})
    assert "studio" in settings.no_proxy


def test_every_variable_is_in_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE + (DOCKER / "compose.gpu.yml").read_text()))
    known = set(re.findall(r"^(?:# )?([A-Z_]+)=", EXAMPLE, re.M))
    assert asked - known <= {"DINOLABEL_IMAGE", "DINOLABEL_GPU_IMAGE", "DINOLABEL_NO_PROXY", "DINOLABEL_DEVICE"}


def test_defaults_in_the_example_are_those_of_compose() -> None:
    said = dict(re.findall(r"^# ([A-Z_]+)=(\S+)$", EXAMPLE, re.M))
    for name, default in re.findall(r"\$\{(\w+):-([^}\[]+)\}", COMPOSE):
        assert said.get(name, default) == default, name


def test_secrets_are_made_anew_and_short_enough_for_label_studio() -> None:
    first, second = (
        composed.env_file(subprocess.run([sys.executable, str(DOCKER / "new_env.py")], capture_output=True, text=True, check=True).stdout)
        for _ in range(2)
    )
    names = {"DINOLABEL_SECRET", "DINOLABEL_STUDIO_TOKEN", "STUDIO_PASSWORD", "DATABASE_PASSWORD"}
    assert first.keys() == names and len({*first.values(), *second.values()}) == 8
    assert all(20 <= len(each) <= 40 for each in first.values())
    composed.services(first, profiles=["full"])


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.mark.parametrize(("path", "code"), [("/health", 0), ("/other", 1)])
def test_the_health_check_asks_the_service_itself_past_any_proxy(path: str, code: int) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = [sys.executable, str(DOCKER / "healthy.py"), str(server.server_port), path]
    try:
        done = subprocess.run(command, env={"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}, check=False)
        assert done.returncode == code
    finally:
        server.shutdown()
        server.server_close()
    assert subprocess.run(command, check=False).returncode == 1, "nobody is there any more"
