"""The dataset card of an export: `README.md` with a YAML header, as the hub of Hugging Face and `datasets.load_dataset` read it.

It counts classes and names none: labels are people's names, and this is the page that everybody opens.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from dinolabel.exporters.output import file_list

README = "README.md"
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card_text(title: str, facts: Mapping[str, object], *, task: str, rows: int, files: Mapping[str, Sequence[str]], **how: object) -> str:
    """task: a word of the hub's list, such as object-detection. rows: pictures in it. files: patterns of each split. how: to read them.

    facts: lines that people read, a name and what is to be said of it; what is None is left out.
    """
    header: dict[str, object] = {
        "pretty_name": title,
        "task_categories": [task],
        "tags": ["dinolabel"],
        "size_categories": [next((name for most, name in SIZES if rows < most), "n>1M")],
    }
    if files:
        data_files = [{"split": split, "path": list(patterns)} for split, patterns in files.items()]
        header["configs"] = [{"config_name": "default", "data_files": data_files, **how}]
    said = "".join(f"- {name}: {value}\n" for name, value in facts.items() if value is not None)
    end = "Licence, source of the pictures, and who agreed to be seen in them: to be filled in by whoever passes this on.\n"
    return f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n\n# {title}\n\n{said}\n{end}"


def is_ours_to_write(out: Path, path: str) -> bool:
    """Whether nothing is there yet, or what an export wrote: a card that a person wrote, or filled in, stays."""
    if not os.path.lexists(out / path):
        return True
    return any(each.path == path and file_list.is_unchanged(out, each) for each in file_list.entries(out))
