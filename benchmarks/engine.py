"""GroundingDINO's own forward against transformers': the same boxes, and what they cost.   python -m benchmarks.engine [--scenes N]

Prints a table and adds its rows, `{"what", "value", "goal", "holds"}`, to bench.json (--json FILE). Trained weights are `nano`, on the
demo's scenes and on N fresh ones (drawn art from npm the first time); full size is Swin-T and Swin-B at random weights. CPU seconds are
those of the whole process on one thread, both ways in turns in one process; the allocator is first left alone and then set as the product
sets it. Peaks are of a process each.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig

from dinolabel.vision.decoding.pictures import as_image
from dinolabel.vision.detectors.grounding_dino import build
from dinolabel.vision.detectors.grounding_dino.engines import by_transformers, largest_difference
from dinolabel.vision.detectors.grounding_dino.forward import TokenForward
from dinolabel.vision.loading.device import tune_allocator
from dinolabel.vision.loading.weights import NANO_FOLDER
from dinolabel.vision.proposals.candidates import apply_thresholds
from dinolabel.vision.types import Image, Prompt, Thresholds

SIZES = {
    "swin_t": SwinConfig(embed_dim=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], window_size=7, out_indices=[2, 3, 4]),
    "swin_b": SwinConfig(embed_dim=128, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32], window_size=12, out_indices=[2, 3, 4]),
}
PRECISION = (  # size of the network, height and width of the pixels, tokens of the prompt
    ("swin_t", (480, 640), 12), ("swin_t", (800, 1066), 12), ("swin_t", (1333, 400), 12), ("swin_t", (320, 1333), 12),
    ("swin_t", (192, 240), 1), ("swin_t", (192, 240), 64), ("swin_t", (192, 240), 256), ("swin_b", (480, 640), 12),
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[1]
WHOLE = (800, 1066)
TOKENS = 12
Row = dict[str, Any]


@cache
def model(size: str) -> Any:
    """At random weights, with fusion and sampling as strong as trained ones have them: as the class begins, they do next to nothing."""
    torch.manual_seed(0)
    made = GroundingDinoForObjectDetection(GroundingDinoConfig(backbone_config=SIZES[size])).eval()
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if name.endswith(("vision_param", "text_param")):
                weight.fill_(0.3)
            elif name.endswith(("sampling_offsets.weight", "attention_weights.weight")):
                weight.normal_(std=0.05)
            elif name.endswith("relative_position_bias_table"):
                weight.normal_(std=0.5)
    return made


def prompt_of(tokens: int) -> list[int]:
    """So many token ids, in phrases of three."""
    return [101, *[1012 if place % 4 == 3 else 2000 + place for place in range(max(0, tokens - 2))], 102][:tokens]


def pixels(size: tuple[int, int]) -> torch.Tensor:
    return torch.randn((3, *size), generator=torch.Generator().manual_seed(1))


def row(what: str, value: float, goal: str, *, holds: bool) -> Row:
    return {"what": what, "value": float(f"{value:.3g}"), "goal": goal, "holds": bool(holds)}


def full_size_precision() -> Iterator[Row]:
    """Encoder, logits before the choice of places, and decoder from the same choice."""
    for size, shape, tokens in PRECISION:
        whole = model(size)
        with torch.inference_mode():
            worst = largest_difference(whole, TokenForward(whole), pixels(shape), prompt_of(tokens))
        what = f"exact, largest difference, {size} {shape[0]}x{shape[1]}, {tokens} tokens"
        yield row(what, worst, "<= 1e-4", holds=worst <= 1e-4)


def trained_precision(images: Callable[[], Iterator[tuple[Image, Prompt]]], what: str) -> Iterator[Row]:
    """Sets of boxes after thresholds and suppression, matched."""
    theirs, ours = (build(str(NANO_FOLDER / "detector"), device="cpu", engine=each) for each in ("transformers", "exact"))
    first, prompt = next(images())
    ours.candidates([first], prompt)
    ours.settle()
    seen, other, overlap, apart = 0, 0, 1.0, 0.0
    for image, prompt in images():
        some, found = (
            apply_thresholds(each.candidates([image], prompt)[0], Thresholds(), width=image.width, height=image.height)
            for each in (theirs, ours)
        )
        seen, other = seen + len(some), other + (len(some) != len(found))
        for each in some:
            twin = max(found, key=lambda it, box=each.box: it.box.iou(box), default=None)  # type: ignore[misc]
            overlap = min(overlap, twin.box.iou(each.box) if twin else 0.0)
            apart = max(apart, abs(twin.score - each.score) if twin else 1.0)
    yield row(f"exact, least IoU of {seen} boxes, nano, {what}", overlap, ">= 0.9995", holds=overlap >= 0.9995)
    yield row(f"exact, largest score difference, nano, {what}", apart, "<= 1e-4", holds=apart <= 1e-4)
    yield row(f"exact, pictures with another count, nano, {what}", other, "0", holds=other == 0)


def demo_scenes() -> Iterator[tuple[Image, Prompt]]:
    nouns = list(json.loads((NANO_FOLDER / "vocabulary.json").read_text(encoding="utf-8")))
    for number, path in enumerate(sorted((NANO_FOLDER / "demo").glob("*.jpg"))):
        yield as_image(path), Prompt.of(["cat face", *nouns[number % len(nouns) :][:3]])


def fresh_scenes(count: int) -> Iterator[tuple[Image, Prompt]]:
    from recipes.nano.art import load_sprites
    from recipes.nano.evaluate import scenes_for
    from recipes.nano.scenes import Cast
    from recipes.nano.vocabulary import load_nouns

    cast = Cast(load_sprites(), load_nouns())
    for noun, scene in scenes_for(cast, -(-count // len(cast.nouns)), seed=7_000_000)[:count]:
        yield Image.from_array(scene.pixels), Prompt.of([noun, *cast.nouns[:3]])


def cost(way: str, whole: Any, own: TokenForward, given: torch.Tensor) -> tuple[float, float]:
    """CPU seconds and wall seconds of one picture."""
    before, begun = time.process_time(), time.perf_counter()
    with torch.inference_mode():
        if way == "exact":
            own(given, prompt_of(TOKENS))
        else:
            by_transformers(whole, given, torch.ones((1, *given.shape[2:]), dtype=torch.long), prompt_of(TOKENS))
    return time.process_time() - before, time.perf_counter() - begun


def measure(ways: list[str], rounds: int, *, tuned: bool) -> dict[str, Any]:
    """In this process: the ways in turns. Medians, without the first round where there are more."""
    torch.set_num_threads(1)
    if tuned:
        tune_allocator()
    whole = model("swin_t")
    own, given = TokenForward(whole), pixels(WHOLE)[None]
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            taken[way].append(cost(way, whole, own, given))
    kept = {way: list(zip(*(each[1:] or each), strict=True)) for way, each in taken.items()}
    medians = {way: [statistics.median(each) for each in pair] for way, pair in kept.items()}
    return {"seconds": medians, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}


def in_a_process(ways: str, rounds: int, *, tuned: bool) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.engine", "--measure", ways, "--rounds", str(rounds), *(["--tuned"] if tuned else [])]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def costs(rounds: int) -> Iterator[Row]:
    size = f"swin_t {WHOLE[0]}x{WHOLE[1]}, {TOKENS} tokens"
    for tuned, goal in ((False, 2.5), (True, 1.6)):
        seconds = in_a_process("transformers,exact", rounds, tuned=tuned)["seconds"]
        allocator = "our allocator" if tuned else "allocator as it is"
        for way, (cpu, wall) in seconds.items():
            yield row(f"{way}, CPU seconds, {size}, {allocator}", cpu, "-", holds=True)
            yield row(f"{way}, wall seconds, {size}, {allocator}", wall, "-", holds=True)
        times = seconds["transformers"][0] / seconds["exact"][0]
        yield row(f"exact against transformers, CPU seconds, times, {size}, {allocator}", times, f">= {goal}", holds=times >= goal)
    theirs, ours = (in_a_process(way, 1, tuned=True)["peak"] for way in ("transformers", "exact"))
    yield row(f"transformers, peak GB, {size}", theirs, "-", holds=True)
    yield row(f"exact, peak GB, {size}", ours, "<= transformers", holds=ours <= theirs)


def add(path: Path, rows: list[Row]) -> None:
    """Into the file's list, in place of what it says of the same."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    named = {each["what"] for each in rows}
    path.write_text(json.dumps([*(each for each in kept if each["what"] not in named), *rows], indent=1) + "\n", encoding="utf-8")


