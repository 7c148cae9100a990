"""The registry: what goes in comes out, for several processes at once, and nobody else writes to a project meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dinolabel.backend.project_registry import ProjectBusy, ProjectRegistry
from dinolabel.vision.decoding.pictures import RULES
from dinolabel.vision.errors import SettingsError


@pytest.fixture
def projects(tmp_path: Path) -> ProjectRegistry:
    return ProjectRegistry(tmp_path / "projects.json")


def test_is_empty_before_anything_is_attached(projects: ProjectRegistry) -> None:
    assert projects.all() == []
    assert projects.get(1) is None
    assert projects.remove(1) is None


def test_keeps_what_was_noted_for_the_next_process(projects: ProjectRegistry) -> None:
    projects.add(10, weights=["nano", "nano"], title="Party", before={"model_version": "theirs-1"}, attached_at="2026-11-22T10:00:00+00:00")
    projects.add(2, weights=("tiny", "small"))
    again = ProjectRegistry(projects.path)
    assert [each.project for each in again.all()] == [2, 10]
    party = again.get(10)
    assert party is not None
    assert (party.weights, party.title, party.before["model_version"], party.paused) == (("nano", "nano"), "Party", "theirs-1", False)


def test_stored_form_is_the_one_the_contract_names(projects: ProjectRegistry) -> None:
    projects.add(3, weights=["nano", "nano"], title="T", before={"model_version": ""}, attached_at="now")
    assert json.loads(projects.path.read_text())["3"] == {
        "weights": ["nano", "nano"], "title": "T", "attached_at": "now", "before": {"model_version": ""},
        "paused": False, "versions": [], "switched_at": None, "publish": "auto", "agreed": None, "describe": False, "decoding": RULES,
        "roles": None, "colours": {},
    }  # fmt: skip


def test_attaching_again_keeps_what_was_before_us_and_what_we_pushed(projects: ProjectRegistry) -> None:
    projects.add(1, weights=["nano", "nano"], before={"model_version": "theirs"})
    projects.note_version(1, "ours.1")
    entry = projects.add(1, weights=["tiny", "small"], before={"model_version": "ours.1"})
    assert (entry.weights, entry.before, entry.versions) == (("tiny", "small"), {"model_version": "theirs"}, ("ours.1",))


@pytest.mark.parametrize(
    ("noted", "expected"),
    [(["a"], ("a",)), (["a", "b"], ("a", "b")), (["a", "b", "a"], ("b", "a")), (["a", "b", "b"], ("a", "b"))],
)
def test_the_version_noted_last_stands_last(projects: ProjectRegistry, noted: list[str], expected: tuple[str, ...]) -> None:
    projects.add(1, weights=["nano", "nano"])
    for version in noted:
        projects.note_version(1, version)
    entry = projects.get(1)
    assert entry is not None
    assert entry.versions == expected
    assert all(entry.owns(each) for each in expected)
    assert not entry.owns("theirs")


def test_update_changes_only_what_it_names(projects: ProjectRegistry) -> None:
    projects.add(1, weights=["nano", "nano"], title="T")
    assert projects.update(1, paused=True).paused
    assert projects.get(1) is not None
    with pytest.raises(KeyError):
        projects.update(2, paused=True)
    with pytest.raises(TypeError):
        projects.update(1, colour="red")
    entry = projects.get(1)
    assert entry is not None
    assert (entry.title, entry.paused) == ("T", True)


@pytest.mark.parametrize("text", ["", "[]", '{"x": {}}', '{"1": {}}', '{"1": {"weights": ["one"]}}', "{"])
def test_a_broken_file_says_so_and_is_left_alone(projects: ProjectRegistry, text: str) -> None:
    projects.path.write_text(text)
    with pytest.raises(SettingsError, match=r"projects\.json"):
        projects.add(1, weights=["nano", "nano"])
    assert projects.path.read_text() == text


def test_a_field_of_a_later_version_does_not_hurt(projects: ProjectRegistry) -> None:
    projects.path.write_text('{"1": {"weights": ["a", "b"], "invented_later": 1}}')
    entry = projects.get(1)
    assert entry is not None
    assert entry.weights == ("a", "b")


def test_processes_that_write_at_once_lose_nothing(projects: ProjectRegistry) -> None:
    code = (
        "import sys; from pathlib import Path; from dinolabel.backend.project_registry import ProjectRegistry\n"
        "for i in range(10): ProjectRegistry(Path(sys.argv[1])).add(int(sys.argv[2]) * 100 + i, weights=['nano', 'nano'])"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(projects.path), str(each)]) for each in range(3)]
    assert [each.wait(60) for each in running] == [0, 0, 0]
    assert len(projects.all()) == 30


def test_one_writer_per_project_also_across_processes(projects: ProjectRegistry) -> None:
    code = (
        "import sys; from pathlib import Path; from dinolabel.backend.project_registry import ProjectRegistry\n"
        "with ProjectRegistry(Path(sys.argv[1])).write_lock(1): print('in', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(projects.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdout.readline() == b"in\n"
    with pytest.raises(ProjectBusy), projects.write_lock(1):
        pass
    with projects.write_lock(2):
        pass
    other.kill()
    other.wait(10)
    with projects.write_lock(1):
        pass


def test_who_waits_is_let_in_between_two_visits(projects: ProjectRegistry) -> None:
    """The other writes again at once, as a backend that fills a project does: without a turn a waiting command comes in by luck only."""
    code = (
        "import sys, time; from pathlib import Path; from dinolabel.backend.project_registry import ProjectBusy, ProjectRegistry\n"
        "while True:\n"
        " try:\n"
        "  with ProjectRegistry(Path(sys.argv[1])).write_lock(1): print('in', flush=True); time.sleep(0.4)\n"
        " except ProjectBusy: time.sleep(5)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(projects.path)], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None and other.stdout.readline() == b"in\n"
        began = time.monotonic()
        with projects.write_lock(1, timeout=20):
            assert time.monotonic() - began < 5, "a visit or two, not many"
    finally:
        other.kill()
        other.wait(10)


def test_waiting_ends(projects: ProjectRegistry) -> None:
    began = time.monotonic()
    with projects.write_lock(1), pytest.raises(ProjectBusy), projects.write_lock(1, timeout=0.5):
        pass
    assert 0.5 <= time.monotonic() - began < 10
    with projects.write_lock(1):
        pass
