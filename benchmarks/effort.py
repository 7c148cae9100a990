"""How many keys a box costs a person: drawing by hand, cold (boxes with the generic label), after the switch (boxes with names).

Real Label Studio, real Chromium, the embedded models with their own mistakes, the demo's drawn world. The same pictures in all three
rounds; the head is taught on others, so no measured picture was ever learnt from. Run it by `make effort`, or
`python -m benchmarks.effort --images 6 --out /tmp/effort` for a small one. Nobody is measured but a careful, fast person who knows
the names: keys, clicks and drags count one each, the submit counts apart.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.correcting import Project, correct, left_wrong
from benchmarks.typist import Counted, Typist
from dinolabel.cli import console
from dinolabel.demo import play, review, screens
from dinolabel.demo.stage import DemoStage, stage
from dinolabel.demo.world import Scene, World
from dinolabel.studio.label_configs.label_config import hotkeys
from dinolabel.studio.server.process import LocalStudio
from tests import studio_calls

SCENES = Path(__file__).resolve().parents[1] / "dinolabel" / "nano" / "demo"
IMAGES = 50
GOALS = {"cold": 2.0, "after_switch": 0.3}
# Keystroke-level model (Card, Moran, Newell 1980): a key 0.28 s, pointing 1.1 s, a button 0.1 s down or up.
KEY, POINT, BUTTON = 0.28, 1.1, 0.1


@dataclass(frozen=True, slots=True)
class Round:
    """boxes: that stand at the end. keys_per_box: keys, clicks and drags. hand_seconds_per_box: keystroke-level model, no thinking."""

    images: int
    boxes: int
    keys_per_box: float
    submits_per_image: float
    boxes_left_wrong: int
    keys: int
    clicks: int
    drags: int
    hand_seconds_per_box: float

    @classmethod
    def of(cls, counted: Counted, *, images: int, boxes: int, wrong: int) -> Round:
        seconds = KEY * counted.keys + (POINT + 2 * BUTTON) * counted.clicks + (2 * POINT + 2 * BUTTON) * counted.drags
        per_box = max(1, boxes)
        return cls(
            images, boxes, round(counted.actions / per_box, 3), round(counted.submits / max(1, images), 3), wrong,
            counted.keys, counted.clicks, counted.drags, round(seconds / per_box, 2),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the person sits: the product's Label Studio, a page of a browser, the pictures to work on and their truth."""

    stage: DemoStage
    world: World
    page: Any
    measured: Sequence[Scene]
    out: Path

    def work(self, project: int, name: str) -> Round:
        """One round: through the label stream until every measured picture is submitted."""
        config = self.stage.studio.projects.get(project).label_config
        whose = {_scene(row.data): (row.id, row.annotated) for row in self.stage.studio.tasks.list(project)}
        tasks = {whose[scene.file][0]: scene for scene in self.measured}
        known = Project(self.stage.config(), hotkeys(config))
        typist = Typist(self.page)
        shown = typist.open_stream(self.stage.studio.url, project)
        for place in range(len(tasks)):
            assert shown is not None, f"{name}: the stream ended after {place} of {len(tasks)} pictures"
            self._one(typist, self.world.prompted_things(tasks[int(shown)]), known, name if place < 3 else None, place)
            shown = typist.submit(shown, last=place + 1 == len(tasks))
            console.err.print(f"[soft]{name}: {place + 1} of {len(tasks)}, {typist.counted.actions} keys[/]")
        return self._counted(typist.counted, tasks, known)

    def _one(self, typist: Typist, things: Sequence[Any], known: Project, name: str | None, place: int) -> None:
        if name:
            self.page.screenshot(path=str(self.out / "screens" / f"{name}-{place}-opened.png"))
        correct(typist, things, known)
        if name:
            self.page.screenshot(path=str(self.out / "screens" / f"{name}-{place}-done.png"))

    def _counted(self, counted: Counted, tasks: Mapping[int, Scene], known: Project) -> Round:
        """What stands in Label Studio, not what the person meant to leave there."""
        boxes = wrong = 0
        for task, scene in tasks.items():
            (annotation,) = self.stage.studio.tasks.get(task)["annotations"]
            boxes += len(known.regions(annotation["result"]))
            wrong += left_wrong(annotation["result"], self.world.prompted_things(scene), known)
        return Round.of(counted, images=len(tasks), boxes=boxes, wrong=wrong)


def measure(desk: Desk, taught: Sequence[Scene]) -> dict[str, Round]:
    """Three rounds, in the order a project lives through them."""
    with console.step("Waiting for the boxes") as came_out:
        before = play.fill(desk.stage, len(desk.world.scenes))
        came_out(f"Boxes on {len(desk.world.scenes)} pictures, as {before}")
    rounds = {"by_hand": desk.work(_empty_project(desk), "by hand")}
    _teach(desk, taught, before)
    rounds["cold"] = desk.work(desk.stage.project, "cold")
    _forget(desk)
    with console.step("Training and switching") as came_out:
        _, reason = play.train(desk.stage)
        play.switch(desk.stage, before)
        came_out(f"{reason} Label Studio shows {desk.stage.shown()}")
    rounds["after_switch"] = desk.work(desk.stage.project, "after the switch")
    return rounds


