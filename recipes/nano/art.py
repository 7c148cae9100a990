"""Fetches openly licensed emoji art from npm (pinned, checked) and rasterises it to RGBA sprites."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from recipes.nano.vocabulary import Noun, load_nouns

Array = npt.NDArray[Any]
log = logging.getLogger(__name__)

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "nano"
SPRITE_SIDE = 192  # long side in pixels: the demo's largest object needs no more than a 1.6x enlargement
ALPHA_EDGE = 20  # what counts as drawn when a sprite is cropped


class ArtMismatch(Exception):
    """A fetched package is not the pinned one."""


@dataclass(frozen=True)
class Vendor:
    """One pinned npm package of emoji art."""

    name: str
    package: str
    version: str
    sha512: str
    licence: str
    author: str
    prefix: str = ""


TRAIN_VENDORS = (
    Vendor(
        "fluent-3d",
        "@lobehub/fluent-emoji-3d",
        "1.1.0",
        "Wlq2lVStTnr8BDpIJ0pEnTKO4LuDxxqTEhTvRtD1DLRF0me7ogeRQjKoehDHXuVJ2Qaecgl5wRBv60lUAG3h7g==",
        "MIT",
        "Microsoft Corporation (Fluent Emoji), packaged by LobeHub",
    ),
    Vendor(
        "fluent-flat",
        "@iconify-json/fluent-emoji-flat",
        "1.2.6",
        "RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==",
        "MIT",
        "Microsoft Corporation (Fluent Emoji)",
    ),
    Vendor(
        "emojione",
        "@iconify-json/emojione",
        "1.2.3",
        "T9+T3HIbJNLKKsmxYKlaYhvnHYkz/HNYTV7SHCXVZPfeUi4FqskY70YeN8yYAZT8cCv7w5vJxS4Q1m8zb9CMMg==",
        "CC-BY-4.0",
        "Emoji One / EmojiTwo contributors",
    ),
    Vendor(
        "noto-v1",
        "@iconify-json/noto-v1",
        "1.2.5",
        "/DsVMius69Q0fRS53z7QK1TROSuar606jiIx+laXtdsYGMXpf6LtHBx6CGfoo3UHHb/XpBsw+1L1x3eyPqMuVA==",
        "Apache-2.0",
        "Google Inc (Noto Emoji)",
    ),
    Vendor(
        "fxemoji",
        "@iconify-json/fxemoji",
        "1.2.2",
        "UAasRaxzFUKfIGSmLwnoarsssA4LX0VLLuEmplIqM6ZNQqIQRtav8tZ4H1neTlBreXuMQyAifr5jP4kn78DpiQ==",
        "Apache-2.0",
        "Mozilla (FxEmojis)",
        "fx:",
    ),
    Vendor(
        "streamline",
        "@iconify-json/streamline-emojis",
        "1.2.4",
        "iNr9T9XuZVTyQPJO8ZlLxBzPkpi7qMl+z1l0C31vpEMqhPMelth3n7CeWQYtixdetDPdI81yeG4ROqjWpYJE6A==",
        "CC-BY-4.0",
        "Streamline (Webalys)",
        "st:",
    ),
)
SHADED, SHADELESS = "fluent-3d", "fluent-flat"  # the second draws what the first does, without the shading: they hardly differ
UNSEEN_VENDOR = Vendor(
    "twemoji",
    "@twemoji/svg",
    "15.0.0",
    "ZSPef2B6nBaYnfgdTbAy4jgW95o7pi2xPGwGCU+WMTxo7J6B1lMPTWwSq/wTuiMq+N0khQ90CcvYp1wFoQpo/w==",
    "MIT (package), CC-BY-4.0 (drawings)",
    "Twitter, Inc and Twemoji contributors",
)


def fetch(vendor: Vendor, cache: Path = CACHE) -> Path:
    """The vendor's tarball, from the cache or from npm, its digest checked either way."""
    folder = cache / "npm"
    folder.mkdir(parents=True, exist_ok=True)
    stem = vendor.package.lstrip("@").replace("/", "-")
    path = folder / f"{stem}-{vendor.version}.tgz"
    if not path.exists():
        log.info("fetching %s@%s", vendor.package, vendor.version)
        # Beside and renamed: the processes that train together may all come here first.
        with tempfile.TemporaryDirectory(dir=folder) as beside:
            command = ["npm", "pack", f"{vendor.package}@{vendor.version}", "--silent", "--pack-destination", beside]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
            os.replace(Path(beside) / path.name, path)
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    if digest != vendor.sha512:
        raise ArtMismatch(f"{path.name}: sha512 {digest[:12]}…, expected {vendor.sha512[:12]}…")
    return path


