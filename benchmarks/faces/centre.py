"""`python -m benchmarks.faces.centre`: the middle of face descriptors that dinolabel/vision/embedders/faces/centre.py holds, made anew.

The mean over a hundred faces of a hundred people, 25 x 25 grey pixels each, that scikit-image 0.26.0's wheel brings for its tests.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image

from benchmarks.faces.portraits import SOURCES
from dinolabel.vision.loading import dlib_models

FACES = 100  # of the array's 200 pictures; the others show none
SIDE = 150


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="dinolabel-faces-") as folder:
        asked = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, "--only-binary", ":all:"]
        subprocess.run([*asked, SOURCES[1]], check=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            faces = np.load(io.BytesIO(wheel.read("skimage/data/lfw_subset.npy")))[:FACES]
    files, dlib = dlib_models.find_files("embedder"), dlib_models.import_library()
    network = dlib.face_recognition_model_v1(str(files[dlib_models.DESCRIPTOR]))
    mean = np.mean([network.compute_face_descriptor(chip(each)) for each in faces], axis=0)
    print(", ".join(f"{each:.4f}" for each in mean))


def chip(face: np.ndarray) -> np.ndarray:
    grey = PIL.Image.fromarray(np.uint8(np.clip(face * 255, 0, 255)))
    return np.asarray(grey.resize((SIDE, SIDE), PIL.Image.Resampling.BICUBIC).convert("RGB"))


if __name__ == "__main__":
    main()
