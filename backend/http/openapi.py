"""OpenAPI 3.1 description of all routes, served at /v1/openapi.json: made of what the views take and return, so it says what they do."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from pydantic import TypeAdapter
from werkzeug.routing import Rule

from dinolabel.backend import answers, payloads
from dinolabel.backend.http import typed_views

REFS = "#/components/schemas/{model}"
OPTIONS: dict[str, Any] = TypeAdapter(payloads.DetectFields).json_schema()["properties"]
FOUND: dict[str, Any] = TypeAdapter(answers.Found).json_schema()
DETECT = "/v1/detect"
REFUSALS = {
    "400": "The request cannot be read.", "401": "The secret is missing or wrong.", "403": "Another site's page asked.",
    "404": "There is no such thing.", "409": "It does not go with what is running.", "413": "The request is too large.",
    "422": "Nothing to look for.", "502": "Label Studio did not do its part.", "503": "Too much at once, or the models cannot answer.",
}  # fmt: skip
IMAGE = {"type": "string", "format": "binary"}


def description(app: Flask) -> dict[str, Any]:
    """OpenAPI 3.1 of an app's routes."""
    rules = [each for each in app.url_map.iter_rules() if each.endpoint in app.view_functions]
    types = {each.endpoint: typed_views.types_of(app.view_functions[each.endpoint]) for each in rules}
    kinds = {
        kind
        for found in types.values()
        for kind in found.values()
        if getattr(kind, "__module__", "") in (answers.__name__, payloads.__name__)
    }
    order = [*sorted(kinds, key=lambda kind: kind.__name__), answers.Refusal]
    adapters = [(kind.__name__, "validation", TypeAdapter[Any](kind)) for kind in order]
    _, defined = TypeAdapter.json_schemas(adapters, ref_template=REFS)  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {}
    for rule in rules:
        path = re.sub(r"<(\w+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(path, {})[method.lower()] = _operation(app, rule, method, types[rule.endpoint], defined["$defs"])
    schemes = {"bearer": {"type": "http", "scheme": "bearer"}, "basic": {"type": "http", "scheme": "basic"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "dinolabel", "version": app.config["RELEASE"]},
        "paths": paths,
        "components": {"schemas": defined["$defs"], "securitySchemes": schemes},
    }


def _operation(app: Flask, rule: Rule, method: str, types: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    asked, answer = types.get("asked"), types.get("return")
    refusal = {"application/json": {"schema": _ref(answers.Refusal)}}
    refusals = {status: {"description": told, "content": refusal} for status, told in REFUSALS.items()}
    content = {"application/json": {"schema": _ref(answer)}} if getattr(answer, "__name__", "") in schemas else {"*/*": {}}
    properties = schemas[asked.__name__].get("properties", {}) if asked is not None else {}
    parameters = [_parameter(name, "path", {"type": "string"}) for name in sorted(rule.arguments)]
    if method == "GET" or rule.rule == DETECT:
        shown = OPTIONS if rule.rule == DETECT else properties
        parameters += [_parameter(name, "query", schema) for name, schema in shown.items()]
    operation: dict[str, Any] = {
        "summary": " ".join((app.view_functions[rule.endpoint].__doc__ or "").split()),
        "operationId": rule.endpoint if method != "POST" or "GET" not in (rule.methods or ()) else f"{rule.endpoint}_posted",
        "parameters": parameters,
        "responses": {"2XX": {"description": "Done.", "content": content}, **refusals},
        "security": [{"bearer": []}, {"basic": []}, {}],
    }
    if asked is not None and method == "POST":
        operation["requestBody"] = {"required": True, "content": _contents(asked, rule.rule)}
    return operation


def _contents(asked: Any, path: str) -> dict[str, Any]:
    """As JSON; pictures also as files of a form, or one as the body itself."""
    if path != DETECT:
        return {"application/json": {"schema": _ref(asked)}}
    images = {"image": {"type": "array", "items": IMAGE, "maxItems": payloads.MOST_IMAGES}}
    form = {"type": "object", "required": ["image"], "properties": {**OPTIONS, **images}}
    json = {"allOf": [_ref(asked), {"required": ["images"]}]}
    return {"multipart/form-data": {"schema": form}, "application/json": {"schema": json}, "image/*": {"schema": IMAGE}}


def _parameter(name: str, where: str, schema: Any) -> dict[str, Any]:
    return {"name": name, "in": where, "schema": schema, "required": where == "path"}


def _ref(kind: Any) -> dict[str, str]:
    return {"$ref": REFS.format(model=kind.__name__)}
