"""What is fuzzed: each reader of ours with good inputs of its own, which are made here and not kept."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL.Image

from benchmarks.fuzz.harness import Read, Target
from benchmarks.fuzz.mutations import mutate_bytes, mutate_json, mutate_lines

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures"
FORMS = (
    *(("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("WEBP", "RGB"), ("GIF", "P"), ("TIFF", "RGB"), ("BMP", "RGB")),
    *(("AVIF", "RGB"), ("HEIF", "RGB"), ("ICO", "RGBA"), ("PPM", "RGB")),
)
ADDRESSES = (
    *("http://h.example/a.jpg?x=1#y", "/data/upload/1/a b.jpg", "/data/local-files/?d=a%2Fb.jpg", "s3://b/k", "//x/y"),
    *("data:image/png;base64,iVBORw0KGgo=", "http://[::1]:80/a"),
)
TEXTS = (".json", ".xml", ".yaml", ".txt", ".csv", ".jsonl", ".xmp")
Made = tuple[Sequence[bytes], Read]
CONFIGS = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image" model_box_threshold="0.3">'
    '<Label value="face" predicted_values="human face, head"/><Label value="tom" formerly="thomas|t" hotkey="1"/></RectangleLabels></View>',
    '<View><Header value="x"/><RectangleLabels name="a" toName="i" model_skip="true"><Label value="b"/></RectangleLabels><Image name="i" '
    'value="$data.url"/><TextArea name="p" toName="i"/><Choices name="c" toName="i"><Choice value="y"/></Choices></View>',
    '<View><Labels name="l" toName="i"><Label value="ä &amp; b" background="#123456"/></Labels><Rectangle name="r" toName="i"/>'
    '<Image name="i" value="$image" valueList="$images"/></View>',
)


def _pictures(_folder: Path) -> Made:
    import pillow_heif

    from dinolabel.vision.decoding.pictures import image_of

    pillow_heif.register_heif_opener()
    drawn = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 32, 4), np.uint8))
    made = []
    for form, mode in FORMS:
        out = io.BytesIO()
        drawn.convert(mode).save(out, form)
        made.append(out.getvalue())
    return made, lambda data: image_of(data, "a picture").pixels


def _films(folder: Path) -> Made:
    from dinolabel.vision.decoding.video_frames import open_frame, open_video
    from tests.films import film

    folder.mkdir()
    frames = [np.full((48, 64, 3), 20 * each, np.uint8) for each in range(6)]
    for suffix in (".mp4", ".webm", ".avi", ".mkv"):
        film(folder / f"a{suffix}", frames)
    seeds = [path.read_bytes() for path in sorted(folder.iterdir())]

    def read(data: bytes) -> object:
        path = folder / "odd.mp4"
        path.write_bytes(data)
        open_video(path)
        return open_frame(path, 2).pixels

    return seeds, read


def label_configs(_folder: Path) -> Made:
    from dinolabel.studio.label_configs.label_config import LabelConfig

    return [each.encode() for each in CONFIGS], lambda data: LabelConfig.parse(data.decode("utf-8", "surrogateescape"))


def annotations(_folder: Path) -> Made:
    """Label Studio's tasks with annotations, as exports and trainings read them."""
    from dinolabel.studio.label_configs.label_config import LabelConfig
    from dinolabel.studio.reviews.decisions import review_task
    from dinolabel.studio.reviews.task_json import find_fault

    config = LabelConfig.parse(CONFIGS[0])
    seeds = [json.dumps(task).encode() for path in sorted(FIXTURES.glob("ls_export*.json")) for task in json.loads(path.read_text())]

    def read(data: bytes) -> object:
        task = _loads(data)
        return None if find_fault(task) else review_task(task, config)

    return seeds, read


