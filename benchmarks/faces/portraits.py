"""Portraits of four persons that come inside registry packages, and variations of them with known boxes; nothing of them is kept."""

from __future__ import annotations

import io
import math
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageEnhance
import PIL.ImageFilter
from sklearn.datasets import load_sample_images

from dinolabel.vision.types import Box, Pixels

SOURCES = ("face-recognition==1.3.0", "scikit-image==0.26.0")
LARGEST_TURN = 15.0  # degrees


@dataclass(frozen=True)
class Portrait:
    """A face on a photo. face: its box from hairline to chin, ear to ear, as marked by hand, pixels. whole: nothing of it is cut off."""

    person: str
    name: str
    face: Box
    pixels: Pixels
    whole: bool = True


@dataclass(frozen=True)
class Scene:
    """A picture with the faces that are on it: (person, box in pixels) for each."""

    pixels: Pixels
    faces: tuple[tuple[str, Box], ...]
    portrait: str = ""


# person, file, box by hand, whole
MARKED = (
    ("collins", "astronaut.png", (173, 58, 272, 180), True),
    ("hopper", "grace_hopper.jpg", (188, 100, 358, 335), True),
    ("biden", "biden.jpg", (432, 160, 735, 585), True),
    ("obama", "obama.jpg", (365, 75, 610, 425), True),
    ("obama", "obama2.jpg", (190, 225, 435, 570), True),
    ("obama", "obama3.jpg", (645, 195, 945, 620), True),
    ("obama", "obama_partial_face.jpg", (0, 75, 190, 425), False),
    ("obama", "obama_partial_face2.jpg", (365, 75, 551, 425), False),
)


def fetch(folder: Path) -> list[Portrait]:
    """The portraits, fetched into a folder with pip. matplotlib, which is installed, brings one of them."""
    asked = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    subprocess.run([*asked, "--no-binary", ":all:", "--no-build-isolation", SOURCES[0]], check=True)
    subprocess.run([*asked, "--only-binary", ":all:", SOURCES[1]], check=True)
    files = {"grace_hopper.jpg": Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg").read_bytes()}
    with tarfile.open(next(folder.glob("face*recognition*.tar.gz"))) as archive:
        for member in archive:
            if "/test_images/" in member.name and (file := archive.extractfile(member)) is not None:
                files[Path(member.name).name] = file.read()
    with zipfile.ZipFile(next(folder.glob("scikit_image*.whl"))) as wheel:
        files["astronaut.png"] = wheel.read("skimage/data/astronaut.png")
    return [
        Portrait(person, name, Box(*map(float, box)), np.asarray(PIL.Image.open(io.BytesIO(files[name])).convert("RGB")), whole)
        for person, name, box, whole in MARKED
    ]


def variations(portrait: Portrait, count: int, *, seed: int, sizes: tuple[float, float] = (40.0, 220.0)) -> Iterator[Scene]:
    """The portrait in other sizes, crops, turns, lights, qualities. sizes: least and greatest width of the face, pixels (log-uniform)."""
    rng = np.random.default_rng([seed, *portrait.name.encode()])
    for _ in range(count):
        wanted = math.exp(rng.uniform(*np.log(sizes)))
        picture, face = _turned(portrait, rng.uniform(-LARGEST_TURN, LARGEST_TURN) if portrait.whole else 0.0, wanted / portrait.face.width)
        picture, box = _cropped(picture, face, rng) if portrait.whole else (picture, Box(*(max(each, 0.0) for each in face)))
        yield Scene(np.asarray(_treated(picture, rng)), ((portrait.person, box),), portrait.name)


def groups(portraits: list[Portrait], count: int, *, seed: int) -> Iterator[Scene]:
    """Two to six faces beside each other on one photo without people."""
    rng = np.random.default_rng([seed, 7])
    grounds = [PIL.Image.fromarray(each) for each in load_sample_images().images]
    whole = [each for each in portraits if each.whole]
    for _ in range(count):
        ground = grounds[rng.integers(len(grounds))].resize((1600, 1067))
        people = int(rng.integers(2, 7))
        faces = []
        for place, index in enumerate(rng.choice(len(whole), people)):
            portrait = whole[index]
            turned, face = _turned(portrait, rng.uniform(-8, 8), rng.uniform(42, 130) / portrait.face.width)
            left, top, right, bottom = _window(face)
            piece = turned.crop((left, top, right, bottom))
            at = (int((place + 0.5) * 1600 / people - piece.width / 2), int(rng.uniform(60, 1000 - piece.height)))
            ground.paste(piece, at)
            by = (at[0] - left, at[1] - top) * 2
            faces.append((portrait.person, Box(*(value + moved for value, moved in zip(face, by, strict=True)))))
        yield Scene(np.asarray(_treated(ground, rng)), tuple(faces), "group")


def jitter(box: Box, share: float, rng: np.random.Generator) -> Box:
    """The box moved and stretched as people's and other detectors' are: its middle by a normal of this share of its sides as standard
    deviation, its sides by the exponential of one."""
    x, y = (box.x1 + box.x2) / 2 + rng.normal(0, share) * box.width, (box.y1 + box.y2) / 2 + rng.normal(0, share) * box.height
    wide, high = box.width * math.exp(rng.normal(0, share)) / 2, box.height * math.exp(rng.normal(0, share)) / 2
    return Box(max(x - wide, 0.0), max(y - high, 0.0), max(x + wide, 8.0), max(y + high, 8.0))


Corners = tuple[float, float, float, float]  # x1, y1, x2, y2 that may lie outside the picture


def _window(face: Corners) -> tuple[int, int, int, int]:
    """With a third of the face's sides around it."""
    dx, dy = 0.35 * (face[2] - face[0]), 0.35 * (face[3] - face[1])
    return round(face[0] - dx), round(face[1] - dy), round(face[2] + dx), round(face[3] + dy)


def _turned(portrait: Portrait, degrees: float, scale: float) -> tuple[PIL.Image.Image, Corners]:
    """The portrait turned round its face's middle and scaled, and where the face is then: the box of a turned ellipse."""
    face, turn = portrait.face, math.radians(degrees)
    middle = ((face.x1 + face.x2) / 2, (face.y1 + face.y2) / 2)
    picture = PIL.Image.fromarray(portrait.pixels).rotate(degrees, PIL.Image.Resampling.BICUBIC, center=middle)
    picture = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), PIL.Image.Resampling.LANCZOS)
    a, b = face.width / 2, face.height / 2
    half = (math.hypot(a * math.cos(turn), b * math.sin(turn)), math.hypot(a * math.sin(turn), b * math.cos(turn)))
    x1, y1, x2, y2 = middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1]
    return picture, (x1 * scale, y1 * scale, x2 * scale, y2 * scale)


