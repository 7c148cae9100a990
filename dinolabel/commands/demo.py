"""`dinolabel demo`: the whole loop on a drawn world, scored against the truth."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dinolabel import console
from dinolabel.plan import Plan

if TYPE_CHECKING:
    from dinolabel.demo.stage import Stage
    from dinolabel.demo.world import World

SCENES = Path(__file__).resolve().parents[2] / "models" / "nano" / "demo"
SHOWN_SCREENS = 2


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
        played = play.play(on_stage, world)
        screens = _screens(on_stage, world, played.version_before, out)
        result = summary.figures(played, world, wall_seconds=time.monotonic() - began)
        console.out.print(summary.table(played, result))
        _tell(result, [summary.write(result, out), *_pictures(played, world, out), *screens])
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
    from vision.errors import SettingsError

    out = out.resolve()
    if out.exists() and any(out.iterdir()) and not (out / "up.log").exists():
        raise SettingsError(f"{out} holds other things.", hint="Name another folder: --out DIR.")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    return out


def _pictures(played: object, world: World, out: Path) -> list[Path]:
    from dinolabel.demo import pictures
    from dinolabel.demo.play import Played

    assert isinstance(played, Played)
    return list(pictures.save(played, world, out / "pictures").values())


def _screens(on_stage: Stage, world: World, before: str, out: Path) -> list[Path]:
    """Label Studio's editor on scenes nobody reviewed, where there is a browser."""
    from dinolabel.demo import screens
    from studio.server import LocalStudio

    if screens.chromium() is None:
        console.err.print("[soft]No Chromium on this machine: no pictures of Label Studio's screen.[/]")
        return []
    server = LocalStudio(on_stage.data_dir / "studio")
    cookies = on_stage.studio.session_cookies(server.username, server.password)
    tasks = on_stage.tasks()
    with console.step("Photographing Label Studio") as came_out, screens.editor(on_stage.studio.url, cookies) as page:
        taken = [
            screens.photograph(
                page, on_stage.studio.url, on_stage.project, tasks[scene.file].id, out / "screens" / f"{Path(scene.file).stem}.png"
            )
            for scene in world.unseen[:SHOWN_SCREENS]
        ]
        came_out(f"{len(taken)} pictures of Label Studio's editor")
    return taken


def _tell(result: dict[str, float | int | str], paths: list[Path]) -> None:
    console.out.print(f"\n{result['model_version_before']} → {result['model_version_after']}, {result['wall_seconds']} s in all")
    for path in paths:
        console.out.print(f"[soft]{path}[/]", soft_wrap=True)


def _stay(on_stage: Stage) -> None:
    from studio.server import LocalStudio

    server = LocalStudio(on_stage.data_dir / "studio")
    page = f"{on_stage.studio.url}/projects/{on_stage.project}/data"
    console.out.print(f"\nLabel Studio: {page}\nLog in as [key]{server.username}[/] with [key]{server.password}[/]. Ctrl-C stops all.")
    try:
        on_stage.process.wait()
    except KeyboardInterrupt:
        console.err.print("Stopping.")
