"""The page: where things stand and what happens when they are touched.

Knows Gradio and the tab's functions; no model, no file, no setting.
"""

from __future__ import annotations

import html
import socket
import threading
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.image import BOXES_ONLY, HEADERS, WELCOME, ImageTab, Look
from app.look import CSS, theme
from app.messages import telling
from vision.errors import SettingsError
from vision.pipeline import Pipeline
from vision.store import Store


def page(pipeline: Pipeline, store: Store) -> gr.Blocks:
    """The whole app. It loads nothing: the pipeline is ready."""
    tab = ImageTab(pipeline, store)
    with gr.Blocks(title="dinolabel", analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400)) as blocks:
        gr.HTML(_header(pipeline), elem_id="header", padding=False)
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=320):
                asked, find = _questions(tab, pipeline)
            with gr.Column(scale=7, min_width=420):
                told = _answers()
        _wire(blocks, tab, asked=asked, find=find, told=told)
    return blocks


def _questions(tab: ImageTab, pipeline: Pipeline) -> tuple[list[Any], gr.Button]:
    limits = pipeline.thresholds
    picture = gr.Image(label="Picture", type="filepath", sources=["upload", "clipboard", "webcam"], height=260, buttons=[])
    # The file as it was sent: our own decoder knows EXIF, 16 bits, HEIC and what to say of a broken one. (A subclass would
    # be the clean way, but Gradio writes a .pyi beside the source of every class derived from a component.)
    picture.preprocess = _path_of
    prompt = gr.Textbox(label="What to look for", placeholder="cat face. dog face", max_lines=3, info="Words, full stops between them.")
    version = gr.Dropdown(tab.versions(), value=BOXES_ONLY, label="Names", info="A head that was trained in a project.")
    find = gr.Button("Find", variant="primary", size="lg")
    box = gr.Slider(0.05, 1.0, limits.box, step=0.01, label="Box threshold", info="Least score of a box.")
    text = gr.Slider(0.0, 1.0, limits.text, step=0.01, label="Text threshold", info="Least mean score of the words it matched.")
    return [picture, prompt, box, text, version], find


def _answers() -> list[Any]:
    annotated = gr.Image(label="Found", interactive=False, height=480, buttons=["download", "fullscreen"], elem_id="found")
    status = gr.Markdown(WELCOME, elem_id="status")
    with gr.Tabs():
        with gr.Tab("Table"):
            table = gr.Dataframe(headers=HEADERS, value=[], interactive=False, show_label=False, max_height=260, buttons=[])
        with gr.Tab("JSON"):
            found = gr.JSON([], show_label=False, max_height=260, open=True)
    return [annotated, table, found, status]


def _wire(blocks: gr.Blocks, tab: ImageTab, *, asked: list[Any], find: gr.Button, told: list[Any]) -> None:
    picture, prompt, box, text, version = asked
    one_at_a_time: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "models"}

    def look(*each: Any) -> tuple[Any, ...]:
        return _parts(tab.look(*each))

    def again(*each: Any) -> tuple[Any, ...]:
        return _parts(tab.again(*each))

    gr.on([find.click, prompt.submit], telling(look), asked, told, api_name="find", show_progress_on=told[0], **one_at_a_time)
    # While a slider is dragged only its last place counts; what it needs is in the cache.
    live = [picture.change, box.change, text.change, version.input]
    quiet: dict[str, Any] = {"trigger_mode": "always_last", "show_progress": "hidden"}
    gr.on(live, telling(again), asked, told, api_name="again", **quiet, **one_at_a_time)
    refresh = telling(lambda: gr.update(choices=tab.versions()))
    gr.on([blocks.load, version.focus], refresh, None, version, show_progress="hidden", api_name="versions")


@dataclass(frozen=True)
class Served:
    """A running page. url: where it is."""

    url: str
    _blocks: gr.Blocks

    def wait(self) -> None:
        """Until interrupted; then the page is closed."""
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            self.close()

    def close(self) -> None:
        self._blocks.close(verbose=False)


def serve(blocks: gr.Blocks, *, host: str, port: int, auth: tuple[str, str] | None = None) -> Served:
    """Serve the page from a thread. port: 0 takes a free one. Raises SettingsError when the port is taken."""
    try:
        _, url, _ = blocks.queue(default_concurrency_limit=4).launch(
            server_name=host,
            server_port=port or _free_port(host),
            auth=auth,
            quiet=True,
            share=False,
            ssr_mode=False,
            run_history=False,
            footer_links=[],
            theme=theme(),
            css=CSS,
            max_file_size="100mb",
            prevent_thread_lock=True,
        )
    except OSError as error:
        raise SettingsError(f"Port {port} of {host} cannot be used.", hint="Name another one with --port; 0 takes a free one.") from error
    return Served(str(url), blocks)


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _path_of(payload: Any) -> str | None:
    return payload.path if payload else None


def _header(pipeline: Pipeline) -> str:
    models = [pipeline.detector.name, *([pipeline.embedder.name] if pipeline.embedder else [])]
    chips = "".join(f"<span>{html.escape(each)}</span>" for each in models)
    return f"<h1>dinolabel</h1><p>Boxes from words, names from your own corrections.</p><nav>{chips}</nav>"


def _parts(look: Look) -> tuple[Any, ...]:
    return look.picture, look.table, look.found, look.status
