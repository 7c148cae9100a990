"""`python -m benchmarks.studio`: the dialogue with a real Label Studio, measured; prints the figures and writes them to studio.json.

1,000 tasks of five cat faces, the embedded models, warm caches. Everything runs as a person would run it: Label Studio and
`dinolabel serve` as processes, `dinolabel preannotate` as a command, Chromium for the person who watches.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.studio import answering, pushing, scenes, switching
from benchmarks.studio.stand import stand, write

GOALS = {
    "push_seconds": lambda found: found["retrieve_action_seconds"] >= 8 * found["push_seconds"],
    "switch_seconds": lambda found: found["switch_seconds"] <= 10,
    "rollback_seconds": lambda found: found["rollback_seconds"] <= 5,
    "tasks_without_boxes_during_switch": lambda found: found["tasks_without_boxes_during_switch"] == 0,
    "setup_p99_ms": lambda found: found["setup_p99_ms"] <= 50,
    "webhook_p99_ms": lambda found: found["webhook_p99_ms"] <= 100,
}
KEYS = (
    "retrieve_action_seconds", "push_seconds", "switch_seconds", "rollback_seconds",
    "tasks_without_boxes_during_switch", "setup_p99_ms", "webhook_p99_ms",
)  # fmt: skip


def main() -> None:
    asked = _arguments()
    with ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="studio-bench-")))
        drawings = min(asked.drawings, asked.tasks)
        pictures = scenes.draw(folder / "documents" / "pictures", asked.tasks, drawings=drawings)
        unseen = scenes.unseen(folder / "documents" / folder.name, pictures[:drawings], asked.unseen)
        made = stack.enter_context(stand(folder))
        project, version = pushing.warm(made, pictures)
        figures = pushing.measure(made, pictures, version, rounds=asked.rounds)
        figures |= switching.measure(made, project)
        figures |= answering.measure(made, project, unseen, calls=asked.calls)
    found = {key: round(figures[key], 3) for key in KEYS}
    write(asked.out, found)
    for key, value in found.items():
        met = GOALS.get(key)
        print(f"{key:36} {value:10.3f}" + ("" if met is None else "  met" if met(found) else "  MISSED"))
    print(f"push is {found['retrieve_action_seconds'] / found['push_seconds']:.1f} times as fast; written to {asked.out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--drawings", type=int, default=100, help="different pictures among the tasks' files")
    parser.add_argument("--unseen", type=int, default=2000, help="pictures for the model to work on while it is asked")
    parser.add_argument("--rounds", type=int, default=3, help="of action and command, in turn")
    parser.add_argument("--calls", type=int, default=1000, help="to each of /setup, /health, /webhook")
    parser.add_argument("--folder", type=Path, help="kept between runs: pictures, caches, Label Studio's data")
    parser.add_argument("--out", type=Path, default=Path("studio.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
