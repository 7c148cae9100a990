#!/usr/bin/env bash
# Guessed: COCO to YOLO is a division: 10.6, 10.6, 20.5, 20.5 of 100 x 100 is 0.2085, 0.2085, 0.205, 0.205
# Seen:    0.21, 0.21, 0.2, 0.2: corners are rounded to whole pixels on the way; and a box that begins left of the picture is taken where one that ends right of it is refused
# Versions: pybboxes==0.2.0 numpy==2.2.6; Python 3.11. Exits with 1 where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps pybboxes==0.2.0 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import pybboxes

box = pybboxes.convert_bbox((10.6, 10.6, 20.5, 20.5), from_type="coco", to_type="yolo", image_size=(100, 100))
print("yolo", box)
assert box == (0.21, 0.21, 0.2, 0.2), box
back = pybboxes.convert_bbox(pybboxes.convert_bbox((33.4, 0, 66.6, 9), "voc", "yolo", image_size=(100, 100)), "yolo", "voc", image_size=(100, 100))
print("voc and back", back)
assert back == (33, 0, 67, 9), back
left = pybboxes.convert_bbox((-1, 0, 50, 50), from_type="voc", to_type="yolo", image_size=(100, 100))
print("one pixel outside on the left", left)
assert left == (0.245, 0.25, 0.51, 0.5), left
try:
    pybboxes.convert_bbox((0, 0, 101, 100), from_type="voc", to_type="yolo", image_size=(100, 100))
except ValueError as error:
    print("one pixel outside on the right:", error)
else:
    raise SystemExit("taken")
PY
