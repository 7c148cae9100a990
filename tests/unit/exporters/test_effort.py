"""The effort report: what was done to each predicted box, by hand-made annotations and by Label Studio's recorded ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dinolabel.__main__ import run
from dinolabel.exporters.annotation_effort.counts import EffortCounts
from dinolabel.exporters.annotation_effort.html_report import page
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.reviews.annotations import annotations_of
from dinolabel.studio.reviews.edits import annotation_edits
from tests.doubles.annotated import Annotated, annotation, region, xml

FIXTURES = Path(__file__).parents[2] / "fixtures"
RECORDED = LabelConfig.parse(xml("cat", "dog", "bird", generic="object"))
CONFIG = LabelConfig.parse(xml("jason", "lacy"))
A, FAR = (10, 10, 50, 60), (100, 20, 150, 70)
SHOWN = [region("a", A, "face", origin="prediction")]


def deeds(task: dict[str, Any], config: LabelConfig) -> list[str]:
    (one,) = (annotation_edits(each, task, config) for each in annotations_of(task, config))
    return sorted(f"{'+'.join(each.what)} {each.label}" for each in one.edits)


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ([region("a", A, "face", origin="prediction")], ["accepted face"]),
        ([region("a", (10.3, 10, 50, 60), "face", origin="prediction")], ["accepted face"]),  # percent are rounded
        ([region("a", A, "jason", origin="prediction-changed")], ["renamed jason"]),
        ([region("a", (14, 10, 54, 60), "face", origin="prediction-changed")], ["moved face"]),
        ([region("a", (14, 10, 54, 60), "jason", origin="prediction-changed")], ["renamed+moved jason"]),
        ([region("a", A, "face", rotation=20, origin="prediction-changed")], ["moved face"]),
        ([], ["deleted face"]),
        ([region("a", A, "face", origin="prediction"), region("n", FAR, "lacy")], ["accepted face", "drawn lacy"]),
        ([region("n", FAR, "lacy")], ["deleted face", "drawn lacy"]),
        ([region("a", A)], ["renamed no label"]),
    ],
)
def test_what_was_done(kept: list[dict[str, Any]], expected: list[str]) -> None:
    assert deeds({"id": 1, "data": {}, "annotations": [annotation(1, *kept, shown=SHOWN)]}, CONFIG) == expected


def test_without_the_stored_prediction_origin_tells_what_it_can() -> None:
    kept = [region("a", A, "jason", origin="prediction-changed"), region("b", FAR, "face", origin="prediction"), region("n", FAR, "lacy")]
    gone = annotation(1, *kept, parent_prediction=9)
    assert deeds({"id": 1, "data": {}, "annotations": [gone]}, CONFIG) == ["accepted face", "changed jason", "drawn lacy"]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (24, ["accepted object"] * 3),
        (25, ["accepted object", "accepted object", "moved object"]),
        (26, ["accepted object", "accepted object", "deleted object"]),
        (27, ["accepted object", "accepted object", "accepted object", "drawn dog"]),
        (28, ["renamed bird", "renamed dog", "renamed+moved cat"]),
        (30, ["accepted object", "accepted object", "renamed cat"]),
        (31, ["deleted object"] * 3),
    ],
)
def test_what_people_did_in_the_recorded_editor(task: int, expected: list[str]) -> None:
    found = next(each for each in json.loads((FIXTURES / "ls_export.json").read_text()) if each["id"] == task)
    assert deeds(found, RECORDED) == expected


def test_counts_by_version_label_and_time() -> None:
    effort = EffortCounts()
    for number, (version, label) in enumerate((("v1", "jason"), ("v1", "face"), ("v2", "jason"))):
        kept = region("a", A, label, origin="prediction-changed")
        shown = [region("a", A, "face" if version == "v1" else "jason")]
        done = annotation(number + 1, kept, shown=shown)
        done["prediction"]["model_version"] = version
        effort.add({"id": number, "data": {}, "annotations": [done, annotation(40, was_cancelled=True)]}, CONFIG)
    effort.add({"id": 9, "data": {}, "annotations": [annotation(9, region("n", FAR, "lacy"))]}, CONFIG)
    summary = effort.summary()
    assert (summary["annotations"], summary["skipped"]) == (4, 3)
    rows = {
        each["model_version"]: (each["boxes"], each["accepted"], each["renamed"], each["drawn"], each["keys_per_box"])
        for each in summary["versions"]
    }
    assert rows == {"v1": (2, 1, 1, 0, 1.0), "v2": (1, 1, 0, 0, 0.0), "by hand": (1, 0, 0, 1, 2.0)}
    assert summary["versions"][0]["renamings"] == [{"from": "face", "to": "jason", "boxes": 1}]
    assert [(each["version"], each["keys_per_box"]) for each in summary["curve"]] == [
        ("v1", 1.0),
        ("v2", 0.0),
        ("by hand", 2.0),
    ]
    assert [each.task for each in effort.hardest] == [0, 9]


def test_people_are_told_apart_with_their_keys_and_how_far_they_agree() -> None:
    effort = EffortCounts()
    left = annotation(1, region("a", A, "jason", origin="prediction-changed"), region("n", FAR, "lacy"), who=1, shown=SHOWN)
    right = annotation(2, region("b", A, "lacy"), region("m", FAR, "lacy"), region("o", (60, 10, 90, 40), "jason"), who=2)
    late = annotation(3, region("c", A, "jason"), who=1, lead_time=None)  # imported: nobody's work
    effort.add({"id": 1, "data": {}, "annotations": [left, right, late]}, CONFIG)
    alone = annotation(4, region("d", A, "jason"), who={"id": 3, "email": "<b>@lab"}, parent_prediction=9)  # its prediction is gone
    effort.add({"id": 2, "data": {}, "annotations": [alone]}, CONFIG)
    rows = {each["who"]: (each["answers"], each["boxes"], each["keys_per_box"], each["agreed"], each["compared"]) for each in
            effort.summary({"1": "ann@lab"})["people"]}  # fmt: skip
    assert rows == {"2": (1, 3, 2.0, 1, 3), "ann@lab": (1, 2, 2.0, 1, 3), "<b>@lab": (1, 1, None, 0, 0)}
    html = page(effort.summary({"1": "ann@lab"}), [], title="x", thumbnail=lambda address: None)
    assert "By person" in html and "ann@lab" in html and "33%" in html and "<b>" not in html


def test_a_page_holds_no_markup_of_labels() -> None:
    effort = EffortCounts()
    config = LabelConfig.parse(xml("<script>alert(1)</script>"))
    done = annotation(1, region("a", A, "<script>alert(1)</script>", origin="prediction-changed"), shown=SHOWN)
    done["prediction"]["model_version"] = "<img src=x>"
    effort.add({"id": 1, "data": {"image": "x"}, "annotations": [done]}, config)
    html = page(effort.summary(), effort.hardest, title="<b>", thumbnail=lambda address: b"jpeg")
    assert "<script" not in html and "<img src=x" not in html and "<b>" not in html
    assert "&lt;script&gt;" in html


def test_a_project_without_annotations_has_a_page_too() -> None:
    assert "No box was approved yet" in page(EffortCounts().summary(), [], title="x", thumbnail=lambda address: None)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    world = Annotated(tmp_path / "pictures")
    world.add(annotation(1, region("a", A, "jason", origin="prediction-changed"), shown=SHOWN))
    world.save(tmp_path / "export.json")
    command = ["effort", "--from", "export.json", "--media", "pictures", "--label-config", "export.xml", "--out", "effort.html"]
    assert run([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["versions"][0]["keys_per_box"] == 2.0 and said["format"] == 1
    html = (tmp_path / "effort.html").read_text()
    assert html.count("data:image/jpeg;base64") == 1 and "gdino-tiny.a1b2c3" in html
    assert run(command) == 0
    assert "Wrote effort.html" in capsys.readouterr().out
