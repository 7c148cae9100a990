"""Videos with one class each become crops with a manifest, as `dinolabel export crops` writes it: what training reads.

A video that fails costs only
itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import structlog

from dinolabel.exporters.formats.crops import FORMAT, SUMMARY
from dinolabel.exporters.output.atomic_output import atomic_folder
from dinolabel.exporters.output.crop_manifest import MANIFEST, save
from dinolabel.exporters.safe_names import folder_names
from dinolabel.exporters.unlisted_files import FILMS
from dinolabel.exporters.video_crops import exclude
from dinolabel.exporters.video_crops.filters import CropFilters, ScoredCrop, drop_blurred, drop_near_duplicates
from dinolabel.exporters.video_crops.video_list import NamedVideo, VideoList
from dinolabel.vision.bundles.bundle import UNKNOWN_LABEL
from dinolabel.vision.decoding.video_frames import Video, open_video, sample_frames
from dinolabel.vision.errors import MediaError
from dinolabel.vision.images.cropping import cut
from dinolabel.vision.images.perceptual_hash import perceptual_hash
from dinolabel.vision.images.sharpness import sharpness
from dinolabel.vision.progress import Listener, Progress, ignore
from dinolabel.vision.types import CropPolicy, Detection, Image

TRUNCATED = 1.0  # seconds that may be missing at the end before it is worth saying

log = structlog.get_logger(__name__)
Detect = Callable[[Sequence[Image]], list[list[Detection]]]


@dataclass
class VideoStats:
    """What became of one video. frames: looked at. boxes: found, before any was left out. kept: crops. note: what a person should know."""

    video: str
    label: str
    split: str | None
    seconds: float = 0.0
    frames: int = 0
    boxes: int = 0
    small: int = 0
    blurred: int = 0
    copies: int = 0
    dropped: int = 0
    kept: int = 0
    note: str = ""


@dataclass(frozen=True)
class ExtractionResult:
    """videos: what became of each, in the order of the films. failed: those that gave nothing, with error and hint.

    approved: crops of each class, by name; what `dinolabel train` calls the labels that were wanted.
    """

    videos: tuple[VideoStats, ...]
    approved: Mapping[str, int]
    failed: tuple[Mapping[str, str], ...] = ()
    rows: int = 0
    rules: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ExtractionConfig:
    """What stays the same from video to video. at_once: frames per call of detect. now: ISO time that the rows carry."""

    films: VideoList
    detect: Detect
    rules: CropFilters
    policy: CropPolicy
    model_version: str
    now: str
    at_once: int = 4
    listener: Listener = ignore


def extract_crops(work: ExtractionConfig, out: Path) -> ExtractionResult:
    """Look at every film, keep what is worth it, write `out` whole; an earlier harvest there is replaced, what was dropped stays dropped.

    Writes crops/CLASS/NUMBER.png, manifest.jsonl and report.json. Films for testing come first, so that a copy of one of their crops is
    never learnt from. Raises ExportRefused when `out` holds other things, MediaError when no video gave anything.
    """
    remembered = exclude.previous_exclusions(out)
    with atomic_folder(out, name=FILMS) as folder:
        taken, tallies, failed = _all_films(work, folder)
        rows = _number_rows(work, folder, taken)
        rows, dropped = exclude.reapply_exclusions(remembered, rows, folder)
        for tally in tallies:
            tally.dropped = sum(row["video"] == tally.video for row in dropped)
            tally.kept = sum(row["video"] == tally.video for row in rows)
        counts = {label: sum(row["label"] == label for row in rows) for label in work.films.labels if label != UNKNOWN_LABEL}
        result = ExtractionResult(tuple(tallies), counts, tuple(failed), len(rows), asdict(work.rules))
        if not tallies:
            first = failed[0]
            raise MediaError(f"No video could be used. {first['video']}: {first['error']}", hint=first["hint"])
        exclude.write_rows(folder / MANIFEST, rows)
        (folder / SUMMARY).write_text(json.dumps(asdict(result), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    log.info("videos_harvested", videos=len(tallies), failed=len(failed), rows=result.rows)
    return result


def _all_films(work: ExtractionConfig, folder: Path) -> tuple[list[dict[str, Any]], list[VideoStats], list[dict[str, str]]]:
    """Rows without numbers, what became of each film, and those that failed; films for testing first."""
    rows, tallies, failed = [], {}, []
    seen: dict[str, list[int]] = {}
    files: dict[str, NamedVideo] = {}
    for film in sorted(work.films.videos, key=lambda each: each.split != "held_out"):
        shown = work.films.relative_path(film.path)
        try:
            video = open_video(film.path)
            twin = files.setdefault(video.sha256, film)
            if twin is not film:
                same = work.films.relative_path(twin.path)
                raise MediaError(f"It is the same file as {same}.", hint="Each video counts once: remove one of them.")
            tally = tallies[film.path] = VideoStats(shown, film.label, film.split, round(video.seconds, 2))
            rows += _film(work, film, video, folder, seen=seen.setdefault(film.label, []), tally=tally)
        except MediaError as error:
            log.warning("video_failed", video=shown, error=type(error).__name__, why=str(error))
            failed.append({"video": shown, "error": str(error), "hint": error.hint})
    return rows, [tallies[film.path] for film in work.films.videos if film.path in tallies], failed


def _film(
    work: ExtractionConfig, film: NamedVideo, video: Video, folder: Path, *, seen: list[int], tally: VideoStats
) -> list[dict[str, Any]]:
    """One film's crops, written under their own names for now; what is not kept is deleted again."""
    looks = list(_detect_frames(work, film, video, folder, tally))
    clear = drop_blurred(looks, work.rules)
    kept = drop_near_duplicates(clear, seen, work.rules)
    tally.blurred, tally.copies = len(looks) - len(clear), len(clear) - len(kept)
    chosen = [each.thing for each in kept]
    for each in looks:
        if each.thing not in chosen:
            (folder / each.thing["crop"]).unlink()
    return chosen


