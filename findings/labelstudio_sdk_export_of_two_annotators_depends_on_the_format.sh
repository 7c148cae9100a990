#!/usr/bin/env bash
# Guessed: a picture that two people annotated leaves in each format with the boxes of both, or of the first
# Seen:    COCO has the picture twice, under two ids and one file name; YOLO and VOC keep the last one's file only: the first person's box is gone
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

Image.new("RGB", (100, 80)).save("a.jpg")
config = '<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image"><Label value="tom"/><Label value="felix"/></RectangleLabels></View>'


def annotation(number, name):
    value = {"x": 10, "y": 10, "width": 20, "height": 25, "rotation": 0, "rectanglelabels": [name]}
    region = {"id": f"r{number}", "type": "rectanglelabels", "from_name": "label", "to_name": "image", "value": value}
    return {"id": number, "completed_by": {"id": number, "email": "x"}, "result": [{**region, "original_width": 100, "original_height": 80}], "was_cancelled": False}


json.dump([{"id": 1, "data": {"image": "a.jpg"}, "annotations": [annotation(1, "tom"), annotation(2, "felix")], "predictions": []}], open("tasks.json", "w"))
converter = Converter(config, ".", upload_dir=".", download_resources=False)
converter.convert_to_coco("tasks.json", "coco", is_dir=False)
converter.convert_to_yolo("tasks.json", "yolo", is_dir=False)
converter.convert_to_voc("tasks.json", "voc", is_dir=False)
coco = json.load(open("coco/result.json"))
yolo = [open(each).read().split() for each in glob.glob("yolo/labels/*.txt")]
voc = [open(each).read() for each in glob.glob("voc/Annotations/*.xml")]
print("COCO", coco["images"], [(each["image_id"], each["category_id"]) for each in coco["annotations"]])
print("YOLO", yolo, open("yolo/classes.txt").read().split(), "VOC", len(voc), "felix" in voc[0], "tom" in voc[0])
assert len(coco["images"]) == 2 and len({each["file_name"] for each in coco["images"]}) == 1
assert yolo == [["0", "0.2", "0.225", "0.2", "0.25"]] and open("yolo/classes.txt").read().split() == ["felix", "tom"]
assert len(voc) == 1 and "<name>felix</name>" in voc[0] and "<name>tom</name>" not in voc[0]
PY
