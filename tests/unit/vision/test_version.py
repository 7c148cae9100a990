"""The version string changes with each thing that decides an answer, and with nothing else."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.model_version import model_version
from dinolabel.vision.types import CropPolicy, Thresholds

Make = Callable[..., Bundle]


def detector(name: str = "gdino-tiny", digest: str = "a" * 64) -> Any:
    return SimpleNamespace(name=name, digest=digest)


def version(**changes: Any) -> str:
    values: dict[str, Any] = {
        "detector": detector(),
        "prompt_map": {"human face": "face", "cat face": "cat"},
        "thresholds": Thresholds(),
        "live_labels": {"face", "cat", "jason", "lacy"},
        "policy": CropPolicy(),
    }
    return model_version(**(values | changes))


def test_it_is_readable(make_bundle: Make) -> None:
    assert re.fullmatch(r"gdino-tiny\.[0-9a-f]{8}", version())
    assert re.fullmatch(r"gdino-tiny\.dinov2-s\.2c\.[0-9a-f]{8}", version(bundle=make_bundle(), embedder_name="dinov2-small"))
    assert version(bundle=make_bundle()) == version(bundle=make_bundle(), embedder_name="dinov2-small")


CHANGES: dict[str, dict[str, Any]] = {
    "detector name": {"detector": detector(name="gdino-base")},
    "weights, size or precision": {"detector": detector(digest="b" * 64)},
    "a phrase": {"prompt_map": {"human face": "face", "cat": "cat"}},
    "a label": {"prompt_map": {"human face": "face", "cat face": "pet"}},
    "a prompt more": {"prompt_map": {"human face": "face", "cat face": "cat", "dog": "dog"}},
    "box threshold": {"thresholds": Thresholds(box=0.31)},
    "text threshold": {"thresholds": Thresholds(text=0.26)},
    "suppression": {"thresholds": Thresholds(nms_iou=0.5)},
}


def test_each_input_of_detection_changes_it() -> None:
    versions = {name: version(**change) for name, change in CHANGES.items()} | {"base": version()}
    assert len(set(versions.values())) == len(versions), versions


def test_each_input_of_naming_changes_it(make_bundle: Make) -> None:
    bundle = make_bundle()
    versions = [version(bundle=bundle, **change) for change in CHANGES.values()]
    versions += [
        version(bundle=bundle),
        version(),
        version(bundle=make_bundle(temperature=2.0)),
        version(bundle=bundle, embedder_name="dinov2-base"),
        version(bundle=bundle, live_labels={"face", "cat", "jason"}),
        version(bundle=bundle, policy=CropPolicy(margin=0.3)),
        version(bundle=bundle, policy=CropPolicy(max_side=224)),
        version(bundle=bundle, policy=CropPolicy(min_side=20)),
    ]
    assert len(set(versions)) == len(versions)


def test_nothing_else_changes_it(make_bundle: Make) -> None:
    bundle = make_bundle()
    assert version(prompt_map={"cat face": "cat", "human face": "face"}) == version()
    assert version(live_labels=["lacy", "jason", "cat", "face", "face"]) == version()
    assert version(live_labels=["maria"], policy=CropPolicy(0.5)) == version(), "names and crops decide nothing without a head"
    assert version(bundle=bundle, live_labels=["lacy", "jason", "maria"]) == version(bundle=bundle), "a name the head cannot give"
    assert version(bundle=make_bundle(created_at="2030-01-01T00:00:00Z", metrics={})) == version(bundle=bundle)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("GDINO Tiny", "gdino-tiny"),
        ("IDEA-Research/grounding-dino-tiny", "idea-research-grounding-dino-tiny"),
        ("a,b.c_d", "a-b-c-d"),
        ("größe", "gr-e"),
        ("模型", "model"),
        ("", "model"),
    ],
)
def test_odd_names_are_slugged(name: str, wanted: str) -> None:
    text = version(detector=detector(name=name))
    assert re.fullmatch(r"[a-z0-9.-]+", text)
    assert text.split(".")[0] == wanted


def test_none_is_contained_in_another(make_bundle: Make) -> None:
    """Label Studio's filters match substrings. The worst case is an embedder whose name begins like a digest of ours."""
    plain = version()
    digest = plain.split(".")[1]
    versions = [
        plain,
        version(bundle=make_bundle(), embedder_name=digest),
        version(bundle=make_bundle(), embedder_name=f"{digest}-net"),
        version(bundle=make_bundle()),
        version(detector=detector(name="x-gdino-tiny")),
        version(detector=detector(name="gdino")),
        *(version(**change) for change in CHANGES.values()),
    ]
    for one, other in itertools.permutations(versions, 2):
        assert one not in other
