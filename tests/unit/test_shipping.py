"""What is shipped with the code: locks that agree with requirements.txt, a licence for everything, a bill of materials."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "docker" / "locks"
PIN = re.compile(r"(?m)^([A-Za-z0-9._-]+)==([^\s;\\]+)")
MACHINES = [
    {"python_version": python, "python_full_version": f"{python}.4", "sys_platform": system, "platform_system": name, "extra": ""}
    for python in ("3.11", "3.12", "3.13")
    for system, name in (("linux", "Linux"), ("darwin", "Darwin"), ("win32", "Windows"))
]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path) -> dict[str, set[str]]:
    """Name -> versions, of which there are several where Pythons need different ones."""
    found: dict[str, set[str]] = {}
    for name, version in PIN.findall(path.read_text(encoding="utf-8")):
        found.setdefault(plain(name), set()).add(version)
    return found


LOCKED = pins(LOCKS / "dinolabel.lock") | pins(LOCKS / "torch.lock")
NAMED = pins(ROOT / "requirements.txt")


def test_the_locks_hold_what_requirements_name() -> None:
    differing = {name: (wanted, LOCKED.get(name)) for name, wanted in NAMED.items() if LOCKED.get(name) != wanted}
    assert not differing, "run `python run.py lock`"
    alone = re.search(r'WITHOUT_DEPENDENCIES = \["(.+?)==(.+?)"\]', (ROOT / "run.py").read_text(encoding="utf-8"))
    assert alone and LOCKED[alone[1]] == {alone[2]}


@pytest.mark.parametrize("name", ["build.lock", "torch.lock", "dinolabel.lock"])
def test_every_line_is_held_by_a_hash(name: str) -> None:
    text = (LOCKS / name).read_text(encoding="utf-8")
    blocks = [each for each in re.split(r"(?m)^(?=\S)", text) if PIN.match(each)]
    assert len(blocks) == len(PIN.findall(text))
    assert [each.splitlines()[0] for each in blocks if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", each)] == []


def test_only_torch_is_left_to_its_own_lock() -> None:
    assert "torch" not in pins(LOCKS / "dinolabel.lock")
    assert not set(pins(LOCKS / "torch.lock")) & set(pins(LOCKS / "dinolabel.lock"))
    assert pins(LOCKS / "build.lock").items() <= pins(LOCKS / "dinolabel.lock").items()


def asked_for(name: str) -> set[str]:
    """What a package asks for on any machine that is served; empty where this environment has it in another version."""
    try:
        package = distribution(name)
    except PackageNotFoundError:
        return set()
    if package.version.partition("+")[0] not in LOCKED[name]:
        return set()
    wanted = [Requirement(each) for each in package.requires or []]
    return {plain(each.name) for each in wanted if each.marker is None or any(each.marker.evaluate(dict(where)) for where in MACHINES)}


def test_the_locks_are_closed() -> None:
    """pip is told --no-deps, so whatever is missing here would be missing there."""
    missing = {name: lacks for name in LOCKED if name != "label-studio-ml" and (lacks := asked_for(name) - set(LOCKED))}
    assert sum(bool(asked_for(name)) for name in LOCKED) > 80
    assert missing == {}


def rows() -> dict[str, tuple[str, str]]:
    made = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8").partition("<!-- packages -->")[2]
    found = re.findall(r"(?m)^\| ([A-Za-z0-9._-]+) \| ([^|]+) \| ([^|]*) \|$", made)
    return {plain(name): (version, licence.strip()) for name, version, licence in found if name != "package"}


def test_every_package_has_a_licence_on_the_page() -> None:
    shown = rows()
    assert set(shown) == set(LOCKED), "run `python run.py licences`"
    assert [name for name, (version, licence) in shown.items() if version not in LOCKED[name] or not licence] == []


def test_the_page_says_what_the_packages_say() -> None:
    """For those whose very version is here."""
    shown = rows()
    here = [name for name in NAMED if distribution(name).version.partition("+")[0] in NAMED[name]]
    assert len(here) > 25
    program = "import json, sys; sys.path.insert(0, 'docker'); import licences; print(json.dumps([*map(licences.licence, sys.argv[1:])]))"
    done = subprocess.run([sys.executable, "-c", program, *here], cwd=ROOT, capture_output=True, text=True, check=True)
    assert dict(zip(here, json.loads(done.stdout), strict=True)) == {name: shown[name][1] for name in here}


@pytest.mark.skipif(sys.platform != "linux", reason="wheels of other systems keep their libraries elsewhere")
def test_the_page_names_the_wheels_with_gpl_inside() -> None:
    site = Path(str(distribution("av").locate_file("")))
    holders = {each.parent.name.removesuffix(".libs") for each in site.glob("*.libs/libx26[45]*")}
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    assert holders == {"av", "pillow_heif"}
    assert {each.name.split("-")[0] for each in (site / "av.libs").glob("libx26*")} == {"libx264", "libx265"}
    for name in ("av", "pillow-heif", "opencv-python-headless"):
        assert f"| {name} {next(iter(NAMED[name]))}" in page


@pytest.mark.slow
def test_a_bill_of_materials_can_be_written(tmp_path: Path) -> None:
    out = tmp_path / "sbom.json"
    done = subprocess.run([sys.executable, "docker/sbom.py", str(out), sys.executable], cwd=ROOT, capture_output=True, text=True)
    if "No matching distribution" in done.stderr:
        pytest.skip("the registry is out of reach")
    assert done.returncode == 0, done.stderr
    document = json.loads(out.read_text(encoding="utf-8"))
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "dinolabel"
    assert set(NAMED) <= {plain(each["name"]) for each in document["components"]}
