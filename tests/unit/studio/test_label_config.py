from __future__ import annotations

import re

import pytest

from dinolabel.studio.label_configs.edit import add_prompt_field
from dinolabel.studio.label_configs.label_config import LabelConfig, add_name, build, hotkeys
from dinolabel.studio.label_roles import LabelRoles
from dinolabel.vision.errors import LabelConfigError, PromptMissing
from dinolabel.vision.types import Box, Detection, Named, Suppressed, Unknown

FACES = """<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="label" toName="image" model_box_threshold="0.3" model_text_threshold="0.25">
    <Label value="face" hotkey="0" predicted_values="human face, head"/>   <!-- the prompt -->
    <Label value="jason" hotkey="1"/>
    <Label value="lacy" hotkey="2"/>
    <Label value="Unknown"/>
  </RectangleLabels>
</View>
"""


def config(labels: str, *, control: str = "", image: str = 'value="$image"') -> str:
    return f'<View><Image name="image" {image}/><RectangleLabels name="label" toName="image" {control}>{labels}</RectangleLabels></View>'


def test_prompts_names_and_unknown_are_told_apart() -> None:
    parsed = LabelConfig.parse(FACES)
    assert (parsed.control, parsed.object_name, parsed.data_key) == ("label", "image", "image")
    assert parsed.labels == ("face", "jason", "lacy", "Unknown")
    assert parsed.prompt_map == {"human face": "face", "head": "face"}
    assert parsed.prompt.phrases == ("human face", "head")
    assert (parsed.generic, parsed.learnt) == (("face",), ("jason", "lacy"))
    assert (parsed.box_threshold, parsed.text_threshold) == (0.3, 0.25)
    assert parsed.live_labels == frozenset({"face", "jason", "lacy", "Unknown"})


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("face", "generic"),
        ("jason", "named"),
        ("Unknown", "unknown"),
        ("removed", "unlabelled"),
        (None, "unlabelled"),
        ("FACE", "unlabelled"),
    ],
)
def test_kind_of(label: str | None, kind: str) -> None:
    assert LabelConfig.parse(FACES).kind_of(label) == kind


@pytest.mark.parametrize(
    ("phrase", "answer", "label"),
    [
        ("human face", None, "face"),
        ("head", None, "face"),
        ("human face", Named("jason", 0.9), "jason"),
        ("human face", Named("gone", 0.9), "face"),
        ("human face", Named("Unknown", 0.9), "face"),
        ("human face", Unknown("jason", 0.4), "face"),
        ("human face", Suppressed(0.9), None),
        ("dog", None, None),
        ("dog", Named("lacy", 0.8), "lacy"),
    ],
)
def test_label_for_sends_only_labels_of_this_config(phrase: str, answer: Named | Unknown | Suppressed | None, label: str | None) -> None:
    detection = Detection(Box(0, 0, 9, 9), phrase, 0.5, answer)
    assert LabelConfig.parse(FACES).label_for(detection) == label


def test_without_predicted_values_every_name_is_its_own_prompt_and_stays_learnable() -> None:
    parsed = LabelConfig.parse(config('<Label value="Big Cat"/><Label value="dog"/><Label value="unknown"/>'))
    assert parsed.prompt_map == {"big cat": "Big Cat", "dog": "dog"}
    assert (parsed.learnt, parsed.generic) == (("Big Cat", "dog"), ())
    assert parsed.kind_of("dog") == "named"
    assert any("predicted_values" in line for line in parsed.explain())


FROZEN = '<Label value="Cat"/><Label value="Tom"/><Label value="Felix"/><Label value="Unknown"/>'


