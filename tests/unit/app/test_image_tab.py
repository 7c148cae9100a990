"""What the image tab answers, with models that can be read off the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from dinolabel.app.common import display
from dinolabel.app.common.display import SHOWN_SIDE
from dinolabel.app.common.model_handle import ModelHandle
from dinolabel.app.tabs.image import BOXES_ONLY, NO_PROMPT, OWN, READY, WELCOME, ImageRequest, ImageTab
from dinolabel.vision.bundles.exported_model import ExportedModel
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.errors import (
    BundleMismatch,
    MediaUnavailable,
    MediaUnreadable,
    PromptMissing,
    RequestError,
    WeightsMissing,
)
from dinolabel.vision.images.colours import GENERIC_COLOUR, NAME_COLOURS
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.proposals.candidates import Candidate
from dinolabel.vision.storage.cache import Cache
from dinolabel.vision.types import Box, Thresholds
from tests.doubles.scripted_models import BLUE, GREEN, RED, ColourEmbedder, ScriptedDetector, colour_bundle

SPOTS = [(20, 20, 60, 60, RED, "cat", 0.9), (100, 20, 140, 60, GREEN, "cat", 0.5), (20, 80, 50, 110, BLUE, "dog", 0.2)]


@pytest.fixture
def photo(tmp_path: Path) -> str:
    picture = PIL.Image.new("RGB", (160, 120), (128, 128, 128))
    for x1, y1, x2, y2, colour, *_ in SPOTS:
        PIL.ImageDraw.Draw(picture).ellipse((x1, y1, x2, y2), fill=colour)
    picture.save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


@pytest.fixture
def detector() -> ScriptedDetector:
    return ScriptedDetector(*(Candidate(Box(x1, y1, x2, y2), phrase, score, score * 0.5) for x1, y1, x2, y2, _, phrase, score in SPOTS))


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore(tmp_path / "bundles")


@pytest.fixture
def tab(detector: ScriptedDetector, store: BundleStore, tmp_path: Path) -> ImageTab:
    return ImageTab(ModelHandle.of(Pipeline(detector, ColourEmbedder(), cache=Cache(tmp_path / "cache.sqlite", max_mb=16))), store)


def test_boxes(tab: ImageTab, photo: str) -> None:
    look = tab.predict(photo, ImageRequest("Cat, dog", 0.3, 0.1, BOXES_ONLY))
    assert look.table == [["cat", "cat", "0.90", "–", "–"], ["cat", "cat", "0.50", "–", "–"]]
    assert [row["box"] for row in look.found] == [[20, 20, 60, 60], [100, 20, 140, 60]]
    assert look.status.startswith("**2 found** ·")
    assert look.picture is not None
    assert not np.array_equal(look.picture, np.asarray(PIL.Image.open(photo)))


def test_names(tab: ImageTab, store: BundleStore, photo: str) -> None:
    bundle_id = store.publish("3", colour_bundle(tom=RED))
    look = tab.predict(photo, ImageRequest("cat", 0.3, 0.1, f"3/{bundle_id}"))
    assert [line[0] for line in look.table] == ["tom", "cat"]
    assert look.table[1][3:] == ["–", "tom 1.00"]
    assert look.found[0]["confidence"] == 1.0
    assert "1 named" in look.status


def test_boxes_have_the_colours_of_the_project_that_named_them(detector: ScriptedDetector, store: BundleStore, photo: str) -> None:
    bundle_id = store.publish("3", colour_bundle(tom=RED, felix=BLUE))
    tab = ImageTab(ModelHandle.of(Pipeline(detector, ColourEmbedder())), store, {"3": {"tom": "#123456"}}.get)
    ask = ImageRequest("cat", 0.3, 0.1, f"3/{bundle_id}")
    assert tab.colours(ask.version, ask.words) == {"tom": "#123456", "cat": GENERIC_COLOUR, "felix": NAME_COLOURS[0]}
    look = tab.predict(photo, ask)
    assert look.picture is not None and [0x12, 0x34, 0x56] in look.picture.reshape(-1, 3).tolist()
    assert tab.colours(BOXES_ONLY, ask.words) == {"cat": GENERIC_COLOUR}


def test_sliders_cost_no_forward_pass(tab: ImageTab, detector: ScriptedDetector, photo: str) -> None:
    assert tab.refresh_from_cache(photo, ImageRequest("cat. dog", 0.3, 0.2, None)).status == READY
    assert detector.asked == [], "the first look is for the button: it may take long"
    tab.predict(photo, ImageRequest("cat. dog", 0.3, 0.0, None))
    counts = [len(tab.refresh_from_cache(photo, ImageRequest("cat. dog", box, 0.0, None)).found) for box in (0.95, 0.6, 0.3, 0.1)]
    assert counts == [0, 1, 2, 3]
    assert len(detector.asked) == 1


@pytest.mark.parametrize(
    ("prompt", "box", "text", "words"),
    [
        ("cat", 0.95, 0.1, "The best box, `cat`, has 0.90: lower the box threshold"),
        ("cat", 0.3, 0.7, "lower the text threshold"),
        ("bird", 0.3, 0.1, "Nothing like that is in the picture"),
    ],
)
def test_nothing_found_says_what_to_try(tab: ImageTab, photo: str, prompt: str, box: float, text: float, words: str) -> None:
    look = tab.predict(photo, ImageRequest(prompt, box, text, None))
    assert words in look.status
    assert look.found == []
    assert look.picture is not None, "the picture stays"


@pytest.mark.parametrize("weights", ["nano", "nano, 2 blocks tuned"])
@pytest.mark.parametrize("prompt", ["cat", "bird"])
def test_nothing_found_with_weights_that_know_no_photos_says_that_first(
    tab: ImageTab, detector: ScriptedDetector, photo: str, weights: str, prompt: str
) -> None:
    detector.weights = weights
    status = tab.predict(photo, ImageRequest(prompt, 0.95, 0.1, None)).status
    assert status.startswith(f"`{weights}` knows drawn things only, not photos") and "--weights hub" in status
    assert "drawn" not in tab.predict(photo, ImageRequest("cat", 0.3, 0.1, None)).status


def test_before_there_is_anything(tab: ImageTab, photo: str, detector: ScriptedDetector) -> None:
    assert tab.refresh_from_cache(None, ImageRequest("cat", 0.3, 0.2, None)).status == WELCOME
    look = tab.refresh_from_cache(photo, ImageRequest(" . ", 0.3, 0.2, None))
    assert look.status == NO_PROMPT
    assert np.array_equal(look.picture, np.asarray(PIL.Image.open(photo)))
    assert detector.asked == []


def test_find_complains_where_a_slider_does_not(tab: ImageTab, photo: str, tmp_path: Path) -> None:
    with pytest.raises(MediaUnavailable, match="no picture yet"):
        tab.predict(None, ImageRequest("cat", 0.3, 0.2, None))
    with pytest.raises(PromptMissing):
        tab.predict(photo, ImageRequest("", 0.3, 0.2, None))
    (tmp_path / "page.jpg").write_text("<html>")
    with pytest.raises(MediaUnreadable, match="web page"):
        tab.predict(str(tmp_path / "page.jpg"), ImageRequest("cat", 0.3, 0.2, None))


def test_versions_are_listed_newest_first_each_once(tab: ImageTab, store: BundleStore) -> None:
    assert tab.versions() == [("Boxes only", BOXES_ONLY)]
    old = store.publish("3", colour_bundle(tom=RED))
    new = store.publish("3", colour_bundle(tom=RED, felix=BLUE))
    store.publish("12", colour_bundle(maria=GREEN))
    store.pin("3", old)
    assert tab.versions()[1:4] == [
        ("Project 3 · whichever serves", "3/latest"),
        (f"Project 3 · felix, tom · {new[:6]}", f"3/{new}"),
        (f"Project 3 · tom · {old[:6]} · serving", f"3/{old}"),
    ]
    assert tab.versions()[5][0].startswith("Project 12 · maria")


@pytest.mark.parametrize("version", ["nonsense", "3/000000000000", "../../etc/passwd"])
def test_a_version_that_is_not_there(tab: ImageTab, photo: str, version: str) -> None:
    with pytest.raises(RequestError):
        tab.predict(photo, ImageRequest("cat", 0.3, 0.2, version))


def test_a_head_of_another_embedder_is_refused(detector: ScriptedDetector, store: BundleStore, photo: str) -> None:
    other = ColourEmbedder()
    other.digest = "0" * 64
    bundle_id = store.publish("3", colour_bundle(tom=RED))
    with pytest.raises(BundleMismatch):
        ImageTab(ModelHandle.of(Pipeline(detector, other)), store).predict(photo, ImageRequest("cat", 0.3, 0.1, f"3/{bundle_id}"))


def test_a_large_picture_is_shown_smaller_and_answered_in_its_own_pixels(store: BundleStore, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    PIL.Image.new("RGB", (4000, 1000)).save(path)
    detector = ScriptedDetector(Candidate(Box(2000, 250, 3000, 750), "cat", 0.9, 0.9))
    look = ImageTab(ModelHandle.of(Pipeline(detector)), store).predict(str(path), ImageRequest("cat", 0.3, 0.2, None))
    assert look.picture is not None
    assert look.picture.shape == (SHOWN_SIDE // 4, SHOWN_SIDE, 3)
    assert look.found[0]["box"] == [2000, 250, 3000, 750]
    assert look.picture[200, 800].any(), "the frame's left edge lies where the smaller picture has it"
    assert not look.picture[200, 700].any()


def test_the_three_likeliest_names_are_told(tab: ImageTab, store: BundleStore, photo: str) -> None:
    bundle_id = store.publish("3", colour_bundle(tom=RED, felix=BLUE, maria=GREEN, ida=(200, 200, 20)))
    look = tab.predict(photo, ImageRequest("cat", 0.3, 0.1, f"3/{bundle_id}"))
    assert [len(row["top"]) for row in look.found] == [3, 3]
    assert look.found[0]["top"][0]["label"] == "tom"
    assert look.table[0][4].startswith("tom 0.") or look.table[0][4].startswith("tom 1.")


def test_who_is_too_small_is_not_named(tab: ImageTab, store: BundleStore, photo: str) -> None:
    version = f"3/{store.publish('3', colour_bundle(tom=RED))}"
    assert tab.predict(photo, ImageRequest("cat", 0.3, 0.1, version, smallest=40)).found[0]["label"] == "tom"
    small = tab.predict(photo, ImageRequest("cat", 0.3, 0.1, version, smallest=41)).found[0]
    assert (small["label"], small["guess"], small["confidence"]) == ("cat", "tom", None)


def test_tiles_look_at_the_parts_of_a_large_picture(detector: ScriptedDetector, store: BundleStore, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    PIL.Image.new("RGB", (1200, 640)).save(path)
    tab = ImageTab(ModelHandle.of(Pipeline(detector, cache=Cache(tmp_path / "c.sqlite", max_mb=16))), store)
    tab.predict(str(path), ImageRequest("cat", tiles=True))
    assert len(detector.asked) == 1 + 3, "the whole and three tiles"
    tab.refresh_from_cache(str(path), ImageRequest("cat", 0.5, tiles=True))
    assert len(detector.asked) == 4


def test_one_broken_picture_of_several_costs_the_others_nothing(tab: ImageTab, photo: str, tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_text("<html>")
    answers = dict(tab.predict_all([photo, str(tmp_path / "page.jpg"), photo], ImageRequest("cat", 0.3, 0.1)))
    assert isinstance(answers[str(tmp_path / "page.jpg")], MediaUnreadable)
    assert len(answers[photo].found) == 2


def test_a_telephones_picture_is_upright_and_becomes_one_browsers_show(tab: ImageTab, tmp_path: Path) -> None:
    from pillow_heif import register_heif_opener

    register_heif_opener()
    picture = PIL.Image.new("RGB", (160, 120), (128, 128, 128))
    PIL.ImageDraw.Draw(picture).rectangle((0, 0, 79, 119), fill=RED)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "phone.heic", exif=exif.tobytes(), quality=95)
    path = display.is_browser_format(str(tmp_path / "phone.heic"))
    assert path.endswith("phone.png")
    assert (display.open_preview(path).width, display.open_preview(path).height) == (120, 160)
    assert display.open_preview(str(tmp_path / "phone.heic")).width == 120
    look = tab.predict(path, ImageRequest("cat", 0.3, 0.1))
    assert look.picture is not None
    assert look.picture.shape == (160, 120, 3)
    assert look.picture[5, 60, 0] > 180 > look.picture[155, 60, 0], "the red side is on top, as the camera was held"


def test_the_box_of_a_row_is_lit_and_the_rest_is_dim(tab: ImageTab, photo: str, detector: ScriptedDetector) -> None:
    ask = ImageRequest("cat", 0.3, 0.1)
    plain, passes = tab.predict(photo, ask).picture, len(detector.asked)
    assert plain is not None
    lit = tab.light(photo, ask, 0)
    x1, y1, x2, y2 = (round(each) for each in tab.predict(photo, ask).found[0]["box"])
    assert (lit[y1:y2, x1:x2] == display.small(photo)[y1:y2, x1:x2]).all() and lit[0, 0].max() < plain[0, 0].max()
    assert len(detector.asked) == passes, "no other look at the picture"


def test_the_whole_picture_keeps_its_size(tab: ImageTab, photo: str) -> None:
    path, whole = tab.full_size(photo, ImageRequest("cat", 0.3, 0.1))
    assert (path, whole.size) == (photo, (160, 120))


def test_without_weights_everything_says_so_until_they_are_there(store: BundleStore, photo: str, detector: ScriptedDetector) -> None:
    there = False

    def load() -> Pipeline:
        if not there:
            raise WeightsMissing("The weights are not here.")
        return Pipeline(detector)

    sight = ModelHandle(load)
    tab = ImageTab(sight, store)
    assert not sight.load()
    assert tab.refresh_from_cache(photo, ImageRequest("cat")).status == READY
    with pytest.raises(WeightsMissing):
        tab.predict(photo, ImageRequest("cat"))
    there = True
    assert sight.load()
    assert len(tab.predict(photo, ImageRequest("cat", 0.3, 0.1)).found) == 2


def test_the_latest_is_the_one_that_serves_when_it_is_asked(tab: ImageTab, store: BundleStore, photo: str) -> None:
    old = store.publish("3", colour_bundle(tom=RED))
    store.publish("3", colour_bundle(felix=RED))
    assert tab.predict(photo, ImageRequest("cat", 0.3, 0.1, "3/latest")).found[0]["label"] == "felix"
    store.pin("3", old)
    assert tab.predict(photo, ImageRequest("cat", 0.3, 0.1, "3/latest")).found[0]["label"] == "tom"
    with pytest.raises(RequestError):
        tab.predict(photo, ImageRequest("cat", 0.3, 0.1, "4/latest"))


def test_an_exported_model_brings_words_and_names(detector: ScriptedDetector, store: BundleStore, photo: str) -> None:
    package = ExportedModel({"cat": "Pet", "dog": "Pet"}, Thresholds(0.3, 0.1), {"tom": "Tom"})
    models = Pipeline(detector, ColourEmbedder())
    models.package, models.bundle = package, colour_bundle(tom=RED, felix=GREEN)
    tab = ImageTab(ModelHandle.of(models), store)
    assert (tab.phrases, tab.usual) == ("cat. dog", OWN)
    assert tab.versions()[0][1] == OWN and tab.versions()[1][1] == BOXES_ONLY
    look = tab.predict(photo, ImageRequest(tab.phrases, 0.3, 0.1, tab.usual))
    assert [(each["label"], each["phrase"]) for each in look.found] == [("Tom", "cat"), ("Pet", "cat")], "felix is no label there"
    assert [each["label"] for each in tab.predict(photo, ImageRequest(tab.phrases, 0.3, 0.1, BOXES_ONLY)).found] == ["Pet", "Pet"]
    tiled = tab.predict(photo, ImageRequest(tab.phrases, 0.3, 0.1, OWN, tiles=True))
    assert tiled.found[0]["label"] == "Tom"


def test_without_an_exported_model_a_person_says_what_to_look_for(tab: ImageTab) -> None:
    assert (tab.phrases, tab.usual) == ("", BOXES_ONLY)
    assert OWN not in [version for _, version in tab.versions()]
