#!/usr/bin/env bash
# Guessed: its YOLO importer takes every picture of the folder 'images': IMG_1.JPG, as cameras write it, is one
# Seen:    IMG_1.JPG and its labels are left out without a word; the suffixes .jpg, .jpeg, .png are compared as they are spelt
# Versions: label-studio-sdk==2.1.2; Python 3.11. Exits with 1 where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check  label-studio-sdk==2.1.2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==12.3.0
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import json
import os

from label_studio_sdk.converter.imports.yolo import convert_yolo_to_ls
from PIL import Image

os.makedirs("images")
os.makedirs("labels")
open("classes.txt", "w").write("cat\n")
for name in ("IMG_1.JPG", "b.jpg"):
    Image.new("RGB", (100, 80)).save(f"images/{name}")
    open(f"labels/{name.split('.')[0]}.txt", "w").write("0 0.5 0.5 0.2 0.2\n")
convert_yolo_to_ls(".", "tasks.json")
tasks = [each["data"]["image"] for each in json.load(open("tasks.json"))]
print(tasks)
assert tasks == ["/data/local-files/?d=images/b.jpg"], tasks
PY
