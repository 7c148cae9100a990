"""What `accept` takes and what it leaves, how it is marked, and that it never passes for a person's work."""

from __future__ import annotations

import pytest

from dinolabel.projects import accept
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.writing import to_prediction, to_result
from dinolabel.studio.reviews.decisions import reviewed_boxes
from dinolabel.vision.types import Box, Detection
from tests.doubles.scripted_studio import CONFIG
from tests.doubles.studio_parts import StudioParts

VERSION = "v.1"


def prediction(*scores: float, version: str = VERSION) -> dict:
    boxes = [Detection(Box(10 * at, 5, 10 * at + 8, 40), "coloured thing", score) for at, score in enumerate(scores)]
    result = to_result(boxes, LabelConfig.parse(CONFIG), width=100, height=100, task=1, version=version)
    return {"id": 7, **to_prediction(1, result, version)}


@pytest.mark.parametrize(
    ("task", "taken"),
    [
        ({"predictions": [prediction(0.95, 0.91)]}, True),
        ({"predictions": [prediction(0.95, 0.89)]}, False),
        ({"predictions": [prediction()]}, False),
        ({"predictions": [prediction(0.95, version="yolo-7")]}, False),
        ({"predictions": []}, False),
        ({"predictions": [prediction(0.95)], "annotations": [{"id": 1}]}, False),
        ({"predictions": [prediction(0.95)], "annotations": [{"id": 1, "was_cancelled": True}]}, False),
        ({"predictions": [prediction(0.95)], "drafts": [{"id": 1}]}, False),
    ],
)
def test_only_what_is_sure_and_nobody_has_begun_is_taken(task: dict, taken: bool) -> None:
    assert (accept.acceptable_prediction(task, VERSION, 0.9) is not None) is taken


@pytest.mark.parametrize("parent", [7, None], ids=["", "after its prediction was deleted"])
def test_it_is_unverified_for_ever(parent: int | None) -> None:
    made = prediction(0.95)
    result = accept.mark_regions(made["result"], 0.9, VERSION)
    annotation = {"id": 3, "result": result, "parent_prediction": parent, "lead_time": None, "was_cancelled": False, "prediction": made}
    task = {"id": 1, "data": {"image": "x"}, "annotations": [annotation]}
    assert [each.verdict for each in reviewed_boxes(task, LabelConfig.parse(CONFIG))] == ["unverified"]
    assert result[0]["meta"]["text"] == ["coloured thing 0.95\n", "accepted by dinolabel: v.1 ≥ 0.9\n"]
    assert accept.is_ours(annotation)


@pytest.mark.parametrize("text", [["coloured thing 0.95"], "coloured thing 0.95", ["coloured thing 0.95\n"]])
def test_notes_of_any_age_stay_whole_and_on_lines_of_their_own(text: list[str] | str) -> None:
    (region,) = accept.mark_regions([{**prediction(0.95)["result"][0], "meta": {"text": text}}], 0.9, VERSION)
    assert "".join(region["meta"]["text"]) == "coloured thing 0.95\naccepted by dinolabel: v.1 ≥ 0.9\n"


@pytest.mark.parametrize("touched", [{"lead_time": 2.0}, {"result": []}])
def test_what_a_person_touched_is_not_taken_back(touched: dict) -> None:
    result = accept.mark_regions(prediction(0.95)["result"], 0.9, VERSION)
    annotation = {"id": 3, "result": result, "parent_prediction": 7, "lead_time": None} | touched
    assert not accept.is_ours(annotation)


def test_a_persons_edit_of_one_box_makes_it_theirs() -> None:
    result = accept.mark_regions(prediction(0.95, 0.93)["result"], 0.9, VERSION)
    result[0]["origin"] = "prediction-changed"
    assert not accept.is_ours({"id": 3, "result": result, "parent_prediction": 7, "lead_time": None})


class Drawer(StudioParts):
    """Label Studio, as far as accepting goes; a person submits right after the annotation of ours where `rival` is set."""

    def __init__(self, *, rival: bool = False) -> None:
        self.rival, self.deleted, self.task_json = rival, [], {"id": 1, "predictions": [prediction(0.95)], "annotations": []}

    def tasks_get(self, task: int) -> dict:
        return self.task_json

    def annotations_create(self, task: int, result: list, *, lead_time: float | None, parent_prediction: int) -> dict:
        made = {"id": 3, "result": result, "lead_time": lead_time, "parent_prediction": parent_prediction}
        self.task_json["annotations"] = [made, *([{"id": 4}] if self.rival else [])]
        return made

    def annotations_delete(self, annotation: int) -> None:
        self.deleted.append(annotation)


def test_running_it_again_accepts_nothing_twice_and_undo_takes_it_back(tmp_path) -> None:
    studio, journal = Drawer(), tmp_path / "accepted.jsonl"
    assert list(accept.accept(studio, [1], VERSION, 0.9, journal)) == [accept.AutoAccepted(1, 3)]
    assert list(accept.accept(studio, [1], VERSION, 0.9, journal)) == [None]
    assert len(journal.read_text().splitlines()) == 1
    assert list(accept.undo(studio, [studio.task_json])) == [accept.AutoAccepted(1, 3)]
    assert studio.deleted == [3]


def test_a_person_who_submits_in_the_same_moment_wins(tmp_path) -> None:
    studio = Drawer(rival=True)
    assert list(accept.accept(studio, [1], VERSION, 0.9, tmp_path / "a.jsonl")) == [None]
    assert studio.deleted == [3]
