"""Whether a task is of a file that nobody meant: what systems and NAS boxes leave beside pictures, and a storage's Sync takes along.

A storage of Label Studio is told which names to take, but not which folders (measured), so `.thumbnails` and `@eaDir` become tasks.
"""

from __future__ import annotations

import re

from dinolabel.studio.media import url as address
from dinolabel.vision.decoding.folder_walk import in_hidden
from dinolabel.vision.errors import MediaRefused

_SIDECAR = re.compile(r"(?:[0-9a-f]{8}-)?\._.")
"""What macOS writes beside a file; an upload has eight digits before its name. Only that: `😀.jpg` is uploaded as `5a745c19-.jpg`."""
_UPLOADS = "/data/upload/"


def refuse_hidden(url: str) -> None:
    """Raises MediaRefused for a hidden file (dinolabel.vision.decoding.folder_walk) that a storage serves or somebody uploaded.

    Addresses of web hosts were written by a person. Of local files the first folder does not count: it is the storage's own.
    """
    if _is_hidden(url):
        raise MediaRefused(
            "The task is of a hidden file (._name.jpg, .thumbnails, @eaDir, …), which nobody means by a picture.",
            hint="Delete the task; a storage's Sync brings it back while the file is there. Rename the folder if it is meant.",
        )


def _is_hidden(url: str) -> bool:
    if address.is_inline(url):
        return False
    scheme = address.scheme(url)
    served = address.path_at_any_host(url) if scheme in (None, *address.WEB) else None
    if scheme in address.WEB and served is None:
        return False
    parts = address.parts(url)
    if served is not None and served.startswith(_UPLOADS):
        return bool(_SIDECAR.match(parts[-1])) if parts else False
    in_cloud = scheme not in (None, *address.WEB, "file") or (served is not None and address.parse_cloud(served) is not None)
    return in_hidden(parts if in_cloud else parts[1:] if len(parts) > 1 else parts)
