"""Students ready to detect: loaded when a picture is asked about, and kept."""

from __future__ import annotations

import threading
from collections import OrderedDict

from dinolabel.vision import plugins
from dinolabel.vision.protocols import Detector
from dinolabel.vision.students.student import Student

PLUG = "student"
KEPT = 4  # loaded at once: each project shows one and, during a switch, makes ready another
PRECISION = "float32"  # whatever the settings say: a student is small, and its threshold was chosen so


class StudentCache:
    """The students that were asked last, so that each is loaded once. Safe for several threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Detector] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, student: Student, device: str) -> Detector:
        """Raises ModelError when its folder is gone or damaged."""
        key = (student.digest, device)
        with self._lock:
            if key not in self._known:
                self._known[key] = plugins.load_detector(PLUG, str(student.folder), device=device, precision=PRECISION)
            self._known.move_to_end(key)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
            return self._known[key]
