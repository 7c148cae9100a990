"""Serving config: all that decides an answer for one project, and the model_version that says so: label config, thresholds, bundle.

From memory and the store alone: `/setup` asks for it before every prediction, so no model, lock or network is touched.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dinolabel.studio.label_configs.label_config import LabelConfig, is_unknown
from dinolabel.vision import plugins
from dinolabel.vision.bundles.model_version import model_version
from dinolabel.vision.errors import LabelConfigError, RequestError
from dinolabel.vision.types import Prompt, Thresholds

if TYPE_CHECKING:
    from dinolabel.studio.label_roles import LabelRoles
    from dinolabel.vision.bundles.bundle import Bundle
    from dinolabel.vision.bundles.registry import BundleStore
    from dinolabel.vision.pipeline import Pipeline
    from dinolabel.vision.students.student import Student

MOST_LABELS, MOST_PHRASES = 5_000, 1_500
"""Of a label config: each phrase costs every picture its share of a pass (the largest set of names in the field, LVIS, has 1,203)."""
MOST_TYPED = 300
"""Phrases that somebody types, or a program sends, for a picture that others wait behind."""
KEPT = 16
"""Bundles and label configs held in memory; both are small."""


@dataclass(frozen=True, slots=True)
class ServingConfig:
    """bundle None: mode `detect`, otherwise `detect+classify`. version: its model_version. student: what is asked before the detector."""

    project: int
    label_config: str = field(repr=False)
    config: LabelConfig
    thresholds: Thresholds
    bundle_id: str | None
    bundle: Bundle | None = field(repr=False)
    version: str
    student: Student | None = field(default=None, repr=False)
    student_id: str | None = None

    @property
    def names(self) -> dict[str, str]:
        """What the head says -> the label Label Studio shows for it; without those that are not shown as names."""
        heads = self.bundle.labels if self.bundle else ()
        today = {name: self.config.current_name(name) for name in heads}
        return {name: label for name, label in today.items() if label in self.config.labels and not is_unknown(label)}


def check_typed(prompt: Prompt) -> None:
    """Raises RequestError for more phrases than one request may ask for."""
    if len(prompt.phrases) > MOST_TYPED:
        raise RequestError(f"{len(prompt.phrases):,} phrases are too many for one request.", hint=f"Send at most {MOST_TYPED}.")


class ServingConfigs:
    """Writes recipes for the pipeline that is running. roles: what a project's labels are for, where that was said beside its config."""

    def __init__(self, pipeline: Pipeline, store: BundleStore, roles: Callable[[int], LabelRoles | None] = lambda project: None) -> None:
        self._pipeline = pipeline
        self._store = store
        self._roles = roles
        self._bundles: OrderedDict[tuple[int, str], Bundle] = OrderedDict()
        self._lock = threading.Lock()

    def build(self, project: int, label_config: str, bundle_id: str | None, *, current: bool = False) -> ServingConfig:
        """current: with the student that is shown, not the one that should be. Raises LabelConfigError, PromptMissing; UnknownPlug,
        RequestError for an embedder that cannot be chosen; BundleMismatch when the bundle was trained with another embedder or crop policy.
        """
        config = LabelConfig.parse(label_config, roles=self._roles(project))
        if config.embedder:
            plugins.check_choice(config.embedder)
        if len(config.labels) > MOST_LABELS or len(config.prompt_map) > MOST_PHRASES:
            told = f"The label config has {len(config.labels):,} labels and {len(config.prompt_map):,} phrases to look for"
            raise LabelConfigError(f"{told}; {MOST_LABELS:,} and {MOST_PHRASES:,} are the most.", hint="Make several projects of it.")
        thresholds = self._thresholds(config)
        bundle = None if bundle_id is None else self._bundle(project, bundle_id)
        students = self._store.students
        student_id = students.current(str(project)) if current else students.desired(str(project))
        student = students.for_prompt(str(project), student_id, config.prompt_map)
        version = model_version(
            detector=self._pipeline.detector,
            prompt_map=config.prompt_map,
            thresholds=thresholds,
            live_labels=config.labels,
            bundle=bundle,
            embedder_name=self._embedder_name(bundle),
            policy=self._pipeline.policy_for(bundle),
            aliases=config.aliases,
            student=student,
        )
        return ServingConfig(project, label_config, config, thresholds, bundle_id, bundle, version, student, student_id)

    def _thresholds(self, config: LabelConfig) -> Thresholds:
        ours = self._pipeline.thresholds
        box = ours.box if config.box_threshold is None else config.box_threshold
        text = ours.text if config.text_threshold is None else config.text_threshold
        return Thresholds(box, text, ours.nms_iou)

    def _embedder_name(self, bundle: Bundle | None) -> str | None:
        """Of the pipeline's, where the bundle has none that goes with it."""
        return None if self._pipeline.embedder is None or (bundle and bundle.goes_along) else self._pipeline.embedder.name

    def _bundle(self, project: int, bundle_id: str) -> Bundle:
        """Bundles never change under their id, so one that was read is kept."""
        key = (project, bundle_id)
        with self._lock:
            if key in self._bundles:
                self._bundles.move_to_end(key)
                return self._bundles[key]
        bundle = self._store.get(str(project), bundle_id)
        if self._pipeline.embedder is not None:
            self._pipeline.check(bundle)
        with self._lock:
            self._bundles[key] = bundle
            while len(self._bundles) > KEPT:
                self._bundles.popitem(last=False)
        return bundle
