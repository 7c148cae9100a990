"""Embedders beside that of the settings: fine-tuned on a project's crops and travelling in its bundle, or chosen by the project."""

from __future__ import annotations

import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinolabel.vision import plugins
from dinolabel.vision.errors import BundleMismatch
from dinolabel.vision.loading.feature_slice import slice_for
from dinolabel.vision.loading.lazy_models import LazyModel, ModelInfo

if TYPE_CHECKING:
    from dinolabel.vision.protocols import Embedder

KEPT = 2  # loaded at once: a project shows one head and, during a switch, makes ready another
FOLDER = "embedder"  # in the bundle's
PRECISION = "float32"  # whatever the settings say: so its digest, and with it the head, is the same on a GPU and on a CPU


@dataclass(frozen=True)
class TunedEmbedder:
    """plug: the file of dinolabel/vision/embedders that reads the folder. name, digest, weights, dim: the embedder's. began_as: digest
    of the one
    it was tuned from, in so many of its last blocks. learnt: label -> objects (task/annotation/region) it was tuned on.

    folder: where it lies now; None in a card that was read without its bundle's folder. Not part of the card.
    """

    plug: str
    name: str
    digest: str
    weights: str
    dim: int
    began_as: str
    blocks: int
    learnt: Mapping[str, tuple[str, ...]] = field(repr=False)
    folder: Path | None = field(default=None, compare=False)

    @classmethod
    def of(cls, card: Mapping[str, Any], bundle: Path) -> TunedEmbedder:
        """From a bundle's card and folder."""
        learnt = {label: tuple(objects) for label, objects in card["learnt"].items()}
        return cls(**{**card, "learnt": learnt}, folder=bundle / FOLDER)

    @property
    def objects(self) -> frozenset[str]:
        """All it was tuned on."""
        return frozenset(each for objects in self.learnt.values() for each in objects)

    def card(self) -> dict[str, Any]:
        card = asdict(replace(self, folder=None))
        del card["folder"]
        return card

    def copy_to(self, bundle: Path) -> None:
        """Into another bundle's folder. The files are never changed, so they are shared where the disk can."""
        if self.folder is None or not self.folder.is_dir():
            raise BundleMismatch(f"The head's own embedder {self.weights} is missing.", hint="Train again with --finetune.")
        shutil.copytree(self.folder, bundle / FOLDER, copy_function=_link_or_copy, dirs_exist_ok=True)

    def embedder(self, device: str) -> Embedder:
        """Loaded at the first crop. That call raises ModelError when the files are not what the card says."""
        folder = self.folder
        if folder is None or not folder.is_dir():
            raise BundleMismatch(f"The head's own embedder {self.weights} is missing.", hint="Train again with --finetune.")

        def load() -> Embedder:  # of one feature, however many the plug gives: what was tuned
            return slice_for(plugins.load_embedder(self.plug, str(folder), device=device, precision=PRECISION), self.digest)

        card = ModelInfo(self.name, self.digest, self.weights, device, PRECISION, self.dim)
        return LazyModel(card, load, forget=lambda: None)


class TunedEmbedderCache:
    """The tuned embedders that were asked last, so that each is loaded once. Safe for several threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Embedder] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, own: TunedEmbedder, device: str) -> Embedder:
        """Raises BundleMismatch when its folder is gone."""
        with self._lock:
            if own.digest not in self._known:
                self._known[own.digest] = own.embedder(device)
            self._known.move_to_end(own.digest)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
            return self._known[own.digest]


class ChosenEmbedders:
    """Those that projects choose, by the name of their plug: each loaded when it is first asked for, and once. Safe for several threads."""

    def __init__(self) -> None:
        self._known: dict[str, Embedder] = {}
        self._lock = threading.Lock()

    def get(self, plug: str) -> Embedder:
        """Raises UnknownPlug, RequestError for one that cannot be chosen, WeightsMissing, ModelError."""
        with self._lock:
            if plug not in self._known:
                plugins.check_choice(plug)
                self._known[plug] = plugins.load_embedder(plug, plug)
            return self._known[plug]


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, target)
