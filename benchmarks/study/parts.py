"""The study in parts that are kept as they are done, so that one that was stopped goes on where it was.

A part counts as long as our code and what was asked for are the same.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "study" / "parts"
CODE = ("training/*.py", "dinolabel/vision/*.py", "dinolabel/vision/heads/*.py", "benchmarks/study/*.py", "tests/blobs.py")


class Parts:
    """asked: what decides every figure besides the code, as plain values. folder: where parts are kept."""

    def __init__(self, *asked: object, folder: Path = CACHE) -> None:
        whole = hashlib.sha256(json.dumps(asked).encode())
        for path in sorted(each for pattern in CODE for each in ROOT.glob(pattern)):
            whole.update(path.read_bytes())
        self._folder = folder / whole.hexdigest()[:16]
        self._folder.mkdir(parents=True, exist_ok=True)
        self.seconds = 0.0  # that all parts took, those done earlier too

    def done(self, name: str, work: Callable[[], Any]) -> Any:
        """What work gives (JSON), from the last time where there was one. Says on stderr what it is at."""
        path = self._folder / f"{name.replace(' ', '-').replace(',', '')}.json"
        if path.is_file():
            told = json.loads(path.read_text(encoding="utf-8"))
            _say(f"{name}: kept from before")
        else:
            _say(f"{name} …")
            started = time.monotonic()
            result = work()
            told = {"seconds": round(time.monotonic() - started, 1), "result": result}
            half = path.with_suffix(".part")
            half.write_text(json.dumps(told), encoding="utf-8")
            half.replace(path)
            _say(f"{name}: {told['seconds']:.0f} s")
        self.seconds += told["seconds"]
        return told["result"]


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
    sys.stderr.flush()