def main() -> None:
    wishes = argparse.ArgumentParser(prog="benchmarks.engine")
    wishes.add_argument("--json", type=Path, default=Path("bench.json"))
    wishes.add_argument("--scenes", type=int, default=600)
    wishes.add_argument("--parts", nargs="+", choices=["demo", "fresh", "full", "costs"], help="all without")
    wishes.add_argument("--rounds", type=int, default=3)
    wishes.add_argument("--measure", help=argparse.SUPPRESS)
    wishes.add_argument("--tuned", action="store_true", help=argparse.SUPPRESS)
    wish = wishes.parse_args()
    if wish.measure:
        sys.stdout.write(json.dumps(measure(wish.measure.split(","), wish.rounds, tuned=wish.tuned)) + "\n")
        return
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "demo": lambda: trained_precision(demo_scenes, "the demo's 72 scenes"),
        "fresh": lambda: trained_precision(lambda: fresh_scenes(wish.scenes), f"{wish.scenes} fresh scenes"),
        "full": full_size_precision,
        "costs": lambda: costs(wish.rounds),
    }
    for name in wish.parts or parts:
        rows = []
        for each in parts[name]():
            rows.append(each)
            sys.stdout.write(f"{'holds' if each['holds'] else 'FAILS':6}{each['what']:100} {each['value']:>10}   goal {each['goal']}\n")
            sys.stdout.flush()
        add(wish.json, rows)


if __name__ == "__main__":
    main()
