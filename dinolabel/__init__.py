"""dinolabel: from pictures and a text prompt to your own detector, inside Label Studio.

In Python::

    from dinolabel import Pipeline

    pipeline = Pipeline.load("nano")
    for found in pipeline("photo.jpg", "cat face"):
        print(found.label, found.score, found.box)

A list of pictures gives a list of lists. A picture is a path, the bytes of a file or the open file, (H, W, 3) uint8 RGB, or a Pillow image.
`open_image(path)` is a picture as every command sees it: upright as Label Studio's editor shows it, with `width`, `height`, and `pixels`,
(H, W, 3) uint8 RGB. It raises a DinolabelError that says what is wrong with the file.

All that is named in `__all__` is stable: it changes only with a line in CHANGELOG.md. Every error that is raised on purpose is a
DinolabelError with a `hint`. Names are imported when they are first asked for (PEP 562), so that `import dinolabel` costs nothing.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dinolabel.vision.bundles.bundle import Bundle
    from dinolabel.vision.decoding.pictures import open_image
    from dinolabel.vision.errors import (
        BundleMismatch,
        DeviceUnavailable,
        DinolabelError,
        MediaError,
        MediaRefused,
        MediaUnavailable,
        MediaUnreadable,
        ModelError,
        PromptMissing,
        PromptUnknown,
        RequestError,
        SettingsError,
        WeightsMissing,
    )
    from dinolabel.vision.images.annotation import to_supervision
    from dinolabel.vision.pipeline import Pipeline
    from dinolabel.vision.proposals.labelled_box import LabelledBox
    from dinolabel.vision.types import Box, CropPolicy, Detection, Image, Named, Prompt, Reference, Suppressed, Thresholds, Unknown

    __version__: str

__all__ = [
    "Box",
    "Bundle",
    "BundleMismatch",
    "CropPolicy",
    "Detection",
    "DeviceUnavailable",
    "DinolabelError",
    "Image",
    "LabelledBox",
    "MediaError",
    "MediaRefused",
    "MediaUnavailable",
    "MediaUnreadable",
    "ModelError",
    "Named",
    "Pipeline",
    "Prompt",
    "PromptMissing",
    "PromptUnknown",
    "Reference",
    "RequestError",
    "SettingsError",
    "Suppressed",
    "Thresholds",
    "Unknown",
    "WeightsMissing",
    "__version__",
    "open_image",
    "to_supervision",
]
HOMES = {
    "Pipeline": "dinolabel.vision.pipeline",
    "Bundle": "dinolabel.vision.bundles.bundle",
    "LabelledBox": "dinolabel.vision.proposals.labelled_box",
    "BundleMismatch": "dinolabel.vision.errors",
    "DeviceUnavailable": "dinolabel.vision.errors",
    "DinolabelError": "dinolabel.vision.errors",
    "MediaError": "dinolabel.vision.errors",
    "MediaRefused": "dinolabel.vision.errors",
    "MediaUnavailable": "dinolabel.vision.errors",
    "MediaUnreadable": "dinolabel.vision.errors",
    "ModelError": "dinolabel.vision.errors",
    "PromptMissing": "dinolabel.vision.errors",
    "PromptUnknown": "dinolabel.vision.errors",
    "RequestError": "dinolabel.vision.errors",
    "SettingsError": "dinolabel.vision.errors",
    "WeightsMissing": "dinolabel.vision.errors",
    "__version__": "dinolabel.release",
    "open_image": "dinolabel.vision.decoding.pictures",
    "to_supervision": "dinolabel.vision.images.annotation",
}

RENAMED = {"Alike": "Reference", "Found": "LabelledBox", "Nothing": "Suppressed"}
"""Names of 0.1, read for one more release."""


def __getattr__(name: str) -> object:
    if name in RENAMED:
        warnings.warn(f"dinolabel.{name} is called dinolabel.{RENAMED[name]} now.", DeprecationWarning, stacklevel=2)
        name = RENAMED[name]
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name != "__version__":
        import_module("dinolabel.logging_setup").quiet_in_python()
    return getattr(import_module(HOMES.get(name, "dinolabel.vision.types")), name)


def __dir__() -> list[str]:
    return sorted(__all__)
