"""Frames by number and by time, in every container people film in."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dinolabel.vision.decoding import video_frames
from dinolabel.vision.decoding.video_frames import open_frame, open_video, sample_frames
from dinolabel.vision.errors import MediaUnavailable, MediaUnreadable
from tests.films import coloured, cut_short, film, number_on, numbered, sound_only, turned

CONTAINERS = [
    ("clip.mp4", "", {}),
    ("clip.mov", "", {}),
    ("clip.webm", "", {}),
    ("vp8.webm", "libvpx", {"g": "20", "deadline": "realtime", "cpu-used": "8"}),
    ("clip.avi", "", {}),
    ("jpegs.avi", "mjpeg", {}),
    ("b-frames.avi", "libx264", {"preset": "ultrafast", "g": "20", "bf": "2"}),
    ("clip.mkv", "", {}),
    ("clip.ts", "", {}),
]


@pytest.mark.parametrize(("name", "codec", "options"), CONTAINERS, ids=[name for name, _, _ in CONTAINERS])
def test_a_number_gives_that_very_frame_in_every_container(tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    path = film(tmp_path / name, numbered(70), codec=codec, **options)
    assert len(open_video(path).times) == 70
    for number in (0, 1, 19, 20, 21, 38, 39, 40, 41, 66, 69):  # about the key frames, and far from them
        assert number_on(open_frame(path, number).pixels) == number
    found = [(seconds, image.frame, number_on(image.pixels)) for seconds, image in sample_frames(open_video(path), 0.95)]
    assert found == [(pytest.approx(number / 10), number, number) for number in (0, 9, 19, 28, 38, 47, 57, 66)]


def test_seconds_are_the_files_own_and_not_counted_frames(tmp_path: Path) -> None:
    times = [0.0, 0.02, 0.04, 0.06, 0.08, 1.0, 2.9, 2.95, 3.1, 7.0]  # a phone in the dark, a screen recording
    path = film(tmp_path / "uneven.mp4", numbered(10), times=times)
    video = open_video(path)
    assert video.times == pytest.approx(times, abs=0.002)
    taken = [(image.frame, seconds) for seconds, image in sample_frames(video, 1.0)]
    assert [number for number, _ in taken] == [0, 5, 7, 8, 9]  # at 1 s frame 5 is on the screen, and so it is at 2 s
    assert [seconds for _, seconds in taken] == pytest.approx([0.0, 1.0, 2.95, 3.1, 7.0], abs=0.002)


def test_frames_that_are_never_shown_are_not_counted(tmp_path: Path) -> None:
    """VP8 keeps pictures to predict from as packets of their own: here frame 5 is made one."""
    plain = film(tmp_path / "plain.webm", numbered(12), codec="libvpx", deadline="realtime", g="20")
    with av.open(str(plain)) as source, av.open(str(tmp_path / "hidden.webm"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(each for each in source.demux(video=0) if each.size):
            data = bytearray(bytes(packet))
            data[0] &= 0xFF if number != 5 else 0xFF ^ video_frames.VP8_SHOWN
            copy = av.Packet(bytes(data))
            copy.pts, copy.dts, copy.time_base, copy.stream = packet.pts, packet.dts, packet.time_base, stream
            copy.is_keyframe = packet.is_keyframe
            target.mux(copy)
    assert len(open_video(tmp_path / "hidden.webm").times) == 11
    shown = [number_on(open_frame(tmp_path / "hidden.webm", number).pixels) for number in range(11)]
    assert shown == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]


def test_a_long_way_is_leapt_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "long.mp4", numbered(120))
    decoded = []
    inner = video_frames.decode_packets
    monkeypatch.setattr(video_frames, "decode_packets", lambda *given: (decoded.append(1) or each for each in inner(*given)))
    video = open_video(path)
    decoded.clear()
    assert number_on(open_frame(path, 110).pixels) == 110
    assert len(decoded) <= 20  # one group of pictures
    decoded.clear()
    assert len(list(sample_frames(video, 6.0))) == 2
    assert len(decoded) <= 22


def test_a_file_is_read_through_once_and_again_when_it_changed(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.mp4", numbered(12))
    assert open_video(path) is open_video(path)
    before = open_video(path)
    film(path, numbered(30))
    assert open_video(path).sha256 != before.sha256 and len(open_video(path).times) == 30


def test_a_phone_held_upright_is_upright_when_sampled_too(tmp_path: Path) -> None:
    halves = np.zeros((48, 64, 3), np.uint8)
    halves[:, :32, 0] = 255
    path = turned(film(tmp_path / "phone.mp4", [halves] * 4), (0, 1, -1, 0))
    video = open_video(path)
    assert (video.width, video.height) == (48, 64)
    for _, image in sample_frames(video, 0.1):
        assert (image.width, image.height) == (48, 64) and image.pixels.shape == (64, 48, 3)
        assert image.pixels[10, 24, 0] > 150 and image.pixels[54, 24, 0] < 100


@pytest.mark.parametrize(
    ("matrix", "corners"),
    [
        ((1, 0, 0, 1), "rb/gb"),
        ((-1, 0, 0, 1), "br/bg"),  # a front camera's
        ((1, 0, 0, -1), "gb/rb"),
        ((-1, 0, 0, -1), "bg/br"),
        ((0, 1, -1, 0), "gr/bb"),
        ((0, -1, 1, 0), "bb/rg"),
        ((0, 1, 1, 0), "rg/bb"),
        ((0, -1, -1, 0), "bb/gr"),
    ],
)
def test_a_film_is_turned_and_mirrored_as_its_matrix_says(tmp_path: Path, matrix: tuple[int, int, int, int], corners: str) -> None:
    """Top left, top right / bottom left, bottom right, as Chromium shows them."""
    colours = np.full((48, 64, 3), (0, 0, 220), np.uint8)
    colours[:24, :32], colours[24:, :32] = (220, 0, 0), (0, 220, 0)
    path = turned(film(tmp_path / "clip.mp4", [colours] * 2), matrix)
    image = open_frame(path, 1)
    height, width, _ = image.pixels.shape
    assert (image.width, image.height) == (width, height) == ((64, 48) if matrix[0] else (48, 64))
    at = [image.pixels[y, x] for y in (6, height - 6) for x in (6, width - 6)]
    assert "/".join("".join("rgb"[int(each.argmax())] for each in row) for row in (at[:2], at[2:])) == corners
    mirrored = matrix[0] * matrix[3] - matrix[1] * matrix[2] < 0
    assert bool(image.decoding) == mirrored  # what was wrong before has another key in the cache


@pytest.mark.parametrize(
    ("name", "codec", "size", "tags", "full", "bt709", "anew"),
    [
        ("a.mp4", "", (64, 720), (2, 2, 2), False, True, True),
        ("a.mp4", "", (64, 718), (2, 2, 2), False, False, False),
        ("a.mp4", "", (720, 64), (2, 2, 2), False, False, False),
        ("a.mp4", "", (64, 720), (6, 2, 2), False, True, True),  # not tagged in full
        ("a.mp4", "", (64, 64), (1, 2, 2), False, False, True),
        ("a.mp4", "", (64, 720), (6, 6, 6), False, False, False),
        ("a.mp4", "", (64, 64), (1, 1, 1), False, True, False),
        ("a.mp4", "", (64, 720), (2, 2, 2), True, False, False),
        ("a.webm", "libvpx", (64, 720), (2, 2, 2), False, True, True),
        ("a.webm", "", (64, 720), (2, 2, 2), False, False, False),
    ],
)
def test_colours_are_read_as_the_browser_reads_them(
    tmp_path: Path, name: str, codec: str, size: tuple[int, int], tags: tuple[int, int, int], full: bool, bt709: bool, anew: bool
) -> None:
    """BT.709 from 720 rows on where not all is tagged; VP9, and the whole range, are BT.601 then."""
    image = open_frame(coloured(tmp_path / name, size, codec=codec, tags=tags, full=full), 1)
    red = int(image.pixels[-8, -8, 0])
    assert red == pytest.approx((182 if full else 191) if bt709 else (173 if full else 180), abs=4)
    assert bool(image.decoding) == anew


@pytest.mark.parametrize(
    ("size", "aspect", "matrix", "expected"),
    [
        ((72, 56), Fraction(64, 45), None, (102, 56)),
        ((72, 48), Fraction(8, 9), None, (72, 54)),
        ((72, 56), Fraction(64, 45), (0, 1, -1, 0), (56, 102)),
    ],
)
def test_pixels_that_are_not_square_are_made_so(
    tmp_path: Path, size: tuple[int, int], aspect: Fraction, matrix: tuple[int, int, int, int] | None, expected: tuple[int, int]
) -> None:
    path = coloured(tmp_path / "dvd.mp4", size, aspect=aspect)
    image = open_frame(turned(path, matrix) if matrix else path, 0)
    assert (image.width, image.height) == expected and image.pixels.shape == (*expected[::-1], 3) and image.decoding


@pytest.mark.parametrize("name", ["clip.mp4", "clip.webm", "clip.avi", "clip.mkv"])
def test_what_is_left_of_a_file_is_used(tmp_path: Path, name: str) -> None:
    path = cut_short(film(tmp_path / name, numbered(100)), 0.6)
    video = open_video(path)
    assert 20 < len(video.times) < 95
    assert video.declared is not None and video.seconds < video.declared
    shown = [number_on(image.pixels) for _, image in sample_frames(video, 0.5)]
    assert shown[:4] == [0, 5, 10, 15] and len(shown) >= 4


def test_no_moving_pictures_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(MediaUnreadable, match="no moving pictures"):
        open_video(sound_only(tmp_path / "song.mp4"))
    with pytest.raises(MediaUnavailable, match=r"nowhere\.mp4"):
        open_video(tmp_path / "nowhere.mp4")
    (tmp_path / "junk.mp4").write_bytes(b"no video" * 99)
    with pytest.raises(MediaUnreadable, match="no video"):
        open_video(tmp_path / "junk.mp4")
    with pytest.raises(ValueError, match="above 0"):
        next(sample_frames(open_video(film(tmp_path / "clip.mp4", numbered(3))), 0))
    with pytest.raises(MediaUnreadable, match="ends before frame 3"):
        open_frame(tmp_path / "clip.mp4", 3)
