"""Label configs that look for more: one change, every other byte as it was."""

from __future__ import annotations

import pytest

from dinolabel.studio.label_configs.edit import add_prompt, add_prompt_field, has_prompt_field, set_thresholds
from dinolabel.studio.label_configs.label_config import LabelConfig, hotkeys
from dinolabel.vision.errors import LabelConfigError, PromptMissing

XML = """<View>
  <!-- ümlaut -->
  <Image name="image" value="$image"/>
  <RectangleLabels toName="image" name='label'>
    <Label value="face"  hotkey="0" predicted_values="human face"/>
    <Label value="jason" hotkey="1"/>
  </RectangleLabels>
  <Choices name="c" toName="image"><Choice value="ok"/></Choices>
</View>"""
OWN = XML.replace(' predicted_values="human face"', "")


def test_new_words_are_a_new_label_on_the_next_key() -> None:
    changed = add_prompt(XML, "dog")
    assert changed.replace('\n    <Label value="dog" hotkey="2" predicted_values="dog"/>', "") == XML
    config = LabelConfig.parse(changed)
    assert (config.prompt_map, config.learnt) == ({"human face": "face", "dog": "dog"}, ("jason",))
    assert hotkeys(changed)["dog"] == "2"


def test_words_for_a_label_that_is_there_are_its_synonyms() -> None:
    changed = add_prompt(XML, "face=head, portrait")
    assert changed.replace("human face,head,portrait", "human face") == XML
    assert LabelConfig.parse(changed).prompt_map == {"human face": "face", "head": "face", "portrait": "face"}


def test_where_every_label_is_its_own_prompt_it_stays_so() -> None:
    config = LabelConfig.parse(add_prompt(OWN, "dog"))
    assert config.prompt_map == {"face": "face", "jason": "jason", "dog": "dog"} and not config.generic
    with pytest.raises(LabelConfigError, match="own name"):
        add_prompt(OWN, "pet=dog")


@pytest.mark.parametrize(("words", "said"), [("human face", "already"), ("jason", "learnt"), ("jason=man", "learnt")])
def test_what_would_cost_something_is_refused(words: str, said: str) -> None:
    with pytest.raises(LabelConfigError, match=said):
        add_prompt(XML, words)


def test_no_words_no_prompt() -> None:
    with pytest.raises(PromptMissing):
        add_prompt(XML, " , ")


def test_thresholds_are_written_once_and_turned_in_place() -> None:
    once = set_thresholds(XML, box=0.4)
    assert once.replace(' model_box_threshold="0.4"', "") == XML
    twice = set_thresholds(once, box=0.25, text=0.2)
    config = LabelConfig.parse(twice)
    assert (config.box_threshold, config.text_threshold) == (0.25, 0.2) and twice.count("model_box_threshold") == 1
    assert set_thresholds(XML) == XML
    with pytest.raises(LabelConfigError, match="0 to 1"):
        set_thresholds(XML, box=1.5)


def test_an_attribute_inside_another_s_value_is_left_alone() -> None:
    odd = XML.replace('value="face"', "value=\"face\" hint=' predicted_values=&quot;x&quot; '")
    assert "human face,head" in add_prompt(odd, "face=head") and " predicted_values=&quot;x&quot; " in add_prompt(odd, "face=head")


def test_people_can_type_once_it_is_there() -> None:
    assert not has_prompt_field(XML)
    changed = add_prompt_field(XML)
    assert has_prompt_field(changed) and LabelConfig.parse(changed) == LabelConfig.parse(XML)
    assert changed.index("<TextArea") < changed.index("<Number") < changed.index("<Image") < changed.index("<RectangleLabels")
    assert 'size="6" style="font-size: 14px' in changed, "Label Studio's smallest heading is larger than all else"
    begin, end = changed.index("<View style"), changed.index("<Image")
    assert changed[:begin] + changed[end:] == XML
    with pytest.raises(LabelConfigError, match="box_threshold"):
        add_prompt_field(changed)
