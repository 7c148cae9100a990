"""`dinolabel demo`: the whole loop on a drawn world, scored against the truth."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dinolabel.cli import console
from dinolabel.cli.plan import Plan

if TYPE_CHECKING:
    from dinolabel.demo.play import DemoResult
    from dinolabel.demo.stage import DemoStage
    from dinolabel.demo.world import World

SCENES = Path(__file__).resolve().parents[1] / "nano" / "demo"


def command(
    models: Annotated[Literal["nano", "hub"], typer.Option("--models", help="nano: embedded weights; hub: the real ones.")] = "nano",
    out: Annotated[Path, typer.Option(help="Where everything it makes goes; an earlier demo there is replaced.")] = Path("demo-output"),
    stay: Annotated[bool | None, typer.Option("--stay/--no-stay", help="Keep running at the end. Default: with a terminal.")] = None,
) -> None:
    """Show the whole loop: boxes from words, a reviewer's names, a head in seconds, names on unseen pictures.

    It starts a Label Studio and a backend of its own, on free ports, and stops them at the end.

    Example: dinolabel demo --no-stay
    """
    from dinolabel.demo import play, stage, summary
    from dinolabel.demo.world import World

    world, began = World.load(SCENES), time.monotonic()
    _plan(world, models, out).show()
    out = _fresh(out)
    play.lay_out(world, out / "photos")
    with stage.stage(out, out / "photos", world, weights=models) as on_stage:
        played = play.play(on_stage, world, _camera(on_stage, world, out))
        result = summary.figures(played, world, wall_seconds=time.monotonic() - began)
        console.out.print(summary.table(played, result))
        _tell(result, [summary.write(result, out), *_pictures(played, world, out)])
        if sys.stdout.isatty() if stay is None else stay:
            _stay(on_stage)
    if low := summary.missed(result):
        raise stage.DemoFailed(f"The loop ran, but {'; '.join(low)}.", hint=f"Look at the pictures in {out}.")


def _plan(world: World, models: str, out: Path) -> Plan:
    return Plan.of(
        "The whole loop on a small drawn world",
        [("pictures", f"{len(world.scenes)} scenes; half are reviewed, half are scored")],
        [("looks for", f"“{world.prompt}”"), ("learns", ", ".join(world.names))],
        [("weights", "embedded: nothing is downloaded" if models == "nano" else "from the hub: about 780 MB, downloaded once")],
        [("takes", "three to six minutes on two cores"), ("keeps", str(out))],
    )


def _fresh(out: Path) -> Path:
    """An empty folder; only an earlier demo's is emptied. Raises SettingsError for any other that is not empty."""
    from dinolabel.vision.errors import SettingsError

    out = out.resolve()
    if out.exists() and any(out.iterdir()) and not (out / "up.log").exists():
        raise SettingsError(f"{out} holds other things.", hint="Name another folder: --out DIR.")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    return out


def _pictures(played: DemoResult, world: World, out: Path) -> list[Path]:
    from dinolabel.demo import pictures

    return list(pictures.save(played, world, out / "pictures").values())


def _camera(on_stage: DemoStage, world: World, out: Path) -> Callable[[str], None]:
    """Takes a picture of Label Studio's editor, on a scene nobody reviews, where there is a browser."""
    from dinolabel.demo import screens
    from dinolabel.studio.server.process import LocalStudio

    server, studio = LocalStudio(on_stage.data_dir / "studio"), on_stage.studio
    scene = max(world.unseen, key=lambda each: len({thing.identity for thing in world.prompted_things(each)}))

    def photograph(when: str) -> None:
        if screens.chromium() is None:
            console.err.print(console.soft("No Chromium on this machine: no picture of Label Studio's screen."))
            return
        cookies = studio.session_cookies(server.username, server.password)
        with console.step("Photographing Label Studio") as came_out, screens.editor(studio.url, cookies) as page:
            path = screens.photograph(page, studio.url, on_stage.project, on_stage.tasks()[scene.file].id, out / "screens" / f"{when}.png")
            came_out(f"Label Studio {when} the switch: {path}")

    return photograph


def _tell(result: dict[str, float | int | str], paths: list[Path]) -> None:
    console.out.print(f"\n{result['model_version_before']} → {result['model_version_after']}, {result['wall_seconds']} s in all")
    for path in paths:
        console.out.print(console.soft(path), soft_wrap=True)


def _stay(on_stage: DemoStage) -> None:
    from dinolabel.studio.server.process import LocalStudio

    server = LocalStudio(on_stage.data_dir / "studio")
    page = f"{on_stage.studio.url}/projects/{on_stage.project}/data"
    console.out.print(
        console.line(
            f"\nLabel Studio: {page}\nLog in as ",
            console.key(server.username),
            " with ",
            console.key(server.password),
            ". Ctrl-C stops all.",
        )
    )
    try:
        on_stage.process.wait()
    except KeyboardInterrupt:
        console.err.print("Stopping.")
