"""Files of every awkward kind, made here and read back: size from the header, upright RGB pixels, or a named error."""

from __future__ import annotations

import hashlib
import io
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import PIL.Image
import pillow_heif
import pytest

from dinolabel.vision.decoding.pictures import RULES, from_pillow, image_of, image_paths, open_image, stored
from dinolabel.vision.decoding.turns import TURNS
from dinolabel.vision.errors import MediaUnavailable, MediaUnreadable

RED, GREEN, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)


def two_halves(mode: str = "RGB") -> PIL.Image.Image:
    """40 wide, 20 high: left half red, right half green."""
    picture = PIL.Image.new("RGB", (40, 20), RED)
    picture.paste(GREEN, (20, 0, 40, 20))
    return picture.convert(mode)


def saved(picture: PIL.Image.Image, path: Path, **options: object) -> Path:
    picture.save(path, **options)
    return path


def near(pixel: np.ndarray, colour: tuple[int, int, int], *, within: int = 12) -> bool:
    return bool(np.abs(pixel.astype(int) - np.array(colour)).max() <= within)


@pytest.mark.parametrize(
    ("turn", "size", "left", "right"),
    [
        # as stored: red left, green right
        (1, (40, 20), (10, 10, RED), (30, 10, GREEN)),
        (2, (40, 20), (10, 10, GREEN), (30, 10, RED)),
        (3, (40, 20), (10, 10, GREEN), (30, 10, RED)),
        (4, (40, 20), (10, 10, RED), (30, 10, GREEN)),
        (5, (20, 40), (10, 10, RED), (10, 30, GREEN)),
        (6, (20, 40), (10, 10, RED), (10, 30, GREEN)),  # a phone held upright: to be turned clockwise
        (7, (20, 40), (10, 10, GREEN), (10, 30, RED)),
        (8, (20, 40), (10, 10, GREEN), (10, 30, RED)),
        (9, (40, 20), (10, 10, RED), (30, 10, GREEN)),  # no such orientation: as stored
    ],
)
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_exif_turns_size_and_pixels(tmp_path: Path, suffix: str, turn: int, size: tuple[int, int], left: tuple, right: tuple) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = turn
    options = {"quality": 95} if suffix == "jpg" else {}
    image = open_image(saved(two_halves(), tmp_path / f"turned.{suffix}", exif=exif, **options))
    assert (image.width, image.height) == size
    pixels = image.pixels
    assert pixels.shape == (size[1], size[0], 3)
    for x, y, colour in (left, right):
        assert near(pixels[y, x], colour)


