"""HTML pages for people: one base template with one style, light and dark, readable at 390 px; each page holds all that it needs."""

from __future__ import annotations

import base64
from pathlib import Path

import jinja2


def render(template: Path, /, **values: object) -> str:
    """Fill a template, which may extend this folder's `base.html`. Every value is escaped; one that is missing raises."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["data_uri"] = _data_uri
    return environment.get_template(template.name).render(values)


def _data_uri(data: bytes, kind: str) -> str:
    """kind: png, jpeg."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
