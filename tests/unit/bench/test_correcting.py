"""A careful person on paper: what each mistake costs in keys, and that nothing is left wrong."""

from __future__ import annotations

import pytest

from benchmarks.correcting import Project, correct, left_wrong
from benchmarks.effort import Round
from benchmarks.typist import Counted, _bare_spot, bare_corner, corners_to_drag
from dinolabel.demo.world import Thing
from dinolabel.studio.label_configs.label_config import LabelConfig, build, hotkeys
from dinolabel.vision.types import Box
from tests.doubles.paper_editor import PaperEditor, region

XML = build({"cat face": "cat face"}, ["felix", "tom"])
CONFIG = LabelConfig.parse(XML)
PROJECT = Project(CONFIG, hotkeys(XML))
SIZE = (400, 400)
PLACES = [Box(0, 0, 90, 90), Box(100, 0, 190, 90), Box(200, 0, 290, 90), Box(300, 0, 390, 90)]
NOBODY = None


def thing(place: int, identity: str | None) -> Thing:
    return Thing("cat face", PLACES[place], identity)


def editor(*labels: str | None) -> PaperEditor:
    """A box at each place whose label is not None."""
    result = [region(f"r{place}", label, PLACES[place], CONFIG, SIZE) for place, label in enumerate(labels) if label]
    return PaperEditor(CONFIG, dict(PROJECT.keys), result, SIZE)


CAT, FELIX, TOM = "cat face", "felix", "tom"


@pytest.mark.parametrize(
    ("shown", "truth", "keys", "clicks", "drags"),
    [
        ([CAT, CAT], [FELIX, TOM], 4, 0, 0),
        ([FELIX, TOM, CAT], [FELIX, TOM, NOBODY], 0, 0, 0),
        ([FELIX, TOM, FELIX], [FELIX, TOM, TOM], 1, 1, 0),
        ([TOM, TOM, CAT], [FELIX, TOM, NOBODY], 2, 0, 0),
        ([CAT, None], [FELIX, TOM], 3, 0, 1),
        ([None, None], [FELIX, TOM], 2, 0, 2),
        ([CAT, CAT], ["absent", FELIX], 4, 0, 0),
        ([FELIX, CAT], [FELIX, "absent"], 1, 1, 0),
    ],
    ids=["cold", "right", "one wrong, third", "one wrong, first", "one missed", "by hand", "false first", "false last"],
)
def test_what_a_mistake_costs(shown: list[str | None], truth: list[str | None], keys: int, clicks: int, drags: int) -> None:
    things = [thing(place, identity) for place, identity in enumerate(truth) if identity != "absent"]
    paper = editor(*shown)
    correct(paper, things, PROJECT)  # type: ignore[arg-type]
    assert left_wrong(paper.result, things, PROJECT) == 0
    assert paper.counted == Counted(keys, clicks, drags)


@pytest.mark.parametrize(
    ("truth", "drags"),
    [(Box(0, 0, 70, 70), 1), (Box(25, 25, 90, 90), 1), (Box(20, 20, 70, 70), 2), (Box(40, 40, 120, 120), 2), (Box(95, 95, 120, 120), 2)],
)
def test_a_loose_box_takes_as_few_drags_as_it_can(truth: Box, drags: int) -> None:
    assert len(corners_to_drag(Box(0, 0, 90, 90), truth)) == drags


def test_a_loose_box_is_dragged_into_place() -> None:
    paper, things = editor(FELIX), [Thing("cat face", Box(0, 0, 70, 70), FELIX)]
    correct(paper, things, PROJECT)  # type: ignore[arg-type]
    assert paper.counted == Counted(keys=1, drags=1) and left_wrong(paper.result, things, PROJECT) == 0


def test_a_box_that_no_click_meets_is_walked_to() -> None:
    paper = editor(FELIX, TOM, FELIX)
    paper.covered = {"r2"}
    correct(paper, [thing(0, FELIX), thing(1, TOM), thing(2, TOM)], PROJECT)  # type: ignore[arg-type]
    assert paper.counted == Counted(keys=4, clicks=1)


@pytest.mark.parametrize(
    ("shown", "truth", "wrong"),
    [
        ([FELIX], [FELIX], 0),
        ([TOM], [FELIX], 1),
        ([CAT], [NOBODY], 0),
        ([FELIX], [NOBODY], 1),
        ([None], [FELIX], 1),
        ([FELIX], ["absent"], 1),
    ],
)
def test_what_is_left_wrong_is_counted(shown: list[str | None], truth: list[str | None], wrong: int) -> None:
    things = [thing(place, identity) for place, identity in enumerate(truth) if identity != "absent"]
    assert left_wrong(editor(*shown).result, things, PROJECT) == wrong


def test_clicks_and_drags_count_as_keys_and_submits_do_not() -> None:
    made = Round.of(Counted(keys=6, clicks=1, drags=1, submits=4), images=4, boxes=10, wrong=0)
    assert (made.keys_per_box, made.submits_per_image) == (0.8, 1.0)
    assert made.hand_seconds_per_box == round((6 * 0.28 + 1.3 + 2.4) / 10, 2)


def test_a_click_goes_where_no_other_box_lies() -> None:
    assert _bare_spot(Box(0, 0, 100, 100), []) == (50, 50)
    x, _ = _bare_spot(Box(0, 0, 100, 100), [Box(30, 0, 100, 100)])
    assert x < 30


def test_a_box_is_begun_where_no_other_one_would_be_taken() -> None:
    box, over_the_first_corner, over_all = Box(10, 10, 50, 60), Box(0, 0, 20, 20), Box(0, 0, 90, 90)
    assert bare_corner(box, []) == ((10, 10), (50, 60), True)
    assert bare_corner(box, [over_the_first_corner]) == ((50, 60), (10, 10), True)
    assert bare_corner(box, [over_all])[2] is False
