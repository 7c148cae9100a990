"""dinolabel: from pictures and a text prompt to your own detector, inside Label Studio.

In Python::

    from dinolabel import Pipeline

    pipeline = Pipeline.load("nano")
    for found in pipeline("photo.jpg", "cat face"):
        print(found.label, found.score, found.box)

`open_image(path)` is a picture as every command sees it: upright as Label Studio's editor shows it, with `width`, `height`, and `pixels`,
(H, W, 3) uint8 RGB. It raises a DinolabelError that says what is wrong with the file.

Names are imported when they are first asked for (PEP 562), so that `import dinolabel` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vision.bundle import Bundle
    from vision.errors import DinolabelError
    from vision.found import Found
    from vision.media import open_image
    from vision.pipeline import Pipeline
    from vision.types import Box, Detection, Image, Named, Nothing, Prompt, Thresholds, Unknown

__all__ = [
    "Box",
    "Bundle",
    "Detection",
    "DinolabelError",
    "Found",
    "Image",
    "Named",
    "Nothing",
    "Pipeline",
    "Prompt",
    "Thresholds",
    "Unknown",
    "open_image",
]
HOMES = {
    "Pipeline": "vision.pipeline",
    "Bundle": "vision.bundle",
    "Found": "vision.found",
    "DinolabelError": "vision.errors",
    "open_image": "vision.media",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_module("dinolabel.logs").quiet_in_python()
    return getattr(import_module(HOMES.get(name, "vision.types")), name)


def __dir__() -> list[str]:
    return sorted(__all__)
