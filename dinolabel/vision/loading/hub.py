"""What to say when the hub gives no weights: why, without the noise of sockets, and the ways out as commands to copy."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

from dinolabel.vision.errors import first_line

WAIT = 5.0
"""Seconds until the hub counts as out of reach."""

_NUMBER = re.compile(r"^\[(?:Errno|WinError) -?\d+\] ")


def tell_reason(error: BaseException) -> str:
    """Why the hub gave nothing, as the end of a sentence: its own words where it had any."""
    chain = list(_causes(error))
    if any(type(each).__name__ == "GatedRepoError" for each in chain):
        return "its makers want to be asked. Ask for access on its page of the hub, then set HF_TOKEN."
    if any(isinstance(each, socket.gaierror) for each in chain):
        return "its address is not found. Is there a network?"
    if any(isinstance(each, TimeoutError) or type(each).__name__.endswith("Timeout") for each in chain):
        return f"no answer within {WAIT:.0f} s."
    said = _NUMBER.sub("", first_line(error)).strip().rstrip(".")
    return f"{said or type(error).__name__}."


def ways_out(*names: str) -> str:
    """A hint in four lines. names: the weights that are missing; none for those of the settings."""
    fetched = " ".join(("dinolabel weights fetch", *dict.fromkeys(names), "--to weights"))
    return (
        "Three ways out.\n"
        f"Where there is a network: `{fetched}`\n"
        "With that folder copied here: `export DINOLABEL_MODELS_DIR=weights`\n"
        "To try it on drawings, with the small embedded weights: add `--weights nano`"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