def load_sprites(vendors: tuple[Vendor, ...] = TRAIN_VENDORS, cache: Path = CACHE) -> dict[tuple[str, str], Array]:
    """`{(noun, design): RGBA}`; a design is `vendor` or `vendor-2` where a vendor drew a noun twice."""
    sprites: dict[tuple[str, str], Array] = {}
    for vendor in vendors:
        sprites.update(vendor_sprites(vendor, cache))
    return dict(sorted(sprites.items()))


def vendor_sprites(vendor: Vendor, cache: Path) -> dict[tuple[str, str], Array]:
    nouns = load_nouns()
    drawn_as = [(n.name, n.codepoint, n.slugs) for n in nouns]
    key = hashlib.sha256(repr((vendor, drawn_as, SPRITE_SIDE)).encode()).hexdigest()[:12]
    path = cache / "sprites" / f"{vendor.name}-{key}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn = draw_vendor(vendor, nouns, cache)
        arrays: dict[str, Any] = {f"{n}|{d}": s for (n, d), s in drawn.items()}
        with tempfile.TemporaryDirectory(dir=path.parent) as beside:
            np.savez_compressed(Path(beside) / path.name, **arrays)
            os.replace(Path(beside) / path.name, path)
        log.info("%s: %d sprites", vendor.name, len(drawn))
    with np.load(path) as stored:
        return {(k.split("|")[0], k.split("|")[1]): stored[k] for k in stored.files}


def draw_vendor(vendor: Vendor, nouns: tuple[Noun, ...], cache: Path) -> dict[tuple[str, str], Array]:
    with tarfile.open(fetch(vendor, cache)) as tar:
        files = {m.name: m for m in tar.getmembers() if m.isfile()}

        def read(name: str) -> bytes | None:
            handle = tar.extractfile(files[name]) if name in files else None
            return handle.read() if handle is not None else None

        icons = json.loads(read("package/icons.json") or b"{}")
        drawn = {}
        for noun in nouns:
            pictures = iconify_bodies(icons, noun, vendor.prefix) if icons else file_bodies(read, noun)
            for number, picture in enumerate(pictures, start=1):
                design = vendor.name if number == 1 else f"{vendor.name}-{number}"
                drawn[noun.name, design] = rasterise(picture)
    return drawn


def iconify_bodies(icons: dict[str, Any], noun: Noun, prefix: str) -> list[bytes]:
    """The SVGs of a noun's slugs (`doughnut`, or `doughnut-1` and `doughnut-2`), best slug first."""
    own = [s.removeprefix(prefix) for s in noun.slugs if prefix and s.startswith(prefix)]
    plain = [s for s in noun.slugs if ":" not in s]
    for slug in own + plain:
        names = [slug] if slug in icons["icons"] else [f"{slug}-{i}" for i in (1, 2, 3)]
        found = [icons["icons"][n] for n in names if n in icons["icons"]]
        if found:
            return [to_svg(icon, icons) for icon in found]
        if slug in icons.get("aliases", {}):
            return [to_svg(icons["icons"][icons["aliases"][slug]["parent"]], icons)]
    return []


def to_svg(icon: dict[str, Any], defaults: dict[str, Any]) -> bytes:
    left, top = icon.get("left", defaults.get("left", 0)), icon.get("top", defaults.get("top", 0))
    width = icon.get("width", defaults.get("width", 16))
    height = icon.get("height", defaults.get("height", 16))
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'{head} viewBox="{left} {top} {width} {height}">{icon["body"]}</svg>'.encode()


def file_bodies(read: Callable[[str], bytes | None], noun: Noun) -> list[bytes]:
    """Packages with one file a codepoint (with or without the variation selector)."""
    stems = (noun.codepoint, f"{noun.codepoint}-fe0f", noun.codepoint.zfill(4))
    names = [n for s in stems for n in (f"package/assets/{s}.webp", f"package/{s}.svg")]
    return [body for body in map(read, names) if body is not None][:1]


def rasterise(picture: bytes) -> Array:
    """RGBA cropped to what is drawn, long side `SPRITE_SIDE`."""
    if picture.lstrip().startswith(b"<"):
        import resvg_py

        side = 2 * SPRITE_SIDE
        picture = bytes(resvg_py.svg_to_bytes(svg_string=picture.decode(), width=side, height=side))
    image = Image.open(io.BytesIO(picture)).convert("RGBA")
    alpha = np.asarray(image)[..., 3] > ALPHA_EDGE
    ys, xs = np.where(alpha.any(1))[0], np.where(alpha.any(0))[0]
    image = image.crop((int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1))
    scale = SPRITE_SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))
