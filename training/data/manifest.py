"""Reads an export of crops: one row a crop, checked at the door."""

from __future__ import annotations

from dinolabel.vision.storage.json_text import parse_json
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from dinolabel.training.errors import ManifestUnreadable
from dinolabel.vision.bundles.split import Side, split_side
from dinolabel.vision.images.crop_id import CropId
from dinolabel.vision.types import Box, CropPolicy, image_key

FORMAT = 1
NAME = "manifest.jsonl"
SUMMARY = "report.json"  # the exporter's counts; optional, tells which labels have no crop yet


@dataclass(frozen=True)
class CropRow:
    """One crop. crop: path relative to the folder. box: pixels of the upright picture. image: sha256 of its bytes.

    group: what must stay on one side of a split. view: the person's own box, or the detector's for the same object.
    split: the side that a person chose for it; None leaves it to the hash of the group. decoding: as dinolabel.vision.types.Image has it.
    """

    crop: str
    task: int
    annotation: int
    region: str
    box: Box
    image: str
    frame: int | None
    verdict: str
    kind: str
    label: str | None
    group: str
    view: str
    at: str
    split: Side | None = None
    decoding: str = ""

    @property
    def side(self) -> Side:
        """Held out or trained on."""
        return self.split or split_side(self.group)

    @property
    def object_id(self) -> str:
        """The same for all views of one object."""
        return self._crop_id.object_id

    @property
    def id(self) -> str:
        return str(self._crop_id)

    @property
    def _crop_id(self) -> CropId:
        return CropId(self.task, self.annotation, self.region, self.view)

    @property
    def image_key(self) -> str:
        """What caches know the picture by: dinolabel.vision.types.Image.key."""
        return image_key(self.image, self.frame, self.decoding)


@dataclass(frozen=True)
class Manifest:
    """rows: in file order. policy: how all of them were cut. wanted: labels people may give, also those without a crop.

    embedder: what the project chose to tell its names apart; empty for that of the settings.
    """

    folder: Path
    rows: tuple[CropRow, ...]
    policy: CropPolicy
    wanted: tuple[str, ...] = ()
    embedder: str = ""

    @property
    def trained_until(self) -> str:
        """Time of the newest approval, ISO; empty when there is none."""
        return max((row.at for row in self.rows if row.verdict == "approved"), default="")

    @property
    def sources(self) -> str:
        """What its groups are, in a word for people."""
        return "videos" if self.rows and all(row.frame is not None for row in self.rows) else "pictures"

    def digest(self) -> str:
        """Of everything that decides what is learnt: the same for the same approvals, whatever their order or their files are called."""
        facts = [[row.image_key, row.box.xyxy, row.verdict, row.kind, row.label, row.group, row.view] for row in self.rows]
        facts = [[*fact, row.split] if row.split else fact for fact, row in zip(facts, self.rows, strict=True)]
        policy = [self.policy.margin, self.policy.max_side, self.policy.min_side]
        return hashlib.sha256(json.dumps([FORMAT, policy, sorted(map(json.dumps, facts))]).encode()).hexdigest()


def read(folder: Path) -> Manifest:
    """The manifest of an export. Raises ManifestUnreadable that names the line."""
    path = folder / NAME
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise ManifestUnreadable(f"There is no export of crops in {folder}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestUnreadable(f"{path} cannot be read: {error}.") from error
    records = [_record(line, where=f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    rows = tuple(_row(record, where=f"{path}, row {number}") for number, record in enumerate(records, 1))
    if len({row.id for row in rows}) < len(rows):
        raise ManifestUnreadable(f"{path} lists a view of a region twice.")
    return Manifest(folder, rows, _policy(records, path), _wanted(folder / SUMMARY), chosen_embedder(folder))


def chosen_embedder(folder: Path) -> str:
    """What the project whose crops these are chose to tell its names apart; empty for that of the settings."""
    return str(_summary(folder / SUMMARY).get("embedder") or "")


def _record(line: str, *, where: str) -> Mapping[str, Any]:
    try:
        record = parse_json(line)
    except (ValueError, RecursionError) as error:
        raise ManifestUnreadable(f"{where} is no JSON: {error}.") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        got = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise ManifestUnreadable(f"{where}: expected format {FORMAT}, got {got!r}.", hint="Export the crops again with this version.")
    return record


def _row(record: Mapping[str, Any], *, where: str) -> CropRow:
    try:
        row = CropRow(
            crop=str(record["crop"]),
            task=int(record["task"]),
            annotation=int(record["annotation"]),
            region=str(record["region"]),
            box=Box(*map(float, record["box"])),
            image=str(record["image"]),
            frame=None if record["frame"] is None else int(record["frame"]),
            verdict=str(record["verdict"]),
            kind=str(record["kind"]),
            label=None if record["label"] is None else str(record["label"]),
            group=str(record["group"]),
            view=str(record["view"]),
            at=str(record["at"]),
            split=_split(record.get("split")),
            decoding=str(record.get("decoding", "")),
        )
    except KeyError as error:
        raise ManifestUnreadable(f"{where} lacks {error}.") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise ManifestUnreadable(f"{where}: {error}.") from error
    path = PurePosixPath(row.crop)
    if path.is_absolute() or ".." in path.parts:
        raise ManifestUnreadable(f"{where}: {row.crop!r} lies outside the export.")
    if row.kind == "named" and not row.label:
        raise ManifestUnreadable(f"{where} is named and has no label.")
    return row


def _split(value: Any) -> Side | None:
    if value in (None, "train", "held_out"):
        return cast("Side | None", value)
    raise ValueError(f"expected split train, held_out or null, got {value!r}")


def _policy(records: Iterable[Mapping[str, Any]], path: Path) -> CropPolicy:
    try:
        policies = {CropPolicy(**record["policy"]) for record in records}
    except (KeyError, TypeError) as error:
        raise ManifestUnreadable(f"{path}: a row has no crop policy that we know ({error}).") from error
    if len(policies) > 1:
        raise ManifestUnreadable(f"{path} holds crops that were cut in {len(policies)} different ways.")
    return policies.pop() if policies else CropPolicy()


def _wanted(path: Path) -> tuple[str, ...]:
    counts = _summary(path).get("approved", {})  # it only makes messages better
    return tuple(map(str, counts)) if isinstance(counts, dict) else ()


def _summary(path: Path) -> dict[str, Any]:
    """Empty where there is none that can be read."""
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
