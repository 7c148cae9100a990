"""Why a box has its name, beside the table: a click on a row lights the box in the picture and shows the approved crops behind it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from dinolabel.app.common.errors import with_error_toast
from dinolabel.app.common.explanations import Explanations
from dinolabel.app.common.explanations import words as explained
from dinolabel.app.tabs.image import ImageRequest, ImageTab

WHY = "Click a row: its box is lit in the picture, and the approved crops that its name leans on stand here."


def why_parts() -> list[Any]:
    """The sentence and the crops, each crop whole."""
    lean = gr.Markdown(WHY, elem_id="why")
    crops = gr.Gallery(
        columns=3, height="auto", object_fit="contain", show_label=False, allow_preview=False, buttons=[], interactive=False,
        visible=False, elem_id="crops",
    )  # fmt: skip
    return [lean, crops]


def wire_why(tab: ImageTab, why: Explanations, asked: list[Any], parts: list[Any], because: list[Any]) -> None:
    """asked: the image tab's questions, picture first. parts: its answers."""
    annotated, table, found, _ = parts

    def chosen(
        rows: list[dict[str, Any]], picture: str | None, prompt: str, box: float, text: float, version: str | None, smallest: float,
        tiles: bool, event: gr.SelectData,
    ) -> tuple[Any, ...]:  # fmt: skip
        at, ask = int(event.index[0]), ImageRequest(prompt, box, text, version, smallest, tiles)
        if not picture or not 0 <= at < len(rows):
            return gr.skip(), WHY, gr.Gallery(visible=False)
        crops = why.crops(version, rows[at])
        return tab.light(picture, ask, at), explained(rows[at], crops), gr.Gallery(crops, visible=bool(crops))

    table.select(with_error_toast(chosen), [found, *asked], [annotated, *because], api_visibility="private", show_progress="hidden")
    found.change(lambda: (WHY, gr.Gallery(visible=False)), None, because, api_visibility="private", show_progress="hidden", queue=False)
