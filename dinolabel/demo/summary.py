"""The demo's result as numbers, as a table for a person and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from rich.table import Table

from dinolabel.cli import console
from dinolabel.demo.play import DemoResult
from dinolabel.demo.world import World

GOALS = {"detect_recall": 0.85, "named_accuracy": 0.80, "unknown_kept_generic": 0.80}


def figures(played: DemoResult, world: World, *, wall_seconds: float) -> dict[str, float | int | str]:
    """Shares are 0..1, rounded to three places; all but the keys are about the scenes nobody reviewed."""
    after = played.score_after
    return {
        "images": len(world.unseen),
        "objects": after.objects,
        "detect_recall": round(after.recall, 3),
        "detect_precision": round(after.precision, 3),
        "named_accuracy": round(after.named_accuracy, 3),
        "named_coverage": round(after.named_coverage, 3),
        "unknown_kept_generic": round(after.unknown_kept_generic, 3),
        "review_keys_per_box": round(played.effort.keys_per_box, 2),
        "train_seconds": round(played.train_seconds, 1),
        "switch_seconds": round(played.switch_seconds, 1),
        "tasks_without_boxes_during_switch": played.tasks_without_boxes,
        "model_version_before": played.version_before,
        "model_version_after": played.version_after,
        "wall_seconds": round(wall_seconds, 1),
    }


def missed(result: dict[str, float | int | str]) -> list[str]:
    """The goals that were not reached, in words."""
    low = [f"{name} is {result[name]}, the goal is {goal}" for name, goal in GOALS.items() if float(result[name]) < goal]
    if result["tasks_without_boxes_during_switch"]:
        low.append(f"{result['tasks_without_boxes_during_switch']} tasks were without boxes during the switch")
    return low


def write(result: dict[str, float | int | str], out: Path) -> Path:
    path = out / "summary.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return path


def table(played: DemoResult, result: dict[str, float | int | str]) -> Table:
    """Before and after, side by side."""
    before, after, effort = played.score_before, played.score_after, played.effort
    made = console.table(f"on {result['images']} unseen pictures", "from words", "after naming", right=("from words", "after naming"))
    made.add_row("objects found", f"{before.recall:.0%}", f"{after.recall:.0%}")
    made.add_row("boxes that are right", f"{before.precision:.0%}", f"{after.precision:.0%}")
    made.add_row("named right, of all who have a name", f"{before.named_accuracy:.0%}", f"{after.named_accuracy:.0%}")
    made.add_row("named at all, right or wrong", f"{before.named_coverage:.0%}", f"{after.named_coverage:.0%}")
    made.add_row("strangers left generic", f"{before.unknown_kept_generic:.0%}", f"{after.unknown_kept_generic:.0%}")
    made.add_section()
    made.add_row("keys a box while reviewing", f"{effort.keys_per_box:.2f}", "")
    made.add_row("training, button to verdict", "", f"{result['train_seconds']} s")
    made.add_row("switch, verdict to names on every picture", "", f"{result['switch_seconds']} s")
    made.add_row("tasks without boxes meanwhile", "", str(result["tasks_without_boxes_during_switch"]))
    return made
