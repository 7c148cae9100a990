"""The image without an engine: the Dockerfile's steps in a clean root folder, then its commands on that root, read-only and as uid 10001.

What it does not try: downloading the packages, and an engine's own networks and volumes.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e import boxed
from tests.e2e.boxed import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return boxed.build(tmp_path_factory.mktemp("image"), {"TORCH_INDEX": "file:///no/index/is/asked"})


def ran_in(image: Stage, *argv: str, volumes: Mapping[str, Path] | None = None) -> subprocess.CompletedProcess[str]:
    command = boxed.contained(image, argv, volumes or {})
    return subprocess.run(command, env=boxed.environment(image, {}), capture_output=True, text=True, check=False, timeout=200)


def test_the_image_holds_the_product_its_embedded_weights_and_no_secrets(image: Stage) -> None:
    said = ran_in(image, "dinolabel", "models", "--help")
    assert said.returncode == 0 and "export" in said.stdout, said.stderr
    where = ran_in(image, "python3", "-c", "import sys, vision; print(sys.prefix, vision.__path__[0])")
    assert where.stdout.split() == ["/opt/venv", "/opt/dinolabel/vision"], where.stderr
    assert (image.root / "opt/dinolabel/models/nano/detector/model.safetensors").is_file()
    left_out = [image.root / "opt/dinolabel" / each for each in (".git", ".env", "docker/.env", "tests", ".venv")]
    assert not any(each.exists() for each in left_out)
    assert (image.command, image.user) == (["dinolabel", "serve"], "10001")


def test_nothing_can_be_written_but_data_and_tmp(image: Stage, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)
    tries = "for each in / /opt/dinolabel /opt/venv /etc /data /tmp; do touch $each/x 2>/dev/null && echo $each; done; id -u"
    done = ran_in(image, "sh", "-c", tries, volumes={"/data": tmp_path / "data"})
    assert done.stdout.split() == ["/data", "/tmp", "10001"]