@pytest.mark.parametrize(
    ("prompt", "learn", "looked_for", "learnt", "kinds"),
    [
        ({"cat face": "Cat"}, ["Tom", "Felix"], {"cat face": "Cat"}, ("Tom", "Felix"), "generic named named unknown"),
        ({"cat face": "Cat"}, None, {"cat face": "Cat"}, ("Tom", "Felix"), "generic named named unknown"),
        ({"cat face": "Cat", "kitten": "Cat"}, ["Tom"], {"cat face": "Cat", "kitten": "Cat"}, ("Tom",), "generic named generic unknown"),
        ({"cat face": "Cat"}, ["Cat", "Tom"], {"cat face": "Cat"}, ("Cat", "Tom"), "named named generic unknown"),
        ({}, ["Tom", "Felix"], {"cat": "Cat"}, ("Tom", "Felix"), "generic named named unknown"),
    ],
)
def test_roles_said_beside_a_label_config_count_as_if_it_said_them(
    prompt: dict[str, str], learn: list[str] | None, looked_for: dict[str, str], learnt: tuple[str, ...], kinds: str
) -> None:
    labels = ("Cat", "Tom", "Felix", "Unknown")
    parsed = LabelConfig.parse(config(FROZEN), roles=LabelRoles.of(prompt, learn, labels))
    assert (parsed.prompt_map, parsed.learnt) == (looked_for, learnt)
    assert " ".join(parsed.kind_of(each) for each in labels) == kinds
    assert not any(each.startswith("No label has") for each in parsed.explain())


def test_roles_of_labels_that_are_gone_or_renamed() -> None:
    roles = LabelRoles.of({"cat face": "Cat", "dog": "Dog"}, ["Tom", "Rex"], ["Cat", "Dog", "Tom", "Rex"])
    parsed = LabelConfig.parse(config('<Label value="Cat"/><Label value="Tommy" formerly="Tom"/>'), roles=roles)
    assert (parsed.prompt_map, parsed.learnt) == ({"cat face": "Cat"}, ("Tommy",))
    assert [each.split(",")[0] for each in parsed.unheeded] == ["'Dog'", "'Rex'"]
    with pytest.raises(LabelConfigError, match="Nothing is left"):
        LabelConfig.parse(config('<Label value="Tom"/>'), roles=roles)
    with pytest.raises(LabelConfigError, match="no label 'Puss'"):
        LabelRoles.of({"cat": "Puss"}, None, ["Cat"])


def test_names_that_are_one_phrase_share_it_when_nobody_chose() -> None:
    assert LabelConfig.parse(config('<Label value="Cat"/><Label value="cat."/>')).prompt_map == {"cat": "Cat"}


def test_explain_says_each_phrase_name_and_threshold() -> None:
    said = " ".join(LabelConfig.parse(FACES).explain())
    for word in ("'label'", "'human face'", "'head'", "'jason'", "'lacy'", "Box threshold of this project: 0.3", "unknown"):
        assert word in said
    assert "No label has predicted_values" not in said


def test_alias_is_what_label_studio_stores() -> None:
    assert LabelConfig.parse(config('<Label value="A very long name" alias="short"/>')).labels == ("short",)


def test_zero_is_a_threshold() -> None:
    parsed = LabelConfig.parse(config('<Label value="a"/>', control='model_box_threshold="0" model_text_threshold="1"'))
    assert (parsed.box_threshold, parsed.text_threshold) == (0.0, 1.0)


@pytest.mark.parametrize("text", ["", "high", "-0.1", "1.01", "nan", "inf", "30%"])
@pytest.mark.parametrize("name", ["model_box_threshold", "model_text_threshold"])
def test_a_bad_threshold_is_named(name: str, text: str) -> None:
    with pytest.raises(LabelConfigError, match=name):
        LabelConfig.parse(config('<Label value="a"/>', control=f'{name}="{text}"'))


IMAGE = '<Image name="image" value="$image"/>'
MARK = 'model_box_threshold="0.2"'
SKIPPED = 'model_skip="true"'
SECOND = '<Image name="other" value="$other"/>'


def control(name: str, to: str = "image", extra: str = "") -> str:
    return f'<RectangleLabels name="{name}" toName="{to}" {extra}><Label value="{name}"/></RectangleLabels>'


