"""`dinolabel bootstrap`: from videos with one class each to a published head; no annotation tool, no Label Studio needed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, words
from dinolabel.cli.plan import Plan, confirm
from dinolabel.detect import bootstrap_report
from dinolabel.detect.bootstrap_report import HELD_OUT
from dinolabel.doctor import weights
from dinolabel.erasure.exports import crops
from dinolabel.settings import Settings

if TYPE_CHECKING:
    from dinolabel.exporters.video_crops.extract import ExtractionResult
    from dinolabel.exporters.video_crops.video_list import VideoList
    from dinolabel.projects.send_frames import SentFrames
    from dinolabel.training.train import TrainingResult

SOURCE_HELP = "Folder with Class_0.mp4, …, Class_test.mp4, or with a folder per class; or a CSV with the columns video,class,split."
BLUR_HELP = "Leave out crops less sharp than this share of their video's median. 0 keeps all."


def command(
    source: Annotated[Path, typer.Argument(metavar="VIDEOS", help=SOURCE_HELP)],
    prompt: Annotated[list[str], typer.Option("--prompt", help=options.PROMPT_HELP)],
    project: Annotated[str | None, typer.Option("--project", metavar="NAME", help="What to call it. Default: the folder's name.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the crops. Default: exports/NAME in the data folder.")] = None,
    every: Annotated[float, typer.Option(min=0.01, help="Seconds between the frames that are looked at.")] = 3.0,
    per_frame: Annotated[Literal["best", "all"], typer.Option(help="Crop the best box of a frame, or all of them.")] = "best",
    min_side: Annotated[float, typer.Option(min=1, help="Leave out boxes whose shorter side is below this, pixels.")] = 24.0,
    sharpness: Annotated[float, typer.Option(min=0, max=1, help=BLUR_HELP)] = 0.25,
    copies: Annotated[bool, typer.Option("--copies/--no-copies", help="Keep crops that are nearly the same as one before.")] = False,
    train: Annotated[bool, typer.Option("--train/--no-train", help="Learn the classes at once, or look at the sheets first.")] = True,
    to_project: Annotated[
        int | None, typer.Option(metavar="N", help="Send frames and boxes to this project of Label Studio, to be corrected.")
    ] = None,
    yes: options.Yes = False,
    box_threshold: Annotated[float | None, typer.Option(help="Least score of a box, 0 to 1.")] = None,
    text_threshold: Annotated[float | None, typer.Option(help="Least mean score of the words it matched, 0 to 1.")] = None,
    weights_name: options.WeightsName = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Learn classes from videos: each shows one of them, and its name says which.

    Looks at a frame every few seconds, finds the prompt's boxes, cuts them out, leaves out small, blurred and repeated ones, draws a
    contact sheet of each class, and trains. Videos for testing are never learnt from; the accuracy on them is printed. A class called
    `unknown` teaches what is none of the others. Running it again keeps what `dinolabel exclude-crops` took out.

    Example: dinolabel bootstrap videos/ --prompt "human face"
    """
    from dinolabel.exporters.video_crops.filters import CropFilters
    from dinolabel.exporters.video_crops.video_list import find
    from dinolabel.vision.images.perceptual_hash import NEAR

    settings = running_settings.settings(
        box_threshold=box_threshold, text_threshold=text_threshold, device=device, **weights.flags(weights_name)
    )
    films = find(source)
    rules = CropFilters(every, per_frame, min_side, sharpness, -1 if copies else NEAR)
    name = project or _name(source)
    home = out or factory.data_dir(settings, "exports") / name
    request = BootstrapRequest(films, words.prompt_map(prompt), name, home, rules, settings, to_project)
    weights.check_prompt(settings, request.phrases)
    if not _begin(request, train=train, yes=yes):
        return
    crops.note(factory.data_dir(settings), name, home, "bootstrap")  # before: a stopped one has cut pictures too
    harvest = _harvest(request)
    sheets = _sheets(request.out)
    if not as_json:
        bootstrap_report.table(harvest, request.out, sheets)
    verdict = _learn(request) if train else None
    handed = _hand_over(request) if to_project is not None else None
    if as_json:
        console.out.print_json(json.dumps(_document(request, harvest, sheets, verdict, handed)))
    else:
        bootstrap_report.verdict(verdict, name=name, out=request.out, phrases=list(request.phrases))


@dataclass(frozen=True)
class BootstrapRequest:
    """What to do, made out of the options. phrases: phrase -> generic label. name: the heads' project. rules:
    dinolabel.exporters.video_crops.filters.CropFilters.

    to_project: of Label Studio, where the frames go to be corrected, or None.
    """

    films: VideoList
    phrases: Mapping[str, str]
    name: str
    out: Path
    rules: Any
    settings: Settings
    to_project: int | None = None

    @property
    def tested(self) -> int:
        return sum(film.split == HELD_OUT for film in self.films.videos)