def _empty_project(desk: Desk) -> int:
    """The measured pictures without any prediction, under the same label config."""
    studio, source = desk.stage.studio, desk.stage.studio.projects.get(desk.stage.project)
    made = studio.projects.create("By hand", source.label_config)
    urls = {_scene(row.data): row.data for row in studio.tasks.list(source.id)}
    studio_calls.import_tasks(studio, made.id, [urls[scene.file] for scene in desk.measured])
    return made.id


def _teach(desk: Desk, scenes: Sequence[Scene], version: str) -> None:
    """The pictures the head learns from, corrected by the demo's reviewer: they are in nobody's round."""
    config, tasks, effort = desk.stage.config(), desk.stage.tasks(), review.ReviewerEffort()
    for scene in scenes:
        prediction, result = desk.stage.result(tasks[scene.file].id, version)
        corrected = review.review(result, scene, desk.world.prompted_things(scene), config=config, effort=effort)
        desk.stage.studio.annotations.create(tasks[scene.file].id, corrected, lead_time=2.0, parent_prediction=prediction)


def _forget(desk: Desk) -> None:
    """Take the answers on the measured pictures back, so that they are open again and nothing is learnt from them."""
    tasks = desk.stage.tasks()
    for scene in desk.measured:
        for annotation in desk.stage.studio.tasks.get(tasks[scene.file].id)["annotations"]:
            desk.stage.studio.annotations.delete(annotation["id"])


def report(rounds: Mapping[str, Round], out: Path) -> list[str]:
    """Print the table, write effort.json; the goals that were missed, in words."""
    table = console.table("", *rounds, right=tuple(rounds))
    rows: list[tuple[str, Callable[[Round], object]]] = [
        ("pictures", lambda each: each.images),
        ("boxes at the end", lambda each: each.boxes),
        ("keys a box (clicks and drags included)", lambda each: f"{each.keys_per_box:.2f}"),
        ("  of these drags a box", lambda each: f"{each.drags / max(1, each.boxes):.2f}"),
        ("seconds of hands a box", lambda each: f"{each.hand_seconds_per_box:.2f}"),
        ("submits a picture", lambda each: f"{each.submits_per_image:g}"),
        ("boxes left wrong", lambda each: each.boxes_left_wrong),
    ]
    for name, value in rows:
        table.add_row(name, *(str(value(each)) for each in rounds.values()))
    console.out.print(table)
    path = out / "effort.json"
    path.write_text(json.dumps({name: asdict(each) for name, each in rounds.items()}, indent=2) + "\n", encoding="utf-8")
    console.out.print(f"[soft]{path}[/]", soft_wrap=True)
    low = [f"{name}: {rounds[name].keys_per_box:.2f} keys a box, the goal is {goal}" for name, goal in GOALS.items()
           if rounds[name].keys_per_box > goal]  # fmt: skip
    low += [f"{name}: {each.submits_per_image:g} submits a picture" for name, each in rounds.items() if each.submits_per_image != 1]
    return low + [f"{name}: {each.boxes_left_wrong} boxes left wrong" for name, each in rounds.items() if each.boxes_left_wrong]


def chosen(world: World, images: int) -> tuple[list[Scene], list[Scene]]:
    """(measured, taught): those that the demo never reviews first, then from the end of the others; the rest is for teaching."""
    measured = [*world.unseen, *reversed(world.reviewed)][:images]
    files = {scene.file for scene in measured}
    return [each for each in world.scenes if each.file in files], [each for each in world.reviewed if each.file not in files]


def main(arguments: Sequence[str] | None = None) -> int:
    world = World.load(SCENES)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=IMAGES, help="pictures in each round")
    parser.add_argument("--taught", type=int, default=len(world.scenes), help="at most so many others to teach the head")
    parser.add_argument("--out", type=Path, default=Path("effort-output"), help="where everything goes; an earlier run there is replaced")
    given = parser.parse_args(arguments)
    out, began = given.out.resolve(), time.monotonic()
    if out.exists() and any(out.iterdir()) and not (out / "up.log").exists():
        parser.error(f"{out} holds other things")
    shutil.rmtree(out, ignore_errors=True)
    (out / "screens").mkdir(parents=True)
    measured, taught = chosen(world, given.images)
    taught = taught[: given.taught]
    world = replace(world, scenes=tuple(sorted([*measured, *taught], key=lambda scene: scene.file)))
    play.lay_out(world, out / "photos")
    with stage(out, out / "photos", world, weights="nano") as on_stage:
        server = LocalStudio(on_stage.data_dir / "studio")
        cookies = on_stage.studio.session_cookies(server.username, server.password)
        with screens.editor(on_stage.studio.url, cookies) as page:
            rounds = measure(Desk(on_stage, world, page, measured, out), taught)
    low = report(rounds, out)
    console.out.print(f"[soft]{time.monotonic() - began:.0f} s; the head learnt from {len(taught)} other pictures.[/]")
    for each in low:
        console.err.print(f"[warn]{each}[/]")
    return 1 if low else 0


def _scene(data: Mapping[str, Any]) -> str:
    return str(next(iter(data.values()))).rsplit("/", 1)[-1].rsplit("=", 1)[-1]


if __name__ == "__main__":
    sys.exit(main())
