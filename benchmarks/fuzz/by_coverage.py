"""`python -m benchmarks.fuzz.by_coverage NAME [libFuzzer's options]`: one parser under atheris, where that is on the path."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["dinolabel.studio", "dinolabel.backend.payloads"]):
    pass

from benchmarks.fuzz import targets
from dinolabel.vision.errors import DinolabelError

NAMES = {"label_config": targets.label_configs, "request": targets.requests, "annotations": targets.annotations}


def main() -> None:
    seeds, read = NAMES[sys.argv[1]](Path.cwd())
    corpus = Path.cwd() / "corpus"
    corpus.mkdir()
    for number, each in enumerate(seeds):
        (corpus / str(number)).write_bytes(each)

    def one(data: bytes) -> None:
        with suppress(DinolabelError):
            read(data)

    atheris.Setup([sys.argv[0], *sys.argv[2:], str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
