"""Fits a dense student; stopped at any moment, the next start goes on where the last checkpoint is.

AdamW, a warm-up, flat, then straight down; what is kept is the moving average of the weights.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForZeroShotObjectDetection

from dinolabel.training.distillation.batches import Batches
from dinolabel.training.distillation.dense_loss import Cells, Targets, loss
from dinolabel.training.distillation.examples import Example
from dinolabel.training.errors import TeacherUnsuitable
from dinolabel.vision.detectors.student import MODEL_TYPE
from dinolabel.vision.detectors.student.dense import KINDS, DenseStudent, take_eyes
from dinolabel.vision.loading import weights as files
from dinolabel.vision.loading.device import pick, quick_training
from dinolabel.vision.loading.transformers_loader import load
from dinolabel.vision.progress import Listener, Progress, ignore
from dinolabel.vision.storage.atomic_files import atomic_file
from dinolabel.vision.storage.json_text import parse_json
from dinolabel.vision.students.student import CONFIG, WEIGHTS_FILE

RATE, EYES, DECAY = 1e-3, 0.15, 0.01  # EYES: of the rate, for what comes from the teacher
WARM_UP = 15
FLAT = 0.4  # of the steps
CLIP = 5.0
AVERAGE = 0.98
STEPS, PICTURES, MOST_STEPS = 90, 108, 1500  # so many steps for so many pictures; with the root of more
EVERY = 15  # steps between checkpoints
STATE, TENSORS = "checkpoint.json", "checkpoint.safetensors"


@dataclass(frozen=True)
class FitOptions:
    """side: of the square, pixels. classes: how many. seconds: after which it is brought to an end early; None: never.
    steps: None: as many as the pictures need.
    """

    side: int
    classes: int
    seed: int
    seconds: float | None = None
    device: str = "auto"
    steps: int | None = None


@dataclass(frozen=True)
class FitCourse:
    """steps: done. loss: mean of the last tenth. cpu_seconds: of this process, all starts together."""

    steps: int
    loss: float
    cpu_seconds: float


def fit(
    examples: Sequence[Example], teacher: Path, options: FitOptions, out: Path, *, stage: str, listener: Listener = ignore
) -> FitCourse:
    """Write config.json and model.safetensors into `out`. teacher: folder of its weights. Same seed and machine: the same weights.

    Raises TeacherUnsuitable, ModelError, OSError.
    """
    if (out / WEIGHTS_FILE).is_file() and (out / STATE).is_file():
        return FitCourse(**parse_json((out / STATE).read_text(encoding="utf-8"))["course"])
    out.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(options.seed)
        run = _Fitting(examples, teacher, options, out)
        run.resume()
        course = run.work(stage, listener)
    run.save(course)
    return course


def steps_for(pictures: int) -> int:
    """More pictures need more steps, though fewer each."""
    return round(min(float(MOST_STEPS), STEPS * math.sqrt(max(1.0, pictures / PICTURES))))


class _Fitting:
    def __init__(self, examples: Sequence[Example], teacher: Path, options: FitOptions, out: Path) -> None:
        self.settings = _settings(teacher)
        self.device, _ = pick(options.device)
        self.model = DenseStudent(self.settings, options.classes)
        taught = load(AutoModelForZeroShotObjectDetection, teacher, device="cpu")
        take_eyes(taught, self.model)
        self.model.to(self.device).train()
        for each in self.model.modules():
            if isinstance(each, nn.BatchNorm2d):  # its statistics are of millions of pictures, a batch is of twelve
                each.eval()
        self.cells = Cells.of(self.model.shapes(options.side), self.device)
        self.average = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.optimiser = torch.optim.AdamW(_groups(self.model), betas=(0.9, 0.99))
        self.batches = Batches(examples, side=options.side, seed=options.seed)
        self.options, self.out, self.total = options, out, options.steps or steps_for(len(examples))
        self.done, self.spent, self.cpu = 0, 0.0, 0.0
        self.losses: list[float] = []

    def work(self, stage: str, listener: Listener) -> FitCourse:
        began, cpu = time.monotonic() - self.spent, time.process_time() - self.cpu
        while self.done < self.total:
            self.spent, self.cpu = time.monotonic() - began, time.process_time() - cpu
            share = self.done / self.total
            if self.options.seconds is not None:
                share = max(share, self.spent / self.options.seconds)
            if share >= 1:
                break
            self._step(share)
            listener(Progress(f"{stage} (loss {self.losses[-1]:.2f})", self.done, self.total))
            if self.done % EVERY == 0:
                self._checkpoint()
        tail = self.losses[-max(1, len(self.losses) // 10) :]
        return FitCourse(self.done, round(sum(tail) / max(1, len(tail)), 4), round(time.process_time() - cpu, 1))

    def _step(self, share: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = group["initial_lr"] * min(1.0, (self.done + 1) / WARM_UP, (1 - share) / (1 - FLAT))
        pixels, targets = self.batches.batch(self.done)
        targets = Targets(*(getattr(targets, name).to(self.device) for name in ("boxes", "classes", "ignored", "refused")))
        with quick_training() if self.device == "cpu" else torch.autocast(torch.device(self.device).type, torch.bfloat16):
            logits, boxes = self.model(pixels.to(self.device))
        found = loss(logits.float(), boxes.float(), self.cells, targets)
        self.optimiser.zero_grad()
        found.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimiser.step()
        self.done += 1
        self.losses.append(float(found.detach()))
        keep = min(AVERAGE, (1 + self.done) / (10 + self.done))
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                if value.is_floating_point():
                    self.average[name].lerp_(value, 1 - keep)

    def _checkpoint(self) -> None:
        """First the tensors, then the note that says which step they are of: a kill between leaves a note that does not fit them."""
        state = self.optimiser.state_dict()["state"]
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        tensors |= {f"optimiser.{number}.{name}": value for number, each in state.items() for name, value in each.items()}
        tensors["done"] = torch.tensor(self.done)
        note = {"done": self.done, "spent": self.spent, "cpu": self.cpu, "losses": self.losses}
        with atomic_file(self.out / TENSORS) as path:
            save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, path)
        with atomic_file(self.out / STATE) as path:
            path.write_text(json.dumps(note), encoding="utf-8")

    def resume(self) -> None:
        """From the last checkpoint; from the beginning where there is none or it is damaged."""
        try:
            note = parse_json((self.out / STATE).read_text(encoding="utf-8"))
            tensors = load_file(self.out / TENSORS)
        except (OSError, ValueError, SafetensorError):
            return
        if int(tensors["done"]) != note["done"]:
            return
        self.model.load_state_dict(_part(tensors, "model."))
        self.average = {name: value.to(self.device) for name, value in _part(tensors, "average.").items()}
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _part(tensors, "optimiser.").items():
            number, _, key = name.partition(".")
            state.setdefault(int(number), {})[key] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})
        self.done, self.spent, self.cpu, self.losses = note["done"], note["spent"], note["cpu"], note["losses"]

    def save(self, course: FitCourse) -> None:
        half = {name: (value.half() if value.is_floating_point() else value).cpu().contiguous() for name, value in self.average.items()}
        config = {"model_type": MODEL_TYPE, "eyes": self.settings}
        (self.out / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        with atomic_file(self.out / WEIGHTS_FILE) as path:
            save_file(half, path)
        with atomic_file(self.out / STATE) as path:
            path.write_text(json.dumps({"course": vars(course)}), encoding="utf-8")
        (self.out / TENSORS).unlink(missing_ok=True)


def _settings(teacher: Path) -> Mapping[str, Any]:
    found = files.read_json(teacher / "config.json")
    if found.get("model_type") not in KINDS:
        raise TeacherUnsuitable(f"{files.describe(teacher)} holds {found.get('model_type')!r} weights, whose backbone no student can take.")
    return found


def _groups(model: DenseStudent) -> list[dict[str, Any]]:
    """The teacher's part slower than what is new; decay on matrices only."""
    groups = []
    eyes = {id(each) for each in model.eyes.parameters()}
    for ours, rate in ((True, RATE * EYES), (False, RATE)):
        for matrix in (True, False):
            some = [each for each in model.parameters() if (id(each) in eyes) == ours and (each.dim() > 1) == matrix]
            groups.append({"params": some, "lr": rate, "initial_lr": rate, "weight_decay": DECAY if matrix else 0.0})
    return groups


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
