"""The instructions of a project that we make: what to do, and which key does what, behind the button *Instructions* of the editor.

Written from the label config and written again when it changes, as long as the text is still ours: its last line holds a digest of the
rest, so a word that a person changes makes it theirs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from html import escape

from dinolabel.studio.label_configs.label_config import LabelConfig, hotkeys

LISTED = 40
"""Names with their keys; the rest have theirs on the labels above the picture."""

_MARK = re.compile(r'<p title="dinolabel ([0-9a-f]{16}) (\S+) (\S+)">[^<]*</p>$')


def write_instructions(xml: str, *, next_key: str, submit_key: str) -> str:
    """HTML for `expert_instruction`. xml: the label config. The keys: of the next box and of submitting, such as `n` and `space`."""
    body = "".join(_lines(xml, next_key, submit_key))
    end = "Written by dinolabel; it follows the labels until you change it."
    return f'{body}<p title="dinolabel {_digest(body)} {next_key} {submit_key}">{end}</p>'


def renew_instructions(text: str, xml: str) -> str | None:
    """The instructions for another label config; None where the text is not ours any more, or says what it should."""
    mark = _MARK.search(text)
    if mark is None or _digest(text[: mark.start()]) != mark[1]:
        return None
    fresh = write_instructions(xml, next_key=mark[2], submit_key=mark[3])
    return None if fresh == text else fresh


def _lines(xml: str, next_key: str, submit_key: str) -> Iterator[str]:
    config, keys = LabelConfig.parse(xml), hotkeys(xml)
    looked_for = escape(" or ".join(config.generic or config.labels))
    steps = (
        f"Go to the next box ({_key(next_key)}) or click one, and press the key of its name.",
        f"Not a {looked_for}? {_key('backspace')} deletes the box.",
        "Something without a box: press a label's key and drag one round it.",
        f"Somebody whose name you do not know stays “{looked_for}”.",
        f"All right? Submit ({_key(submit_key)}): the next picture comes. Finished ones are in the tab <i>Done</i>.",
    )
    yield from (f"<p>{number}. {step}</p>" for number, step in enumerate(steps, 1))  # Label Studio shows lists without numbers (seen)
    shown = [label for label in (*config.generic, *config.learnt, *config.labels) if label in keys]
    told = [f"{_key(keys[label])} {escape(label)}" for label in dict.fromkeys(shown)]
    more = f" and {len(told) - LISTED} more, on the labels above the picture" if len(told) > LISTED else ""
    yield f"<p><br>Keys of the labels: {' · '.join(told[:LISTED])}{more}.</p>"
    yield "<p>The next box and submitting can be on keys of your own: the keyboard at the top of the page shows yours.</p>"


def _key(key: str) -> str:
    return f"<b>{escape(key)}</b>"


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]
