"""The models tab's layout, and what happens when something in it is touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from dinolabel.app.common.errors import with_error_toast
from dinolabel.app.tabs.heads import HEADERS, NONE_YET, HeadsTab

QUIET: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": 1}  # answers in the order of asking: the last one stays
FIT = """() => document.addEventListener('load', ({ target: frame }) => {
  if (!frame.matches?.('iframe.receipt')) return;
  const fit = () => {
    const height = frame.contentDocument.documentElement.getBoundingClientRect().height;
    if (height) frame.style.height = Math.ceil(height) + 2 + 'px';
  };
  const watch = new ResizeObserver(fit);
  watch.observe(frame);
  watch.observe(frame.contentDocument.documentElement); // its details open and close
}, true)"""
"""A receipt is as high as what it says: it is read by scrolling the page, which needs no mouse."""
WHEN = "Label Studio shows it as soon as every task has its boxes: the backend sees to that."


def heads_page(blocks: gr.Blocks, tab: HeadsTab) -> None:
    """Lay the tab out and wire it."""
    with gr.Row(equal_height=False):
        project = gr.Dropdown(tab.projects(), value=None, label="Project", info="One that was trained.", scale=2)
        head = gr.Dropdown([], value=None, label="Head", info="Newest first.", scale=3)
        other = gr.Dropdown([], value=None, label="Compare with", info="A second head.", scale=3)
    status = gr.Markdown(NONE_YET, elem_id="heads-status")
    table = gr.Dataframe(headers=HEADERS, value=[], interactive=False, show_label=False, max_height=260, buttons=[])
    with gr.Row():
        acts = ("Pin this head", "Use the newest again", "Roll back")
        pin, unpin, back = (gr.Button(words, size="sm", interactive=False) for words in acts)
    curve = gr.HTML("", elem_id="heads-curve", padding=False)
    compared = gr.Dataframe(
        headers=["", "head", "compared with", "difference"], value=[], interactive=False, show_label=False, buttons=[], visible=False
    )
    receipt = gr.HTML("", elem_id="receipt", padding=False)

    def show(name: str | None) -> tuple[Any, ...]:
        heads = tab.show(name)
        newest = heads.choices[0][1] if heads.choices else None
        return heads.status, heads.table, heads.curve, gr.Dropdown(heads.choices, value=newest), gr.Dropdown(heads.choices, value=None)

    def refresh(chosen: str | None) -> Any:
        there = tab.projects()
        ids = [each for _, each in there]
        return gr.Dropdown(there, value=chosen if chosen in ids else next(iter(ids), None))

    def compare(name: str | None, one: str | None, two: str | None) -> Any:
        rows = tab.compare(name, one, two)
        return gr.Dataframe(rows, visible=bool(rows))

    def possible(name: str | None) -> list[Any]:
        return [gr.Button(interactive=each) for each in tab.acts(name)]

    blocks.load(None, js=FIT)
    table.change(possible, project, [pin, unpin, back], api_visibility="private", show_progress="hidden", queue=False)
    shown = [status, table, curve, head, other]
    gr.on([blocks.load, project.focus], with_error_toast(refresh), project, project, api_visibility="private", **QUIET)
    project.change(with_error_toast(show), project, shown, api_name="heads", **QUIET)
    head.change(with_error_toast(tab.receipt), [project, head], receipt, api_name="receipt", **QUIET)
    gr.on([head.change, other.change], with_error_toast(compare), [project, head, other], compared, api_name="compare", **QUIET)
    _wire_acts(tab, project, head, status, (pin, unpin, back), (show, shown))


def _wire_acts(tab: HeadsTab, project: Any, head: Any, status: Any, buttons: tuple[Any, ...], after: tuple[Any, list[Any]]) -> None:
    def pin(name: str | None, chosen: str | None) -> str:
        tab.pin(name, chosen)
        return f"Pinned `{chosen}`. {WHEN}"

    def unpin(name: str | None) -> str:
        tab.unpin(name)
        return f"The newest head serves again. {WHEN}"

    def back(name: str | None) -> str:
        return f"Back to `{tab.roll_back(name)}`, pinned. {WHEN}"

    show, shown = after
    acts: tuple[Callable[..., str], ...] = (pin, unpin, back)
    for button, act, asked in zip(buttons, acts, ([project, head], [project], [project]), strict=True):
        done = button.click(with_error_toast(act), asked, status, api_name=act.__name__, **QUIET)
        # All but the status, which says what was done.
        done.success(with_error_toast(lambda name: show(name)[1:]), project, shown[1:], api_visibility="private", **QUIET)
