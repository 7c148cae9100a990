"""Where in a task's data the picture is: `image`, or a path such as `data.image` and `images[0].url`, as Label Studio's editor reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dinolabel.vision.errors import MediaRefused

_STEPS = re.compile(r"""[^.\[\]]+|\[(?:"([^"]*)"|'([^']*)'|([^\]]*))\]""")


def value_at(data: Mapping[str, Any], key: str) -> Any:
    """What a task's data holds at a key, None when there is nothing. A key that is there letter by letter comes before a path."""
    if key in data:
        return data[key]
    found: Any = data
    for step in _STEPS.finditer(key):
        name = next((each for each in step.groups() if each is not None), step[0])
        if isinstance(found, Mapping):
            found = found.get(name)
        elif isinstance(found, Sequence) and not isinstance(found, str) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def address_at(data: Mapping[str, Any], key: str) -> str:
    """The address of a task's picture. Raises MediaRefused that says what the task has instead."""
    value = value_at(data, key)
    if isinstance(value, str) and value.strip():
        return value
    keys = ", ".join(map(str, data)) or "nothing"
    if value is None:
        raise MediaRefused(
            f"The task has no picture under {key!r}.",
            hint=f'Its data has: {keys}. Import tasks as {{"{key}": "<url>"}}, or let <Image value="$…"> name the key they have.',
        )
    told = "an empty text" if isinstance(value, str) else _KINDS.get(type(value).__name__, "no text")
    raise MediaRefused(f"The task has {told} under {key!r}, no address.", hint="Import the task again with one address of a picture there.")


_KINDS = {"list": "a list", "dict": "an object", "int": "a number", "float": "a number", "bool": "true or false"}
