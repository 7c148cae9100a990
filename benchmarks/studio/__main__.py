"""`python -m benchmarks.studio`: the dialogue with a real Label Studio, measured; prints the figures and writes them to studio.json.

1,000 tasks of five cat faces, the embedded models, warm caches. Everything runs as a person would run it: Label Studio and
`dinolabel serve` as processes, `dinolabel preannotate` as a command, Chromium for the person who watches.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks.studio import answering, people, pushing, scenes, switching
from benchmarks.studio.stand import Row, stand, write


def main() -> None:
    asked = _arguments()
    found: dict[str, float] = {}
    with ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="studio-bench-")))
        drawings = min(asked.drawings, asked.tasks)
        pictures = scenes.draw(folder / "documents" / "pictures", asked.tasks, drawings=drawings)
        made = stack.enter_context(stand(folder))
        project, version = pushing.warm(made, pictures)
        rows: list[Row] = []
        if asked.part in ("all", "push"):
            rows += rows_of_pushing(pushing.measure(made, pictures, version, rounds=asked.rounds))
        if asked.part == "all":
            unseen = scenes.unseen(folder / "documents" / folder.name, pictures[:drawings], asked.unseen)
            found |= switching.measure(made, project)
            found |= answering.measure(made, project, unseen, calls=asked.calls)
            rows += rows_of_dialogue(found)
        if asked.part in ("all", "people"):
            rows += rows_of_people(people.measure(made, pictures), len(pictures))
    write(asked.out, rows)
    for each in rows:
        print(f"{each['what']:72} {each['value']:10} {each['goal']:12} {'met' if each['holds'] else 'MISSED'}")


def row(what: str, value: float, goal: str, *, holds: bool) -> Row:
    return {"what": what, "value": float(f"{value:.3g}"), "goal": goal, "holds": bool(holds)}


def rows_of_pushing(found: Mapping[str, float]) -> list[Row]:
    times = found["retrieve_action_seconds"] / found["push_seconds"]
    return [
        row("1,000 tasks by Retrieve predictions, seconds", found["retrieve_action_seconds"], "", holds=True),
        row("1,000 tasks by dinolabel preannotate, seconds", found["push_seconds"], "", holds=True),
        row("push, times as fast as Retrieve predictions", times, ">= 8", holds=times >= 8),
    ]


def rows_of_dialogue(found: Mapping[str, float]) -> list[Row]:
    most = {
        "switch_seconds": 10.0, "rollback_seconds": 5.0, "tasks_without_boxes_during_switch": 0.0,
        "setup_p99_ms": 50.0, "health_p99_ms": 50.0, "webhook_p99_ms": 100.0,
    }  # fmt: skip
    return [row(name.replace("_", " "), found[name], f"<= {goal:g}", holds=found[name] <= goal) for name, goal in most.items()]


def rows_of_people(found: Mapping[str, float], tasks: int) -> list[Row]:
    """Of a person at work in a project of so many tasks."""
    where, rows = f"somebody at work, {tasks:,} tasks", []
    rows.append(row(f"{where}: slowest submit alone, seconds", found["alone_slowest_submit"], "", holds=True))
    for what in ("fill", "switch", "sweep"):
        slowest, share = found[f"{what}_slowest_submit"], found[f"{what}_busy_share"]
        rows.append(row(f"{where}: {what}, seconds", found[f"{what}_seconds"], "", holds=True))
        rows.append(row(f"{where}: {what}, slowest submit, seconds", slowest, "<= 2", holds=slowest <= 2))
        rows.append(row(f"{where}: {what}, share of Label Studio's time", share, "<= 0.1", holds=share <= 0.1))
    rows.append(row(f"{where}: predictions swept", found["swept_predictions"], "", holds=True))
    return rows


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--drawings", type=int, default=100, help="different pictures among the tasks' files")
    parser.add_argument("--unseen", type=int, default=2000, help="pictures for the model to work on while it is asked")
    parser.add_argument("--rounds", type=int, default=3, help="of action and command, in turn")
    parser.add_argument("--calls", type=int, default=1000, help="to each of /setup, /health, /webhook")
    parser.add_argument("--part", choices=("all", "push", "people"), default="all", help="what to measure")
    parser.add_argument("--folder", type=Path, help="kept between runs: pictures, caches, Label Studio's data")
    parser.add_argument("--out", type=Path, default=Path("studio.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
