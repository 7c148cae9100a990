"""The tabs of a project's Data Manager that `init` makes, and the one of the most varied pictures.

Task scores are the least sure box's, so the first row of a tab is what is most worth looking at; pictures without a box come last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dinolabel.studio.regions.writing import NOTHING

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio

UNSURE = 0.5
SCORE = "tasks:predictions_score"
LABEL_ISSUES = ("suspects", "Label issues")  # called suspects by earlier versions, by which the tab is known again
FORGOTTEN = ("forgotten", "Forgotten")
VARIED = ("varied", "Most varied")


def _filter(column: str, operator: str, value: float) -> dict[str, Any]:
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": "Number", "value": value}


TO_DO = _filter("total_annotations", "equal", 0)
PREDICTED = _filter("total_predictions", "greater", 0)
TABS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "to do": ("To do", [TO_DO]),
    "unsure": ("Unsure", [TO_DO, _filter("predictions_score", "greater", 0), _filter("predictions_score", "less", UNSURE)]),
    "empty": ("Empty", [TO_DO, PREDICTED, _filter("predictions_score", "equal", NOTHING)]),
    "done": ("Done", [_filter("total_annotations", "greater", 0)]),
}
"""name -> title and filters, all of which must hold. Other models score boxes 0, and only a prediction without one is NOTHING."""
NEWEST = "-tasks:updated_at"


def make(studio: LabelStudio, project: int) -> None:
    """To do, unsure, empty, least sure first; done, the newest first; label issues. Safe to repeat."""
    for name, (title, filters) in TABS.items():
        ordering = [NEWEST if name == "done" else SCORE]
        studio.tabs.set(project, name, {"title": title, "filters": {"conjunction": "and", "items": filters}, "ordering": ordering})
    studio.tabs.show_tasks(project, *LABEL_ISSUES, [])


def show_varied(studio: LabelStudio, project: int, tasks: Sequence[int]) -> str:
    """Let the tab of the most varied hold these; its address for a browser."""
    return studio.tabs.show_tasks(project, *VARIED, tasks)
