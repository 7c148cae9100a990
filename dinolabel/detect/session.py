"""Run of `dinolabel detect`: says the plan, loads the models, looks at the pictures, watches the films, writes and prints what came out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dinolabel import factory
from dinolabel.cli import console, exit_codes, words
from dinolabel.cli.plan import Plan
from dinolabel.detect import images, output, run, video
from dinolabel.detect.inputs import RESULTS, Input, Inputs
from dinolabel.detect.run import DetectRun
from dinolabel.doctor import weights
from dinolabel.settings import Settings
from dinolabel.vision.errors import DinolabelError, MediaError, RequestError, StudioError
from dinolabel.vision.types import Prompt

if TYPE_CHECKING:
    from rich.text import Text

    from dinolabel.detect.model import DetectModel
    from dinolabel.exporters.output.checkpoint import CheckpointLog
    from dinolabel.studio.media.resolver import MediaResolver
    from dinolabel.vision.pipeline import Pipeline

NO_TABLE = "Name a folder after --out."


def make_run(chosen: DetectModel, root: Path, out: Path | None, *, every: int) -> DetectRun:
    """Raises PromptUnknown for a typed phrase of which the detector knows no word."""
    if chosen.folder is None:
        weights.check_prompt(chosen.settings, chosen.labels)
    return DetectRun(chosen, root, out, every)


def film(job: DetectRun, found: Inputs, *, as_json: bool) -> int:
    """One film alone: its tracks are the result. Returns the exit code; raises MediaError."""
    _refuse_table(job)
    (each,) = found.items
    with console.step("Fetching the film") if each.url else console.quiet():
        path = each.file(_fetch(job.model.settings))
    seconds = weights.seconds_a_picture(job.model.settings)
    lines = video.plan_lines(path, every=job.every, seconds_a_picture=seconds, out=job.out)
    Plan.of(f"Look for {words.join_words(list(job.model.labels))} in {each.name}", lines, _model_lines(job)).show()
    pipeline = _load_pipeline(job)
    document = video.annotate_video(path, each, job, pipeline)
    video.tell(document, job.out, as_json=as_json)
    _tell_engine(pipeline)
    if not document["tracks"]:
        weights.warn_of_limits(pipeline.detector.weights)
    return 0


def several(job: DetectRun, found: Inputs, *, as_json: bool, coco: output.CocoIds | None = None) -> int:
    """Pictures, and films one after the other. Returns the exit code: that of the first failure when nothing else came out."""
    if found.films:
        _refuse_table(job)
    _plan(job, found).show()
    pipeline, fetch = _load_pipeline(job), _fetch(job.model.settings)
    with run.open_journal(job, pipeline) as seen:
        first = run.detect_all(job, found.pictures, pipeline, seen, fetch=fetch) if found.pictures else None
        watched = _annotate_videos(job, found.films, pipeline, fetch)
        result = _Result(seen, watched if found.films else None)
        _write(job, result)
        if coco is not None and job.folder is not None:
            _write_coco(job.folder, coco, seen)
        done = _print(job, result, as_json=as_json)
        _tell_engine(pipeline)
        if output.DetectionTotals.of(seen).mostly_empty:
            weights.warn_of_limits(pipeline.detector.weights)
    first = first or watched.first
    return exit_codes.code(first) if first is not None and not done else 0


@dataclass
class _VideoResults:
    """documents: of the films that were watched. failed: rows of the others. first: why the first of them was not."""

    documents: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    first: DinolabelError | None = None


def _annotate_videos(job: DetectRun, items: Iterable[Input], pipeline: Pipeline, fetch: images.Fetch) -> _VideoResults:
    done = _VideoResults()
    for each in items:
        console.err.print(console.soft(f"Film {each.name}"))
        try:
            done.documents.append(video.annotate_video(each.file(fetch), each, job, pipeline))
        except (MediaError, StudioError) as error:
            console.print_error(error)
            done.failed.append(images.failure(each, error))
            done.first = done.first or error
    return done


@dataclass(frozen=True)
class _Result:
    """What came out. films: None where none were named."""

    seen: CheckpointLog
    films: _VideoResults | None

    def document(self, facts: dict[str, Any]) -> Iterator[str]:
        if self.films is None:
            return output.document(facts, self.seen)
        return output.document(facts, self.seen, films=self.films.documents, failed=self.films.failed)


def _write(job: DetectRun, result: _Result) -> None:
    facts = _facts(job)
    if job.table is not None:
        from dinolabel.detect import parquet

        parquet.write(job.table, facts, result.seen)
    elif job.folder is not None:
        output.write(job.folder / RESULTS, result.document(facts))


def _write_coco(folder: Path, coco: output.CocoIds, seen: CheckpointLog) -> None:
    output.write(folder / output.COCO_RESULTS, output.coco_rows(coco, seen))
    if left_out := coco.unlisted(seen):
        console.err.print(f"Not in {output.COCO_RESULTS}: {left_out}.", soft_wrap=True)


def read_coco(path: Path | None, job: DetectRun, found: Inputs) -> output.CocoIds | None:
    """The ids that results are to have. Raises RequestError where there is nothing to write them for, or nowhere."""
    if path is None:
        return None
    if job.folder is None or not found.pictures:
        raise RequestError("--coco writes results of pictures into the folder of --out.", hint="Add --out FOLDER, and name pictures.")
    return output.CocoIds.read(path)


def _print(job: DetectRun, result: _Result, *, as_json: bool) -> int:
    """JSON or tables; the sums, on stderr. Returns how many pictures and films came out."""
    sums, watched = output.DetectionTotals.of(result.seen), result.films or _VideoResults()
    if as_json:
        for piece in result.document(_facts(job)):
            typer.echo(piece, nl=False)
    else:
        if sums.boxes:
            console.out.print(output.table(result.seen, sums))
        for each in watched.documents:
            video.tell(each, None, as_json=False)
    for remark in sums.remarked():
        console.err.print(f"{remark}.", soft_wrap=True)
    told: list[str | Text] = list(sums.sentence()) if sums.pictures else []
    told += [f"{words.count_noun(len(watched.documents), 'film')} watched"] if watched.documents else []
    told += [console.bad(f"{words.count_noun(len(watched.failed), 'film')} failed")] if watched.failed else []
    told += [f"written to {job.out}"] if job.out else []
    console.err.print(console.line(console.join(told), "."), soft_wrap=True)
    return sums.pictures - sums.failed + len(watched.documents)


def _plan(job: DetectRun, found: Inputs) -> Plan:
    settings, head, count = job.model.settings, job.model.head, len(found.pictures)
    each = weights.seconds_a_picture(settings)
    what = [words.count_noun(count, "picture")] if count else []
    what += [words.count_noun(len(found.films), "film")] if found.films else []
    return Plan.of(
        f"Look for {words.join_words(list(job.model.labels))} in {words.join_words(what)}",
        [("reads", str(job.root))],
        [("leaves out", f"{words.count_noun(found.skipped, 'film')} in a folder: name them to have them watched")] if found.skipped else [],
        [("names", f"{words.join_words(head.labels)} (head {head.digest[:12]})")] if head else [],
        _model_lines(job),
        [("device", settings.device)],
        [("writes", f"annotated pictures and {RESULTS} into {job.folder}")] if job.folder else [],
        [("writes", f"{job.table}, a row per box")] if job.table else [],
        [("takes", f"about {words.duration(each * count)}; pictures seen before cost nothing")] if each and count else [],
    )


def _model_lines(job: DetectRun) -> list[tuple[str, str]]:
    if job.model.folder is not None:
        return [("model", f"{job.model.folder}" + (f" ({job.model.version})" if job.model.version else ""))]
    return weights.prompt_lines(job.model.labels) + weights.plan_lines(job.model.settings, names=job.model.head is not None)


def _tell_engine(pipeline: Pipeline) -> None:
    if remark := getattr(pipeline.detector, "engine_remark", ""):
        console.err.print(console.soft(remark), soft_wrap=True)


def _refuse_table(job: DetectRun) -> None:
    if job.table is not None:
        raise RequestError("The tracks of a film go into a folder.", hint=NO_TABLE)


def _load_pipeline(job: DetectRun) -> Pipeline:
    with console.step("Making the models ready") as came_out:
        if job.model.folder is not None:
            pipeline = factory.exported_pipeline(job.model.settings, job.model.folder)
            pipeline.check_prompt(Prompt.of(job.model.labels))
        else:
            pipeline = factory.pipeline(job.model.settings, names=job.model.head is not None, deferred=True)
        came_out(pipeline.detector.name + (f" and {pipeline.embedder.name}" if pipeline.embedder else "") + " ready")
    if job.model.head is not None:
        pipeline.check(job.model.head)
    return pipeline


def _fetch(settings: Settings) -> images.Fetch:
    """Gives the file of an address, by the rules of a task's pictures. What it needs is made when an address comes."""

    @cache
    def media() -> MediaResolver:
        return factory.media(settings, verify=readable)

    return lambda url: media().resolve(url)


def readable(path: Path) -> None:
    """Raises MediaUnreadable when the file is neither a whole picture nor a film."""
    from dinolabel.studio.media.resolver import check_decodes
    from dinolabel.vision.decoding.video_frames import open_video

    try:
        check_decodes(path)
    except MediaError as error:
        try:
            open_video(path)
        except MediaError:
            raise error from None


def _facts(job: DetectRun) -> dict[str, Any]:
    settings, head = job.model.settings, job.model.head
    return {
        "format": images.FORMAT,
        "prompt": dict(job.model.labels),
        "weights": {"detector": settings.detector_weights, "embedder": settings.embedder_weights if head else None},
        **({"model_version": job.model.version} if job.model.folder else {}),
        "head": head.digest[:12] if head else None,
        "thresholds": {"box": settings.box_threshold, "text": settings.text_threshold, "nms_iou": settings.nms_iou},
    }
