"""The page: its head, its tabs, what it says without weights, and the socket it is served on."""

from __future__ import annotations

import html
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

from dinolabel.app.common.downloads import DownloadFolder
from dinolabel.app.common.errors import with_error_toast
from dinolabel.app.common.explanations import Explanations
from dinolabel.app.common.model_handle import ModelHandle
from dinolabel.app.common.theme import CSS, theme
from dinolabel.app.tabs.heads import HeadsTab
from dinolabel.app.tabs.heads_ui import heads_page
from dinolabel.app.tabs.image import ImageTab, ProjectColours
from dinolabel.app.tabs.image_ui import image_page
from dinolabel.app.tabs.send import Sender
from dinolabel.app.tabs.send_ui import send_page
from dinolabel.app.tabs.video import VideoTab
from dinolabel.app.tabs.video_ui import video_page
from dinolabel.studio.media.loopback import is_loopback
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.errors import SettingsError
from dinolabel.vision.loading.weights import tell_limits
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.types import Thresholds

MAX_MB = 2048
"""Largest upload: a film of an hour. A picture of more than 179 million pixels is refused by the decoder, whatever its file's size."""


@dataclass(frozen=True)
class Page:
    """blocks: the whole app. shelf: what it made for people to download. sight: the models behind it. films: those that are on."""

    blocks: gr.Blocks
    shelf: DownloadFolder
    sight: ModelHandle
    films: VideoTab


def page(
    pipeline: Pipeline | Callable[[], Pipeline],
    store: BundleStore,
    *,
    sender: Sender | None = None,
    exports: Path | None = None,
    colours: ProjectColours = lambda project: {},
) -> Page:
    """The whole app. pipeline: ready, or a function that loads it, which is asked now and, when it raises, again by a button of the page.

    sender: sends pictures to a Label Studio; None leaves that part out. exports: folder of a folder of crops per project, to show why.
    colours: of a project's labels, as ImageTab takes them.
    """
    sight = ModelHandle.of(pipeline) if isinstance(pipeline, Pipeline) else ModelHandle(pipeline)
    sight.load()
    shelf = DownloadFolder()
    tab = ImageTab(sight, store, colours)
    films = VideoTab(sight, tab, shelf)
    with gr.Blocks(title="dinolabel", analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400)) as blocks:
        head = gr.HTML(_header(sight), elem_id="header", padding=False)
        _without_models(blocks, sight, head)
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Image", id="image"):
                image = image_page(tab, shelf, Explanations(exports), limits=_limits(sight))
                if sender is not None:
                    send_page(sender, tab, sight, image.asked, image.told[2])
            with gr.Tab("Video", id="video"):
                film_heads = video_page(blocks, films, tab, limits=_limits(sight))
            with gr.Tab("Models", id="models"):
                heads_page(blocks, HeadsTab(store))
        refresh = with_error_toast(lambda: gr.update(choices=tab.versions()))
        gr.on([blocks.load, image.version.focus], refresh, None, image.version, show_progress="hidden", api_name="versions")
        gr.on([blocks.load, film_heads.focus], refresh, None, film_heads, show_progress="hidden", api_visibility="private")
    return Page(blocks, shelf, sight, films)


def _limits(sight: ModelHandle) -> Thresholds:
    return Thresholds() if sight.problem else sight.pipeline().thresholds


def _without_models(blocks: gr.Blocks, sight: ModelHandle, head: gr.HTML) -> None:
    """What a person sees when there are no weights, with a button to try again once they are there."""
    with gr.Column(visible=sight.problem is not None, elem_id="problem") as problem:
        words = gr.HTML(_problem(sight), padding=False)
        again = gr.Button("Try again", size="sm")

    def state() -> tuple[Any, ...]:
        return gr.Column(visible=sight.problem is not None), _problem(sight), _header(sight)

    def retry() -> tuple[Any, ...]:
        sight.load()
        return state()

    again.click(with_error_toast(retry), None, [problem, words, head], api_name="load", concurrency_limit=1)
    # Quietly: a spinner over the head would lie over the tabs, too.
    blocks.load(state, None, [problem, words, head], api_visibility="private", show_progress="hidden")


@dataclass(frozen=True)
class RunningPage:
    """A running page. url: where it is."""

    url: str
    _page: Page

    def wait(self) -> None:
        """Until interrupted; then the page is closed."""
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            self.close()

    def close(self) -> None:
        self._page.films.stop_all()
        self._page.blocks.close(verbose=False)
        self._page.shelf.clear()


def serve(page: Page, *, host: str, port: int, auth: tuple[str, str] | None = None, max_mb: int = MAX_MB) -> RunningPage:
    """Serve the page from a thread. port: 0 takes a free one. Raises SettingsError when the port is taken."""
    try:
        _, url, _ = page.blocks.queue(default_concurrency_limit=4).launch(
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
            max_file_size=f"{max_mb}mb",
            allowed_paths=[str(page.shelf.folder)],
            app_kwargs={"middleware": [Middleware(OwnNames)]} if auth is None else None,
            prevent_thread_lock=True,
        )
    except OSError as error:
        raise SettingsError(f"Port {port} of {host} cannot be used.", hint="Name another one with --port; 0 takes a free one.") from error
    return RunningPage(str(url), page)


class OwnNames:
    """ASGI middleware of a page without a password: who asks for a host that is not loopback gets 403.

    Another name in Host means that a web site has pointed its own name at this machine.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        host = Headers(scope=scope).get("host", "") if scope["type"] in ("http", "websocket") else "localhost"
        name, colon, port = host.rpartition(":")
        if is_loopback(name if colon and port.isdigit() else host):
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse(OTHER_NAME, status_code=403)(scope, receive, send)


OTHER_NAME = "Without a password this page answers to localhost only. Start it with --auth NAME:PASSWORD to use another name.\n"


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _header(sight: ModelHandle) -> str:
    models: list[str] = []
    if sight.problem is None:
        pipeline = sight.pipeline()
        models = [pipeline.detector.name, *([pipeline.embedder.name] if pipeline.embedder else [])]
        if limits := tell_limits(pipeline.detector.weights):
            models.append(f"nano {limits}")
    chips = "".join(f"<span>{html.escape(each)}</span>" for each in models or ["no weights"])
    return f"<h1>dinolabel</h1><p>Boxes from words, names from your own corrections.</p><nav>{chips}</nav>"


def _problem(sight: ModelHandle) -> str:
    if sight.problem is None:
        return ""
    return f"<b>{html.escape(str(sight.problem))}</b><p>{html.escape(sight.problem.hint)}</p>"
