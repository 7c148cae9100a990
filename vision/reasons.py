"""The pictures behind an answer: from the ids of approved crops, as a bundle keeps them, to files of an export of crops.

Knows the lines of a manifest; nothing of heads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

MANIFEST = "manifest.jsonl"


def crop_files(export: Path, ids: Iterable[str]) -> dict[str, Path]:
    """Id -> picture, for those that the export still has. ids: `Alike.id`. export: folder of `dinolabel export crops`; it may be gone."""
    wanted, found = set(ids), {}
    try:
        with (export / MANIFEST).open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                identity = f"{row['task']}/{row['annotation']}/{row['region']}/{row['view']}"
                if identity in wanted and (path := export / row["crop"]).is_file():
                    found[identity] = path
    except (OSError, ValueError, KeyError):
        return found  # an export that is being made again: the answer stands without its pictures
    return found