@pytest.mark.parametrize(
    ("inner", "chosen", "data_key"),
    [
        (IMAGE + control("a"), "a", "image"),
        (IMAGE + SECOND + control("a", "other"), "a", "other"),
        (IMAGE + control("a") + control("b", extra='model_box_threshold="0.2"'), "b", "image"),
        (IMAGE + control("a", "text") + control("b"), "b", "image"),
        (f"<View>{IMAGE}<View>{control('a')}</View></View>", "a", "image"),
        (IMAGE + control("a") + control("b", extra='model_skip="true"'), "a", "image"),
        (IMAGE + control("a", extra='model_skip="YES"') + control("b", extra='model_skip="false"'), "b", "image"),
        (IMAGE + control("a", extra='model_skip="1" model_box_threshold="0.2"') + control("b"), "b", "image"),
        (IMAGE + control("a") + control("b", extra='model_score_threshold="0.2"'), "b", "image"),
        (IMAGE + control("a", extra='model_path="y.pt"') + control("b", extra='model_box_threshold="0.2"'), "b", "image"),
        (f"{IMAGE}<Repeater on='$others' indexFlag='{{{{idx}}}}'>{IMAGE}{control('z')}</Repeater>" + control("a"), "a", "image"),
        ('<Image name="my image" value="$image"/>' + control("my box", "my image"), "my box", "image"),
        ('<Image name="image" value="$data.image"/>' + control("a"), "a", "data.image"),
        ('<Image name="image" value="$images[0].url"/>' + control("a"), "a", "images[0].url"),
    ],
)
def test_which_control_takes_the_boxes(inner: str, chosen: str, data_key: str) -> None:
    parsed = LabelConfig.parse(f"<View>{inner}</View>")
    assert (parsed.control, parsed.data_key, parsed.labels) == (chosen, data_key, (chosen,))


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        ("", "no XML"),
        ("<View>", "no XML"),
        ("<View/>", "no <RectangleLabels>"),
        (f"<View>{IMAGE}<PolygonLabels name='p' toName='image'><Label value='a'/></PolygonLabels></View>", "no <RectangleLabels>"),
        (f"<View>{control('a')}</View>", "no <Image>"),
        (f"<View>{IMAGE}{control('a', 'text')}</View>", "'a' to 'text'"),
        (f"<View>{IMAGE}{control('first')}{control('second')}</View>", "'first', 'second'"),
        (f"<View>{IMAGE}{control('a', extra=MARK)}{control('b', extra=MARK)}</View>", "'a', 'b'"),
        (config(""), "has no <Label>"),
        (config('<Label value=""/>'), "has no value"),
        (config('<Label value="  "/>'), "has no value"),
        (config("<Label/>"), "has no value"),
        (config('<Label value="a"/><Label value="a"/>'), "'a' stands twice"),
        (
            config('<Label value="a" predicted_values="x, y"/><Label value="b" predicted_values="Y"/>'),
            "'a' and 'b' have",
        ),
        (config('<Label value="a"/>', image='value="picture.jpg"'), "'picture.jpg'"),
        (config('<Label value="a"/>', image=""), "says no value"),
        (config('<Label value="a"/>', image='value="$a$b"'), "not one key"),
        (config('<Label value="a"/>', image='value="$pages[{{idx}}].image"'), "<Repeater>"),
        (config('<Label value="a"/>', image='value="$image" valueList="$images"'), "valueList"),
        (config("", control='value="$labels"'), "dynamic labels"),
        (f"<View>{IMAGE}{control('a', extra=SKIPPED)}</View>", "model_skip"),
        (f"<View><Repeater on='$pages' indexFlag='{{{{idx}}}}'>{IMAGE}{control('a')}</Repeater></View>", "<Repeater>"),
        (
            f"<View>{IMAGE}<Labels name='label' toName='image'><Label value='a'/></Labels><Rectangle name='box' toName='image'/></View>",
            "<Rectangle> and <Labels>",
        ),
        ("<View><Text name='t' value='$t'/><Labels name='l' toName='t'><Label value='a'/></Labels></View>", "only <Labels>"),
        (f"<View>{IMAGE}<Rectangle name='box' toName='image'/></View>", "only <Rectangle>"),
        (f"<View><HyperText name='image' value='$html'/>{control('a')}</View>", "no <Image>"),
        (config('<Label value="a"/>', image='valueList="$images"'), "valueList"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><View/>', "DTD or entities"),
        ("<View>\x00</View>", "XML"),
    ],
)
def test_what_cannot_be_used_is_named(xml: str, words: str) -> None:
    with pytest.raises(LabelConfigError) as caught:
        LabelConfig.parse(xml)
    assert words in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("attributes", "threshold"),
    [
        ('model_score_threshold="0.6"', 0.6),
        ('score_threshold="0.4"', 0.4),
        ('model_score_threshold="0.6" model_box_threshold="0.2"', 0.2),
        ('model_score_threshold="0" score_threshold="0.4"', 0.0),
        ('model_path="yolov8n.pt"', None),
    ],
)
def test_the_threshold_of_label_studios_own_backends_counts_where_ours_is_not_there(attributes: str, threshold: float | None) -> None:
    assert LabelConfig.parse(config('<Label value="a"/>', control=attributes)).box_threshold == threshold