def _name(source: Path) -> str:
    """The folder's name as a project's name; one of digits only would be taken for a project of Label Studio."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", source.resolve().stem).strip(".-") or "videos"
    return f"videos-{plain}" if plain.isdigit() else plain


def _begin(request: BootstrapRequest, *, train: bool, yes: bool) -> bool:
    """Show the plan; ask only where something of others is changed. Raises StudioError before any work when the project is not there."""
    plan = _plan(request, train=train)
    if request.to_project is None:
        plan.show()
        return True
    from dinolabel.projects.send_frames import missing_labels

    project = factory.studio(request.settings).projects.get(request.to_project)
    names = missing_labels(project.label_config, request.films.labels)
    lines = [("sends", f"frames and boxes to project {project.id}, {project.title}, as predictions to be corrected")]
    lines += [("adds", f"the labels {words.join_words(names)} to its label config")] if names else []
    Plan.of(plan.title, plan.lines, lines).show()
    return not names or confirm(yes=yes)


def _hand_over(request: BootstrapRequest) -> SentFrames:
    from dinolabel.projects.send_frames import send_frames

    assert request.to_project is not None
    studio = factory.studio(request.settings)
    with console.progress("Sending") as listener:
        handed = send_frames(
            studio,
            request.to_project,
            request.out,
            root=request.films.root,
            listener=listener,
        )
    factory.projects(request.settings).learn(request.to_project, handed.labels)
    there = f"; {words.count_noun(handed.there, 'frame')} had been sent before" if handed.there else ""
    told = f"{words.count_noun(handed.boxes, 'box', 'boxes')} on {words.count_noun(handed.tasks, 'frame')} as {handed.version}{there}."
    console.err.print(console.ok("Sent"), f"{told} {studio.url}/projects/{request.to_project}/data", soft_wrap=True)
    return handed


def _plan(request: BootstrapRequest, *, train: bool) -> Plan:
    films = request.films
    seconds = _seconds(films)
    frames = int(seconds / request.rules.every) + len(films.videos)
    each = weights.seconds_a_picture(request.settings)
    untested = [label for label in films.labels if not any(film.label == label and film.split == HELD_OUT for film in films.videos)]
    nameless = [films.relative_path(path) for path in films.nameless]
    return Plan.of(
        f"Learn {words.join_words(films.labels)} from {words.count_noun(len(films.videos), 'video')}",
        [("looks for", f"“{phrase}”") for phrase in request.phrases],
        [("looks at", f"a frame every {request.rules.every:g} s, about {frames:,} in {words.duration(seconds)} of video")],
        [("tests on", words.count_noun(request.tested, "video") + ", never learnt from")] if request.tested else [],
        [("careful", f"no video for testing shows {words.join_words(untested)}")] if untested and request.tested else [],
        [("careful", "no video is for testing (Class_test.mp4): each is left out in turn instead")] if not request.tested else [],
        [("left out", f"{words.join_words(nameless)}: the name tells no class")] if nameless else [],
        weights.plan_lines(request.settings, names=train),
        [("into", f"{request.out}; the files of an earlier harvest there are replaced, what was dropped stays dropped")],
        [("takes", f"about {words.duration(each * frames)}; frames seen before cost nothing")] if each else [],
    )


def _seconds(films: VideoList) -> float:
    """Of all films that can be opened; the others are told later."""
    from dinolabel.vision.decoding.video_frames import open_video
    from dinolabel.vision.errors import MediaError

    total = 0.0
    with console.step("Reading the videos"):
        for film in films.videos:
            try:
                total += open_video(film.path).seconds
            except MediaError:
                continue  # harvest names it with its reason
    return total


def _harvest(request: BootstrapRequest) -> ExtractionResult:
    from dinolabel.exporters.video_crops.extract import ExtractionConfig, extract_crops
    from dinolabel.vision.types import Prompt

    with console.step("Loading the detector") as came_out:
        pipeline = factory.pipeline(request.settings, names=False)
        came_out(f"Loaded {pipeline.detector.name}")
    prompt = Prompt.of(request.phrases)
    with console.progress("Looking") as listener:
        work = ExtractionConfig(
            films=request.films,
            detect=lambda images: pipeline.predict(images, prompt, labels=request.phrases),
            rules=request.rules,
            policy=pipeline.policy,
            model_version=f"bootstrap.{pipeline.detector.digest[:8]}",
            now=datetime.now(UTC).isoformat(timespec="seconds"),
            at_once=pipeline.batch_size,
            listener=listener,
        )
        return extract_crops(work, request.out)


def _sheets(out: Path) -> dict[str, list[Path]]:
    from dinolabel.exporters.output.crop_manifest import MANIFEST
    from dinolabel.exporters.video_crops import contact_sheets
    from dinolabel.exporters.video_crops.exclude import rows_of

    with console.step("Drawing contact sheets"):
        return contact_sheets.write(out, rows_of(out / MANIFEST))


def _learn(request: BootstrapRequest) -> TrainingResult:
    from dinolabel.commands.train import learn

    return learn(request.settings, request.name, request.out)


def _document(
    request: BootstrapRequest,
    harvest: ExtractionResult,
    sheets: Mapping[str, Sequence[Path]],
    verdict: TrainingResult | None,
    handed: SentFrames | None,
) -> dict[str, Any]:
    return {
        "format": 1,
        "project": request.name,
        "out": str(request.out),
        **asdict(harvest),
        "sheets": {label: [str(path) for path in paths] for label, paths in sheets.items()},
        "verdict": {**asdict(verdict), "receipt": str(verdict.receipt)} if verdict else None,
        "test": bootstrap_report.test_accuracy(verdict.metrics) if verdict else None,
        "sent": asdict(handed) if handed else None,
    }
