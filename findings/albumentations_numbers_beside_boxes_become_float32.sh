#!/usr/bin/env bash
# Guessed: label_fields carry what is put in: the ids 16777217 and 7 come back as they were
# Seen:    numbers come back as floats of 32 bits: 16777217 is 16777216.0, True is 1.0; and a transform that has seen numbers once makes 7.0 of the text '007' and refuses 'cat'
# Versions: albumentations==2.0.8 albucore==0.0.24; Python 3.11. Exits with 1 where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check  albumentations==2.0.8 albucore==0.0.24
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import albumentations
import numpy


def transform():
    return albumentations.Compose([albumentations.NoOp()], bbox_params=albumentations.BboxParams(format="pascal_voc", label_fields=["ids"]))


def carried(ids, apply=None):
    picture = numpy.zeros((100, 200, 3), numpy.uint8)
    return (apply or transform())(image=picture, bboxes=[[10, 10, 50, 50], [60, 60, 90, 90]], ids=ids)["ids"]


for ids in ([16777217, 7], [True, False], ["007", "12"], ["007", "cat"]):
    print(ids, "->", carried(ids))
assert carried([16777217, 7]) == [16777216.0, 7.0]
assert carried([True, False]) == [1.0, 0.0] and isinstance(carried([True, False])[0], float)
assert carried(["007", "cat"]) == ["007", "cat"]
one = transform()
carried([1, 2], one)
print("after numbers, the same transform:", carried(["007", "12"], one))
assert carried(["007", "12"], one) == [7.0, 12.0]
try:
    carried(["tom", "cat"], one)
except ValueError as error:
    print("after numbers, the same transform:", error)
else:
    raise SystemExit("taken")
PY
