"""`dinolabel distil`: a small detector of one's own from approved boxes; judged beside the one that taught it, and published when it may
take its place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, project_option, words
from dinolabel.cli.plan import Plan
from dinolabel.cli.project_lock import only_one
from dinolabel.doctor import weights
from dinolabel.settings import Settings
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.training.distillation.distil import DistilOptions, DistilResult, Teacher
    from dinolabel.training.distillation.pictures import LabelledPicture, LabelledPictures
    from dinolabel.vision.progress import Listener
    from dinolabel.vision.types import Thresholds

WORK = "distilling"  # folder of what is half done, in the data folder


def command(
    project: options.Heads = None,
    from_folder: Annotated[
        Path | None, typer.Option("--from", help="Folder in COCO's format instead of a project: of `dinolabel export coco`, or anybody's.")
    ] = None,
    prompt: Annotated[list[str] | None, typer.Option("--prompt", help=f"With --from. {options.PROMPT_HELP}")] = None,
    unlabelled: Annotated[
        list[Path] | None, typer.Option("--unlabelled", help="With --from: folder of pictures that nobody answered. Repeatable.")
    ] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", min=0.1, help="Bring the training to an end after so long.")] = None,
    side: Annotated[
        int | None,
        typer.Option("--side", min=64, max=1280, help="Pictures are stretched to this square, pixels. Default: as small as objects allow."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Publish whatever the gate or a pin says.")] = False,
    weights_name: options.WeightsName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Train a small detector on approved boxes; let it answer when it is no worse than the one that proposed them.

    It takes the backbone of the GroundingDINO in the settings, so nothing is downloaded, and finds the labels of the prompt; names stay the
    head's. Boxes of the detector on pictures that nobody answered teach too. It is judged on pictures it has not seen; with fewer than 18
    groups of them, or 30 objects, it is offered and not published: `dinolabel students use ID` takes it all the same. What was stopped goes
    on where it was when the same command is typed again.

    Example: dinolabel distil --project 3
    """
    settings = running_settings.settings(**weights.flags(weights_name))
    if from_folder is None and (prompt or unlabelled):
        raise RequestError("--prompt and --unlabelled go with --from.", hint="A project has its own prompt and pictures.")
    name = project or from_folder.resolve().name if from_folder else project_option.resolve_name(settings, project)
    if from_folder is None and not name.isdigit():
        raise RequestError(f"{name} is no project of Label Studio.", hint="Name its pictures and boxes: --from FOLDER.")
    wish = _Wish(name, from_folder, words.prompt_map(prompt or ()) if from_folder else {}, tuple(unlabelled or ()), minutes, side, force)
    _plan(settings, wish).show()
    with only_one(factory.data_dir(settings, WORK), name, "A training of a student"):
        made = learn(settings, wish)
    if as_json:
        console.out.print_json(json.dumps({**asdict(made), "folder": str(made.folder)}, default=str))
    else:
        tell(made)


@dataclass(frozen=True)
class _Wish:
    name: str
    folder: Path | None
    phrases: Mapping[str, str]
    unlabelled: tuple[Path, ...]
    minutes: float | None
    side: int | None
    force: bool


def learn(settings: Settings, wish: _Wish) -> DistilResult:
    """Collect, train and judge, with a progress bar. Raises TrainingError, StudioError, ModelError."""
    from dinolabel.training.distillation import pictures
    from dinolabel.training.distillation.distil import DistilOptions, distil

    home = factory.data_dir(settings, WORK, wish.name)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with console.progress("Loading") as listener:
        if wish.folder is not None:
            answered, limits, phrases = pictures.read(wish.folder), factory.thresholds(settings), wish.phrases
            others = list(pictures.unlabelled(_files(wish.unlabelled), but=answered.rows))
            waits = False
        else:
            settings = factory.with_project_weights(settings, int(wish.name))
            answered, others, limits, phrases = _of_project(settings, int(wish.name), home / "pictures", listener)
            entry = factory.projects(settings).get(int(wish.name))
            waits = entry is not None and entry.publish == "ask"
        asked = DistilOptions(
            wish.name, now, seed=settings.seed, minutes=wish.minutes, force=wish.force, side=wish.side, device=settings.device, waits=waits
        )
        made = _distil(settings, answered, others, phrases, limits, asked, home, listener, run=distil)
    shutil.rmtree(home / "pictures", ignore_errors=True)
    return made


