"""Resumable run over pictures, kept on the disk as it goes: a run that was killed goes on, and never all of it is in memory."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from dinolabel import factory
from dinolabel.cli import console, words
from dinolabel.detect import images
from dinolabel.detect.inputs import TABLE, UNFINISHED, Input
from dinolabel.exporters.output.checkpoint import CheckpointLog
from dinolabel.vision.decoding.pictures import RULES
from dinolabel.vision.errors import DinolabelError, RequestError
from dinolabel.vision.types import Image, Prompt

if TYPE_CHECKING:
    from dinolabel.detect.model import DetectModel
    from dinolabel.vision.pipeline import Pipeline
    from dinolabel.vision.types import Detection

SAID_EVERY = 60.0  # seconds, where no progress bar can be
MOST_COMPLAINTS = 20
WINDOW = 64  # pictures handed to the threads at a time
BESIDE = 3  # threads of which one is in the network's pass, while the others decode and draw


@dataclass(frozen=True)
class DetectRun:
    """What to do, made out of the options. root: the folder that the pictures' names are relative to.

    out: a folder for annotated pictures and JSON, a `.parquet` file, or None. every: of a film, frames from one pass to the next.
    """

    model: DetectModel
    root: Path
    out: Path | None
    every: int

    @property
    def folder(self) -> Path | None:
        """Where annotated pictures go."""
        return None if self.out is None or self.out.suffix == TABLE else self.out

    @property
    def table(self) -> Path | None:
        return self.out if self.out is not None and self.out.suffix == TABLE else None


@contextmanager
def open_journal(job: DetectRun, pipeline: Pipeline) -> Iterator[CheckpointLog]:
    """Where the run keeps what it saw: beside the result until that is finished; without a result in a folder that goes with the run.

    Raises RequestError when it cannot be written.
    """
    with tempfile.TemporaryDirectory() as passing:
        path = _unfinished(job) or Path(passing) / "seen"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with CheckpointLog(path, _terms(job, pipeline)) as journal:
                yield journal
            path.unlink()
        except BrokenPipeError:
            raise
        except OSError as error:
            told = f"{job.out or path.parent} cannot be written: {error.strerror}."
            raise RequestError(told, hint="Look at the disk's room and rights; the same command goes on where it was.") from error


def _unfinished(job: DetectRun) -> Path | None:
    if job.table is not None:
        return job.table.with_name(f".{job.table.name}{UNFINISHED}")
    return job.folder / UNFINISHED if job.folder else None


def detect_all(
    job: DetectRun, inputs: Sequence[Input], pipeline: Pipeline, journal: CheckpointLog, *, fetch: images.Fetch | None = None
) -> DinolabelError | None:
    """Notes what images.entry or images.failure says of each picture, in the order of the inputs. fetch: as Input.file takes it.

    Pictures that an earlier run saw are not looked at again, unless they changed or failed. Each that fails is said in a line at once;
    the first such error is the answer.
    """
    if before := sum(each.name in journal for each in inputs):
        console.err.print(f"Going on: {words.count_noun(before, 'picture')} had been seen before.")
    waiting: list[Input] = []
    with _Progress(len(inputs)) as told:

        def now() -> None:
            for each, value in _detections(job, waiting, pipeline, fetch):
                journal.append(each.input.name, each.input.stamp(), value)
                told.one(each.error)
            waiting.clear()

        for each in inputs:
            if waiting and (each.name in journal or len(waiting) == WINDOW):
                now()
            if journal.lookup(each.name, each.stamp(), fits=_is_complete) is not None:
                told.one(again=True)
            else:
                waiting.append(each)
        now()
    return told.first


def _detections(
    job: DetectRun, inputs: Sequence[Input], pipeline: Pipeline, fetch: images.Fetch | None
) -> Iterator[tuple[images.ImageDetections, dict[str, Any]]]:
    """Small networks look at as many pictures at a time as there are cores; of others one pass is under way, which has them all, while
    the next picture is decoded and the last one drawn."""
    prompt, limits = Prompt.of(job.model.labels), factory.thresholds(job.model.settings)
    small = job.model.folder is None and factory.model_threads(job.model.settings) == 1
    passes = nullcontext() if small else threading.Lock()

    def ask(opened: Sequence[Image]) -> list[list[Detection]]:
        for image in opened:
            if not pipeline.is_cached(image, prompt):
                _ = image.pixels  # before it is our turn
        with passes:
            return pipeline.predict(opened, prompt, job.model.head, limits, labels=job.model.labels)

    at_once = 1 if pipeline.detector.device == "cpu" else pipeline.batch_size
    workers = len(os.sched_getaffinity(0)) if small else BESIDE
    return images.detect_and_finish(inputs, ask, lambda seen: _value(seen, job), at_once=at_once, workers=workers, fetch=fetch)


def _value(seen: images.ImageDetections, job: DetectRun) -> dict[str, Any]:
    if seen.error is not None:
        return images.failure(seen.input, seen.error)
    copy = images.annotate(seen, job.folder, job.model.labels, job.model.names, job.model.colours) if job.folder else None
    return images.entry(seen, job.model.labels, job.model.names, annotated=copy)


def _is_complete(value: Mapping[str, Any]) -> bool:
    """Whether nothing failed and nothing was deleted since."""
    return "error" not in value and (value["annotated"] is None or Path(value["annotated"]).is_file())


def _terms(job: DetectRun, pipeline: Pipeline) -> list[Any]:
    """All that decides what is seen."""
    head = (job.model.head.digest, pipeline.embedder.digest) if job.model.head and pipeline.embedder else None
    limits = factory.thresholds(job.model.settings)
    return [
        images.FORMAT,
        RULES,
        str(job.root.resolve()),
        dict(job.model.labels),
        job.model.names and dict(job.model.names),
        pipeline.detector.digest,
        head,
        repr(limits),
        str(job.folder),
    ]


class _Progress:
    """What is said while it goes on: a bar or, where no bar can be, a line a minute; a line for each picture that fails."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._again, self._failed = total, 0, 0, 0
        self.first: DinolabelError | None = None
        self._bar = console.bar()
        self._line = self._bar.add_task("Pictures", total=total)
        self._began = self._said = time.monotonic()

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()
        if isinstance(error, KeyboardInterrupt):
            console.err.print(f"Stopped after {words.count_noun(self._done, 'picture')}; with --out the same command goes on there.")

    def one(self, error: DinolabelError | None = None, *, again: bool = False) -> None:
        self._done += 1
        self._again += again
        self._bar.advance(self._line)
        if error is not None:
            self._complain(error)
        if not console.err.is_terminal and self._done < self._total and time.monotonic() - self._said > SAID_EVERY:
            self._say_how_far()

    def _complain(self, error: DinolabelError) -> None:
        self._failed += 1
        self.first = self.first or error
        if self._failed <= MOST_COMPLAINTS:
            console.print_error(error)
        elif self._failed == MOST_COMPLAINTS + 1:
            console.err.print("More pictures fail: they are listed in the result, not here.")

    def _say_how_far(self) -> None:
        self._said = time.monotonic()
        left = (self._said - self._began) / max(1, self._done - self._again) * (self._total - self._done)
        console.err.print(f"{self._done:,} of {words.count_noun(self._total, 'picture')}; about {words.duration(left)} to go.")
