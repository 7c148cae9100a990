"""The readers, in an environment without anything of ours: `python readers.py EXPORTS OUT.json`.

Each gives what it read as lists: of a picture its name, of a box the picture's name, label and corners in pixels; of crops the file's
name and the class. What a reader raises is written down as it said it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

Found = dict[str, list[list[Any]]]
READERS: list[tuple[str, str, Callable[[Path, Found], None]]] = []


def reader(form: str, peer: str) -> Callable[[Callable[[Path, Found], None]], Callable[[Path, Found], None]]:
    def keep(function: Callable[[Path, Found], None]) -> Callable[[Path, Found], None]:
        READERS.append((form, peer, function))
        return function

    return keep


def corners(x: float, y: float, width: float, height: float) -> list[float]:
    return [float(x), float(y), float(x) + float(width), float(y) + float(height)]


def sides(folder: Path) -> Iterator[Path]:
    yield from sorted(each for each in folder.iterdir() if each.is_dir())


def coco_files(root: Path) -> Iterator[tuple[Path, Path]]:
    """Index and folder of pictures of each side."""
    for index in sorted((root / "annotations").glob("instances_*.json")):
        yield index, root / "images" / index.stem.removeprefix("instances_")


def stub_torchvision() -> None:
    """The registry's torchvision asks for operators that the CPU build of torch lacks; no reader computes with them."""
    import importlib.util
    import re

    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None or "torchvision" in sys.modules:
        return
    text = (Path(spec.origin).parent / "_meta_registrations.py").read_text()
    stub_torchvision.library = torch.library.Library("torchvision", "DEF")  # type: ignore[attr-defined]
    for name in sorted({*re.findall(r'(?:register_meta\("|torchvision::)(\w+)', text)}):
        stub_torchvision.library.define(f"{name}(Tensor x) -> Tensor")  # type: ignore[attr-defined]


def _coco_api(make: Callable[[str], Any], root: Path, found: Found) -> None:
    for index, _ in coco_files(root):
        coco = make(str(index))
        names = {each["id"]: each["name"] for each in coco.loadCats(coco.getCatIds())}
        for image in coco.loadImgs(coco.getImgIds()):
            found["pictures"].append([image["file_name"]])
            for each in coco.loadAnns(coco.getAnnIds(image["id"])):
                found["boxes"].append([image["file_name"], names[each["category_id"]], *corners(*each["bbox"])])


@reader("coco", "pycocotools")
def coco_pycocotools(root: Path, found: Found) -> None:
    from pycocotools.coco import COCO

    _coco_api(COCO, root, found)


@reader("coco", "hotcoco")
def coco_hotcoco(root: Path, found: Found) -> None:
    import hotcoco

    for index, _ in coco_files(root):
        coco = hotcoco.COCO(str(index))
        names = {each["id"]: each["name"] for each in coco.load_cats(coco.get_cat_ids())}
        for image in coco.load_imgs(coco.get_img_ids()):
            found["pictures"].append([image["file_name"]])
            for each in coco.load_anns(coco.get_ann_ids(img_ids=[image["id"]])):
                found["boxes"].append([image["file_name"], names[each["category_id"]], *corners(*each["bbox"])])


def _supervision(dataset: Any, found: Found) -> None:
    for path, _, detections in dataset:
        found["pictures"].append([Path(path).name])
        for box, number in zip(detections.xyxy, detections.class_id, strict=True):
            found["boxes"].append([Path(path).name, dataset.classes[number], *map(float, box)])


@reader("coco", "supervision")
def coco_supervision(root: Path, found: Found) -> None:
    import supervision as sv

    for index, pictures in coco_files(root):
        _supervision(sv.DetectionDataset.from_coco(str(pictures), str(index)), found)


@reader("yolo", "supervision")
def yolo_supervision(root: Path, found: Found) -> None:
    import supervision as sv

    for side in sides(root / "images"):
        _supervision(sv.DetectionDataset.from_yolo(str(side), str(root / "labels" / side.name), str(root / "data.yaml")), found)


@reader("voc", "supervision")
def voc_supervision(root: Path, found: Found) -> None:
    import supervision as sv

    _supervision(sv.DetectionDataset.from_pascal_voc(str(root / "JPEGImages"), str(root / "Annotations")), found)


@reader("crops", "supervision")
def crops_supervision(root: Path, found: Found) -> None:
    import supervision as sv

    for side in sides(root / "crops"):
        dataset = sv.ClassificationDataset.from_folder_structure(str(side))
        for path, _, classes in dataset:
            found["crops"].append([Path(path).name, dataset.classes[int(classes.class_id[0])]])


