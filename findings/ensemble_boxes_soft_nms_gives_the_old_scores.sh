#!/usr/bin/env bash
# Guessed: soft suppression lowers the score of the second of two equal boxes: exp(-IoU²/sigma) of 0.7, 0.09 at sigma 0.5
# Seen:    0.7 comes back as 0.7; the lowered score only decides, unseen, which boxes stay. With the default bound of 0.001 nothing changes at all
# Versions: ensemble-boxes==1.0.9 numpy==2.2.6 numba==0.62.1 pandas==2.3.3; Python 3.11. Exits with 1 where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps ensemble-boxes==1.0.9 numpy==2.2.6 numba==0.62.1 pandas==2.3.3
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scipy llvmlite==0.45.1 python-dateutil pytz tzdata six
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
from ensemble_boxes import soft_nms

box = [0.1, 0.1, 0.5, 0.5]
for bound in (0.001, 0.05):
    _, scores, _ = soft_nms([[box, box]], [[0.9, 0.7]], [[0, 0]], method=2, sigma=0.5, thresh=bound)
    print(f"thresh={bound}: scores {scores.tolist()}")
    assert scores.tolist() == [0.9, 0.7], scores
_, scores, _ = soft_nms([[box, box]], [[0.9, 0.7]], [[0, 0]], method=2, sigma=0.5, thresh=0.2)
print(f"thresh=0.2: scores {scores.tolist()}")
assert scores.tolist() == [0.9], scores
PY
