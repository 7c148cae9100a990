"""The seams: one verb each. A plug is one file in the folder of its kind, or a module of a package (docs/plugins.md), by its name.

To add a detector: put `vision/detectors/NAME.py` there with a function
`build(weights: str, *, device: str, precision: str, input_size: int | None) -> Detector`. Embedders likewise in
`dinolabel/vision/embedders/` (`build(weights, *, device, precision)`), heads in `dinolabel/vision/heads/` (`build() -> Head` and
`restore(arrays, labels) -> Head`; where several strengths of one head should compete in training, also `variants() -> dict[str, Head]`).

A detector or an embedder says in one line how its weights are found before `build` is given their path: `WEIGHTS = "folder"` (of
safetensors with a config.json, by its path, in models_dir, in the hub's cache or from the hub; the same without such a line),
`WEIGHTS = "file"` (by its path or in models_dir) or `WEIGHTS = "none"` (nothing is looked for, and `build` gets the setting as it stands);
the face models are `"package"` (in the folder that is named, else in an installed package).
The line is read without running the file, so its value is one of these words and no expression.

A detector with several ways to compute the same takes `engine` and `engine_notes` in `build` as well: one of `auto`, `exact` (the numbers
of the library it is built on), `fast` (nearly so, with a digest of its own) and `transformers`; and a file to remember in which of them
is right on this machine. It says in an attribute `engine` which it is.

The laws below are functions of `dinolabel.testing`; tests/contract runs them against every file there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dinolabel.vision.proposals.candidates import MAX_CANDIDATES, MIN_SCORE, Candidate
from dinolabel.vision.types import Crop, Embeddings, Image, Prompt

Arrays = Mapping[str, npt.NDArray[Any]]


class LoadedModel(Protocol):
    """What a detector and an embedder say of themselves."""

    @property
    def name(self) -> str:
        """Short and readable, [a-z0-9-], e.g. `gdino-tiny`: a part of a model_version, the detector's the first."""

    @property
    def digest(self) -> str:
        """Hex digest of weights, preprocessing (input size) and precision: all of the model that decides its answer."""

    @property
    def weights(self) -> str:
        """For people: `nano`, a hub id or a folder's name. Never a path."""

    @property
    def device(self) -> str:
        """`cpu`, `cuda:0`, `mps`: found, not asked for."""

    @property
    def precision(self) -> str:
        """`float32`, `bfloat16`, `float16`: found, not asked for."""


class Detector(LoadedModel, Protocol):
    """Laws: same length and order as the images; boxes inside their image; scores in 0..1, sorted downwards;
    a batch equals one by one; an empty prompt is PromptMissing; inputs untouched.

    Where the text model has a vocabulary of whole words, also `unknown_phrases(prompt)`: those of which it knows no word.
    """

    def candidates(
        self, images: Sequence[Image], prompt: Prompt, *, floor: float = MIN_SCORE, most: int = MAX_CANDIDATES
    ) -> list[list[Candidate]]:
        """The `most` best boxes of each image with a score of at least `floor`, best first, before thresholds and suppression."""


def unknown_phrases(detector: object, prompt: Prompt) -> tuple[str, ...]:
    """What a detector says of the prompt where it can say anything; else ()."""
    ask = getattr(detector, "unknown_phrases", None)
    return () if ask is None else tuple(ask(prompt))


class Embedder(LoadedModel, Protocol):
    """Laws: float32, finite, unit norm rows; N = 0 gives (0, D); independent of batch size.

    Where rows hold several features one after the other, also `features`: a tuple of `dinolabel.vision.loading.feature_slice.Feature`,
    the narrowest first and the whole row last. In training they compete, and a head of an embedder that gives one of them alone goes on
    being served.

    An embedder that finds its weights by itself, so that a project can choose it, has `plug`: its name, kept in heads. One whose crops
    want another margin says so in a line `MARGIN = 0.8`, read as `WEIGHTS` is. `count_unseen(rows)`, where it has it: in how many crops it
    did not see what it is made for; receipts say so.
    """

    @property
    def dim(self) -> int: ...

    def embed(self, crops: Sequence[Crop]) -> Embeddings:
        """(N, D) float32, rows of unit norm."""


class Head(Protocol):
    """Laws: rows of predict_proba sum to 1, columns follow `labels`; `arrays` round-trips exactly;
    same seed, same arrays; one crop per label works."""

    @property
    def labels(self) -> tuple[str, ...]: ...

    def fit(self, embeddings: Embeddings, labels: Sequence[str], *, seed: int = 0) -> Head:
        """A fitted head; self is left as it is. embeddings (N, D), labels length N."""

    def logits(self, embeddings: Embeddings) -> npt.NDArray[np.float64]:
        """(N, len(labels)) scores before softmax, for calibration."""

    def predict_proba(self, embeddings: Embeddings) -> npt.NDArray[np.float64]:
        """(N, len(labels)), rows sum to 1."""

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything `restore` needs except the labels."""