def _datumaro(root: Path, form: str, found: Found, suffix: Callable[[Any], str]) -> None:
    import datumaro
    from datumaro.components.annotation import AnnotationType

    dataset = datumaro.Dataset.import_from(str(root), form)
    names = dataset.categories()[AnnotationType.label]
    for item in dataset:
        if item.subset == "trainval":
            continue  # VOC lists every picture there once more
        found["pictures"].append([suffix(item)])
        for each in item.annotations:
            label = names[each.label].name
            if form.startswith("imagenet"):
                found["crops"].append([suffix(item), label])
            elif each.type != AnnotationType.bbox:
                found["others"].append([suffix(item), label, str(each.type)])  # an outline: a rotated box
            else:
                found["boxes"].append([suffix(item), label, *corners(*each.get_bbox())])


@reader("coco", "datumaro")
def coco_datumaro(root: Path, found: Found) -> None:
    _datumaro(root, "coco", found, lambda item: Path(item.id).name)
    import datumaro

    with tempfile.TemporaryDirectory() as again:  # its own writer, on what it read: it took a missing score for a number
        datumaro.Dataset.import_from(str(root), "coco").export(again, "coco")


@reader("yolo", "datumaro")
def yolo_datumaro(root: Path, found: Found) -> None:
    _datumaro(root, "yolo", found, lambda item: Path(item.id).name)


@reader("voc", "datumaro")
def voc_datumaro(root: Path, found: Found) -> None:
    _datumaro(root, "voc", found, lambda item: Path(item.id).name)


@reader("crops", "datumaro")
def crops_datumaro(root: Path, found: Found) -> None:
    for side in sides(root / "crops"):
        _datumaro(side, "imagenet", found, lambda item: f"{Path(item.id).name.split(':')[-1]}.png")


@reader("coco", "torchvision")
def coco_torchvision(root: Path, found: Found) -> None:
    stub_torchvision()
    from torchvision.datasets import CocoDetection

    for index, pictures in coco_files(root):
        dataset = CocoDetection(str(pictures), str(index))
        names = {number: each["name"] for number, each in dataset.coco.cats.items()}
        for at, number in enumerate(dataset.ids):
            picture, marks = dataset[at]
            name = dataset.coco.imgs[number]["file_name"]
            found["pictures"].append([name, *picture.size])
            found["boxes"] += [[name, names[each["category_id"]], *corners(*each["bbox"])] for each in marks]


@reader("voc", "torchvision")
def voc_torchvision(root: Path, found: Found) -> None:
    stub_torchvision()
    from torchvision.datasets import VOCDetection

    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "VOCdevkit").mkdir()
        (Path(home) / "VOCdevkit/VOC2012").symlink_to(root.resolve())
        dataset = VOCDetection(home, image_set="trainval")
        for at in range(len(dataset)):
            _, target = dataset[at]
            said = target["annotation"]
            found["pictures"].append([said["filename"]])
            for each in said.get("object", []):
                box = [float(each["bndbox"][name]) for name in ("xmin", "ymin", "xmax", "ymax")]
                found["boxes"].append([said["filename"], each["name"], box[0] - 1, box[1] - 1, *box[2:]])


@reader("crops", "torchvision")
def crops_torchvision(root: Path, found: Found) -> None:
    stub_torchvision()
    from torchvision.datasets import ImageFolder

    for side in sides(root / "crops"):
        dataset = ImageFolder(str(side))
        found["crops"] += [[Path(path).name, dataset.classes[number]] for path, number in dataset.samples]


@contextlib.contextmanager
def copied(root: Path) -> Iterator[Path]:
    """ultralytics writes caches beside what it reads."""
    with tempfile.TemporaryDirectory() as home:
        yield Path(shutil.copytree(root, Path(home) / root.name))


@reader("yolo", "ultralytics")
def yolo_ultralytics(root: Path, found: Found) -> None:
    stub_torchvision()
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    with copied(root) as home:
        data = check_det_dataset(str(home / "data.yaml"), autodownload=False)
        for side in dict.fromkeys((data["train"], data["val"])):
            for each in YOLODataset(img_path=side, data=data, task="detect").labels:
                name, (height, width) = Path(each["im_file"]).name, each["shape"]
                found["pictures"].append([name, width, height])
                for number, (x, y, w, h) in zip(each["cls"][:, 0], each["bboxes"], strict=True):
                    box = [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height]
                    found["boxes"].append([name, data["names"][int(number)], *map(float, box)])


