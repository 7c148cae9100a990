"""Whether a text, a file or a piece of JSON mentions a name, and the same without it. Knows strings only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from exporters.foldernames import safe


class Mention:
    """names: what the person was ever called here. A name counts as a word of its own, in this very case: `jason`, not `Jasons`."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        in_json = (json.dumps(name, ensure_ascii=plain)[1:-1] for name in self.names for plain in (True, False))
        spelt = {*self.names, *map(safe, self.names), *in_json}
        words = "|".join(re.escape(each) for each in sorted(spelt, key=len, reverse=True))
        self._pattern = re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_])")

    def within(self, text: str) -> bool:
        return self._pattern.search(text) is not None

    def inside(self, path: Path) -> bool:
        """Whether a file's name holds a name, or its text; what is no UTF-8 has none (pixels spell anything sooner or later)."""
        if self.within(path.name):
            return True
        try:
            return self.within(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            return False

    def in_database(self, path: Path) -> bool:
        """Whether the bytes of a SQLite file, free pages included, hold a name of four letters or more."""
        wanted = [name.encode() for name in self.names if len(name) >= 4]
        tail = b""
        with path.open("rb") as file:
            while block := file.read(1 << 24):
                if any(each in tail + block for each in wanted):
                    return True
                tail = block[-256:]
        return False

    def pruned(self, value: Any) -> Any:
        """JSON without the keys, items and sentences that hold a name; strings that do become empty."""
        if isinstance(value, dict):
            return {key: self.pruned(each) for key, each in value.items() if not self.within(key)}
        if isinstance(value, list):
            return [self.pruned(each) for each in value if not (isinstance(each, str) and self.within(each))]
        return "" if isinstance(value, str) and self.within(value) else value
