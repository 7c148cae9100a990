"""Pixels to answers: detect, cut, embed, ask the head; nothing is computed twice."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeGuard, Unpack, cast, overload

import numpy as np
import PIL.Image

from dinolabel.vision import plugins
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.exported_model import ExportedModel, is_exported_model, load_models
from dinolabel.vision.decoding.pictures import Picture, as_image
from dinolabel.vision.errors import ModelError, PromptMissing
from dinolabel.vision.images.cropping import cut
from dinolabel.vision.loading.dlib_models import FACES
from dinolabel.vision.loading.feature_slice import SlicedEmbedder, slice_for
from dinolabel.vision.loading.tuned_embedder import ChosenEmbedders, TunedEmbedderCache
from dinolabel.vision.plugins import LoadOptions
from dinolabel.vision.proposals.candidates import Candidate, apply_thresholds
from dinolabel.vision.proposals.labelled_box import LabelledBox, without_suppressed
from dinolabel.vision.proposals.vocabulary import refuse_unknown
from dinolabel.vision.protocols import Detector, Embedder, unknown_phrases
from dinolabel.vision.storage.cache import Cache, detection_key, embedding_key
from dinolabel.vision.students.loading import StudentCache
from dinolabel.vision.students.student import Student
from dinolabel.vision.types import Box, CropPolicy, Detection, Embeddings, Image, Prompt, Thresholds

CROPS_AT_ONCE = 32
NANO = "nano"
PROMPT_HINT = 'Say what to look for: prompt="human face".'
HUB_EMBEDDER = "facebook/dinov2-small"
Stage = Callable[[str], AbstractContextManager[None]]
BESIDE = "default"  # the embedder that goes with the detector


class PipelineOptions(LoadOptions, total=False):
    """detector, embedder: the files of dinolabel/vision/detectors and dinolabel/vision/embedders that read the weights, such as `owlv2`."""

    detector: str
    embedder: str


class Pipeline:
    """A detector, perhaps an embedder, and a cache in front of both.

    In five lines::

        from dinolabel import Pipeline

        pipeline = Pipeline.load("nano")
        for found in pipeline("photo.jpg", "cat face"):
            print(found.label, found.score, found.box)

    thresholds: used where a call names none. policy: how boxes are cut for the embedder. batch_size: images per detector pass.
    Of an exported folder it has `package` and `bundle`: its prompt, labels and head are used where a call names none.
    stage, to be set: opened around each step (detect, decode, embed, classify) by who measures them.
    """

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder | None = None,
        *,
        thresholds: Thresholds = Thresholds(),  # noqa: B008 - frozen
        policy: CropPolicy = CropPolicy(),  # noqa: B008 - frozen
        cache: Cache | None = None,
        batch_size: int = 4,
    ) -> None:
        self.detector = detector
        self.embedder = embedder
        self.thresholds = thresholds
        self.policy = policy
        self.cache = cache
        self.batch_size = batch_size
        self.package: ExportedModel | None = None
        self.bundle: Bundle | None = None
        self.stage: Stage = _unmeasured
        self._owned, self._students = TunedEmbedderCache(), StudentCache()
        self._chosen = ChosenEmbedders()

    @classmethod
    def load(
        cls,
        detector_weights: str,
        embedder_weights: str | None = BESIDE,
        *,
        thresholds: Thresholds = Thresholds(),  # noqa: B008 - frozen
        cache: Cache | None = None,
        **options: Unpack[PipelineOptions],
    ) -> Pipeline:
        """GroundingDINO and DINOv2, ready to go: seconds, and a download the first time a hub id is named.

        detector_weights: `nano` (small, embedded, for trying out), `faces` (human faces, by the extra of that
        name), a hub id such as `IDEA-Research/grounding-dino-tiny`, or a folder;
        a folder that `dinolabel models export` made holds everything. embedder_weights: likewise; None to detect only.
        options: as PipelineOptions names them: device="cpu", detector="owlv2", … Raises WeightsMissing, DeviceUnavailable.
        """
        detector, embedder = options.pop("detector", "grounding_dino"), options.pop("embedder", "dinov2")
        how = cast(LoadOptions, options)
        if detector_weights and is_exported_model(Path(detector_weights).expanduser()):
            return cls.load_exported(Path(detector_weights).expanduser(), cache=cache, **how)
        if embedder_weights == BESIDE:
            embedder_weights = FACES if embedder == FACES else detector_weights if detector_weights in (NANO, FACES) else HUB_EMBEDDER
        finds = plugins.load_detector(detector, detector_weights, **how)
        where: dict[str, Any] = {key: each for key, each in how.items() if key in ("device", "precision", "models_dir")}
        embeds = None if embedder_weights is None else plugins.load_embedder(embedder, embedder_weights, **where)
        policy = CropPolicy() if embedder_weights is None else plugins.crop_policy(embedder, embedder_weights)
        return cls(finds, embeds, thresholds=thresholds, policy=policy, cache=cache)

    @classmethod
    def load_exported(cls, folder: Path, *, cache: Cache | None = None, batch_size: int = 4, **options: Unpack[LoadOptions]) -> Pipeline:
        """Everything from a folder that `dinolabel models export` made. Raises ModelError, WeightsMissing, DeviceUnavailable,
        BundleMismatch."""
        package, bundle, detector, embedder = load_models(folder, **options)
        policy = bundle.policy if bundle else CropPolicy()
        pipeline = cls(detector, embedder, thresholds=package.thresholds, policy=policy, cache=cache, batch_size=batch_size)
        pipeline.package, pipeline.bundle = package, bundle
        return pipeline

    @overload
    def __call__(  # type: ignore[overload-overlap]  # a text is many texts to a type checker
        self,
        picture: Picture,
        prompt: str | Sequence[str] | Prompt | None = None,
        bundle: Bundle | str | Path | None = None,
        *,
        thresholds: Thresholds | None = None,
    ) -> list[LabelledBox]: ...

    @overload
    def __call__(
        self,
        picture: Iterable[Picture],
        prompt: str | Sequence[str] | Prompt | None = None,
        bundle: Bundle | str | Path | None = None,
        *,
        thresholds: Thresholds | None = None,
    ) -> list[list[LabelledBox]]: ...

    def __call__(
        self,
        picture: Picture | Iterable[Picture],
        prompt: str | Sequence[str] | Prompt | None = None,
        bundle: Bundle | str | Path | None = None,
        *,
        thresholds: Thresholds | None = None,
    ) -> list[LabelledBox] | list[list[LabelledBox]]:
        """What is in a picture, best first; of several pictures a list of that for each, in their order.

        picture: a path, a file's bytes or the open file, (H, W, 3) uint8 RGB, a Pillow image; or a list or any other iterable of these,
        of which `batch_size` are held at a time. prompt: phrases with full stops or commas between them, or a list of phrases.
        bundle: a trained head or its folder, to have names. An exported folder has both.
        Raises MediaError for the first picture that cannot be read, PromptMissing, PromptUnknown, BundleMismatch; TypeError.
        """
        words = None if prompt is None else _prompt(prompt)
        if words is not None:
            self.check_prompt(words)
        head = Bundle.load(Path(bundle)) if isinstance(bundle, str | Path) else bundle
        if not _is_several(picture):
            return self._labelled([as_image(cast(Picture, picture))], words, head, thresholds)[0]
        parts = _batches(picture, self.batch_size)
        return [each for part in parts for each in self._labelled([as_image(one) for one in part], words, head, thresholds)]

    def _labelled(
        self, images: Sequence[Image], prompt: Prompt | None, bundle: Bundle | None, thresholds: Thresholds | None
    ) -> list[list[LabelledBox]]:
        """What is in each image under its label. Without a prompt, those of the exported folder; its head where no bundle is given."""
        labels = names = None
        if prompt is None:
            if self.package is None:
                raise PromptMissing("There is nothing to look for: no prompt was given.", hint=PROMPT_HINT)
            prompt, labels, names = Prompt.of(list(self.package.labels)), self.package.labels, self.package.names
        answered = self.predict(images, prompt, bundle or self.bundle, thresholds, labels=labels)
        return [[LabelledBox.of(each, labels, names) for each in without_suppressed(found)] for found in answered]

    def predict(
        self,
        images: Sequence[Image],
        prompt: str | Prompt,
        bundle: Bundle | None = None,
        thresholds: Thresholds | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        student: Student | None = None,
    ) -> list[list[Detection]]:
        """Detections of each image, best first; with a bundle each has its answer. Raises MediaError, ModelError, BundleMismatch.

        labels: phrase -> label, so that synonyms find a thing once. Another threshold costs no forward pass. student: is asked first, with
        its own threshold; pictures in which it finds nothing at all are the detector's.
        """
        if bundle is not None:
            self.check(bundle)
        found = self._detect(images, prompt, thresholds or self.thresholds, labels, student)
        if bundle is None:
            return found
        return [self._classify(image, each, bundle) for image, each in zip(images, found, strict=True)]

    def _detect(
        self, images: Sequence[Image], prompt: str | Prompt, limits: Thresholds, labels: Mapping[str, str] | None, student: Student | None
    ) -> list[list[Detection]]:
        own = None if student is None else self._students.get(student, self.detector.device)
        limits_ = limits if student is None else student.thresholds
        found = [
            apply_thresholds(each, limits_, width=image.width, height=image.height, labels=labels)
            for image, each in zip(images, self.candidates(images, prompt, detector=own), strict=True)
        ]
        if student is None:
            return found
        silent = [image for image, each in zip(images, found, strict=True) if not each]
        rest = iter(self._detect(silent, prompt, limits, labels, None) if silent else [])
        return [each or next(rest) for each in found]

    def candidates(self, images: Sequence[Image], prompt: str | Prompt, *, detector: Detector | None = None) -> list[list[Candidate]]:
        """What the detector proposes for each image before any threshold, from the cache where it can. detector: another one than its own.

        Boxes are on the quarter-pixel grid, so that one that went through percent and back finds its embedding again.
        """
        words, asked = _prompt(prompt), detector or self.detector
        keys = [detection_key(image, asked.digest, words) for image in images]
        known = {key: self.cache.get_detections(key) for key in dict.fromkeys(keys)} if self.cache else {}
        missing = {key: image for key, image in zip(keys, images, strict=True) if known.get(key) is None}
        for part in _parts(list(missing), self.batch_size):
            with self.stage("detect"):
                proposed = asked.candidates([missing[key] for key in part], words)
            for key, each in zip(part, proposed, strict=True):
                known[key] = [tidy for candidate in each if (tidy := _normalise_box(candidate, missing[key]))]
                if self.cache:
                    self.cache.put_detections(key, known[key] or [])
        return [known[key] or [] for key in keys]

    def is_cached(self, image: Image, prompt: str | Prompt) -> bool:
        """Whether the candidates of this image are in the cache, so that looking again costs no forward pass."""
        key = detection_key(image, self.detector.digest, _prompt(prompt))
        return self.cache is not None and self.cache.get_detections(key) is not None

    def embed(self, image: Image, boxes: Sequence[Box], bundle: Bundle | None = None, *, chosen: str = "") -> Embeddings:
        """(N, D) float32 unit rows, one per box, from the cache where it can; the image is decoded only if one is missing.

        bundle: what asks; with its own embedder, or trained on the first columns: then from an earlier cache or from whole rows, which are
        kept. chosen: without a bundle, the embedder that the project chose (LabelConfig.embedder), "" for the pipeline's.
        Raises ModelError without an embedder, MediaError for an unreadable image; UnknownPlug, RequestError, WeightsMissing.
        """
        embedder, policy = self.embedder_for(bundle, chosen), self.policy_for(bundle, chosen)
        keys = [embedding_key(image.key, box, policy, embedder.digest) for box in boxes]
        known = self.cache.get_embeddings(set(keys)) if self.cache and keys else {}
        missing = {key: box for key, box in zip(keys, boxes, strict=True) if key not in known}
        if missing and isinstance(embedder, SlicedEmbedder):
            known |= dict(zip(missing, embedder.of(self.embed(image, list(missing.values()))), strict=True))
        elif missing:
            with self.stage("decode"):
                pixels = image.pixels
            for part in _parts(list(missing), CROPS_AT_ONCE):
                with self.stage("embed"):
                    rows = embedder.embed([cut(pixels, missing[key], policy) for key in part])
                fresh = dict(zip(part, rows, strict=True))
                known |= fresh
                if self.cache:
                    self.cache.put_embeddings(fresh)
        return np.stack([known[key] for key in keys]) if keys else np.zeros((0, embedder.dim), np.float32)

    def embedder_for(self, bundle: Bundle | None, chosen: str = "") -> Embedder:
        """The bundle's own, else the one that is chosen, by the bundle before the project, else the pipeline's, narrowed to what the bundle
        was trained on. Raises ModelError when there is none; UnknownPlug, RequestError, WeightsMissing for one that cannot be had."""
        if bundle is not None and bundle.own is not None:
            return self._owned.get(bundle.own, self.detector.device)
        plug = bundle.embedder_plug if bundle is not None else chosen
        if plug and plug != getattr(self.embedder, "plug", ""):
            return self._chosen.get(plug)
        if self.embedder is None:
            raise ModelError("This pipeline has no embedder, so it cannot name what it finds.", hint="Load one: embedder_weights=…")
        return self.embedder if bundle is None else slice_for(self.embedder, bundle.embedder_digest)

    def policy_for(self, bundle: Bundle | None, chosen: str = "") -> CropPolicy:
        """How boxes are cut for the embedder that embedder_for gives."""
        plug = bundle.embedder_plug if bundle is not None else chosen
        return plugins.crop_policy(plug) if plug and plug != getattr(self.embedder, "plug", "") else self.policy

    def check_prompt(self, prompt: str | Prompt) -> None:
        """Raises PromptUnknown for a phrase of which the detector knows no word: it would find nothing, whatever is in the picture."""
        refuse_unknown(unknown_phrases(self.detector, _prompt(prompt)))

    def check(self, bundle: Bundle) -> None:
        """Raises BundleMismatch unless the bundle was trained for its embedder and this crop policy, ModelError without an embedder."""
        bundle.check(self.embedder_for(bundle).digest, self.policy_for(bundle))

    def precompute_embeddings(self, found: Iterable[tuple[Image, Sequence[Detection]]], *, chosen: str = "") -> None:
        """Embed these detections now, so that a head trained later names them without a forward pass. Nothing to do without a cache.

        chosen: as embed takes it.
        """
        if self.cache is not None:
            for image, detections in found:
                self.embed(image, [each.box for each in detections], chosen=chosen)

    def _classify(self, image: Image, detections: Sequence[Detection], bundle: Bundle) -> list[Detection]:
        boxes = [each.box for each in detections]
        rows = self.embed(image, boxes, bundle)
        with self.stage("classify"):
            answers = bundle.answer(rows, boxes, image=image.key)
        return [each.with_answer(answer) for each, answer in zip(detections, answers, strict=True)]


def _unmeasured(_name: str) -> AbstractContextManager[None]:
    return nullcontext()


def _prompt(prompt: str | Sequence[str] | Prompt) -> Prompt:
    if isinstance(prompt, Prompt):
        return prompt
    try:
        return Prompt.parse(prompt if isinstance(prompt, str) else "\n".join(prompt))
    except PromptMissing as error:
        raise PromptMissing(str(error), hint=PROMPT_HINT) from error


def _is_several(picture: Picture | Iterable[Picture]) -> TypeGuard[Iterable[Picture]]:
    one = isinstance(picture, str | bytes | bytearray | memoryview | os.PathLike | np.ndarray | PIL.Image.Image | Image)
    return not one and not hasattr(picture, "read") and isinstance(picture, Iterable)


def _batches(pictures: Iterable[Picture], size: int) -> Iterator[list[Picture]]:
    rest = iter(pictures)
    while part := list(islice(rest, size)):
        yield part


def _parts(keys: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))


def _normalise_box(candidate: Candidate, image: Image) -> Candidate | None:
    box = candidate.box.clip(image.width, image.height)
    return None if box is None else replace(candidate, box=box.quantise())