def _detect_frames(
    work: ExtractionConfig, film: NamedVideo, video: Video, folder: Path, tally: VideoStats
) -> Iterator[ScoredCrop[dict[str, Any]]]:
    """Every large enough box of the sampled frames, its crop on disk. A film that breaks off keeps what it gave."""
    if video.declared is not None and video.declared - video.seconds > TRUNCATED:
        tally.note = f"cut short: {video.seconds:.0f} of {video.declared:.0f} s are there"
    frames = _while_it_goes(sample_frames(video, work.rules.every), tally)
    while batch := list(islice(frames, work.at_once)):
        found = work.detect([image for _, image in batch])
        tally.frames += len(batch)
        tally.boxes += sum(map(len, found))
        for (seconds, image), detections in zip(batch, found, strict=True):
            for at, each in enumerate(detections if work.rules.per_frame == "all" else detections[:1]):
                if work.rules.large(each.box):
                    yield _crop(work, film, image, seconds, each, folder / f"{video.sha256[:16]}-{image.frame}-{at}.png")
                else:
                    tally.small += 1
        work.listener(Progress(tally.video, round(batch[-1][0]), round(video.seconds)))


def _while_it_goes(frames: Iterator[tuple[float, Image]], tally: VideoStats) -> Iterator[tuple[float, Image]]:
    """The frames up to where decoding fails. Raises MediaError when that is before the first."""
    try:
        yield from frames
    except MediaError as error:
        if not tally.frames:
            raise
        tally.note = str(error)


def _crop(
    work: ExtractionConfig, film: NamedVideo, image: Image, seconds: float, found: Detection, path: Path
) -> ScoredCrop[dict[str, Any]]:
    crop = cut(image.pixels, found.box, work.policy).pixels
    save(crop, path)
    clarity = sharpness(crop)
    row = _row(work, film, image, seconds, found) | {"crop": path.name, "sharpness": round(clarity, 1)}
    return ScoredCrop(row, clarity, perceptual_hash(crop))


def _row(work: ExtractionConfig, film: NamedVideo, image: Image, seconds: float, found: Detection) -> dict[str, Any]:
    """A row of dinolabel.exporters.formats.crops, with what only a video has: video, seconds, split, and the detector's score and
    phrase."""
    box = found.box.quantise()
    return {
        "format": FORMAT,
        "task": int(image.sha256[:12], 16),  # the same in every harvest of this file
        "annotation": 0,
        "region": f"{image.frame}-{'-'.join(f'{each:g}' for each in box.xyxy)}",
        "box": list(box.xyxy),
        "image": image.sha256,
        "frame": image.frame,
        "width": image.width,
        "height": image.height,
        "verdict": "approved",  # whoever named the video said who is on it
        "kind": "unknown" if film.label == UNKNOWN_LABEL else "named",
        "label": film.label,
        "who": None,
        "group": image.sha256,
        "split": film.split,
        "view": "detector",
        "at": work.now,
        "model_version": work.model_version,
        "policy": asdict(work.policy),
        "video": work.films.relative_path(film.path),
        "seconds": round(seconds, 3),
        "score": round(found.score, 4),
        "phrase": found.phrase,
    }


def _number_rows(work: ExtractionConfig, folder: Path, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """In the order people look at them, each with the number that `dinolabel exclude-crops` knows it by and its place under crops/."""
    places = folder_names(work.films.labels)
    order = {film.path: at for at, film in enumerate(work.films.videos)}
    shown = {work.films.relative_path(path): at for path, at in order.items()}
    numbered = []
    for number, row in enumerate(sorted(rows, key=lambda row: (shown[row["video"]], row["frame"], row["box"])), 1):
        place = UNKNOWN_LABEL if row["kind"] == "unknown" else f"crops/{places[row['label']]}"
        target = folder / place / f"{number:05}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / row["crop"]).rename(target)
        numbered.append({**row, "crop": target.relative_to(folder).as_posix(), "number": number})
    return numbered
