"""Films from end to end on drawn ones: who is where in each frame, the vote, the files, and stopping."""

from __future__ import annotations

import csv
import gc
import json
import tracemalloc
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest

from dinolabel.vision.errors import BundleMismatch, MediaUnreadable
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.types import Box, Named, Prompt, Thresholds, Unknown
from dinolabel.vision.video.buffer import SpillBuffer
from dinolabel.vision.video.detect_frames import VideoRequest, VideoRun
from dinolabel.vision.video.job import AnnotatedVideo, VideoFiles, VideoOutput
from dinolabel.vision.video.reidentify import reidentify
from dinolabel.vision.video.tracker import Track
from dinolabel.vision.video.vote import ObservedTrack, Vote
from tests.doubles.drawn_films import Disc, DiscDetector, film
from tests.doubles.scripted_models import BLUE, GREEN, RED, ColourEmbedder, colour_bundle

WALKERS = (
    Disc(RED, lambda n: (30 + 4 * n, 60)),
    Disc(BLUE, lambda n: (290 - 4 * n, 170)),
    Disc(GREEN, lambda n: (160, 120 + 30 * np.sin(n / 8)) if 20 <= n < 50 else None),
)


def request(*, named: bool = True, every: int = 10) -> VideoRequest:
    bundle = colour_bundle(tom=RED, felix=BLUE) if named else None
    return VideoRequest(Prompt(("cat",)), Thresholds(0.3, 0.2), every, bundle)


def pipeline(*colours: tuple[int, int, int]) -> Pipeline:
    return Pipeline(DiscDetector(*(colours or (RED, GREEN, BLUE))), ColourEmbedder())


def seen(path: Path, out: Path, asked: VideoRequest, models: Pipeline) -> VideoFiles:
    made = AnnotatedVideo(path, VideoOutput(out), asked, models)
    for _ in made.steps():
        pass
    assert made.answer is not None
    return made.answer


def test_tracks_have_names_and_are_where_things_are(tmp_path: Path) -> None:
    models = pipeline()
    answer = seen(film(tmp_path / "walk.mp4", WALKERS), tmp_path / "out", request(), models)
    assert sorted(each.label for each in answer.people) == ["cat", "felix", "tom"]
    detector = models.detector
    assert isinstance(detector, DiscDetector)
    assert len(detector.asked) == 6, "every tenth frame of sixty"
    where = {(int(row["track"]), int(row["frame"])): row for row in csv.DictReader(answer.table.open())}
    ids = {each.label: each.track for each in answer.people}
    for label, disc in (("tom", WALKERS[0]), ("felix", WALKERS[1])):
        for number in range(60):
            x, y = disc.at(number)  # type: ignore[misc]
            row = where[ids[label], number]
            truth = Box(max(0, x - 18), y - 18, min(320, x + 18), y + 18)
            assert Box(*(float(row[each]) for each in ("x1", "y1", "x2", "y2"))).iou(truth) > 0.7, (label, number)
    green = [number for track, number in where if track == ids["cat"]]
    assert 18 <= min(green) <= 22, "followed back from the pass at 20 or 30 to where it began"
    assert max(green) <= 59


def test_who_comes_between_two_passes_is_followed_back_to_the_beginning(tmp_path: Path) -> None:
    late = Disc(GREEN, lambda n: (160 + n, 120) if n >= 13 else None)
    answer = seen(film(tmp_path / "late.mp4", [late]), tmp_path / "out", request(every=10), pipeline())
    (person,) = answer.people
    assert 12 <= person.first <= 15


def test_the_files(tmp_path: Path) -> None:
    source = film(tmp_path / "walk.mp4", WALKERS, sound="aac")
    answer = seen(source, tmp_path / "out", request(), pipeline())
    document = json.loads(answer.data.read_text())
    assert document == answer.document
    assert (document["format"], document["passes"], document["film"]["frames"]) == (1, 6, 60)
    assert {each["label"] for each in document["tracks"]} == {"tom", "felix", "cat"}
    picture = PIL.Image.open(answer.timeline)
    assert picture.width == 1200
    assert len(picture.getcolors(1 << 24) or []) > 10
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == [
        "walk-found.mp4", "walk-timeline.png", "walk-tracks.csv", "walk-tracks.json"
    ]  # fmt: skip


def boxes_of(path: Path) -> list[str]:
    """Names of the outermost boxes of an MP4, in order (ISO/IEC 14496-12)."""
    data, at, found = path.read_bytes(), 0, []
    while at + 8 <= len(data):
        found.append(data[at + 4 : at + 8].decode("latin1"))
        at += int.from_bytes(data[at : at + 4], "big") or len(data)
    return found


