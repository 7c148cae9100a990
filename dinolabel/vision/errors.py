"""The error tree every room grows from: a short message for a person and a hint that says what to do.

DinolabelError
 ├ SettingsError
 ├ RequestError ── LabelConfigError · PromptMissing · PromptUnknown · UnknownPlug
 ├ MediaError ──── MediaUnavailable (MediaLate) · MediaRefused · MediaUnreadable · SizeMismatch
 ├ ModelError ──── WeightsMissing · DeviceUnavailable · BundleMismatch
 ├ StudioError     (leaves in dinolabel.studio.errors)
 └ TrainingError   (leaves in dinolabel.training.errors)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Entry = TypeVar("Entry")


class DinolabelError(Exception):
    """Base of everything we raise on purpose. ``str(error)`` is one sentence; ``error.hint`` says what to do."""

    hint = "Run `dinolabel doctor` to see what is set up and what is not."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


class SettingsError(DinolabelError):
    """A setting is missing or makes no sense; found at start."""

    hint = "See the settings table in docs/reference.md; every setting is also an environment variable."


class RequestError(DinolabelError):
    """What we were asked makes no sense as it stands."""

    hint = "Check the request against docs/reference.md."


class LabelConfigError(RequestError):
    """The project's label config cannot be used."""

    hint = 'Add <RectangleLabels name="label" toName="image"> with at least one <Label value="…" predicted_values="…"/>.'


class PromptMissing(RequestError):
    """There are no words to look for."""

    hint = 'Say what to look for, for example --prompt "human face".'


class PromptUnknown(RequestError):
    """A phrase holds no word that the detector knows."""

    hint = 'The detector reads English words: write for example "human face"; the label it gets may be in any language.'


class UnknownPlug(RequestError):
    """No detector, embedder, head or exporter of that name."""

    hint = "Choose one of those."


class MediaError(DinolabelError):
    """Something is wrong with one picture or video; the others go on."""

    hint = "Open the file by hand; replace it if it is broken."


class MediaUnavailable(MediaError):
    """The file cannot be had: 404, time-out, wrong mount."""

    hint = "Open the task in Label Studio: if the picture does not show there either, mend its storage."


class MediaLate(MediaUnavailable):
    """The file cannot be had just now: time-out, no network, a server that is busy or down."""

    hint = "Try again later: nothing has to be mended here, unless the address is wrong."


class MediaRefused(MediaError):
    """We do not fetch from there: host not allowed, path outside its root, file too large."""

    hint = "Name the host in DINOLABEL_MEDIA_HOSTS if you trust it: DINOLABEL_MEDIA_HOSTS=cdn.example.com,img.example.org."


class MediaUnreadable(MediaError):
    """The bytes are no picture or video that we can decode."""

    hint = "Re-save the file as JPEG or PNG."


class SizeMismatch(MediaError):
    """The size written beside boxes is not the picture's: nobody can say where the boxes are."""

    hint = "Compare the picture with the one that was annotated: it was cut, replaced or turned since."


class ModelError(DinolabelError):
    """A model cannot serve."""

    hint = "Run `dinolabel doctor` to see weights and device."


class WeightsMissing(ModelError):
    """The weights are not here and the hub is out of reach."""

    hint = (
        "Three ways out: `dinolabel weights fetch --to weights` where there is a network; `export DINOLABEL_MODELS_DIR=weights` "
        "with that folder copied here; or `--weights nano`, the small embedded weights, to try it on drawings."
    )


class DeviceUnavailable(ModelError):
    """The device asked for is not on this machine."""

    hint = "Set DINOLABEL_DEVICE=auto to take what is there."


class BundleMismatch(ModelError):
    """A head was trained with another embedder, crop policy or format than the one at hand."""

    hint = "Train again with `dinolabel train`, or go back to the embedder the bundle names."


class StudioError(DinolabelError):
    """Label Studio did not do what was asked. Leaves live in dinolabel.studio.errors."""

    hint = "Run `dinolabel doctor`: it tests the connection both ways."


class TrainingError(DinolabelError):
    """No head was made, or it was not published. Leaves live in dinolabel.training.errors."""

    hint = "Open the receipt to see why."


def nearest_entry(table: Mapping[type[DinolabelError], Entry], error: BaseException | type[BaseException], default: Entry) -> Entry:
    """What a table of errors says of one: the entry of the nearest of its classes that has one, so that a new leaf is as its branch."""
    kind = error if isinstance(error, type) else type(error)
    return next((table[each] for each in kind.__mro__ if each in table), default)


def first_line(error: BaseException) -> str:
    """What an error of somebody else's says first, for a sentence of ours; its kind when it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]