@pytest.mark.parametrize("name", ["model_score_threshold", "score_threshold"])
def test_a_bad_threshold_of_theirs_is_named_too(name: str) -> None:
    with pytest.raises(LabelConfigError, match=name):
        LabelConfig.parse(config('<Label value="a"/>', control=f'{name}="60%"'))


def test_what_is_not_heeded_is_said() -> None:
    other = '<Choices name="kind" toName="image" model_index="3"><Choice value="x"/></Choices>'
    left = '<KeyPointLabels name="k" toName="image" model_skip="true" model_path="pose.pt"><Label value="x"/></KeyPointLabels>'
    attributes = 'model_path="yolov8n.pt" model_score_threshold="0.6" model_obb="true" value="$more"'
    xml = config('<Label value="a"/>', control=attributes).replace("</View>", other + left + "</View>")
    said = LabelConfig.parse(xml).unheeded
    for line, words in zip(said, ("model_path", "model_obb", "model_index", "dynamic labels"), strict=True):
        assert words in line
    assert LabelConfig.parse(FACES).unheeded == ()


def test_build_gives_fixed_keys_and_parses_to_what_was_asked() -> None:
    xml = build({"human face": "face", "head": "face", "dog": "dog"}, ["jason", "lacy"])
    assert '<Label value="face" hotkey="0" predicted_values="human face,head" background="#e69f00"/>' in xml
    assert '<Label value="jason" hotkey="1" background="#a54bff"/>' in xml
    assert '<Label value="lacy" hotkey="2" background="#2d8796"/>' in xml
    assert '<Label value="dog" hotkey="3" predicted_values="dog" background="#961e00"/>' in xml
    parsed = LabelConfig.parse(xml)
    assert (parsed.learnt, parsed.generic) == (("jason", "lacy"), ("face", "dog"))
    assert parsed.prompt_map == {"human face": "face", "head": "face", "dog": "dog"}


@pytest.mark.parametrize("title", [None, "Cats & dogs"])
def test_built_labels_stand_above_the_picture_and_boxes_cannot_be_turned(title: str | None) -> None:
    xml = build({"human face": "face"}, ["jason"], title=title)
    typed = add_prompt_field(xml)
    for each in (xml, typed, add_name(typed, "maria")):
        assert 0 < each.index("<RectangleLabels") < each.index("</RectangleLabels>") < each.index("<Image")
        assert each.count('canRotate="false"') == 1
    assert typed.index("</RectangleLabels>") < typed.index("<TextArea"), "lines in the field would push the labels down"


def test_no_built_hotkey_is_given_twice_or_is_the_cycling_or_submitting_key() -> None:
    from xml.etree import ElementTree

    tags = list(ElementTree.fromstring(build({"thing": "thing"}, [f"name{i}" for i in range(40)])).iter("Label"))
    keys = [key for tag in tags if (key := tag.get("hotkey"))]
    assert len(tags) == 41
    assert len(keys) == len(set(keys)) == 30
    assert not {"n", " ", "space"} & set(keys)


HARD = ["comma, name", 'quote "x"', "apostrophe's", "<b>", "a & b", "🦊 fox", "x" * 300, "ümlaut", "]]>", "{{x}}", "$image"]


@pytest.mark.parametrize("name", HARD)
def test_hard_names_survive_build_and_with_name(name: str) -> None:
    assert LabelConfig.parse(build({"face": "face"}, [name])).learnt == (name,)
    assert LabelConfig.parse(build({"face": name}, ["b"])).generic == (name,)
    added = add_name(FACES, name)
    assert LabelConfig.parse(added).learnt == ("jason", "lacy", name)


@pytest.mark.parametrize("name", ["", "  ", "line\nend", "tab\t", "\x00", "\ud800", "jason", "face"])
def test_impossible_names_are_refused(name: str) -> None:
    with pytest.raises(LabelConfigError):
        add_name(FACES, name)
    with pytest.raises(LabelConfigError):
        build({"x": "jason", "y": "face"}, [name])


