"""A prompt typed while annotating, through the routes: boxes for that task, errors in words, and making it the project's."""

from __future__ import annotations

from typing import Any

import pytest

from dinolabel.backend.http.server import create_app
from dinolabel.backend.inference.predictor import Deadlines
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.label_configs.prompt_field import SIGN
from dinolabel.studio.label_roles import LabelRoles
from tests.doubles.coloured_things import GREEN, RED, bundle
from tests.doubles.scripted_studio import CONFIG


class Desk:
    """An annotator's browser, as the backend sees it."""

    def __init__(self, world: Any, **options: Any) -> None:
        self.world, self.project = world, world.project(2)
        self.service = world.service(**({"deadlines": Deadlines(single=60, batch=60)} | options))
        self.client = create_app(self.service).test_client()
        self.task, self.other = world.studio.tasks.list(self.project)

    def open(self, task: Any) -> dict[str, Any]:
        """A task is opened with nothing typed, under the project's label config as it is now."""
        config = self.world.studio.projects.get(self.project).label_config
        body = {"tasks": [{"id": task.id, "data": task.data}], "project": str(self.project), "label_config": config}
        (result,) = self.client.post("/predict", json=body).json["results"]
        return dict(result)

    def type(self, *lines: str, task: Any = None, label_config: str = CONFIG, url: str | None = None, **numbers: float) -> dict[str, Any]:
        """Entering a line sends all of them; the answer is what the editor gets."""
        task = task or self.task
        context = [{"from_name": "prompt", "to_name": "image", "type": "textarea", "value": {"text": list(lines)}}]
        context += [{"from_name": name, "to_name": "image", "type": "number", "value": {"number": each}} for name, each in numbers.items()]
        body = {
            "tasks": [{"id": task.id, "data": task.data if url is None else {"image": url}}],
            "project": str(self.project),
            "label_config": label_config,
            "params": {"context": {"result": context}},
        }
        answer = self.client.post("/predict", json=body)
        assert answer.status_code == 200, answer.json
        (result,) = answer.json["results"]
        return dict(result)


@pytest.fixture
def desk(world: Any) -> Desk:
    return Desk(world)


def boxes(result: dict[str, Any]) -> list[list[str]]:
    return [each["value"]["rectanglelabels"] for each in result["result"] if each["type"] == "rectanglelabels"]


def phrases(result: dict[str, Any]) -> set[str]:
    """What the words matched, as each box notes it."""
    return {each["meta"]["text"][0].rpartition(" ")[0] for each in result["result"]}


def lines(result: dict[str, Any]) -> list[str]:
    (area,) = (each for each in result["result"] if each["type"] == "textarea")
    return list(area["value"]["text"])


def test_boxes_come_for_the_words_and_the_line_stays(desk: Desk) -> None:
    result = desk.type("coloured thing", "dog")
    assert (boxes(result), lines(result)[0]) == ([[], []], "dog")
    assert {each["meta"]["text"][0].split(" 0")[0] for each in result["result"] if "meta" in each} == {"dog"}
    assert boxes(desk.type("dog", "coloured thing")) == [["thing"], ["thing"]]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("dog", "“thing=dog”"),
        ("dog, red cat", "“thing=dog, red cat”"),
        ("coloured thing", None),
        ("thing=dog", None),
    ],
)
def test_boxes_without_a_label_come_with_the_way_to_one(desk: Desk, words: str, offered: str | None) -> None:
    result = desk.type(words)
    said = lines(result)[1:]
    assert bool(said) is (offered is not None) is ([] in boxes(result))
    if offered is not None:
        (line,) = said
        assert line.startswith(SIGN) and offered in line and "key" in line
        meant = desk.type(*lines(result), offered.strip("“”"))
        assert set(map(tuple, boxes(meant))) == {("thing",)} and lines(meant) == [offered.strip("“”")]


def test_ids_are_new_each_time_for_a_repeated_one_would_overwrite_an_accepted_box(desk: Desk) -> None:
    one, two = ({each["id"] for each in desk.type("dog")["result"] if each["type"] != "textarea"} for _ in range(2))
    assert len(one) == len(two) == 2 and not one & two


def test_names_are_for_what_the_project_is_about_only(desk: Desk) -> None:
    store = desk.world.store
    store.set_current(str(desk.project), store.publish(str(desk.project), bundle({"jason": RED, "lacy": GREEN})))
    assert boxes(desk.type("coloured thing")) == [["jason"], ["lacy"]]
    assert boxes(desk.type("dog")) == [[], []]


def test_a_threshold_beside_it_counts_for_this_request(desk: Desk) -> None:
    assert len(boxes(desk.type("dog", box_threshold=0.895))) == 1
    nothing = desk.type("dog", box_threshold=0.95)
    assert boxes(nothing) == [] and lines(nothing)[0] == "dog"
    assert lines(nothing)[1].startswith(SIGN) and "0.95" in lines(nothing)[1] and "“dog”" in lines(nothing)[1]
    assert len(boxes(desk.type(*lines(nothing)))) == 2


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"url": "/data/gone.png"}, "404"),
        ({"box_threshold": 3.0}, "0 to 1"),
        ({"words": ",".join(f"a{n}" for n in range(301))}, "301 phrases are too many"),
        ({"label_config": "<View>"}, "no XML"),
        ({"label_config": CONFIG.replace("<Image ", "<Text ")}, "<Image>"),
    ],
)
def test_whatever_goes_wrong_is_said_to_the_person(desk: Desk, wanted: dict[str, Any], said: str) -> None:
    words = wanted.pop("words", "dog")
    result = desk.type(words, **wanted)
    assert boxes(result) == [] and lines(result)[0] == words
    assert all(each.startswith(SIGN) for each in lines(result)[1:])
    assert said in " ".join(lines(result)) and "Traceback" not in " ".join(lines(result))


