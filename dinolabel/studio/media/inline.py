"""A picture that is written into its own address: `data:image/jpeg;base64,…` (RFC 2397), which Label Studio's editor shows like any other.

What the bytes show is dinolabel.vision.decoding.pictures's.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_to_bytes

from dinolabel.vision.errors import MediaRefused, MediaUnreadable

ANY = {"application/octet-stream", "binary/octet-stream"}
"""Said of whatever nobody looked at: what is in it decides."""
MAKE_ANEW = "Write data:image/jpeg;base64, and then the file's bytes in base64; or upload the picture to Label Studio instead."
_MEDIA_TYPE = 80


def check(address: str, *, max_bytes: int) -> None:
    """What can be said without decoding. Raises MediaUnreadable for another type than a picture's, MediaRefused when it is too large."""
    head, comma, body = address[len("data:") :].partition(",")
    kind = head.partition(";")[0].strip().lower()
    if not comma:
        raise MediaUnreadable("The data: address has no comma, so no picture in it.", hint=MAKE_ANEW)
    if kind == "image/svg+xml":
        raise MediaUnreadable("The data: address holds an SVG drawing, not pixels.", hint="Export it as PNG.")
    if not kind.startswith("image/") and kind not in ANY:
        said = kind[:_MEDIA_TYPE] or "text, as it names no type"
        raise MediaUnreadable(f"The data: address says that it is {said}, not a picture.", hint=MAKE_ANEW)
    if not body.strip():
        raise MediaUnreadable("The data: address is empty behind its comma.", hint=MAKE_ANEW)
    # At most four characters a byte: base64's four thirds, each of them written as %XX.
    if len(body) > 4 * max_bytes + 4:
        raise _too_large(max_bytes)


def decode(address: str, *, max_bytes: int) -> bytes:
    """The file in it: base64 (blanks and missing `=` are forgiven, as browsers do), or percent-encoded bytes. Raises what `check` does."""
    check(address, max_bytes=max_bytes)
    head, _, body = address.partition(",")
    data = unquote_to_bytes(body)
    if head.rpartition(";")[2].strip().lower() == "base64":
        letters = b"".join(data.split()).rstrip(b"=")
        try:
            data = base64.b64decode(letters + b"=" * (-len(letters) % 4), validate=True)
        except (binascii.Error, ValueError) as error:
            raise MediaUnreadable("The base64 of the data: address is broken or cut short.", hint=MAKE_ANEW) from error
    if len(data) > max_bytes:
        raise _too_large(max_bytes)
    return data


def _too_large(max_bytes: int) -> MediaRefused:
    return MediaRefused(
        f"The picture in the data: address is larger than {max_bytes / 2**20:.0f} MB.",
        hint="Raise DINOLABEL_MEDIA_MAX_MB, or make the file smaller.",
    )
