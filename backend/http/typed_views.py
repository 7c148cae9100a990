"""Typed views: a view's argument `asked` is read from the request as its annotation says, and what it returns is the JSON of the answer.

The OpenAPI description is made of the same annotations.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from flask import Response, jsonify, request
from flask.typing import ResponseReturnValue
from pydantic_core import from_json

from dinolabel.backend import payloads
from dinolabel.backend.http.dashboard import wants_html
from dinolabel.vision.errors import RequestError

View = Callable[..., Any]
NO_JSON = ("image/", "application/octet-stream", "multipart/", "application/x-www-form-urlencoded")


def typed(view: View, *, status: int = 200, browser: Callable[[], Response] | None = None) -> Callable[..., ResponseReturnValue]:
    """A view for Flask. browser: what a person's browser gets instead of JSON. Raises RequestError for what cannot be read."""
    kind = types_of(view).get("asked")

    @functools.wraps(view)
    def answer(**path: Any) -> ResponseReturnValue:
        if kind is not None:
            path["asked"] = payloads.parse(kind, fields())
        found = view(**path)
        return browser() if browser is not None and wants_html(request) else (jsonify(found), status)

    return answer


def types_of(view: View) -> dict[str, Any]:
    """What a view takes and returns, by name; the answer is `return`."""
    return get_type_hints(inspect.unwrap(view), include_extras=True)


def fields() -> object:
    """Of query, form and JSON, whichever there is. JSON that is no object comes back as it is. Raises RequestError."""
    body = {} if request.mimetype.startswith(NO_JSON) else _json(request.get_data())
    return {**request.args, **request.form, **body} if isinstance(body, dict) else body


def _json(data: bytes) -> Any:
    """Whatever its content type says; its depth, its numbers and its letters are bounded by the parser."""
    try:
        return from_json(data, allow_inf_nan=False) if data.strip() else {}
    except ValueError as error:
        raise RequestError(f"Expected a JSON object: {error}.", hint=payloads.HINT) from error
