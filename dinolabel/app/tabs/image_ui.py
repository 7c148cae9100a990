"""The image tab's layout, and what happens when something in it is touched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from dinolabel.app.common import display
from dinolabel.app.common import format as told
from dinolabel.app.common.downloads import DownloadFolder
from dinolabel.app.common.errors import with_error_toast, with_error_toasts
from dinolabel.app.common.explanations import Explanations
from dinolabel.app.tabs.image import WELCOME, ImageRequest, ImageResult, ImageTab, is_complete, names_of
from dinolabel.app.tabs.why_ui import why_parts, wire_why
from dinolabel.vision.errors import DinolabelError
from dinolabel.vision.types import Thresholds

EXAMPLES = tuple(Path(__file__).parents[2] / "nano" / "demo" / f"scene-{number:03}.jpg" for number in (3, 10, 31))
"""Drawn scenes that come with the package; EXAMPLE is what to look for in them."""
EXAMPLE = "cat face, dog face"
KINDS = ["image", ".heic", ".heif", ".tif", ".tiff", ".jp2"]
QUIET: dict[str, Any] = {"trigger_mode": "always_last", "show_progress": "hidden"}
STILL: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
CLICK = "() => document.querySelector('#{0} a, #{0} button, a#{0}, button#{0}').click()"


class Album:
    """Several pictures of one person: paths as uploaded, and what was found. No dataclass, because Gradio takes those apart."""

    def __init__(self, *paths: str) -> None:
        self.paths = list(paths)
        self.looks: dict[str, ImageResult] = {}
        self.failed: dict[str, str] = {}


@dataclass(frozen=True)
class ImagePage:
    """The parts that other files need: what is asked (picture first), what is told, and the picker of heads."""

    asked: list[Any]
    told: list[Any]
    version: gr.Dropdown


def image_page(tab: ImageTab, shelf: DownloadFolder, why: Explanations, *, limits: Thresholds) -> ImagePage:
    """Lay the tab out and wire it."""
    with gr.Row(equal_height=False, elem_classes="sides"):
        with gr.Column(scale=4, min_width=320):
            asked, find, several, find_all = _questions(tab, limits)
        with gr.Column(scale=7, min_width=320):
            told_parts, gallery, because = _answers()
            saves = _save_buttons()
    _wire(tab, asked, find, told_parts)
    _wire_album(tab, asked, told_parts, several=several, find_all=find_all, gallery=gallery)
    _wire_saves(tab, shelf, asked, saves)
    _grey(asked, find, told_parts[2], saves[:2])
    wire_why(tab, why, asked, told_parts, because)
    return ImagePage(asked, told_parts, asked[4])


def thresholds(limits: Thresholds) -> tuple[gr.Slider, gr.Slider]:
    """The two sliders both tabs have."""
    box = gr.Slider(0.05, 1.0, limits.box, step=0.01, label="Box threshold", info="Least score of a box.")
    text = gr.Slider(0.0, 1.0, limits.text, step=0.01, label="Text threshold", info="Least mean score of the words it matched.")
    return box, text


def words(phrases: str = "") -> gr.Textbox:
    return gr.Textbox(
        phrases, label="What to look for", placeholder=EXAMPLE, max_lines=3, info="Words as one would say them; commas between several."
    )


def _questions(tab: ImageTab, limits: Thresholds) -> tuple[list[Any], gr.Button, gr.UploadButton, gr.Button]:
    picture = gr.Image(label="Picture", type="filepath", sources=["upload", "clipboard", "webcam"], height=260, buttons=[])
    # The file as it was sent: our own decoder knows EXIF, 16 bits, HEIC and what to say of a broken one. (A subclass would
    # be the clean way, but Gradio writes a .pyi beside the source of every class derived from a component.)
    picture.preprocess = _path_of
    several = gr.UploadButton("Several pictures…", file_count="multiple", file_types=KINDS, size="sm", elem_id="several")
    prompt = words(tab.phrases)
    if all(each.is_file() for each in EXAMPLES):
        examples = gr.Examples(
            [[str(each)] for each in EXAMPLES], [picture], label="No picture at hand? Click one.", api_visibility="private"
        )
        examples.dataset.click(
            lambda typed: typed or EXAMPLE, prompt, prompt, api_visibility="private", show_progress="hidden", queue=False
        )
    version = gr.Dropdown(tab.versions(), value=tab.usual, label="Names", info="A head that was trained in a project.")
    with gr.Row():
        find = gr.Button("Find", variant="primary", size="lg", interactive=False)
        find_all = gr.Button("Find in all", size="lg", visible=False)
    box, text = thresholds(limits)
    with gr.Accordion("Many or small things", open=False):
        tiles = gr.Checkbox(False, label="Look closely, tile by tile", info="For a crowd in a large picture. Takes several times as long.")
        smallest = gr.Slider(0, 200, 0, step=1, label="Smallest to name", info="Pixels; who is smaller keeps the generic label.")
    return [picture, prompt, box, text, version, smallest, tiles], find, several, find_all


def _answers() -> tuple[list[Any], gr.Gallery, list[Any]]:
    annotated = gr.Image(label="Found", interactive=False, height=480, buttons=["fullscreen"], elem_id="found")
    status = gr.Markdown(WELCOME, elem_id="status")
    gallery = gr.Gallery(
        label="All pictures", columns=6, height=150, object_fit="contain", allow_preview=False, visible=False, buttons=[],
        interactive=False, elem_id="album",
    )  # fmt: skip
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            table = gr.Dataframe(headers=told.HEADERS, value=[], interactive=False, show_label=False, max_height=260, buttons=[])
        with gr.Column(scale=2, min_width=280):
            because = why_parts()
    with gr.Accordion("JSON", open=False):
        found = gr.JSON([], show_label=False, max_height=260, open=True)
    return [annotated, table, found, status], gallery, because


def _save_buttons() -> list[Any]:
    with gr.Row():
        picture, data = (gr.Button(name, size="sm", interactive=False) for name in ("Save picture", "Save JSON"))
    hidden = gr.DownloadButton("file", visible="hidden", elem_id="kept-image")
    return [picture, data, hidden]


def _wire(tab: ImageTab, asked: list[Any], find: gr.Button, parts: list[Any]) -> None:
    picture, prompt, box, text, version, smallest, tiles = asked

    asked_for = gr.State([])

    def answered(see: Callable[[str | None, ImageRequest], ImageResult], picture: str | None, *asked: Any) -> tuple[Any, ...]:
        return *parts_of(see(picture, ImageRequest(*asked))), [picture, *asked]

    # The names of these are the names that gradio_client knows them by: docs/app.md.
    def look(
        picture: str | None, prompt: str, box: float, text: float, version: str | None, smallest: float, tiles: bool
    ) -> tuple[Any, ...]:  # fmt: skip
        return answered(tab.predict, picture, prompt, box, text, version, smallest, tiles)

    def again(
        picture: str | None, prompt: str, box: float, text: float, version: str | None, smallest: float, tiles: bool
    ) -> tuple[Any, ...]:  # fmt: skip
        return answered(tab.refresh_from_cache, picture, prompt, box, text, version, smallest, tiles)

    def settle(shown_for: list[Any], *asked: Any) -> Any:
        return gr.skip() if shown_for == list(asked) else answered(tab.refresh_from_cache, *asked)

    answers = [*parts, asked_for]

    def entered(picture: str | None, *each: Any) -> tuple[Any, ...]:
        return answered(tab.predict if is_complete(picture, each[0]) else tab.refresh_from_cache, picture, *each)

    busy: dict[str, Any] = {"show_progress_on": parts[0], "concurrency_limit": 4}
    found = find.click(with_error_toast(look), asked, answers, api_name="find", **busy)
    typed = prompt.submit(with_error_toast(entered), asked, answers, api_visibility="private", **busy)
    picture.upload(with_error_toast(display.is_browser_format), picture, picture, api_visibility="private", show_progress="hidden")
    # While a slider is dragged only its last place counts; what it needs is in the cache.
    live = [picture.change, box.change, text.change, smallest.change, version.input, tiles.input]
    slid = gr.on(live, with_error_toast(again), asked, answers, api_name="again", concurrency_limit=4, **QUIET)
    # Answers come in any order (Gradio lets two of one event go at once, and a search takes long): the last one to come may be to
    # an older question. What is shown is made to fit what is asked.
    for each in (found, typed, slid):
        each.success(with_error_toast(settle), [asked_for, *asked], answers, api_visibility="private", concurrency_limit=4, **QUIET)


def _wire_album(
    tab: ImageTab, asked: list[Any], parts: list[Any], *, several: gr.UploadButton, find_all: gr.Button, gallery: gr.Gallery
) -> None:
    album = gr.State(Album())

    def take(files: list[str]) -> tuple[Any, ...]:
        paths = [display.is_browser_format(each) for each in files]
        thumbs = [(display.thumbnail(display.small(path)), name) for path, name in zip(paths, names_of(files), strict=True)]
        button = gr.Button(f"Find in all {len(paths)}", visible=True)
        return paths[0], Album(*paths), gr.Gallery(thumbs, visible=True), button

    def look_all(held: Album, _picture: str | None, *each: Any) -> Iterator[tuple[Any, ...]]:
        held.looks, held.failed = {}, {}
        for path, found in tab.predict_all(held.paths, ImageRequest(*each)):
            if isinstance(found, DinolabelError):
                held.failed[path] = str(found)
            else:
                held.looks[path] = found
            yield (*_result_of(held, path), _thumbs(held))

    def choose(held: Album, event: gr.SelectData) -> str:
        return held.paths[int(event.index)]

    several.upload(
        with_error_toast(take), several, [asked[0], album, gallery, find_all], api_visibility="private", show_progress_on=gallery
    )
    find_all.click(
        with_error_toasts(look_all),
        [album, *asked],
        [*parts, gallery],
        api_visibility="private",
        show_progress="hidden",
        concurrency_limit=4,
    )  # fmt: skip
    gallery.select(choose, album, asked[0], api_visibility="private", show_progress="hidden")


def _wire_saves(tab: ImageTab, shelf: DownloadFolder, asked: list[Any], saves: list[Any]) -> None:
    picture, data, hidden = saves

    def save_picture(path: str | None, *each: Any) -> str:
        found, whole = tab.full_size(path, ImageRequest(*each))
        return shelf.keep(f"{Path(found).stem}-found.png", lambda target: whole.save(target, compress_level=3))

    def save_data(path: str | None, *each: Any) -> str:
        ask = ImageRequest(*each)
        look, head = tab.predict(path, ask), tab.bundle(ask.version)
        name = Path(path or "").name
        document = told.document(
            {name: look.found}, {}, prompt=ask.prompt, box=ask.box, text=ask.text, head=head.digest[:12] if head else None
        )
        words_of = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        return shelf.keep(f"{Path(name).stem}.json", lambda target: target.write_text(words_of, encoding="utf-8"))

    for button, save, name in ((picture, save_picture, "picture"), (data, save_data, "json")):
        made = button.click(with_error_toast(save), asked, hidden, api_name=name, show_progress="hidden", concurrency_limit=2)
        made.success(None, js=CLICK.replace("{0}", "kept-image"))


def _grey(asked: list[Any], find: gr.Button, found: gr.JSON, saves: list[Any]) -> None:
    """What cannot be done yet is grey: finding without a picture or words, saving without anything found."""
    picture, prompt, *_ = asked
    complete = [picture.change, prompt.change]
    gr.on(complete, lambda path, typed: gr.Button(interactive=is_complete(path, typed)), [picture, prompt], find, **STILL)
    found.change(lambda rows: [gr.Button(interactive=bool(rows))] * len(saves), found, saves, **STILL)


def parts_of(look: ImageResult) -> tuple[Any, ...]:
    return look.picture, look.table, look.found, look.status


def _result_of(held: Album, path: str) -> tuple[Any, ...]:
    done = len(held.looks) + len(held.failed)
    found = sum(len(each.found) for each in held.looks.values())
    failed = "".join(f"\n- {Path(name).name}: {why}" for name, why in held.failed.items())
    status = f"**{found} found** in {len(held.looks)} pictures · {done} of {len(held.paths)} looked at{failed}"
    look = held.looks.get(path)
    return (look.picture, look.table, look.found, status) if look else (gr.skip(), [], [], status)


def _thumbs(held: Album) -> list[Any]:
    items = []
    for path in held.paths:
        look, name = held.looks.get(path), Path(path).name
        pixels = look.picture if look is not None and look.picture is not None else display.small(path)
        count = f" · {len(look.found)}" if look else (" · failed" if path in held.failed else "")
        items.append((display.thumbnail(pixels), name + count))
    return items


def _path_of(payload: Any) -> str | None:
    return payload.path if payload else None
