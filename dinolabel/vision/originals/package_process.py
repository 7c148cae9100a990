"""groundingdino-py in a process of its own, beside the transformers 4 that it was pinned with; made ready in a folder of the user's cache.

What is installed there goes before our packages on that process's path: torch and numpy are ours, transformers, its tokenizers and the
package are not. Nothing is installed into our own environment, where transformers 5 serves everything else.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs
import structlog

from dinolabel.vision.errors import ModelError
from dinolabel.vision.originals import groundingdino_package as program
from dinolabel.vision.storage.atomic_folders import atomic_folder

log = structlog.get_logger(__name__)

PACKAGES = ("groundingdino-py==0.4.0", "transformers==4.49.0", "tokenizers==0.21.4", "huggingface-hub==0.30.2")
MEGABYTES = 116
PIP_SECONDS = 900


def environment() -> Path:
    """The folder with PACKAGES, installed without what they ask for: a download of 16 MB, once. Raises ModelError."""
    folder = platformdirs.user_cache_path("dinolabel") / PACKAGES[0].replace("==", "-")
    if folder.is_dir():
        return folder
    log.warning("installing", packages=PACKAGES, into=str(folder), megabytes=MEGABYTES)
    folder.parent.mkdir(parents=True, exist_ok=True)
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    with atomic_folder(folder) as half:
        done = _run([sys.executable, "-m", "pip", "install", *options, "--target", str(half), *PACKAGES])
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
            typed = f"pip install {' '.join(options[2:])} --target {folder} {' '.join(PACKAGES)}"
            raise ModelError(f"groundingdino-py is not here and cannot be installed: {said}", hint=f"Where there is a network: {typed}")
    return folder


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


class PackageProcess:
    """As `PackageModel` (dinolabel/vision/originals/groundingdino_package.py), one question at a time. Ends when its owner does."""

    def __init__(self, folder: Path, wish: Mapping[str, Any]) -> None:
        self._lock = threading.Lock()
        command = [sys.executable, "-P", program.__file__, str(folder), json.dumps(dict(wish))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._facts = self._read()
        self.room = int(self._facts["room"])

    def describe(self) -> dict[str, Any]:
        return self._facts

    def encode(self, text: str) -> list[int]:
        with self._lock:
            self._write({"encode": text})
            return list(self._read()["ids"])

    def answer(self, pixels: npt.NDArray[np.uint8], caption: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        with self._lock:
            self._write({"caption": caption, "size": pixels.shape[:2]}, np.ascontiguousarray(pixels).tobytes())
            queries, tokens = self._read()["shape"]
            return self._floats(queries, tokens), self._floats(queries, 4)

    def _floats(self, rows: int, columns: int) -> npt.NDArray[np.float32]:
        assert self._process.stdout is not None
        return np.frombuffer(self._process.stdout.read(4 * rows * columns), np.float32).reshape(rows, columns)

    def _write(self, message: Mapping[str, Any], data: bytes = b"") -> None:
        assert self._process.stdin is not None
        try:
            program.write_message(self._process.stdin, message, data)
        except OSError as error:
            raise self._ended() from error

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        message = program.read_message(self._process.stdout)
        if message is None:
            raise self._ended()
        if "error" in message:
            raise ModelError(f"groundingdino-py failed: {message['error']}", hint="Are weights and config of one model?")
        return message

    def _ended(self) -> ModelError:
        code = self._process.poll()
        return ModelError(f"The process of groundingdino-py has ended (exit code {code}).", hint="Start again; it may need more memory.")
