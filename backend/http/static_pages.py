"""The two still pages beside the board: a form to try an exported model, and what programs can ask.

Loads nothing from elsewhere; what the routes do is the server's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask, render_template

from dinolabel.backend.http import openapi
from dinolabel.backend.payloads import MOST_IMAGES

if TYPE_CHECKING:
    from dinolabel.vision.bundles.exported_model import ExportedModel
    from dinolabel.vision.types import Thresholds


def form(package: ExportedModel, thresholds: Thresholds, names: tuple[str, ...], nonce: str) -> str:
    """Picture, words, answer: for `dinolabel serve --model`, which has no projects. nonce: of its content security policy."""
    return render_template(
        "try.html", nonce=nonce, words=", ".join(package.labels), names=", ".join(names), threshold=thresholds.box, version=package.version
    )


def documentation(app: Flask, base: str, nonce: str, *, secret: bool) -> str:
    """The API for people who write programs. base: the backend's address as the reader has it. secret: whether one is asked for."""
    told = openapi.description(app)
    found: Any = openapi.FOUND["properties"]
    return render_template(
        "docs.html",
        nonce=nonce,
        operation=told["paths"]["/v1/detect"]["post"],
        options=openapi.OPTIONS,
        found=found,
        most=MOST_IMAGES,
        secret=secret,
        curl=_curl(base, secret=secret),
        routes=routes(app),
    )


def _curl(base: str, *, secret: bool) -> list[str]:
    shown = '-H "Authorization: Bearer $DINOLABEL_SECRET" ' if secret else ""
    address = f"{base.rstrip('/')}/v1/detect"
    return [
        f'curl {shown}-F image=@photo.jpg -F prompt="human face" {address}',
        f'curl {shown}-H "Content-Type: image/jpeg" --data-binary @photo.jpg "{address}?prompt=human+face&box_threshold=0.3"',
    ]


def routes(app: Flask) -> list[tuple[str, str, str]]:
    """Methods, path and what each route is for, in the order they stand in the code."""
    found = []
    for rule in app.url_map.iter_rules():
        methods = " ".join(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))
        found.append((methods, rule.rule, " ".join((app.view_functions[rule.endpoint].__doc__ or "").split())))
    return found