@pytest.mark.parametrize("prompt_map", [{}, {"...": "face"}, {"": "face"}, {"face": "unknown"}, {"face": "face", ",": "x"}])
def test_build_without_words_is_refused(prompt_map: dict[str, str]) -> None:
    with pytest.raises((PromptMissing, LabelConfigError)):
        build(prompt_map, ["jason"])


def test_with_name_changes_nothing_else() -> None:
    added = add_name(FACES, "maria")
    line = '\n    <Label value="maria" hotkey="4"/>'  # 3 is what Label Studio gives Unknown by itself
    assert added.replace(line, "", 1) == FACES
    assert added.index(line) > added.index('value="Unknown"')


@pytest.mark.parametrize(
    "xml",
    [
        config('<Label value="a"/>'),
        config('<Label value="a>b"></Label>'),
        '<?xml version="1.0" encoding="UTF-8"?>\r\n<View>\r\n\t<Header value="ä 🦊"/><Image name="image" value="$image"/>\r\n'
        '\t<RectangleLabels  name = "label"\ttoName="image">\r\n\t\t<Label value="a"/>\r\n\t</RectangleLabels  >\r\n</View>\r\n',
        f"<View>{IMAGE}<!-- <RectangleLabels name='label'> -->{control('b', 'none')}{control('label')}</View>",
    ],
)
def test_with_name_finds_its_place_in_any_writing(xml: str) -> None:
    added = add_name(xml, "zoë")
    assert LabelConfig.parse(added).labels == (*LabelConfig.parse(xml).labels, "zoë")
    start = next(at for at, (one, other) in enumerate(zip(xml, added, strict=False)) if one != other)
    tail = len(xml) - start
    assert added[:start] + added[len(added) - tail :] == xml


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ('<Label value="a" hotkey="1"/>', "2"),
        ('<Label value="a"/><Label value="b"/>', "3"),
        ('<Label value="a" hotkey="2"/><Label value="b"/>', "3"),
        ("".join(f'<Label value="l{i}" hotkey="{i}"/>' for i in range(10)), "q"),
        ("".join(f'<Label value="l{i}"/>' for i in range(9)), "q"),
        ("".join(f'<Label value="l{i}"/>' for i in range(30)), None),
    ],
)
def test_with_name_takes_the_next_key_nobody_has(labels: str, expected: str | None) -> None:
    added = add_name(config(labels), "new")
    assert ('<Label value="new"' + (f' hotkey="{expected}"/>' if expected else "/>")) in added


def test_a_taken_hotkey_is_refused_and_a_free_one_is_taken() -> None:
    with pytest.raises(LabelConfigError, match="'1' is taken"):
        add_name(FACES, "maria", "1")
    assert '<Label value="maria" hotkey="m"/>' in add_name(FACES, "maria", "m")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ('<Label value="a" hotkey="1"/><Label value="b" hotkey="x"/>', {"a": "1", "b": "x"}),
        ('<Label value="a"/><Label value="b"/>', {"a": "1", "b": "2"}),
        ('<Label value="a"/><Label value="b" hotkey="1"/><Label value="c"/>', {"a": "2", "b": "1", "c": "3"}),
        ('<Label value="a" hotkey="ctrl+1"/>', {"a": "ctrl+1"}),
    ],
)
def test_hotkeys_are_the_ones_the_editor_has(labels: str, expected: dict[str, str]) -> None:
    assert hotkeys(config(labels)) == expected


def test_labels_beyond_the_keys_have_none() -> None:
    many = "".join(f'<Label value="n{number}"/>' for number in range(40))
    assert len(hotkeys(config(many))) == 30


def test_every_label_has_a_colour_of_its_own_and_lines_can_be_seen() -> None:
    xml = build({"face": "face"}, [f"n{each}" for each in range(10)])
    colours = re.findall(r'background="(#[0-9a-f]{6})"', xml)
    assert len(colours) == len(set(colours)) == 11 and 'strokeWidth="3"' in xml
    again = re.findall(r'background="(#[0-9a-f]{6})"', add_name(xml, "one more"))
    assert again[:11] == colours and again[11] in colours[1:]


def test_colours_of_others_are_left_to_label_studio() -> None:
    assert "background" not in add_name(FACES, "maria")
    some = FACES.replace('value="jason"', 'value="jason" background="#ff0000"')
    assert add_name(some, "maria").count("background") == 1
