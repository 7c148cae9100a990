"""Models that are loaded when a picture is really looked at: what they are is known from a note of the last time they were.

With warm caches a whole project is filled without one forward pass, and then torch is not even imported (measured: loading takes
six CPU seconds, filling 1,000 tasks less).
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import structlog

from dinolabel.vision.errors import ModelError
from dinolabel.vision.loading.feature_slice import Feature
from dinolabel.vision.loading.weights import WeightsLocation, files_of
from dinolabel.vision.proposals.candidates import MAX_CANDIDATES, MIN_SCORE, Candidate
from dinolabel.vision.protocols import Detector, Embedder, unknown_phrases
from dinolabel.vision.storage.atomic_files import atomic_file
from dinolabel.vision.storage.json_text import parse_json
from dinolabel.vision.types import Crop, Embeddings, Image, Prompt

log = structlog.get_logger(__name__)

HERE = Path(__file__).resolve().parents[1]
PACKAGES = ("torch", "transformers", "tokenizers", "onnxruntime", "pillow", "numpy", "dlib-bin", "dlib")
FORMAT = 1


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a loaded model said of itself; dim, features and plug of embedders only, engine of detectors that have several."""

    name: str
    digest: str
    weights: str
    device: str
    precision: str
    dim: int = 0
    features: tuple[Feature, ...] = ()
    engine: str = ""
    plug: str = ""


class ModelInfoCache:
    """Notes in one small JSON file. A lost or damaged file costs one loading."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str) -> ModelInfo | None:
        with suppress(OSError, ValueError, TypeError, KeyError):
            fields = self._all()[key]
            return ModelInfo(**fields | {"features": tuple(Feature(**each) for each in fields["features"])})
        return None

    def put(self, key: str, card: ModelInfo | None) -> None:
        """Note it; None forgets it."""
        known = {}
        with suppress(OSError, ValueError, TypeError):
            known = self._all()
        known = {each: fields for each, fields in known.items() if each != key} | ({key: asdict(card)} if card else {})
        with atomic_file(self._path) as half:
            half.write_text(json.dumps({"format": FORMAT, "cards": known}, indent=1), encoding="utf-8")

    def _all(self) -> dict[str, dict[str, Any]]:
        stored = parse_json(self._path.read_text(encoding="utf-8"))
        return dict(stored["cards"]) if stored.get("format") == FORMAT else {}


def cache_key(location: WeightsLocation, *asked: object) -> str:
    """Of everything that may change what a model says of itself: its files, what was asked for, our code, the libraries, the GPU."""
    files = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files_of(location.path)] if location.path else []
    code = [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in sorted(HERE.rglob("*.py"))]
    gpu = Path("/proc/driver/nvidia/version").exists()
    facts = [str(location.path), files, [repr(each) for each in asked], code, gpu, [_version(each) for each in PACKAGES]]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


class LazyModel:
    """A `Detector` and an `Embedder` by its card; `load` makes the real one at the first call that needs it.

    Raises ModelError from that call when the real one says something else than the card, which then is forgotten.
    """

    def __init__(self, card: ModelInfo, load: Callable[[], Detector | Embedder], *, forget: Callable[[], object]) -> None:
        self._card, self._load, self._forget = card, load, forget
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._card.name

    @property
    def digest(self) -> str:
        return self._card.digest

    @property
    def weights(self) -> str:
        return self._card.weights

    @property
    def device(self) -> str:
        return self._card.device

    @property
    def precision(self) -> str:
        return self._card.precision

    @property
    def engine(self) -> str:
        return self._card.engine

    @property
    def engine_remark(self) -> str:
        """Of the real one, where that was needed."""
        return getattr(self.__dict__.get("_model"), "engine_remark", "")

    @property
    def plug(self) -> str:
        return self._card.plug

    @property
    def dim(self) -> int:
        return self._card.dim

    @property
    def features(self) -> tuple[Feature, ...]:
        return self._card.features

    def candidates(
        self, images: Sequence[Image], prompt: Prompt, *, floor: float = MIN_SCORE, most: int = MAX_CANDIDATES
    ) -> list[list[Candidate]]:
        return self._loaded.candidates(images, prompt, floor=floor, most=most)  # type: ignore[union-attr,no-any-return]

    def unknown_phrases(self, prompt: Prompt) -> tuple[str, ...]:
        return unknown_phrases(self._loaded, prompt)

    def embed(self, crops: Sequence[Crop]) -> Embeddings:
        return self._loaded.embed(crops)  # type: ignore[union-attr,no-any-return]

    @property
    def _loaded(self) -> Detector | Embedder:
        with self._lock:
            return self._model

    @cached_property
    def _model(self) -> Detector | Embedder:
        real = self._load()
        if real.digest != self._card.digest:
            self._forget()
            raise ModelError(f"The weights {self.weights} are not what they were.", hint="Run it again: the note of them is gone.")
        return real


def lazy_model(cards: ModelInfoCache, key: str, load: Callable[[], Detector | Embedder]) -> LazyModel | Detector | Embedder:
    """By its card where there is one; else loaded now, and noted for the next time."""
    card = cards.get(key)
    return load_and_record(cards, key, load) if card is None else LazyModel(card, load, forget=lambda: cards.put(key, None))


def load_and_record(cards: ModelInfoCache, key: str, load: Callable[[], Detector | Embedder]) -> Detector | Embedder:
    """Loaded now, and noted for the next time."""
    real = load()
    dim, features = int(getattr(real, "dim", 0)), tuple(getattr(real, "features", ()))
    card = ModelInfo(real.name, real.digest, real.weights, real.device, real.precision, dim, features, getattr(real, "engine", ""))
    card = replace(card, plug=str(getattr(real, "plug", "")))
    with suppress(OSError):
        if cards.get(key) != card:
            cards.put(key, card)
    return real


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
