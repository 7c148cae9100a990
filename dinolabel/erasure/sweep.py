"""Goes through the files we keep of one project and takes a name out: lines, keys and sentences that hold it, or the whole file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dinolabel.erasure.text_search import Mention
from dinolabel.exporters.output import file_list
from dinolabel.training.report import training_report
from dinolabel.vision.bundles.bundle import CARD
from dinolabel.vision.bundles.registry import ENTRY
from dinolabel.vision.storage.json_text import parse_json

THEIRS = "studio"  # the Label Studio that `up` starts keeps its data there
BY_PROJECT = ("bundles", "exports", "previews", "wall")
DATABASES = {".sqlite", ".sqlite-wal", ".sqlite-shm"}
ASIDE = ("metrics", "trained_on")  # of a bundle's card: what decides no answer
PAGES = (training_report.PAGE, *training_report.PLOTS, "confusion.png", "curves.png")  # the last two of receipts before 0.2
OURS = {CARD, training_report.JSON, *PAGES, "verdicts.jsonl"}
COPY = re.compile(r"[0-9a-f]{2}/([0-9a-f]{38}\.[0-9a-f]+|part-\w+)")  # as dinolabel.studio.media.cache names them
PREVIEW = re.compile(r"preview\.(png|html)")


def drop_copies(data_dir: Path, project: str) -> int:
    """Remove copies of whole pictures, which are fetched or drawn again when they are needed; how many files."""
    dropped = 0
    for folder, ours in ((data_dir / "media", COPY), (data_dir / "previews" / project, PREVIEW)):
        for path in list(file_list.files(folder)):
            dropped += bool(ours.fullmatch(path)) and file_list.remove(folder, path)
        file_list.prune(data_dir, folder)
    return dropped


def sweep(bundles: Path, logs: Iterable[Path], mention: Mention) -> int:
    """Files that were changed or removed. bundles: the project's folder of heads and receipts. logs: single files."""
    changed = 0
    for path in list(file_list.files(bundles)):
        file = file_list.inside(bundles, path)
        if file is not None and _is_ours(Path(path)) and mention.inside(file):
            _clean(file, mention)
            changed += 1
    for log in logs:
        if log.is_file() and mention.inside(log):
            _lines(log, mention)
            changed += 1
    return changed


def left(data_dir: Path, project: str, mention: Mention) -> list[Path]:
    """Files in the data folder, other projects' apart, that hold a name all the same."""
    return [path for path in _kept(data_dir, project) if (mention.in_database if path.suffix in DATABASES else mention.inside)(path)]


def _kept(data_dir: Path, project: str) -> Iterator[Path]:
    for path in file_list.files(data_dir):
        parts = Path(path).parts
        others = parts[0] == THEIRS or (parts[0] in BY_PROJECT and len(parts) > 1 and parts[1] != project)
        if not others and (file := file_list.inside(data_dir, path)) is not None:
            yield file


def _is_ours(path: Path) -> bool:
    """Of the store's folders: of a head, of a refused training, and the project's own."""
    places = path.parts[:-1]
    known = not places or bool(ENTRY.fullmatch(places[0])) or (places[0] == "refused" and len(places) == 2)
    return known and path.name in OURS


def _clean(path: Path, mention: Mention) -> None:
    if path.suffix == ".jsonl":
        _lines(path, mention)
    elif path.suffix == ".json" and (pruned := _pruned(path, mention)) is not None:
        path.write_text(json.dumps(pruned, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        for page in PAGES:
            (path.parent / page).unlink(missing_ok=True)
    else:
        path.unlink()


def _lines(path: Path, mention: Mention) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(each for each in lines if not mention.within(each)), encoding="utf-8")


def _pruned(path: Path, mention: Mention) -> Any:
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    if path.name == CARD and isinstance(value, dict):
        return {key: mention.pruned(each) if key in ASIDE else each for key, each in value.items()}
    return mention.pruned(value)