def _loads(data: bytes) -> Any:
    """JSON as readers of files take it; what is none is theirs to refuse, and is tried there."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return {}


def requests(_folder: Path) -> Made:
    """Bodies of requests, of each kind."""
    from pydantic_core import from_json

    from dinolabel.backend import payloads
    from dinolabel.vision.errors import RequestError

    kinds = [payloads.PredictRequest, payloads.SetupRequest, payloads.WebhookEvent, payloads.DetectRequest, payloads.AdoptRequest]
    more = [{"prompt": "cat", "images": [{"base64": "aGk="}], "box_threshold": 0.3, "project": 1}, {"project": 1, "words": "a", "box": 0.3}]
    seeds = [path.read_bytes() for path in sorted(FIXTURES.glob("*request*.json")) + sorted(FIXTURES.glob("webhook*.json"))]

    def read(data: bytes) -> None:
        try:
            value = from_json(data, allow_inf_nan=False)
        except ValueError as error:
            raise RequestError("no JSON") from error
        for kind in kinds:
            try:
                payloads.parse(cast(Any, kind), value)
            except RequestError:
                continue

    return [*seeds, *(json.dumps(each).encode() for each in more)], read


def _manifest(folder: Path) -> Made:
    from dinolabel.training.data import manifest

    out = _made_by("crops", folder)
    return [(out / manifest.NAME).read_bytes()], _into(out / manifest.NAME, lambda: manifest.read(out))


def _bundle(name: str, folder: Path) -> Made:
    from dinolabel.vision.bundles.bundle import Bundle
    from tests.doubles.coloured_things import GREEN, RED, bundle

    bundle({"jason": RED, "lacy": GREEN}).save(folder)
    path = folder / name if name else next(folder.glob("*.safetensors"))
    return [path.read_bytes()], _into(path, lambda: Bundle.load(folder))


def _registry(folder: Path) -> Made:
    from dinolabel.backend.project_registry import ProjectRegistry

    registry = ProjectRegistry(folder / "projects.json")
    registry.add(1, weights=("nano", "nano"), title="Cats")
    return [registry.path.read_bytes()], _into(registry.path, lambda: registry.all())


def _tables(kind: str, folder: Path) -> Made:
    """Databases: a damaged one is set aside."""
    from dinolabel.backend.jobs.table import JobTable
    from dinolabel.vision.storage.cache import Cache

    folder.mkdir()
    path = folder / f"{kind}.sqlite"

    def read() -> None:
        if kind == "jobs":
            JobTable(path).all()
            return
        cache = Cache(path, max_mb=16)
        cache.get_detections("detections:x")
        cache.close()

    read()
    seed = path.read_bytes()

    def clean() -> None:
        for each in folder.iterdir():
            each.unlink()

    return [seed], _into(path, read, before=clean)


def _settings(folder: Path) -> Made:
    from dinolabel.settings import Settings

    names = [f"DINOLABEL_{each.upper()}" for each in Settings.model_fields]
    seeds = [f"DINOLABEL_{name}={value}\n".encode() for name, value in (
        ("PORT", "9090"), ("MEDIA_HOSTS", '["a.example"]'), ("STUDIO_URL", "http://x:8080"), ("MEDIA_NETWORKS", "10.0.0.0/8"),
        ("BOX_THRESHOLD", "0.3"), ("PROXY", "http://p:3128"), ("STUDIO_ALIASES", "http://a,http://b"), ("ENGINE", "auto"),
    )]  # fmt: skip

    def read(data: bytes) -> object:
        Path(".env").write_bytes(data)
        for name in names:
            os.environ.pop(name, None)
        try:
            return Settings.load()
        finally:
            Path(".env").unlink()

    return seeds, read


def _address(folder: Path) -> Made:
    """Addresses of pictures; no network is asked, for no host is named in the settings."""
    from dinolabel.studio.media.resolver import MediaResolver

    media = MediaResolver(None, cache_dir=folder)
    return [each.encode() for each in ADDRESSES], lambda data: media.resolve(data.decode("utf-8", "surrogateescape"), task=1)


def _importer(name: str, folder: Path) -> Made:
    """A data set that we exported, one of its text files changed."""
    from dinolabel.exporters import importers

    out = _made_by(name, folder) if name not in ("cvat", "labelme") else _drawn_by(name, folder)
    files = [each for each in out.rglob("*") if each.suffix in TEXTS and each.name != "dinolabel.report"]
    path = max(files, key=lambda one: _weight(name, one))

    def read() -> list[object]:
        return list(importers.load(name).read(out, out if name != "labelstudio" else folder / "pictures"))

    return [path.read_bytes()], _into(path, read)


def _weight(name: str, path: Path) -> tuple[bool, int]:
    """The file that says most."""
    main = {"yolo": "data.yaml", "crops": "manifest.jsonl", "csv": "boxes.csv"}.get(name)
    return path.name == main, path.stat().st_size


def _made_by(name: str, folder: Path) -> Path:
    from dinolabel.exporters import formats
    from dinolabel.exporters.options import ExportOptions
    from tests.doubles.annotated import mixed

    world = mixed(folder / "pictures")
    formats.load(name).export(world.tasks, world.config, folder / "out", open_image=world.open, find=world.find, wish=ExportOptions())
    return folder / "out"


def _drawn_by(name: str, folder: Path) -> Path:
    out = folder / "out"
    out.mkdir(parents=True)
    PIL.Image.new("RGB", (64, 48)).save(out / "a.png")
    if name == "labelme":
        shapes = [{"label": "tom", "points": [[1, 2], [30, 40]], "shape_type": "rectangle", "flags": {}, "group_id": None}]
        about = {"version": "5", "imagePath": "a.png", "imageData": None, "imageHeight": 48, "imageWidth": 64, "flags": {}}
        (out / "a.json").write_text(json.dumps({**about, "shapes": shapes}))
    else:
        box = '<box label="tom" xtl="1" ytl="2" xbr="30" ybr="40" occluded="0" rotation="10"><attribute name="a">b</attribute></box>'
        image = f'<image id="0" name="a.png" width="64" height="48">{box}</image>'
        (out / "annotations.xml").write_text(f"<annotations><version>1.1</version>{image}</annotations>")
    return out


def _into(path: Path, read: Callable[[], object], *, before: Callable[[], None] = lambda: None) -> Read:
    """Written over the good file, then read."""

    def reader(data: bytes) -> object:
        before()
        path.write_bytes(data)
        return read()

    return reader


def _exported_model(folder: Path) -> Made:
    from dinolabel.vision.bundles import exported_model
    from dinolabel.vision.types import Thresholds

    weights = folder / "weights"
    weights.mkdir(parents=True)
    (weights / "config.json").write_text("{}")
    package = exported_model.ExportedModel({"cat": "pet"}, Thresholds(), {"felix": "Felix"}, version="tiny.abc")
    exported_model.save(folder / "out", package, detector=weights, embedder=None, bundle=None, readme="x")
    shutil.rmtree(weights)
    path = folder / "out" / exported_model.CARD
    return [path.read_bytes()], _into(path, lambda: exported_model.read(folder / "out"))


TARGETS = (
    Target("pictures", _pictures, mutate_bytes, 2.0),
    Target("films", _films, mutate_bytes, 0.15),
    Target("label configs", label_configs, mutate_bytes, 3.0),
    Target("annotations of an export", annotations, mutate_json, 4.0),
    Target("bodies of requests", requests, mutate_json, 4.0),
    Target("manifests of crops", _manifest, mutate_lines, 2.0),
    Target("cards of heads", partial(_bundle, "bundle.json"), mutate_json, 1.5),
    Target("tensors of heads", partial(_bundle, ""), mutate_bytes, 1.0),
    Target("cards of exported models", _exported_model, mutate_json, 1.0),
    Target("registry of projects", _registry, mutate_json, 1.5),
    Target("table of jobs", partial(_tables, "jobs"), mutate_bytes, 0.3),
    Target("cache", partial(_tables, "cache"), mutate_bytes, 0.3),
    Target("settings", _settings, mutate_bytes, 2.0),
    Target("addresses of pictures", _address, mutate_bytes, 3.0),
    Target("import coco", partial(_importer, "coco"), mutate_json, 1.0),
    Target("import voc", partial(_importer, "voc"), mutate_bytes, 1.0),
    Target("import yolo", partial(_importer, "yolo"), mutate_bytes, 1.0),
    Target("import csv", partial(_importer, "csv"), mutate_bytes, 1.0),
    Target("import xmp", partial(_importer, "xmp"), mutate_bytes, 0.5),
    Target("import labelstudio", partial(_importer, "labelstudio"), mutate_json, 1.0),
    Target("import crops", partial(_importer, "crops"), mutate_lines, 0.5),
    Target("import cvat", partial(_importer, "cvat"), mutate_bytes, 1.0),
    Target("import labelme", partial(_importer, "labelme"), mutate_json, 1.0),
)
