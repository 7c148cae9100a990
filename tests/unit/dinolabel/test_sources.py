"""Where tasks come from: read one by one, as often as needed, from a project and from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dinolabel import factory
from dinolabel.projects import sources
from dinolabel.settings import Settings
from dinolabel.studio.reviews.decisions import review_task
from dinolabel.vision.errors import MediaError, RequestError
from tests.doubles.annotated import annotation, region
from tests.doubles.scripted_studio import ScriptedStudio


def test_a_project_is_fetched_in_chunks_and_gone_through_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path))
    studio = ScriptedStudio()
    project = studio.add_project()
    ids = studio.add_tasks(project, [f"{number}.png" for number in range(450)])
    for task in ids[:401]:
        studio.annotate(task, ["jason"])
    studio.annotate(ids[401], [], cancelled=True)
    monkeypatch.setattr(factory, "studio", lambda settings: studio)
    monkeypatch.setattr(sources, "with_predictions", lambda task, studio: task)
    source = sources.from_project(Settings.load(), project)
    assert studio.calls.count("export") == 3
    assert [each["id"] for each in source.tasks] == [each["id"] for each in source.tasks] == ids[:402]
    assert studio.calls.count("export") == 3  # the second time from disk
    with pytest.raises(MediaError, match="no address"):
        source.find({"url": "x"})


TASK = {"id": 1, "data": {"image": "1.png"}, "annotations": [annotation(1, region("a", (0, 0, 9, 9), "jason"))]}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is no JSON export"),
        ('{"id": 1}', "is no JSON export"),
        ('[{"id": 1, "image": "1.png", "label": []}]', "is no JSON export"),  # JSON-MIN
        ("[1]", "is no JSON export"),
        (json.dumps([TASK])[:-20], "cannot be read"),
        (f"[{json.dumps(TASK)}, oops]", "cannot be read"),
    ],
)
def test_what_is_no_export_says_so(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "export.json").write_text(content)
    with pytest.raises(RequestError, match=says):
        list(sources.ExportFile(tmp_path / "export.json"))


def test_a_file_is_read_as_often_as_needed(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text("\ufeff\n" + json.dumps([TASK, {**TASK, "id": 2}]), encoding="utf-8")
    found = sources.ExportFile(tmp_path / "export.json")
    assert [each["id"] for each in found] == [each["id"] for each in found] == [1, 2]
    assert next(iter(found)) == TASK
    (value,) = (each["value"] for each in next(iter(found))["annotations"][0]["result"])
    assert all(isinstance(value[name], float) for name in ("width", "height"))  # and no Decimal


@pytest.mark.parametrize("name", ["y", "rotation"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_costs_its_own_box_only(tmp_path: Path, number: float, name: str) -> None:
    """Scripts write NaN, which no reader of tasks one by one takes; a text that has the word is no reason."""
    box = region("b", (0, 0, 9, 9), "jason")
    box["value"][name] = number
    odd = {**TASK, "id": 2, "data": {"image": "NaN.png"}, "annotations": [annotation(2, box)]}
    (tmp_path / "export.json").write_text(json.dumps([TASK, odd, {**TASK, "id": 3}]))
    source = sources.from_file(Settings(), tmp_path / "export.json", tmp_path, None, wants=())
    reviews = [review_task(each, source.config) for each in source.tasks]
    assert [each.state() for each in reviews] == ["looked at", "undecided", "looked at"]
    assert [each.kind for each in reviews[1].unread] == ["no numbers"]


def test_a_missing_file_and_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read"):
        list(sources.ExportFile(tmp_path / "nothing.json"))
    with pytest.raises(RequestError, match="There is no folder"):
        sources.from_file(Settings(), tmp_path / "nothing.json", tmp_path / "nowhere", None, wants=())


def kinds(value: Any) -> set[type]:
    if isinstance(value, dict):
        return {kind for each in value.values() for kind in kinds(each)}
    if isinstance(value, list):
        return {kind for each in value for kind in kinds(each)}
    return {type(value)}


def test_numbers_are_what_json_says(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text(json.dumps([TASK]))
    assert kinds(next(iter(sources.ExportFile(tmp_path / "export.json")))) <= {int, float, str, bool, type(None)}
