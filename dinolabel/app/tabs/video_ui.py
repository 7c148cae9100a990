"""The video tab's layout, and what happens when something in it is touched."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from dinolabel.app.common.errors import with_error_toast, with_error_toasts
from dinolabel.app.common.film_rows import PLAYED, SEEK, clock, strip, track_rows
from dinolabel.app.tabs.image import ImageTab, is_complete
from dinolabel.app.tabs.image_ui import thresholds, words
from dinolabel.app.tabs.video import VideoTab, VideoTabRequest, VideoUpdate
from dinolabel.vision.errors import DinolabelError
from dinolabel.vision.types import Thresholds
from dinolabel.vision.video.tracks import TrackSummary

HEADERS = ["track", "label", "from", "to", "confidence", "looks", "best guess"]
WELCOME = "Add a film, say what to look for, press **Find in film**."
STOPPED = "Cancelled. Nothing was kept."
EVERY = 15


def video_page(blocks: gr.Blocks, tab: VideoTab, images: ImageTab, *, limits: Thresholds) -> gr.Dropdown:
    """Lay the tab out and wire it; the answer is its picker of heads."""
    with gr.Row(equal_height=False, elem_classes="sides"):
        with gr.Column(scale=4, min_width=320):
            asked, find, cancel, shown = _questions(images, limits)
        with gr.Column(scale=7, min_width=320):
            told = _answers()
    _wire(blocks, tab, asked, told, find=find, cancel=cancel)
    _wire_film(blocks, asked, find, shown)
    return asked[4]


def _questions(images: ImageTab, limits: Thresholds) -> tuple[list[Any], gr.Button, gr.Button, list[Any]]:
    film = gr.File(label="Film", type="filepath", height=120, elem_id="film")
    shown = [
        gr.Video(label="Your film", interactive=False, height=220, visible=False, buttons=[], elem_id="film-own"),
        gr.HTML("", elem_id="film-strip", padding=False),
    ]
    prompt = words(images.phrases)
    version = gr.Dropdown(images.versions(), value=images.usual, label="Names", info="A head that was trained in a project.")
    with gr.Row():
        find = gr.Button("Find in film", variant="primary", size="lg", interactive=False)
        cancel = gr.Button("Cancel", size="lg", interactive=False, elem_id="cancel-film")
    box, text = thresholds(limits)
    with gr.Accordion("How closely", open=False):
        every = gr.Slider(1, 60, EVERY, step=1, label="Look at every … frame", info="Tracks are followed in between. 1 is slow and exact.")
        smallest = gr.Slider(0, 200, 0, step=1, label="Smallest to name", info="Pixels; who is smaller keeps the generic label.")
    return [film, prompt, box, text, version, every, smallest], find, cancel, shown


def _answers() -> list[Any]:
    status = gr.Markdown(WELCOME, elem_id="film-status")
    bar = gr.HTML(_bar(0.0), elem_id="film-bar", padding=False)
    preview = gr.Image(label="Preview", interactive=False, height=400, buttons=["fullscreen"], elem_id="film-preview", format="jpeg")
    video = gr.Video(label="Found", interactive=False, height=400, visible=False, elem_id="film-found", buttons=["download"])
    line = gr.HTML("", visible=False, elem_id="film-timeline", padding=False)
    with gr.Accordion("Table", open=False):
        table = gr.Dataframe(headers=HEADERS, value=[], interactive=False, show_label=False, max_height=260, buttons=[])
    files = gr.File(label="To keep", file_count="multiple", interactive=False, visible=False, elem_id="film-files")
    return [status, bar, preview, video, line, table, files]


def _wire(blocks: gr.Blocks, tab: VideoTab, asked: list[Any], told: list[Any], *, find: gr.Button, cancel: gr.Button) -> None:
    def run(film: str | None, prompt: str, box: float, text: float, version: str | None, every: float, smallest: float,
            request: gr.Request) -> Iterator[tuple[Any, ...]]:  # fmt: skip
        still = (gr.skip(), gr.skip())
        try:
            for news in tab.run(film, VideoTabRequest(prompt, box, text, version, every, smallest), who=_session_id(request)):
                status, *others = _parts(news)
                yield status, *still, *others
        except DinolabelError as error:
            # Before the message: what was chained to an event was seen not to come after one that failed.
            yield html.escape(str(error)), *idle(), _bar(0.0), *(gr.skip() for _ in told[2:])
            raise

    def stop(request: gr.Request) -> None:
        tab.stop(_session_id(request))

    # Made when they are asked for: a button made here would stand on the page.
    def busy() -> tuple[Any, ...]:
        return gr.Button(interactive=False), gr.Button(interactive=True)

    def idle() -> tuple[Any, ...]:
        return gr.Button(interactive=True), gr.Button("Cancel", interactive=False)

    began = find.click(busy, None, [find, cancel], api_visibility="private", show_progress="hidden", queue=False)
    watched = began.then(
        with_error_toasts(run),
        asked,
        [told[0], find, cancel, *told[1:]],
        api_name="find_in_film",
        show_progress="hidden",
        concurrency_limit=16,
    )
    watched.then(idle, None, [find, cancel], api_visibility="private", show_progress="hidden", queue=False)
    # First the word, then the deed: the other way round, "Cancelling…" could arrive after the film's last word.
    said = cancel.click(lambda: gr.Button("Cancelling…", interactive=False), None, cancel, api_visibility="private", queue=False)
    said.then(with_error_toast(stop), None, None, api_name="cancel_film", show_progress="hidden", queue=False)
    blocks.unload(stop)


def _wire_film(blocks: gr.Blocks, asked: list[Any], find: gr.Button, shown: list[Any]) -> None:
    """The film that was uploaded is shown, as far as a browser plays it; without one there is nothing to press."""
    film, prompt, *_ = asked

    def look(path: str | None) -> tuple[Any, ...]:
        if not path:
            return gr.Video(None, visible=False), ""
        frames = strip(path)
        played = Path(path).suffix.lower() in PLAYED
        return gr.Video(path if played else None, visible=played), frames

    def ready(path: str | None, typed: str) -> Any:
        return gr.Button(interactive=is_complete(path, typed))

    blocks.load(None, js=SEEK)
    film.change(with_error_toast(look), film, shown, api_visibility="private", show_progress="hidden", concurrency_limit=2)
    gr.on([film.change, prompt.change], ready, [film, prompt], find, api_visibility="private", show_progress="hidden", queue=False)


def _session_id(request: gr.Request) -> str:
    return str(request.session_hash)


def _parts(news: VideoUpdate) -> tuple[Any, ...]:
    """status, bar, preview, video, timeline, table, files."""
    if news.answer is not None:
        answer = news.answer
        files = [str(each) for each in (answer.video, answer.data, answer.table, answer.timeline)]
        rows = [_row(each) for each in answer.people]
        return (
            _summary(answer.people, answer.document),
            _bar(1.0),
            gr.Image(visible=False),
            gr.Video(files[0], visible=True),
            gr.HTML(track_rows(answer, news.faces, news.colours), visible=bool(answer.people)),
            gr.Dataframe(rows),
            gr.File(files, visible=True),
        )
    gone = (gr.Video(visible=False), gr.HTML(visible=False), gr.Dataframe([]), gr.File(visible=False))
    if news.stopped:
        return (STOPPED, _bar(0.0), gr.Image(None, visible=True), *gone)
    if news.progress is None:
        films = "film" if news.waiting == 1 else "films"
        return (f"Waiting: {news.waiting} {films} before yours.", _bar(0.0), gr.Image(visible=True), *gone)
    step = news.progress
    share = 0.9 * step.done / max(1, step.of) if step.stage == "watching" else 0.9 + 0.1 * step.done / max(1, step.of)
    doing = "Watching" if step.stage == "watching" else "Writing the film"
    status = f"{doing}: frame {step.done:,} of {step.of:,} · {step.rate:.1f} frames/s · about {clock(step.left)} to go"
    preview = gr.skip() if news.preview is None else gr.Image(news.preview, visible=True)
    return (status, _bar(share), preview, *(gr.skip() for _ in gone)) if step.done > 60 else (status, _bar(share), preview, *gone)


def _summary(people: tuple[TrackSummary, ...], document: Any) -> str:
    if not people:
        return "Nobody was found. Try other words, or a lower box threshold."
    names = sorted({each.label for each in people if each.confidence is not None})
    named = f" · named: {html.escape(', '.join(names))}" if names else ""
    short = " · **the film was cut short**: this is what there is of it" if document["film"]["cut_short"] else ""
    tracks = "track" if len(people) == 1 else "tracks"
    return f"**{len(people)} {tracks}**{named} · {document['passes']} looks at {document['film']['frames']:,} frames{short}"


def _row(person: TrackSummary) -> list[str]:
    confidence = "–" if person.confidence is None else f"{person.confidence:.2f}"
    when = [clock(person.begins), clock(person.ends)]
    return [str(person.track), person.label, *when, confidence, str(person.looks), person.guess or "–"]


def _bar(share: float) -> str:
    percent = round(100 * share)
    spoken = f'role="progressbar" aria-label="Progress" aria-valuenow="{percent}" aria-valuemin="0" aria-valuemax="100"'
    return f'<div class="bar" {spoken}><i style="width:{percent}%"></i></div>'
