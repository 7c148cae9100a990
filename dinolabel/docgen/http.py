"""What can be read off the HTTP door: its routes with what each is for, and the fields of /v1/detect."""

from __future__ import annotations

from typing import Any, cast

from dinolabel.backend.http import openapi, static_pages
from dinolabel.backend.http.server import create_app

Fields = dict[str, dict[str, str]]


def routes() -> str:
    """Markdown: method, path and what it is for, in the order they stand in the code."""
    app = create_app(cast(Any, None))
    lines = ["| route | what it is for |", "|---|---|"]
    lines += [f"| `{methods} {path}` | {text} |" for methods, path, text in static_pages.routes(app)]
    return "\n".join(lines)


def detect_fields() -> str:
    """Markdown: what may stand beside the pictures, and what comes back for each thing found."""
    lines = ["| field of the request | what it is for |", "|---|---|"]
    lines += [f"| `{name}` | {each['description']} |" for name, each in cast(Fields, openapi.OPTIONS).items()]
    lines += ["", "| field of each thing found | what it is |", "|---|---|"]
    found = cast(Fields, cast(Any, openapi.FOUND)["properties"])
    lines += [f"| `{name}` | {each.get('description', '')} |" for name, each in found.items()]
    return "\n".join(lines)