@reader("crops", "ultralytics")
def crops_ultralytics(root: Path, found: Found) -> None:
    stub_torchvision()
    from ultralytics.cfg import get_cfg
    from ultralytics.data.dataset import ClassificationDataset
    from ultralytics.data.utils import check_cls_dataset

    with copied(root / "crops") as home:
        data = check_cls_dataset(str(home))
        for side in dict.fromkeys((str(data["train"]), str(data["val"]))):
            dataset = ClassificationDataset(side, get_cfg(), names=data["names"])
            found["crops"] += [[Path(each[0]).name, data["names"][each[1]]] for each in dataset.samples]


@reader("yolo", "rfdetr")
def yolo_rfdetr(root: Path, found: Found) -> None:
    stub_torchvision()
    from rfdetr.datasets import detect_roboflow_format
    from rfdetr.datasets.yolo import YoloDetection

    if (form := detect_roboflow_format(root)) != "yolo":
        raise ValueError(f"taken for {form}")
    for side in sides(root / "images"):
        dataset = YoloDetection(str(side), str(root / "labels" / side.name), str(root / "data.yaml"))
        for at in range(len(dataset)):
            path, _, detections = dataset.sv_dataset[at]
            found["pictures"].append([Path(path).name])
            for box, number in zip(detections.xyxy, detections.class_id, strict=True):
                found["boxes"].append([Path(path).name, dataset.classes[number], *map(float, box)])


@reader("coco", "rfdetr")
def coco_rfdetr(root: Path, found: Found) -> None:
    stub_torchvision()
    from rfdetr.datasets import detect_roboflow_format
    from rfdetr.datasets.coco import CocoDetection

    with contextlib.suppress(ValueError):
        found["others"].append([detect_roboflow_format(root)])  # its own layout is another one: the reader is given ours by name
    for index, pictures in coco_files(root):
        dataset = CocoDetection(str(pictures), str(index), transforms=None)
        names = {number: each["name"] for number, each in dataset.coco.cats.items()}
        for at, number in enumerate(dataset.ids):
            _, target = dataset[at]
            name = dataset.coco.imgs[number]["file_name"]
            found["pictures"].append([name])
            for box, label in zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True):
                found["boxes"].append([name, names[label], *box])


@reader("coco", "roboflow")
def coco_roboflow(root: Path, found: Found) -> None:
    from roboflow.util.folderparser import parsefolder

    for image in parsefolder(str(root))["images"]:
        found["pictures"].append([image["name"]])
        said = json.loads(image["annotationfile"]["rawText"])
        names = {each["id"]: each["name"] for each in said["categories"]}
        marks = [each for each in said["annotations"] if each["id"] != 999999999]  # what it puts for "nothing here"
        found["boxes"] += [[image["name"], names[each["category_id"]], *corners(*each["bbox"])] for each in marks]


@reader("yolo", "roboflow")
def yolo_roboflow(root: Path, found: Found) -> None:
    import PIL.Image
    import yaml
    from roboflow.util.folderparser import parsefolder

    names = yaml.safe_load((root / "data.yaml").read_text(encoding="utf-8"))["names"]
    for image in parsefolder(str(root))["images"]:
        found["pictures"].append([image["name"]])
        width, height = PIL.Image.open(f"{root}{image['file']}").size
        for line in Path(f"{root}{image['annotationfile']['file']}").read_text().splitlines():
            number, x, y, w, h = map(float, line.split())
            box = corners((x - w / 2) * width, (y - h / 2) * height, w * width, h * height)
            found["boxes"].append([image["name"], names[int(number)], *box])


@reader("voc", "roboflow")
def voc_roboflow(root: Path, found: Found) -> None:
    from roboflow.util.folderparser import parsefolder

    for image in parsefolder(str(root))["images"]:
        found["pictures"].append([image["name"]])
        if "annotationfile" in image:
            found["others"].append([image["name"]])
    if not found["others"]:
        raise ValueError("it pairs an XML file with a picture beside it only: pictures without boxes")


@reader("crops", "roboflow")
def crops_roboflow(root: Path, found: Found) -> None:
    from roboflow.util.folderparser import parsefolder

    for image in parsefolder(str(root / "crops"), is_classification=True)["images"]:
        found["crops"].append([image["name"], (image.get("annotationfile") or {}).get("classification_label")])


