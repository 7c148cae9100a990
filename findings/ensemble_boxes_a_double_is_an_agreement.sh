#!/usr/bin/env bash
# Guessed: of two detectors one finds the object: 0.9 becomes 0.45, however often that one drew it
# Seen:    drawn twice by the one detector it keeps 0.9, as if both had found it: boxes are counted, not detectors
# Versions: ensemble-boxes==1.0.9 numpy==2.2.6 numba==0.62.1 pandas==2.3.3; Python 3.11. Exits with 1 where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps ensemble-boxes==1.0.9 numpy==2.2.6 numba==0.62.1 pandas==2.3.3
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scipy llvmlite==0.45.1 python-dateutil pytz tzdata six
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
from ensemble_boxes import weighted_boxes_fusion

box = [0.1, 0.1, 0.5, 0.5]
_, once, _ = weighted_boxes_fusion([[box], []], [[0.9], []], [[3], []], iou_thr=0.5)
_, twice, _ = weighted_boxes_fusion([[box, box], []], [[0.9, 0.9], []], [[3, 3], []], iou_thr=0.5)
_, both, _ = weighted_boxes_fusion([[box], [box]], [[0.9], [0.9]], [[3], [3]], iou_thr=0.5)
print("found by one of two:", once.round(3), "twice by one of two:", twice.round(3), "by both:", both.round(3))
assert once.round(3).tolist() == [0.45] and twice.round(3).tolist() == both.round(3).tolist() == [0.9]
PY
