"""Remakes both embedded models, the demo's scenes, the vocabulary, the figures and the card.   python -m recipes.nano

Each step resumes from its last checkpoint in .cache/nano; delete that folder
to start from nothing.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from dinolabel.vision.loading.weights import NANO_FOLDER
from recipes.nano import train_backbone, train_detector, train_embedder
from recipes.nano.art import TRAIN_VENDORS, load_sprites
from recipes.nano.card import write_card
from recipes.nano.demo_scenes import make_demo
from recipes.nano.evaluate import as_text, evaluate
from recipes.nano.parallel import launch
from recipes.nano.settle import settle
from recipes.nano.training import run
from recipes.nano.vocabulary import write_vocabulary

log = logging.getLogger(__name__)


def make_all(processes: int, folder: Path = NANO_FOLDER) -> None:
    """About the time that the model card states; fetches 20 MB of art on the first run."""
    load_sprites(TRAIN_VENDORS)
    launch(1, run, train_embedder.train, {})
    launch(processes, run, train_backbone.train, {})
    launch(processes, run, train_detector.train, {})
    train_detector.export(folder / "detector")
    settle(folder / "detector")
    train_embedder.export(folder / "embedder")
    write_vocabulary(folder / "vocabulary.json")
    make_demo(folder / "demo")
    figures = evaluate(folder)
    (folder / "figures.json").write_text(as_text(figures), encoding="utf-8")
    write_card(figures, folder / "README.md")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2, help="one thread each; as many as there are cores")
    make_all(parser.parse_args().processes)