@reader("crops", "datasets")
def crops_datasets(root: Path, found: Found) -> None:
    import datasets

    for rows in datasets.load_dataset(str(root / "crops"), cache_dir=tempfile.mkdtemp()).values():
        encoded = rows.class_encode_column("label")
        for row in encoded:
            found["crops"].append([f"{row['task']}-{row['region']}", encoded.features["label"].int2str(row["label"])])


@reader("hf", "datasets")
def hf_datasets(root: Path, found: Found) -> None:
    import datasets

    for rows in datasets.load_from_disk(str(root)).values():
        names = rows.features["objects"]["category"].feature
        for row in rows:
            found["pictures"].append([f"{row['image_id']}-", *row["image"].size])
            for box, number in zip(row["objects"]["bbox"], row["objects"]["category"], strict=True):
                found["boxes"].append([f"{row['image_id']}-", names.int2str(number), *corners(*box)])


@reader("hf", "transformers")
def hf_transformers(root: Path, found: Found) -> None:
    """The image processor of DETR, fed as its object detection example feeds it; boxes come back as shares of the picture."""
    stub_torchvision()
    import datasets
    import numpy as np
    from transformers import DetrImageProcessor

    processor = DetrImageProcessor(do_resize=False, do_pad=False)
    for rows in datasets.load_from_disk(str(root)).values():
        names = rows.features["objects"]["category"].feature.names
        for row in rows:
            objects, picture = row["objects"], row["image"].convert("RGB")
            marks = [
                {"image_id": row["image_id"], "category_id": category, "iscrowd": 0, "area": area, "bbox": list(box)}
                for category, area, box in zip(objects["category"], objects["area"], objects["bbox"], strict=True)
            ]
            given = {"image_id": row["image_id"], "annotations": marks}
            (read,) = processor(images=[np.array(picture)], annotations=[given], return_tensors="pt")["labels"]
            name, (width, height) = f"{int(read['image_id'])}-", picture.size
            found["pictures"].append([name])
            for (x, y, w, h), label in zip(read["boxes"].tolist(), read["class_labels"].tolist(), strict=True):
                found["boxes"].append([name, names[label], *corners((x - w / 2) * width, (y - h / 2) * height, w * width, h * height)])


@reader("parquet", "datasets")
def parquet_datasets(root: Path, found: Found) -> None:
    import datasets

    for rows in datasets.load_dataset(str(root), cache_dir=tempfile.mkdtemp()).values():
        for row in rows:
            found["pictures"].append([f"{row['task']}-", *row["image"].size])
            found["boxes"] += [[f"{row['task']}-", each["label"], *each["bbox"]] for each in row["objects"]]


@reader("parquet", "pandas")
def parquet_pandas(root: Path, found: Found) -> None:
    import pandas as pd

    for path in sorted((root / "data").glob("*.parquet")):
        for row in pd.read_parquet(path).itertuples():
            found["pictures"].append([f"{row.task}-"])
            found["boxes"] += [[f"{row.task}-", each["label"], *map(float, each["bbox"])] for each in row.objects]


@reader("csv", "pandas")
def csv_pandas(root: Path, found: Found) -> None:
    import pandas as pd

    numbers = dict.fromkeys(("x1", "y1", "x2", "y2", "score", "annotation"), "")
    texts = dict.fromkeys(("label", "given_label", "group", "annotator"), str)
    table = pd.read_csv(root / "boxes.csv", dtype=texts, keep_default_na=False, na_values=numbers)
    found["pictures"] += [[f"{task}-"] for task in sorted(set(table.task))]
    for row in table[(table.x2 - table.x1) > 0].itertuples():
        found["boxes"].append([f"{row.task}-", row.label, row.x1, row.y1, row.x2, row.y2])


def main(exports: Path, out: Path, readers: list[tuple[str, str, Callable[[Path, Found], None]]]) -> None:
    said = []
    for form, peer, read in readers:
        found: Found = {"pictures": [], "boxes": [], "crops": [], "others": []}
        entry: dict[str, Any] = {"format": form, "peer": peer}
        try:
            entry["version"] = version(peer)
            read(exports / form, found)
        except Exception as error:  # noqa: BLE001 (a stranger's program may raise anything, and what it said is the result)
            entry["error"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        said.append({**entry, **found})
        print(f"{peer} {form}: {entry.get('error', 'read')}", file=sys.stderr)
    out.write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp())
    main(Path(sys.argv[1]), Path(sys.argv[2]), READERS)
