#!/usr/bin/env bash
# Guessed: a box of 10 x 10 and its upper half overlap by 0.5; a label without any truth or detection is left out of the mean
# Seen:    they overlap by 0.545 (corners are counted as pixels, 11 x 11 and 11 x 6); a label without truth counts as 0 and halves the mean
# Versions: mean-average-precision==2024.1.5.0 numpy==1.26.4 pandas==2.3.3; Python 3.11. Exits with 1 where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check  mean-average-precision==2024.1.5.0 numpy==1.26.4 pandas==2.3.3
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import numpy
from mean_average_precision import MetricBuilder


def ap(found, truth, labels, iou):
    metric = MetricBuilder.build_evaluation_metric("map_2d", async_mode=False, num_classes=labels)
    metric.add(numpy.array(found, float), numpy.array(truth, float))
    return float(metric.value(iou_thresholds=iou)["mAP"])


half = [[0, 0, 10, 10, 0, 0.9]], [[0, 0, 10, 5, 0, 0, 0]]
print("IoU of a half counts as right at 0.51, 0.54, 0.55:", [ap(*half, 1, bound) for bound in (0.51, 0.54, 0.55)])
assert [ap(*half, 1, bound) for bound in (0.51, 0.54, 0.55)] == [1.0, 1.0, 0.0]
exact = [[10, 10, 50, 50, 0, 0.9]], [[10, 10, 50, 50, 0, 0, 0]]
print("all found, one label, then a second one without any truth:", ap(*exact, 1, 0.5), ap(*exact, 2, 0.5))
assert (ap(*exact, 1, 0.5), ap(*exact, 2, 0.5)) == (1.0, 0.5)
PY