def _cropped(picture: PIL.Image.Image, face: Corners, rng: np.random.Generator) -> tuple[PIL.Image.Image, Box]:
    """At least a third of the face's side around it where the picture has it."""
    room = [rng.uniform(0.33, 1.6) for _ in range(4)]
    wide, high = face[2] - face[0], face[3] - face[1]
    edges = (face[0] - room[0] * wide, face[1] - room[1] * high, face[2] + room[2] * wide, face[3] + room[3] * high)
    x1, y1 = (max(0, round(each)) for each in edges[:2])
    x2, y2 = min(picture.width, round(edges[2])), min(picture.height, round(edges[3]))
    box = Box(max(face[0] - x1, 0.0), max(face[1] - y1, 0.0), min(face[2], x2) - x1, min(face[3], y2) - y1)
    return picture.crop((x1, y1, x2, y2)), box


def _treated(picture: PIL.Image.Image, rng: np.random.Generator) -> PIL.Image.Image:
    """Another light, a little blur, JPEG."""
    picture = PIL.ImageEnhance.Brightness(picture).enhance(rng.uniform(0.6, 1.4))
    picture = PIL.ImageEnhance.Contrast(picture).enhance(rng.uniform(0.7, 1.3))
    picture = PIL.ImageEnhance.Color(picture).enhance(rng.uniform(0.4, 1.4))
    picture = picture.filter(PIL.ImageFilter.GaussianBlur(rng.uniform(0, 1.0)))
    stored = io.BytesIO()
    picture.save(stored, "JPEG", quality=int(rng.integers(40, 96)))
    return PIL.Image.open(io.BytesIO(stored.getvalue())).convert("RGB")
