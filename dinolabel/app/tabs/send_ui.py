"""The corner of the image tab that sends a picture with its boxes to Label Studio."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from dinolabel.app.common.errors import with_error_toast
from dinolabel.app.common.model_handle import ModelHandle
from dinolabel.app.tabs.image import ImageRequest, ImageTab
from dinolabel.app.tabs.send import Sender
from dinolabel.vision.errors import RequestError
from dinolabel.vision.types import Thresholds

IDLE = "A new task with this picture, and these boxes as its prediction. Nothing that is there is changed."


def send_page(sender: Sender, tab: ImageTab, sight: ModelHandle, asked: list[Any], found: gr.JSON) -> None:
    """Lay it out and wire it. asked: the image tab's questions, picture first. found: its answer; empty, there is nothing to send."""
    with gr.Accordion("Send to Label Studio", open=False, elem_id="send") as corner:
        project = gr.Dropdown([], label="Project", info="Of the Label Studio in the settings.", value=None)
        button = gr.Button("Send", size="sm", interactive=False)
        said = gr.Markdown(IDLE, elem_id="sent")

    def send(number: int | None, path: str | None, *each: Any) -> str:
        if number is None:
            raise RequestError("No project is chosen.", hint="Choose the project that shall get the picture.")
        ask = ImageRequest(*each)
        image, detections, bundle = tab.detections(path, ask)
        pipeline = sight.pipeline(tiles=ask.tiles)
        limits = Thresholds(ask.box, ask.text, pipeline.thresholds.nms_iou)
        url = sender.send(str(path), image, detections, project=int(number), pipeline=pipeline, thresholds=limits, bundle=bundle)
        return f'Sent: <a href="{html.escape(url)}" target="_blank" rel="noopener">open the task</a>.'

    gr.on(
        [found.change, project.change], lambda rows, number: gr.Button(interactive=bool(rows) and number is not None), [found, project],
        button, api_visibility="private", show_progress="hidden", queue=False,
    )  # fmt: skip
    projects = with_error_toast(lambda: gr.update(choices=sender.projects()))
    gr.on([corner.expand, project.focus], projects, None, project, api_name="projects", show_progress="hidden")
    button.click(with_error_toast(send), [project, *asked], said, api_name="send", concurrency_limit=1)
