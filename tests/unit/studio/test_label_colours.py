"""What Label Studio's editor draws a label in."""

from __future__ import annotations

import pytest

from dinolabel.studio.label_colours import seeded_colour
from dinolabel.studio.label_configs.label_config import LabelConfig, build
from dinolabel.vision.images.colours import assign_colours

# As Label Studio 1.23.2 computes them, in Chromium.
DRAWN = {
    "tom": "#7f72bf", "felix": "#aa72bf", "Cat": "#bf8d72", "cat face": "#aabf72", "human face": "#7276bf", "maria": "#bf729e",
    "O'Brien, Jr": "#72bf87", "José": "#bf7c72", "人脸": "#bfb572", "😀 cat": "#bfab72", "a": "#a272bf", "unknown": "#72bfa2",
}  # fmt: skip


@pytest.mark.parametrize("label", DRAWN)
def test_a_label_without_a_background_has_the_colour_of_its_text(label: str) -> None:
    assert seeded_colour(label) == DRAWN[label]


@pytest.mark.parametrize(
    ("background", "drawn"),
    [
        ("#E69F00", "#e69f00"),
        ("orange", "#ffa500"),
        ("#abc", "#aabbcc"),
        ("rgb(1, 2, 3)", "#010203"),
        ("#01020380", "#010203"),
        ("#36B37E", DRAWN["tom"]),
        ("", DRAWN["tom"]),
        ("no colour", DRAWN["tom"]),
    ],
)
def test_a_background_counts_but_the_default_and_nonsense(background: str, drawn: str) -> None:
    labels = f'<Label value="tom" background="{background}"/><Label value="felix"/>'
    xml = f'<View><RectangleLabels name="l" toName="i">{labels}</RectangleLabels><Image name="i" value="$image"/></View>'
    assert LabelConfig.parse(xml).colours == {"tom": drawn, "felix": DRAWN["felix"]}


def test_a_new_project_has_the_colours_that_pictures_without_one_have() -> None:
    config = LabelConfig.parse(build({"cat face": "cat", "dog": "dog"}, ["tom", "felix"]))
    assert config.colours == assign_colours(["cat", "dog"], ["tom", "felix"])
