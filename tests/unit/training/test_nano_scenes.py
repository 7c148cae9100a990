"""The nano scene generator: same seed, same scene; every true box inside its image; looks that keep a sprite a sprite."""

from __future__ import annotations

import numpy as np
import pytest

from recipes.nano.backgrounds import draw_background
from recipes.nano.scenes import PLAIN_LOOK, TRAINING_LOOK, Cast, Look, Scene, compose, cover, make_scene
from recipes.nano.sprites import halve_until, pose, vary
from recipes.nano.vocabulary import Noun

NOUNS = (Noun("disc", "1", (), (), 1.0), Noun("bar", "2", (), (), 2.0))
SIZES = [(256, 256), (176, 320), (320, 240)]


def disc(side: int = 96) -> np.ndarray:
    ys, xs = np.mgrid[0:side, 0:side]
    inside = (xs - side / 2) ** 2 + (ys - side / 2) ** 2 < (side / 2) ** 2
    return np.dstack([np.full((side, side, 3), (200, 40, 40), np.uint8), (inside * 255).astype(np.uint8)])


@pytest.fixture(scope="module")
def cast() -> Cast:
    bar = np.full((30, 96, 4), 255, np.uint8)
    return Cast({("disc", "a"): disc(), ("disc", "b"): disc(64), ("bar", "a"): bar}, NOUNS)


def scene_of(cast: Cast, seed: int, size: tuple[int, int] = (256, 256), look: Look = TRAINING_LOOK) -> Scene:
    return make_scene(np.random.default_rng(seed), cast, size, look)


def test_same_seed_same_scene(cast: Cast) -> None:
    one, two, other = scene_of(cast, 1), scene_of(cast, 1), scene_of(cast, 2)
    assert one.objects == two.objects
    assert np.array_equal(one.pixels, two.pixels)
    assert not np.array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("size", SIZES)
def test_boxes_lie_inside(cast: Cast, size: tuple[int, int]) -> None:
    for seed in range(20):
        scene = scene_of(cast, seed, size)
        assert scene.pixels.shape == (*size, 3)
        assert scene.pixels.dtype == np.uint8
        for thing in scene.objects:
            x0, y0, x1, y1 = thing.box
            assert 0 <= x0 < x1 <= size[1]
            assert 0 <= y0 < y1 <= size[0]


def test_box_is_tight(cast: Cast) -> None:
    """A lone opaque bar on a plain background: the box is where the bar's colour is."""
    plain = Look(strength=0.0, stretch=0.0, turn=0.0)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        bar = np.full((48, 96, 4), 255, np.uint8)
        scene = compose(rng, {("bar", "a"): bar}, [("bar", "a")], (200, 200), plain, (0.3, 0.3))
        if scene.objects:
            x0, y0, x1, y1 = scene.objects[0].box
            assert x1 - x0 <= 62
            assert (x1 - x0) * (y1 - y0) >= 0.4 * 60 * 30


def test_a_bare_scene_is_its_objects_on_one_colour(cast: Cast) -> None:
    seen = set()
    for seed in range(10):
        scene = compose(np.random.default_rng(seed), cast.sprites, [("bar", "a")], (96, 96), Look(bare=True), (0.3, 0.4))
        outside = np.ones((96, 96), bool)
        for x0, y0, x1, y1 in (o.box for o in scene.objects):
            outside[max(int(y0) - 3, 0) : int(y1) + 3, max(int(x0) - 3, 0) : int(x1) + 3] = False
        colours = np.unique(scene.pixels[outside], axis=0)
        assert len(colours) == 1
        seen.add(tuple(colours[0]))
    assert len(seen) > 5


def test_overlap_is_limited(cast: Cast) -> None:
    for seed in range(20):
        boxes = [o.box for o in scene_of(cast, seed).objects]
        assert all(cover(box, boxes[:n]) <= 0.3 for n, box in enumerate(boxes))


def test_background_families() -> None:
    shapes = {draw_background(np.random.default_rng(seed), 90, 120).shape for seed in range(40)}
    assert shapes == {(90, 120, 3)}


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_looks_keep_the_silhouette(strength: float) -> None:
    for seed in range(20):
        varied = vary(np.random.default_rng(seed), disc(), strength=strength, wide_hue=False)
        assert varied.dtype == np.uint8
        area = (varied[..., 3] > 60).sum() / (disc()[..., 3] > 60).sum()
        assert 0.7 < area < 1.5


def test_pose_has_the_size_asked_for() -> None:
    drawn = pose(np.random.default_rng(0), disc(), 40.0, stretch=0.0, turn=0.0)
    ys, xs = np.where(drawn[..., 3] > 60)
    assert abs(np.ptp(xs) - 39) <= 2
    assert abs(np.ptp(ys) - 39) <= 2


def test_halving_stops_in_time() -> None:
    assert max(halve_until(disc(192), 40).shape) == 48


def test_plain_look_keeps_colour() -> None:
    assert PLAIN_LOOK.any_hue == 0.0
