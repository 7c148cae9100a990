#!/usr/bin/env bash
# Guessed: reading a COCO file and writing it again keeps iscrowd, the pictures' ids and the annotations' ids
# Seen:    iscrowd 1 is written as 0, in the whole picture and in each slice, and pictures are numbered anew from 1: results by the old numbers belong to other pictures
# Versions: sahi==0.12.8; Python 3.11. Exits with 1 where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check  sahi==0.12.8
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import json

from PIL import Image
from sahi.slicing import slice_coco
from sahi.utils.coco import Coco

Image.new("RGB", (100, 80)).save("a.jpg")
box = {"bbox": [10, 10, 20, 20], "area": 400, "category_id": 5, "segmentation": []}
coco = {
    "images": [{"id": 7, "file_name": "a.jpg", "width": 100, "height": 80}],
    "categories": [{"id": 5, "name": "person"}],
    "annotations": [{"id": 11, "image_id": 7, "iscrowd": 1, **box}],
}
json.dump(coco, open("coco.json", "w"))
whole = Coco.from_coco_dict_or_path("coco.json").json
slices, _ = slice_coco("coco.json", image_dir=".", output_coco_annotation_file_name="s", output_dir="out", slice_height=80, slice_width=50)
print("whole", whole["images"], whole["annotations"])
print("slices", slices["annotations"])
assert [each["id"] for each in whole["images"]] == [1] and [each["iscrowd"] for each in whole["annotations"]] == [0]
assert {each["iscrowd"] for each in slices["annotations"]} == {0}
PY