def _distil(
    settings: Settings, answered: LabelledPictures, others: list[LabelledPicture], phrases: Mapping[str, str], limits: Thresholds,
    asked: DistilOptions, home: Path, listener: Listener, *, run: Any,
) -> DistilResult:  # fmt: skip
    made: DistilResult = run(
        answered, others, _teacher(settings, phrases, limits), asked, store=factory.store(settings).students, work=home / "fits",
        listener=listener,
    )  # fmt: skip
    return made


def _of_project(
    settings: Settings, number: int, folder: Path, listener: Listener
) -> tuple[LabelledPictures, list[LabelledPicture], Thresholds, Mapping[str, str]]:
    from dinolabel.models import student_pictures
    from dinolabel.training.distillation import pictures
    from dinolabel.vision.types import Thresholds

    found = student_pictures.collect(settings, number, folder, listener)
    answered = pictures.read(found.folder)
    others = list(pictures.unlabelled(found.others, but=answered.rows))
    usual, config = factory.thresholds(settings), found.config
    box = usual.box if config.box_threshold is None else config.box_threshold
    text = usual.text if config.text_threshold is None else config.text_threshold
    return answered, others, Thresholds(box, text, usual.nms_iou), found.phrases


def _teacher(settings: Settings, phrases: Mapping[str, str], limits: Thresholds) -> Teacher:
    from dinolabel.training.distillation.distil import Teacher
    from dinolabel.training.errors import TeacherUnsuitable
    from dinolabel.vision import plugins
    from dinolabel.vision.loading.weights import obtain

    reader = plugins.name_for(settings.detector, settings.detector_weights)
    if reader != "grounding_dino":
        raise TeacherUnsuitable(f"No student can take its backbone from the detector {reader}.")
    place = obtain(plugins.locate("detector", settings.detector, settings.detector_weights, models_dir=settings.models_dir))
    assert place.path is not None  # obtain has it here, or raises
    return Teacher(factory.pipeline(settings, names=False), place.path, phrases, limits)


def _files(folders: tuple[Path, ...]) -> list[Path]:
    for each in folders:
        if not each.is_dir():
            raise RequestError(f"There is no folder {each}.", hint="Name the folder that holds the pictures.")
    return [path for each in folders for path in sorted(each.rglob("*"))]


def _plan(settings: Settings, wish: _Wish) -> Plan:
    source = str(wish.folder) if wish.folder else f"project {wish.name} in Label Studio"
    return Plan.of(
        f"Train a detector of its own for {f'project {wish.name}' if wish.name.isdigit() else wish.name}",
        [("from", f"the approved boxes of {source}")],
        [("taught by", weights.described(weights.find(settings)[0]))],
        [("then", "publish it whatever the gate says" if wish.force else "publish it if it keeps what the detector finds")],
        [("takes", f"{wish.minutes:g} minutes at most" if wish.minutes else "minutes; with few pictures three trainings in place of one")],
    )


def tell(made: DistilResult) -> None:
    """The verdict, and what it rests on, on stdout."""
    head = (
        [console.ok("Published"), f"as {made.student_id}"]
        if made.published
        else [console.warn("Not published"), f"student {made.student_id}"]
    )
    console.out.print(*head)
    console.out.print(made.reason, soft_wrap=True)
    if made.metrics.get("student"):
        console.out.print(_table(made.metrics))
    for each in made.metrics.get("warnings", ()):
        console.out.print(console.warn("mind"), f" {each}", soft_wrap=True)
    console.out.print(console.soft(f"receipt  {made.folder / 'receipt.json'}"), soft_wrap=True)


def _table(metrics: Mapping[str, Any]) -> Any:
    title = f"on {words.count_noun(metrics['objects'], 'object')}, {metrics['basis']}"
    table = console.table(title, "student", "teacher", right=("student", "teacher"))
    mine, theirs = metrics["student"], metrics["teacher"]
    for name, said in (
        ("ap50", "AP50"),
        ("ap75", "AP75"),
        ("precision", "precision"),
        ("recall", "recall"),
        ("threshold", "at a score of"),
    ):
        table.add_row(said, f"{mine[name]:.3f}", f"{theirs[name]:.3f}")
    if metrics.get("work"):
        table.add_row("CPU ms a picture", f"{metrics['work']['student']:.0f}", f"{metrics['work']['teacher']:.0f}")
    return table
