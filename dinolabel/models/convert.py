"""`dinolabel weights convert`: GroundingDINO's own `.pth` file, as groundingdino-py reads it, into a folder of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dinolabel.cli import console, words
from dinolabel.vision.errors import WeightsMissing
from dinolabel.vision.loading.weights import TOKENIZER

Source = Annotated[
    Path, typer.Argument(metavar="FILE.pth", help="groundingdino_swint_ogc.pth, groundingdino_swinb_cogcoor.pth, or your own.")
]
Out = Annotated[Path, typer.Argument(metavar="FOLDER", help="Is made; must not exist.")]
Tokenizer = Annotated[str, typer.Option(help="Hub id or folder with BERT's vocab.txt: the file itself has none.")]


def convert(source: Source, out: Out, tokenizer: Tokenizer = TOKENIZER) -> None:
    """Make a folder of weights from a .pth file of GroundingDINO's own repository; nothing in the file is run.

    Example: dinolabel weights convert groundingdino_swint_ogc.pth weights/swint
    """
    if not source.is_file():
        raise WeightsMissing(f"There is no file {source}.", hint="Give the .pth file's path.")
    size = words.size(source.stat().st_size)
    with console.step(f"Converting {source.name} ({size}; under a minute, as much disk again)") as came_out:
        from dinolabel.vision.originals.convert import convert as convert_file

        made = convert_file(source, out, tokenizer=tokenizer)
        came_out(f"Made {made}")
    console.out.print(console.soft(f"Use it: DINOLABEL_DETECTOR_WEIGHTS={out} or --weights {out}"))
