"""A name changes: the config says what it was, old annotations and old heads are read as the new one, nothing else moves."""

from __future__ import annotations

import pytest

from dinolabel.studio.label_configs.label_config import LabelConfig, add_name, build, hotkeys
from dinolabel.studio.label_configs.rename import add_alias, remove_label, rename_label
from dinolabel.studio.regions.writing import regions, to_result
from dinolabel.vision.bundles.model_version import model_version
from dinolabel.vision.errors import LabelConfigError
from dinolabel.vision.types import Box, CropPolicy, Detection, Named, Thresholds, Unknown
from tests.doubles.coloured_things import GREEN, RED, ThingDetector, bundle

XML = build({"human face": "face"}, ["jon", "lacy", "John"])
BY_HAND = """<View>
  <!-- <Label value="jon"/> stood here -->
  <Image name="image" value="$image"/>
  <RectangleLabels name="label" toName="image">
    <Label predicted_values="human face" value="face"></Label>
    <Label
      value = 'jon'  background="#f00"
    ></Label><Label value="a &gt; b"/>
  </RectangleLabels>
</View>"""


def said(names: list[str], config: LabelConfig) -> str | None:
    value = {"x": 10, "y": 10, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": names}
    entry = {"id": "r", "from_name": "label", "to_name": "image", "type": "rectanglelabels", "value": value}
    (region,) = regions([entry | {"original_width": 100, "original_height": 100}], config)
    return region.label


def test_what_was_annotated_under_the_old_name_is_of_the_new_one() -> None:
    xml = rename_label(XML, "jon", "maria")
    config = LabelConfig.parse(xml)
    assert config.learnt == ("maria", "lacy", "John")
    assert said(["jon"], config) == said(["maria"], config) == "maria"
    assert said(["stranger"], config) is None
    assert hotkeys(xml)["maria"] == hotkeys(XML)["jon"]
    assert LabelConfig.parse(rename_label(xml, "maria", "jon")).aliases == {"maria": "jon"}  # and back


def test_a_head_that_learnt_the_old_name_says_the_new_one_at_once() -> None:
    config = LabelConfig.parse(rename_label(XML, "jon", "maria"))
    answers = (Named("jon", 0.9), Unknown("jon"))
    found = [Detection(Box(1 + 30 * at, 1, 20 + 30 * at, 20), "human face", 0.8, each) for at, each in enumerate(answers)]
    named, unnamed = to_result(found, config, width=100, height=100, task=1, version="v")
    assert (named["value"]["rectanglelabels"], named["score"]) == (["maria"], 0.9)
    assert unnamed["meta"]["text"][1].startswith("perhaps maria")


def test_two_names_become_one_and_their_past_comes_along() -> None:
    xml = rename_label(rename_label(XML, "jon", "Jonny"), "Jonny", "John")
    config = LabelConfig.parse(xml)
    assert config.learnt == ("lacy", "John")
    assert {name: said([name], config) for name in ("jon", "Jonny", "John")} == {"jon": "John", "Jonny": "John", "John": "John"}


def test_an_alias_need_not_be_a_label() -> None:
    config = LabelConfig.parse(add_alias(XML, "John", "Johnny"))
    assert said(["Johnny"], config) == "John" and config.learnt == ("jon", "lacy", "John")
    assert LabelConfig.parse(add_alias(XML, "John", "jon")).learnt == ("lacy", "John")
    with pytest.raises(LabelConfigError, match="earlier name of 'John'"):
        add_name(add_alias(XML, "John", "Johnny"), "Johnny")


def test_no_other_byte_moves() -> None:
    assert rename_label(BY_HAND, "jon", "maria") == BY_HAND.replace("value = 'jon'", 'value="maria"').replace(
        'background="#f00"\n    >', 'background="#f00" formerly="jon"\n    >'
    ).replace('\n      value="maria"', ' value="maria"')
    assert remove_label(BY_HAND, "a > b") == BY_HAND.replace('<Label value="a &gt; b"/>', "")
    assert rename_label(XML, "jon", 'a "b" & <c>').count("\n") == XML.count("\n")
    assert LabelConfig.parse(rename_label(XML, "jon", 'a "b" & <c>')).learnt[0] == 'a "b" & <c>'


def test_a_name_that_goes_leaves_nothing() -> None:
    xml = remove_label(rename_label(XML, "jon", "maria"), "jon")
    assert "jon" not in xml and LabelConfig.parse(xml).learnt == ("maria", "lacy", "John")
    assert "lacy" not in remove_label(XML, "lacy")


@pytest.mark.parametrize(("old", "new"), [("nobody", "x"), ("face", "x"), ("jon", "face"), ("jon", "jon"), ("jon", " "), ("jon", "a|b")])
def test_what_cannot_be(old: str, new: str) -> None:
    with pytest.raises(LabelConfigError):
        rename_label(XML, old, new)


def test_the_version_says_under_which_name_a_head_answers() -> None:
    def version(xml: str) -> str:
        config = LabelConfig.parse(xml)
        given = {"detector": ThingDetector(), "prompt_map": config.prompt_map, "thresholds": Thresholds(), "policy": CropPolicy()}
        head = bundle({"jon": RED, "lacy": GREEN})
        return model_version(**given, live_labels=config.labels, bundle=head, aliases=config.aliases)

    assert len({version(XML), version(rename_label(XML, "jon", "maria")), version(rename_label(XML, "jon", "kate"))}) == 3
    assert version(rename_label(XML, "John", "Johnny")) == version(XML)  # the head does not know that one
