#!/usr/bin/env bash
# Guessed: sets at 95 % need n with ceil(0.95 (n + 1)) <= n: 19 rows do; and the kind of score that is allowed follows from the classifier's labels
# Seen:    19 rows are refused, 20 taken; and where the calibration rows happen to hold two of three labels, 'aps' is refused as if the classifier were binary
# Versions: mapie==1.6.0 scikit-learn==1.9.1 numpy==2.2.6; Python 3.11. Exits with 1 where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check  mapie==1.6.0 scikit-learn==1.9.1 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import numpy
from mapie.classification import SplitConformalClassifier
from sklearn.linear_model import LogisticRegression

rows = numpy.random.default_rng(0).normal(size=(300, 5))
labels = (rows[:, 0] > 0).astype(int) + (rows[:, 1] > 0)
classifier = LogisticRegression().fit(rows[:200], labels[:200])


def calibrate(which, score):
    conformal = SplitConformalClassifier(estimator=classifier, confidence_level=0.95, prefit=True, conformity_score=score)
    conformal.conformalize(rows[which], labels[which])
    try:
        return conformal.predict_set(rows[290:])[1].shape[1]
    except ValueError as error:
        return str(error).splitlines()[0]


last = numpy.arange(200, 290)
print("19 rows:", calibrate(last[:19], "lac"), "| 20 rows, labels in a set:", calibrate(last[:20], "lac"))
assert "too low" in calibrate(last[:19], "lac") and calibrate(last[:20], "lac") == 3
two = last[labels[last] < 2][:30]
try:
    print(calibrate(two, "aps"))
except ValueError as error:
    print("30 rows without the third label:", error)
    assert "binary" in str(error)
else:
    raise SystemExit("taken")
PY
