#!/usr/bin/env bash
# Guessed: a turned box leaves as its upright hull in each format; a box with two names leaves twice, or is refused
# Seen:    turned by 45 degrees: COCO has the hull, YOLO and VOC the unturned rectangle, beside the object; of two names COCO and VOC keep the first, YOLO writes both; a picture with nothing on it has no width and no height in COCO, and no file in VOC
# Versions: label-studio-sdk==2.1.2; Python 3.11. Exits with 1 where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check  label-studio-sdk==2.1.2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==12.3.0
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import glob
import json

from label_studio_sdk.converter import Converter
from PIL import Image

config = '<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image"><Label value="tom"/><Label value="felix"/></RectangleLabels></View>'


def task(number, *regions):
    Image.new("RGB", (100, 100)).save(f"{number}.jpg")
    result = [
        {"id": f"r{number}", "type": "rectanglelabels", "from_name": "label", "to_name": "image", "value": each, "original_width": 100, "original_height": 100}
        for each in regions
    ]
    annotation = {"id": number, "completed_by": {"id": 1, "email": "x"}, "result": result, "was_cancelled": False}
    return {"id": number, "data": {"image": f"{number}.jpg"}, "annotations": [annotation], "predictions": []}


def box(turn, *names):
    return {"x": 40, "y": 40, "width": 20, "height": 20, "rotation": turn, "rectanglelabels": list(names)}


json.dump([task(1, box(45, "tom")), task(2, box(0, "tom", "felix")), task(3)], open("tasks.json", "w"))
converter = Converter(config, ".", upload_dir=".", download_resources=False)
converter.convert_to_coco("tasks.json", "coco", is_dir=False)
converter.convert_to_yolo("tasks.json", "yolo", is_dir=False)
converter.convert_to_voc("tasks.json", "voc", is_dir=False)
coco = json.load(open("coco/result.json"))
labels = sorted(open(each).read() for each in glob.glob("yolo/labels/*.txt"))
voc = sorted(open(each).read() for each in glob.glob("voc/Annotations/*.xml"))
print("COCO", coco["images"], [[round(side, 1) for side in each["bbox"]] for each in coco["annotations"]])
print("YOLO", labels, "VOC files", len(voc))
assert [[round(side, 1) for side in each["bbox"]] for each in coco["annotations"]] == [[25.9, 40.0, 28.3, 28.3], [40.0, 40.0, 20.0, 20.0]]
assert labels == ["", "1 0.5 0.5 0.2 0.2\n", "1 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2\n"], labels
assert coco["images"][2]["width"] is None and coco["images"][2]["height"] is None
assert len(voc) == 2 and all("<xmin>40</xmin>" in each and "<xmax>60</xmax>" in each and each.count("<object>") == 1 for each in voc)
PY
