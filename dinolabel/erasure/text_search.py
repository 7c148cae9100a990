"""Whether a text, a file or a piece of JSON mentions a name, and the same without it."""

from __future__ import annotations

import codecs
import json
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dinolabel.exporters.safe_names import safe

BLOCK = 1 << 20
LONGEST = 4096  # characters that two blocks share, so that no name is cut in two


class Mention:
    """names: what the person was ever called here. A name counts as a word of its own, in this very case: `jason`, not `Jasons`.

    However its accents are stored: composed, as keyboards type them, or apart, as macOS writes them into file names.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        forms = dict.fromkeys(form for name in self.names for form in (name, *_forms(name)))
        in_json = (json.dumps(form, ensure_ascii=plain)[1:-1] for form in forms for plain in (True, False))
        spelt = {*forms, *map(safe, self.names), *in_json}
        words = "|".join(re.escape(each) for each in sorted(spelt, key=len, reverse=True))
        self._pattern = re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_])")
        self._bytes = sorted({form.encode("utf-8", "surrogatepass") for form in forms if len(form) >= 4})

    def within(self, text: str) -> bool:
        return self._pattern.search(text if text.isascii() else unicodedata.normalize("NFC", text)) is not None

    def inside(self, path: Path) -> bool:
        """Whether a file's name holds a name, or its text; what is no UTF-8 has none (pixels spell anything sooner or later)."""
        if self.within(path.name):
            return True
        decoder, tail, found = codecs.getincrementaldecoder("utf-8")(), "", False
        try:
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    text = tail + decoder.decode(block)
                    found = found or self.within(text)
                    tail = text[-LONGEST:]
                decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
        return found

    def in_database(self, path: Path) -> bool:
        """Whether the bytes of a SQLite file, free pages included, hold a name of four letters or more."""
        tail = b""
        with path.open("rb") as file:
            while block := file.read(1 << 24):
                if any(each in tail + block for each in self._bytes):
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


def _forms(name: str) -> tuple[str, str]:
    return unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)
