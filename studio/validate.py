"""Label Studio's own opinion on a prediction, before it is sent: the SDK's reading of the label config.

Knows the SDK, whose import takes seconds: callers are checks and tests, not the way of every prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def faults(label_config: str, prediction: Mapping[str, Any]) -> list[str]:
    """What Label Studio would drop the prediction for, in its words; empty when it would store it.

    label_config: XML. prediction: with `result`, `score` and `model_version`, as the bulk import takes it.
    """
    from label_studio_sdk.label_interface import LabelInterface

    sent = {key: prediction[key] for key in ("result", "score", "model_version")}
    return list(LabelInterface(config=label_config).validate_prediction(sent, return_errors=True))