def test_exif_of_nonsense_costs_nothing(tmp_path: Path) -> None:
    path = saved(two_halves(), tmp_path / "odd.jpg", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff", quality=95)
    assert near(open_image(path).pixels[10, 10], RED)


@pytest.mark.parametrize(
    ("name", "make", "colour"),
    [
        ("grey.png", lambda: PIL.Image.new("L", (8, 6), 77), (77, 77, 77)),
        ("bilevel.png", lambda: PIL.Image.new("1", (8, 6), 1), WHITE),
        ("palette.gif", lambda: PIL.Image.new("RGB", (8, 6), RED).convert("P"), RED),
        ("clear.png", lambda: PIL.Image.new("RGBA", (8, 6), (0, 0, 0, 0)), WHITE),
        ("half.png", lambda: PIL.Image.new("RGBA", (8, 6), (255, 0, 0, 128)), (255, 127, 127)),
        ("grey-alpha.png", lambda: PIL.Image.new("LA", (8, 6), (0, 0)), WHITE),
        ("palette-alpha.webp", lambda: PIL.Image.new("RGBA", (8, 6), (9, 9, 9, 0)), WHITE),
        ("cmyk.jpg", lambda: PIL.Image.new("CMYK", (8, 6), (0, 255, 255, 0)), RED),
        ("cmyk.tif", lambda: PIL.Image.new("CMYK", (8, 6), (0, 255, 255, 0)), RED),
        ("lab.tif", lambda: PIL.Image.new("LAB", (8, 6), (255, 128, 128)), WHITE),
        ("deep.png", lambda: PIL.Image.fromarray(np.full((6, 8), 0x8080, np.uint16)), (128, 128, 128)),
        ("deep.tif", lambda: PIL.Image.fromarray(np.full((6, 8), 0x4040, np.uint16)), (64, 64, 64)),
        ("float.tif", lambda: PIL.Image.fromarray(np.full((6, 8), 0.5, np.float32)), (128, 128, 128)),
        ("long.tif", lambda: PIL.Image.fromarray(np.full((6, 8), 0x8080, np.int32)), (128, 128, 128)),
        ("photo.avif", lambda: PIL.Image.new("RGB", (8, 6), RED), RED),
        ("plain.bmp", lambda: PIL.Image.new("RGB", (8, 6), GREEN), GREEN),
        ("wave.jp2", lambda: PIL.Image.new("RGB", (8, 6), GREEN), GREEN),
    ],
)
def test_every_mode_becomes_rgb(tmp_path: Path, name: str, make, colour: tuple[int, int, int]) -> None:
    image = open_image(saved(make(), tmp_path / name))
    pixels = image.pixels
    assert (image.width, image.height) == (8, 6)
    assert pixels.shape == (6, 8, 3)
    assert pixels.dtype == np.uint8
    assert near(pixels[3, 4], colour, within=6), pixels[3, 4]


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16)[None].repeat(4, axis=0)
    pixels = open_image(saved(PIL.Image.fromarray(ramp), tmp_path / "ramp.png")).pixels
    assert np.abs(pixels[0, :, 0].astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_of_colour(tmp_path: Path, suffix: str) -> None:
    deep = np.full((6, 8, 3), (0x8080, 0x4040, 0xFFFF), np.uint16)
    assert cv2.imwrite(str(tmp_path / f"deep.{suffix}"), deep)  # cv2 writes BGR
    assert near(open_image(tmp_path / f"deep.{suffix}").pixels[3, 4], (255, 64, 128), within=1)


def test_sixteen_bits_the_other_way_round(tmp_path: Path) -> None:
    grey = np.full((6, 8), 0x4080, ">u2")
    PIL.Image.frombytes("I;16B", (8, 6), grey.tobytes()).save(tmp_path / "scan.tif")
    assert near(open_image(tmp_path / "scan.tif").pixels[3, 4], (64, 64, 64), within=1)


def test_float_beyond_one_is_stretched(tmp_path: Path) -> None:
    values = np.array([[-10.0, 0.0], [np.nan, 10.0]], np.float32)
    pixels = open_image(saved(PIL.Image.fromarray(values), tmp_path / "heat.tif")).pixels
    assert pixels[..., 0].tolist() == [[0, 128], [128, 255]]


def test_heic_of_a_phone(tmp_path: Path) -> None:
    path = tmp_path / "phone.heic"
    pillow_heif.from_pillow(two_halves().resize((80, 40))).save(path, quality=95)
    image = open_image(path)
    assert (image.width, image.height) == (80, 40)
    assert near(image.pixels[20, 10], RED, within=30)
    assert near(image.pixels[20, 70], GREEN, within=30)


@pytest.mark.parametrize(("turn", "size", "first"), [(1, (80, 40), RED), (3, (80, 40), GREEN), (6, (40, 80), RED), (8, (40, 80), GREEN)])
def test_heic_is_turned_once(tmp_path: Path, turn: int, size: tuple[int, int], first: tuple[int, int, int]) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = turn
    path = tmp_path / "turned.heic"
    pillow_heif.from_pillow(two_halves().resize((80, 40))).save(path, exif=exif.tobytes(), quality=95)
    image = open_image(path)
    assert (image.width, image.height) == size
    assert image.pixels.shape == (size[1], size[0], 3)
    assert near(image.pixels[5, 5], first, within=30)


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [PIL.Image.new("RGB", (8, 6), each) for each in (GREEN, RED)]
    path = saved(frames[0], tmp_path / "moving.gif", save_all=True, append_images=frames[1:], duration=100)
    assert near(open_image(path).pixels[0, 0], GREEN)


def png_bytes(picture: PIL.Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def huge_png() -> bytes:
    """A header that promises 30,000 x 30,000 pixels over a few bytes."""
    data = bytearray(png_bytes(PIL.Image.new("L", (1, 1))))
    data[16:24] = (30_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "words", "hint"),
    [
        (b"", "is empty", "again"),
        (b"\n <!DOCTYPE html><html><title>Log in</title>", "is a web page", "login"),
        (b"<html><body>404</body></html>", "is a web page", "login"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG", "PNG"),
        (b'{"detail": "Not found."}', "no picture", "Re-save"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture", "Re-save"),
        (b"\xff\xd8\xff", "damaged|no picture", "Re-save"),
        (huge_png(), "million pixels", "Shrink"),
    ],
    ids=["empty", "login page", "error page", "svg", "json", "eps", "three bytes", "bomb"],
)
def test_what_is_no_picture_says_what_it_is(tmp_path: Path, data: bytes, words: str, hint: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(MediaUnreadable, match=words) as caught:
        open_image(path)
    assert "photo.jpg" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "heic"])
def test_cut_short(tmp_path: Path, suffix: str) -> None:
    noise = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    path = tmp_path / f"short.{suffix}"
    if suffix == "heic":
        pillow_heif.from_pillow(noise).save(path)
    else:
        noise.save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(MediaUnreadable, match=f"short.{suffix}"):
        _ = open_image(path).pixels


def test_a_damaged_avif_is_named() -> None:
    """Its decoder raises a bare RuntimeError for some of these, which was taken for a fault of ours."""
    written = io.BytesIO()
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(written, "AVIF")
    rng, whole = np.random.default_rng(1), np.frombuffer(written.getvalue(), np.uint8)
    named = 0
    for _ in range(60):
        changed = whole.copy()
        changed[rng.integers(0, len(whole), 4)] = rng.integers(0, 256, 4)
        try:
            _ = image_of(changed.tobytes(), "a.avif").pixels
        except MediaUnreadable:
            named += 1
    assert named > 10


@pytest.mark.parametrize(("path", "says"), [("", r"^\. is a folder"), ("a\0.jpg", "is no name of a file")])
def test_text_that_names_no_file(path: str, says: str) -> None:
    with pytest.raises(MediaUnavailable, match=says):
        open_image(path)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaUnavailable, match=r"no file gone\.jpg"):
        open_image(tmp_path / "gone.jpg")
    with pytest.raises(MediaUnavailable, match="is a folder"):
        open_image(tmp_path)


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    path = saved(two_halves(), tmp_path / "live.png")
    image = open_image(path)
    saved(PIL.Image.new("RGB", (40, 20), WHITE), path)
    with pytest.raises(MediaUnreadable, match="changed"):
        _ = image.pixels


def test_the_name_is_the_bytes(tmp_path: Path) -> None:
    one, two = saved(two_halves(), tmp_path / "one.png"), tmp_path / "two.png"
    two.write_bytes(one.read_bytes())
    assert open_image(one).key == open_image(two).key == hashlib.sha256(one.read_bytes()).hexdigest()


def test_pixels_cannot_be_written_by_accident(tmp_path: Path) -> None:
    pixels = open_image(saved(two_halves(), tmp_path / "calm.png")).pixels
    with pytest.raises(ValueError, match="read-only"):
        pixels[0, 0] = 0


def test_a_picture_in_memory_follows_the_same_rules(tmp_path: Path) -> None:
    picture = PIL.Image.new("RGBA", (8, 6), (0, 0, 0, 0))
    assert near(from_pillow(picture).pixels[0, 0], WHITE)


def test_paths_of_a_folder_are_sorted_and_visible_pictures(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "deep/c.heic", ".hidden/d.png", ".e.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(each.relative_to(tmp_path)) for each in image_paths(tmp_path)] == ["a.png", "b.JPG", "deep/c.heic"]
    assert image_paths(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]
    with pytest.raises(MediaUnavailable):
        image_paths(tmp_path / "nowhere")


def video(path: Path, *, frames: int = 6) -> Path:
    """Frame k is a grey of 40 * k."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * number, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_frames_of_a_video(tmp_path: Path) -> None:
    path = video(tmp_path / "clip.mp4")
    for number in (0, 3, 5):
        image = open_image(path, frame=number)
        assert (image.width, image.height, image.frame) == (64, 48, number)
        assert near(image.pixels[20, 20], (40 * number,) * 3)
    assert open_image(path, frame=1).key == f"{hashlib.sha256(path.read_bytes()).hexdigest()}#1"
    with pytest.raises(MediaUnreadable, match="ends before frame 6"):
        _ = open_image(path, frame=6).pixels
    with pytest.raises(MediaUnreadable, match="no frame -1"):
        open_image(path, frame=-1)
    with pytest.raises(MediaUnreadable):
        open_image(path)


@pytest.mark.parametrize(
    ("matrix", "size", "red"),
    [
        ((1, 0, 0, 1), (64, 48), (10, 24)),  # as stored: red on the left
        ((0, 1, -1, 0), (48, 64), (24, 10)),  # turn clockwise, a phone held upright: red on top
        ((-1, 0, 0, -1), (64, 48), (54, 24)),
        ((0, -1, 1, 0), (48, 64), (24, 54)),
    ],
)
def test_a_phone_held_upright_films_upright(
    tmp_path: Path, matrix: tuple[int, int, int, int], size: tuple[int, int], red: tuple[int, int]
) -> None:
    halves = np.zeros((48, 64, 3), np.uint8)
    halves[:, :32, 0] = 255
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(halves, format="rgb24")))
        container.mux(stream.encode())
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44  # ISO 14496-12, 8.3.2: where the track header keeps its matrix
    a, b, c, d = (each << 16 for each in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    image = open_image(path, frame=0)
    assert (image.width, image.height) == size
    x, y = red
    assert image.pixels[y, x, 0] > 150
    assert image.pixels[size[1] - 1 - y, size[0] - 1 - x, 0] < 100


def test_a_picture_has_no_such_frames(tmp_path: Path) -> None:
    (tmp_path / "junk.mp4").write_bytes(b"no video at all" * 50)
    with pytest.raises(MediaUnreadable, match="no video"):
        open_image(tmp_path / "junk.mp4", frame=0)


XMP_OF_6 = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def tiff(picture: PIL.Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "TIFF", **options)
    return buffer.getvalue()


def exif_of(turn: int) -> PIL.Image.Exif:
    exif = PIL.Image.Exif()
    exif[0x0112] = turn
    return exif


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_tiff_is_turned_once(tmp_path: Path, turn: int, compression: str) -> None:
    """Against the upright twin; the turn that exiftool would read is the one that was written."""
    undone = {5: 5, 6: 8, 7: 7, 8: 6}.get(turn, turn)
    upright = two_halves()
    lying = upright if turn == 1 else upright.transpose(TURNS[undone])
    image = open_image(saved(lying, tmp_path / "scan.tif", exif=exif_of(turn), compression=compression))
    assert (image.width, image.height) == upright.size
    assert image.pixels.shape == (20, 40, 3)
    for x, colour in ((5, RED), (35, GREEN)):
        assert near(image.pixels[10, x], colour, within=30)
    found = stored(tmp_path / "scan.tif")
    assert (found.kind, found.turn, found.told) == ("TIFF", turn, turn)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="apt-get install libimage-exiftool-perl")
def test_exiftool_reads_the_turn_that_a_tiff_was_stored_with(tmp_path: Path) -> None:
    path = saved(two_halves(), tmp_path / "scan.tif", exif=exif_of(6))
    told = subprocess.run(["exiftool", "-n", "-s3", "-Orientation", str(path)], capture_output=True, text=True, check=True).stdout
    assert int(told) == stored(path).turn == 6


@pytest.mark.parametrize("loaded", [False, True])
def test_a_tiff_in_memory_is_turned_once(tmp_path: Path, loaded: bool) -> None:
    path = saved(two_halves(), tmp_path / "scan.tif", exif=exif_of(6))
    with PIL.Image.open(path) as picture:
        if loaded:
            picture.load()
        pixels = from_pillow(picture).pixels
        again = from_pillow(picture.convert("RGB")).pixels
    assert pixels.shape == again.shape == (40, 20, 3)
    assert near(pixels[5, 10], RED)
    assert near(again[5, 10], RED)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif", "tif"])
def test_xmp_turns_nothing_and_copies_know_of_it(tmp_path: Path, suffix: str) -> None:
    options = {"tiffinfo": {700: XMP_OF_6}} if suffix == "tif" else {"xmp": XMP_OF_6}
    image = open_image(saved(two_halves(), tmp_path / f"tagged.{suffix}", **options))
    assert (image.width, image.height) == (40, 20)
    assert image.pixels.shape == (20, 40, 3)
    found = stored(tmp_path / f"tagged.{suffix}")
    assert (found.turn, found.told) == (1, 6)


def test_jpeg_2000_is_not_turned(tmp_path: Path) -> None:
    image = open_image(saved(two_halves(), tmp_path / "wave.jp2"))
    assert (image.width, image.height, stored(tmp_path / "wave.jp2").told) == (40, 20, 1)


def exif_png(*, before: bool) -> bytes:
    data = png_bytes(two_halves())
    body = b"eXIf" + b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    at = data.index(b"IDAT" if before else b"IEND") - 4
    return data[:at] + chunk + data[at:]


def decodings() -> dict[str, tuple[bytes, str]]:
    """Name -> bytes, and RULES where an earlier version gave other pixels for them."""
    plain, turned = two_halves(), {"exif": exif_of(6).tobytes()}

    def made(form: str, picture: PIL.Image.Image = plain, **options: object) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, form, **options)
        return buffer.getvalue()

    deep = PIL.Image.fromarray(np.linspace(0, 65535, 800).reshape(20, 40).astype(np.uint16))
    return {
        "plain.jpg": (made("JPEG"), ""),
        "turned.jpg": (made("JPEG", **turned), ""),
        "xmp.jpg": (made("JPEG", xmp=XMP_OF_6), RULES),
        "plain.png": (made("PNG"), ""),
        "turned.png": (exif_png(before=True), ""),
        "turned-late.png": (exif_png(before=False), RULES),
        "deep.png": (made("PNG", deep), RULES),
        "plain.webp": (made("WEBP"), ""),
        "turned.webp": (made("WEBP", **turned), RULES),
        "plain.avif": (made("AVIF"), ""),
        "turned.avif": (made("AVIF", **turned), ""),
        "plain.tif": (made("TIFF"), ""),
        "turned.tif": (made("TIFF", exif=exif_of(6)), RULES),
        "plain.gif": (made("GIF"), ""),
        "plain.jp2": (made("JPEG2000"), ""),
    }


@pytest.mark.parametrize("name", decodings())
def test_only_what_decodes_otherwise_than_before_has_another_key(name: str) -> None:
    data, decoding = decodings()[name]
    digest = hashlib.sha256(data).hexdigest()
    image = image_of(data, name)
    assert (image.sha256, image.decoding, image.key) == (digest, decoding, f"{digest}~{decoding}" if decoding else digest)
