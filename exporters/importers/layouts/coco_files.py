"""Which JSON files of a folder are COCO's detection files: they list pictures, categories and annotations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dinolabel.exporters.importers.common.reading import ImportLog
from dinolabel.exporters.importers.common.records import ImportUnreadable, label_of, read_json
from dinolabel.exporters.importers.layouts.coco_annotations import id_text
from dinolabel.exporters.importers.layouts.structured_files import holds

Json = Mapping[str, Any]
LOOKED_AT = 200
"""Files that are looked into to tell what a folder is."""
HINT = "Name the JSON file, or the folder that holds annotations/."


@dataclass(frozen=True)
class CocoFile:
    """labels: by category id as text, since some tools write ids as text in one place only. upright: pictures are known to be shown so."""

    path: Path
    images: list[Any]
    annotations: list[Any]
    labels: dict[str, str | None]
    ours: bool
    upright: bool
    keypoints: bool

    def pictures(self) -> Iterator[tuple[Any, list[Json]]]:
        """Each image with its annotations."""
        by_image: dict[str, list[Json]] = {}
        for each in self.annotations:
            if isinstance(each, Mapping):
                by_image.setdefault(id_text(each.get("image_id")), []).append(each)
        for image in self.images:
            yield image, by_image.get(image_id(image), []) if isinstance(image, Mapping) else []

    @cached_property
    def strays(self) -> int:
        """Annotations of no picture that the file lists."""
        known = {image_id(each) for each in self.images if isinstance(each, Mapping)}
        return sum(not isinstance(each, Mapping) or id_text(each.get("image_id")) not in known for each in self.annotations)

    @cached_property
    def doubled(self) -> set[str]:
        """Ids that several pictures have."""
        pictures = {(image_id(each), str(each.get("file_name"))) for each in self.images if isinstance(each, Mapping)}
        return {key for key, count in Counter(key for key, _ in pictures).items() if count > 1}


def image_id(image: Json) -> str:
    """Of an entry of `images`, to be compared with what an annotation says."""
    return id_text(image.get("id"))


def detection_files(path: Path, reading: ImportLog) -> list[CocoFile]:
    """Of a folder, or the file itself. Others that look like COCO are noted. Raises ImportUnreadable when none is left."""
    if not path.exists():
        raise ImportUnreadable(f"There is no file or folder {path}.")
    found, others = _sort_files([path] if path.is_file() else _candidates(path), alone=path.is_file())
    whole = [each for each in found if not each.keypoints]
    if any(each.annotations for each in whole):
        others |= {each.path: "key points of boxes that lie in another file" for each in found if each.keypoints}
        found = whole
    if not found:
        if not others:
            raise ImportUnreadable(f"There is no COCO file in {path}.", hint=HINT)
        first = "; ".join(f"{file.name}: {why}" for file, why in list(others.items())[:3])
        raise ImportUnreadable(f"{path} is no COCO detection file: {first}.", hint=HINT)
    for file, why in others.items():
        reading.note(f"{file.name} is left out: {why}")
    if not any(each.annotations or each.ours for each in found):
        count = sum(len(each.images) for each in found)
        raise ImportUnreadable(
            f"{found[0].path} lists {count} pictures and not one annotation, so nobody can tell whether anybody looked at them.",
            hint="Export again when the pictures are annotated, and with the annotations.",
        )
    return found


def coco_like_files(path: Path) -> Iterator[Path]:
    """The file, or those of a folder's first ones, that hold images, annotations and categories."""
    files = [path] if path.is_file() else _candidates(path)[:LOOKED_AT]
    yield from (each for each in files if each.suffix.lower() == ".json" and holds(each, "images", "annotations", "categories"))


def _candidates(folder: Path) -> list[Path]:
    """JSON in `annotations` where there is that folder, else anywhere; hidden files left out."""
    every = [each for each in sorted(folder.rglob("*.json")) if not any(part.startswith(".") for part in each.relative_to(folder).parts)]
    return [each for each in every if each.parent.name == "annotations"] or every


def _sort_files(files: list[Path], *, alone: bool) -> tuple[list[CocoFile], dict[Path, str]]:
    """Detection files, and why others that look like COCO are none. A file that is cut short ends it: what it held would be missing."""
    found: list[CocoFile] = []
    others: dict[Path, str] = {}
    for file in files:
        try:
            content = read_json(file)
        except ImportUnreadable:
            if alone or file.parent.name == "annotations" or _looks_like(file):
                raise
            continue
        whole = _detection(file, content)
        if isinstance(whole, CocoFile):
            found.append(whole)
        elif whole is not None or alone:
            others[file] = whole or "it is another kind of JSON"
    return found, others


def _looks_like(file: Path) -> bool:
    """Of a file that is cut short, or of no encoding that is read."""
    try:
        head = file.read_bytes().replace(b"\0", b"")
    except OSError:
        return False
    return b'"images"' in head or b'"annotations"' in head


def _detection(file: Path, content: Any) -> CocoFile | str | None:
    """The file, why it is none, or None for what is no COCO at all."""
    if isinstance(content, list):
        results = bool(content) and all(isinstance(each, Mapping) and "image_id" in each for each in content)
        return "it is a list of results, which names no pictures and no labels" if results else None
    if not isinstance(content, Mapping) or not isinstance(content.get("images"), list):
        return None
    annotations, categories = content.get("annotations"), content.get("categories")
    if not isinstance(annotations, list):
        return "it lists pictures without annotations"
    if not isinstance(categories, list) or not categories:
        said = any(isinstance(each, Mapping) and "caption" in each for each in annotations)
        return "it holds captions" if said else "it lists no categories"
    if any(isinstance(each, Mapping) and "segments_info" in each for each in annotations):
        return "it is panoptic: its segments lie in pictures"
    if not annotations and file.stem.startswith("image_info"):
        return "it lists pictures without annotations"
    return _of(file, content, categories, annotations)


def _of(file: Path, content: Json, categories: list[Any], annotations: list[Any]) -> CocoFile:
    named = [each for each in categories if isinstance(each, Mapping)]
    info = content.get("info") if isinstance(content.get("info"), Mapping) else {}
    assert isinstance(info, Mapping)
    ours = isinstance(info.get("dinolabel"), Mapping)
    studio = str(info.get("contributor") or "").strip().casefold() == "label studio"
    return CocoFile(
        file,
        content["images"],
        annotations,
        _labels(named),
        ours=ours,
        upright=ours or studio,
        keypoints=any(each.get("keypoints") for each in named),
    )


def _labels(categories: list[Json]) -> dict[str, str | None]:
    """By id. One that stands for two names is no label, and neither is one without a name."""
    found: dict[str, set[str | None]] = {}
    for each in categories:
        name = each.get("name")
        if each.get("id") is not None and isinstance(name, str | int) and not isinstance(name, bool):
            found.setdefault(id_text(each["id"]), set()).add(label_of(name))
    return {number: labels.pop() for number, labels in found.items() if len(labels) == 1}