@pytest.mark.parametrize(
    ("name", "codec", "sound", "kept"),
    [("a.mp4", "libx264", "aac", "aac"), ("b.mkv", "libx264", "libopus", "aac"), ("c.avi", "mpeg4", "libmp3lame", "aac"),
     ("d.webm", "libvpx", "libopus", "aac"), ("e.mov", "libx264", None, None)],
)  # fmt: skip
def test_browsers_play_it_and_the_sound_is_kept(tmp_path: Path, name: str, codec: str, sound: str | None, kept: str | None) -> None:
    source = film(tmp_path / name, WALKERS, frames=45, size=(161, 121) if codec != "libx264" else (160, 120), codec=codec, sound=sound)
    answer = seen(source, tmp_path / "out", request(named=False), pipeline())
    assert boxes_of(answer.video).index("moov") < boxes_of(answer.video).index("mdat"), "fast start"
    with av.open(str(answer.video)) as made:
        video = made.streams.video[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert video.width % 2 == video.height % 2 == 0
        sounds = [each.codec_context.name for each in made.streams.audio]
        assert [each.removesuffix("float") for each in sounds] == ([kept] if kept else [])
        frames = [float(frame.time) for frame in made.decode(video)]
    assert len(frames) == 45
    assert frames[-1] - frames[0] == pytest.approx(44 / 30, abs=0.05)
    if kept:
        with av.open(str(answer.video)) as made:
            heard = sum(frame.samples for frame in made.decode(audio=0)) / made.streams.audio[0].rate
        assert heard == pytest.approx(1.5, abs=0.15)


def test_times_that_vary_stay_as_they_are(tmp_path: Path) -> None:
    path, stamps = tmp_path / "vary.mp4", [n * 40 + (300 if n >= 20 else 0) for n in range(40)]
    from fractions import Fraction

    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        for number, stamp in enumerate(stamps):
            made = av.VideoFrame.from_ndarray(np.full((120, 160, 3), 4 * number, np.uint8), format="rgb24")
            made.pts, made.time_base = stamp, Fraction(1, 1000)
            out.mux(video.encode(made))
        out.mux(video.encode(None))
    answer = seen(path, tmp_path / "out", request(named=False), pipeline())
    with av.open(str(answer.video)) as made_again:
        times = [float(frame.time) for frame in made_again.decode(video=0)]
    assert [each - times[0] for each in times] == pytest.approx([stamp / 1000 for stamp in stamps], abs=0.003)


def test_stopping_stops_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    models = pipeline()
    made = AnnotatedVideo(film(tmp_path / "walk.mp4", WALKERS), VideoOutput(tmp_path / "out"), request(), models)
    steps = made.steps()
    for _, progress in zip(range(15), steps, strict=False):
        assert progress.stage == "watching"
    steps.close()
    assert made.answer is None
    assert not (tmp_path / "out").exists()
    detector = models.detector
    assert isinstance(detector, DiscDetector)
    assert len(detector.asked) == 2


def test_stopping_while_writing_leaves_nothing_either(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    made = AnnotatedVideo(film(tmp_path / "walk.mp4", WALKERS), VideoOutput(tmp_path / "out"), request(), pipeline())
    steps = made.steps()
    while next(steps).stage != "writing":
        pass
    steps.close()
    assert list((tmp_path / "out").iterdir()) == []


def test_a_scene_cut_ends_every_track_and_who_is_in_both_is_known_again(tmp_path: Path) -> None:
    """White for a second, black for a second, a disc at the same place in both."""
    path = tmp_path / "cut.mp4"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=30)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        for number in range(60):
            picture = PIL.Image.new("RGB", (160, 120), (250, 250, 250) if number < 30 else (10, 10, 10))
            PIL.ImageDraw.Draw(picture).ellipse((60, 40, 100, 80), fill=RED)
            out.mux(video.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
        out.mux(video.encode(None))
    answer = seen(path, tmp_path / "out", request(every=12), pipeline())
    ((begins, cut), (again, _)) = answer.people[0].spans
    assert len(answer.people) == 1
    assert (begins, cut, again) == pytest.approx((0, 29 / 30, 30 / 30), abs=0.001), "the detector looks right after the cut"
    nameless = seen(path, tmp_path / "out", request(named=False, every=12), pipeline())
    assert [(each.first, each.last) for each in nameless.people] == [(0, 29), (30, 59)], "nobody looks at faces without a head"


def test_a_film_that_is_cut_short_gives_what_there_is(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mkv", WALKERS, frames=90)
    (tmp_path / "short.mkv").write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    answer = seen(tmp_path / "short.mkv", tmp_path / "out", request(named=False), pipeline())
    assert 20 < answer.document["film"]["frames"] < 90
    assert answer.document["film"]["cut_short"]


def test_what_is_no_film_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_text("<html>")
    with pytest.raises(MediaUnreadable, match="no video"):
        seen(tmp_path / "no.mp4", tmp_path / "out", request(), pipeline())
    assert not (tmp_path / "out").exists()


def test_a_head_of_other_features_is_refused_before_any_work(tmp_path: Path) -> None:
    models = pipeline()
    models.embedder.digest = "0" * 64  # type: ignore[union-attr, misc]
    with pytest.raises(BundleMismatch):
        seen(film(tmp_path / "walk.mp4", WALKERS, frames=5), tmp_path / "out", request(), models)


def test_passes_are_no_further_apart_than_half_a_second(tmp_path: Path) -> None:
    slow = film(tmp_path / "slow.mp4", WALKERS, rate=4, frames=12)
    with SpillBuffer() as spill:
        assert VideoRun(slow, request(every=30), pipeline(), spill).every == 2


@pytest.mark.parametrize(
    ("looks", "wanted"),
    [
        (["tom"] * 2, Unknown("tom", 0.9)),
        (["tom"] * 3, Named("tom", 0.9)),
        (["tom", "tom", "tom", None, None], Named("tom", 0.9)),
        (["tom", "tom", "tom", None, None, None], Unknown("tom", 0.9)),
        (["tom", "tom", "felix", "felix"], Unknown("felix", 0.9)),
        ([None, None, None], Unknown()),
    ],
)
def test_the_vote(looks: list[str | None], wanted: Named | Unknown) -> None:
    vote = Vote()
    for each in looks:
        vote.add(Named(each, 0.9) if each else Unknown("tom", 0.2))
    answer = vote.answer
    assert type(answer) is type(wanted)
    if isinstance(answer, Named):
        assert (answer.label, answer.confidence) == (wanted.label, pytest.approx(0.9))  # type: ignore[union-attr]
    else:
        assert answer.nearest == wanted.nearest  # type: ignore[union-attr]


def test_rows_come_back_from_the_file_as_they_were() -> None:
    rows = [[(1, Box(1, 2, 3, 4))], [], [(1, Box(1.5, 2, 3, 4)), (2, Box(5, 5, 9, 9.25))]]
    with SpillBuffer() as spill:
        for each in rows:
            spill.add(each)
        assert list(spill) == rows
        assert list(spill) == rows, "as often as wanted"


def test_nothing_of_a_frame_stays_in_memory(tmp_path: Path) -> None:
    """Watched and written: between the 90th and the 450th frame less is added than one grey frame takes."""
    source = film(tmp_path / "long.mp4", WALKERS[:2], frames=450)
    held: dict[str, dict[int, int]] = {"watching": {}, "writing": {}}
    tracemalloc.start()
    try:
        for step in AnnotatedVideo(source, VideoOutput(tmp_path / "out"), request(), pipeline()).steps():
            if step.done in (90, 450):
                gc.collect()
                held[step.stage][step.done] = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    for stage, each in held.items():
        assert each[450] - each[90] < 320 * 240, stage


def test_who_was_hidden_for_long_is_known_again(tmp_path: Path) -> None:
    """Tom goes behind a wall, nearly four seconds; Felix comes where Tom is seen again, and is somebody else."""
    tom = Disc(RED, lambda n: (40 + n, 120))
    wall = Disc((90, 90, 90), lambda _: (150, 120), radius=60)
    felix = Disc(BLUE, lambda n: (40 + n - 110, 60) if n >= 110 else None)
    source = film(tmp_path / "wall.mp4", [tom, wall, felix], frames=270)
    answer = seen(source, tmp_path / "out", request(every=10), pipeline(RED, BLUE))
    assert [(each.label, len(each.spans)) for each in answer.people] == [("tom", 2), ("felix", 1)]
    (begins, hides), (shows, ends) = answer.people[0].spans
    assert (begins, ends) == pytest.approx((0, 269 / 30), abs=0.3)
    assert 1.0 < hides < 3.2 < 4.2 < shows < 6.5
    rows = [int(each["frame"]) for each in csv.DictReader(answer.table.open()) if each["label"] == "tom"]
    assert min(rows) < 5
    assert max(rows) > 260
    assert not set(rows) & set(range(round(hides * 30) + 1, round(shows * 30))), "nobody is drawn on the wall"
    assert answer.document["tracks"][0]["spans"] == [[pytest.approx(a, abs=0.001) for a in span] for span in answer.people[0].spans]


@pytest.mark.parametrize(
    ("spans", "angle", "names", "wanted"),
    [
        (((0, 9), (20, 29)), 0.3, ("tom", "tom"), {2: 1}),
        (((0, 9), (20, 29)), 0.3, ("tom", None), {2: 1}),
        (((0, 9), (20, 29)), 0.3, (None, None), {2: 1}),
        (((0, 9), (20, 29)), 0.3, ("tom", "felix"), {}),
        (((0, 20), (20, 29)), 0.3, ("tom", "tom"), {}),
        (((0, 9), (20, 29)), 0.9, ("tom", "tom"), {}),
    ],
    ids=["near", "one without a name", "strangers", "two names", "seen together", "far"],
)
def test_two_tracks_are_one(
    spans: tuple[tuple[int, int], ...], angle: float, names: tuple[str | None, ...], wanted: dict[int, int]
) -> None:  # fmt: skip
    bundle = colour_bundle(tom=RED, felix=BLUE)
    looks: dict[int, ObservedTrack] = {}
    for number, (first, last) in enumerate(spans, 1):
        vote, row = Vote(), np.zeros(bundle.references.shape[1], np.float32)
        vote.add(Named(name, 0.9) if (name := names[number - 1]) else Unknown())
        row[:2] = np.cos(angle * (number - 1)), np.sin(angle * (number - 1))
        looks[number] = ObservedTrack(Track(number, np.zeros(4)), vote, first, last, embedding=row)
    assert reidentify(looks, bundle) == wanted