def test_words_that_are_none_and_labels_that_are_not_there_are_said(desk: Desk) -> None:
    assert "no words" in " ".join(lines(desk.type(" , ")))
    said = " ".join(lines(desk.type("cat=kitty")))
    assert "no label 'cat'" in said and "jason" in said


def test_a_bug_of_ours_is_said_too_and_not_what_it_was(desk: Desk) -> None:
    def broken() -> None:
        raise ZeroDivisionError("/root/secret")

    desk.world.detector.looking = broken
    said = " ".join(lines(desk.type("dog")))
    assert SIGN in said and "log" in said and "secret" not in said


def test_a_busy_model_is_said(world: Any) -> None:
    desk = Desk(world, deadlines=Deadlines(single=0.05, batch=0.05))
    world.detector.seconds = 1.0
    assert "busy" in " ".join(lines(desk.type("dog")))


def test_removing_the_last_line_takes_the_suggestions_away_and_looks_at_nothing(desk: Desk) -> None:
    result = desk.type()
    assert (boxes(result), lines(result), desk.world.detector.passes) == ([], [], 0)


def test_the_pages_button_makes_it_the_projects(desk: Desk) -> None:
    desk.type("dog", box_threshold=0.5)
    desk.type("dog", task=desk.other, box_threshold=0.5)
    html = desk.client.get("/").text
    assert "<b>dog</b>" in html and "2 boxes on the last of 2 tasks" in html and "box threshold 0.5" in html
    answer = desk.client.post("/prompt", data={"project": desk.project, "words": "dog", "box": "0.5"}, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    config = LabelConfig.parse(desk.world.studio.projects.get(desk.project).label_config)
    assert (config.prompt_map, config.box_threshold) == ({"coloured thing": "thing", "dog": "dog"}, 0.5)
    assert "<b>dog</b>" not in desk.client.get("/").text


def test_the_button_leaves_a_label_config_alone_beside_which_words_were_said(desk: Desk) -> None:
    roles = LabelRoles({"coloured thing": "jason"}, ("lacy",))
    desk.world.projects.update(desk.project, roles=roles)
    assert boxes(desk.open(desk.other)) == [["jason"], ["jason"]], "what was said counts when Label Studio asks"
    assert desk.client.post("/prompt", json={"project": desk.project, "words": "dog"}).status_code == 422
    assert desk.client.post("/prompt", json={"project": desk.project, "words": "jason=dog", "box": "0.5"}).status_code == 200
    kept = LabelRoles({"coloured thing": "jason", "dog": "jason"}, ("lacy",), box_threshold=0.5)
    assert desk.world.projects.roles(desk.project) == kept, "the threshold is kept beside it, too"
    config = LabelConfig.parse(CONFIG, roles=kept)
    assert (config.box_threshold, config.text_threshold) == (0.5, LabelConfig.parse(CONFIG).text_threshold)
    assert desk.world.studio.projects.get(desk.project).label_config == CONFIG


def test_the_prompt_is_the_projects_and_is_there_on_the_next_task(desk: Desk) -> None:
    """What was typed is for one picture; what the project looks for is on each, and typed words become that by one button."""
    desk.type("dog")
    assert (boxes(desk.open(desk.other)), phrases(desk.open(desk.other))) == ([["thing"], ["thing"]], {"coloured thing"})
    desk.client.post("/prompt", data={"project": desk.project, "words": "thing=bright thing"})
    xml = desk.world.studio.projects.get(desk.project).label_config
    desk.world.studio.projects.set_label_config(desk.project, xml.replace("coloured thing,", ""))
    assert (boxes(desk.open(desk.other)), phrases(desk.open(desk.other))) == ([["thing"], ["thing"]], {"bright thing"})


def test_the_button_refuses_in_words(desk: Desk) -> None:
    answer = desk.client.post("/prompt", json={"project": desk.project, "words": "jason"})
    assert answer.status_code == 422 and "learnt" in answer.json["error"]
    assert desk.client.post("/prompt", json={"project": desk.project}).status_code == 400
    assert desk.client.post("/prompt", json={"project": desk.project, "words": "dog", "box": "much"}).status_code == 400
    crossing = desk.client.post("/prompt", json={"project": desk.project, "words": "dog"}, headers={"Origin": "http://evil.test"})
    assert crossing.status_code == 403
    assert desk.world.studio.projects.get(desk.project).label_config == CONFIG


def test_what_is_remembered_is_bounded(desk: Desk) -> None:
    for each in range(12):
        desk.type(f"thing {each}")
    assert [each.words for each in desk.service.typing.requests(desk.project)] == [f"thing {each}" for each in range(11, 3, -1)]
