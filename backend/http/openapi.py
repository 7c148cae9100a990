"""The OpenAPI description of `/v1/detect`, served at /v1/openapi.json: what programs may send and what comes back.

Only a description: backend/http/detect_endpoint.py does it, and a test holds real answers against this.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

SHARE = {"type": "number", "minimum": 0, "maximum": 1}
OPTIONS = {
    "prompt": {
        "type": "string",
        "description": "What to look for: phrases with commas or full stops between them.",
        "example": "human face",
    },
    "project": {"type": "integer", "description": "Answer as this Label Studio project does: its prompt, thresholds and head."},
    "box_threshold": {**SHARE, "description": "Least score of a box."},
    "text_threshold": {**SHARE, "description": "Least mean token score of the phrase."},
}
FOUND = {
    "type": "object",
    "required": ["label", "phrase", "score", "confidence", "guess", "box"],
    "properties": {
        "label": {"type": "string", "description": "The name when it is known, else the generic label."},
        "phrase": {"type": "string", "description": "What the words matched."},
        "score": {**SHARE, "description": "The detector's."},
        "confidence": {**SHARE, "type": ["number", "null"], "description": "Of the name, calibrated; null when there is none."},
        "guess": {"type": ["string", "null"], "description": "The nearest name of what is not known."},
        "box": {
            "type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4,
            "description": "x1, y1, x2, y2 in pixels of the upright picture.",
        },
    },
}  # fmt: skip
ERROR = {
    "type": "object",
    "required": ["error", "hint"],
    "properties": {"error": {"type": "string"}, "hint": {"type": "string"}},
}
RESULT = {
    "type": "object",
    "required": ["width", "height", "found"],
    "properties": {
        "width": {"type": "integer"}, "height": {"type": "integer"},
        "found": {"type": "array", "items": {"$ref": "#/components/schemas/Found"}},
    },
}  # fmt: skip
ANSWER = {
    "type": "object",
    "required": ["model_version", "results"],
    "properties": {
        "model_version": {"type": ["string", "null"], "description": "As Label Studio shows it; null for a prompt of one's own."},
        "results": {
            "type": "array", "description": "One per picture, in order; one that cannot be read has an error and costs no other.",
            "items": {"oneOf": [{"$ref": "#/components/schemas/Result"}, {"$ref": "#/components/schemas/Error"}]},
        },
    },
}  # fmt: skip
SOURCE = {
    "oneOf": [
        {
            "type": "object",
            "required": ["url"],
            "properties": {"url": {"type": "string", "description": "Of an allowed host (DINOLABEL_MEDIA_HOSTS)."}},
        },
        {"type": "object", "required": ["base64"], "properties": {"base64": {"type": "string", "format": "byte"}}},
    ]
}
REFUSALS = {
    "400": "The request cannot be read.", "401": "The secret is missing or wrong.", "422": "Nothing to look for.",
    "429": "Too much at once: ask again.", "503": "The models cannot answer.",
}  # fmt: skip


def description(*, most: int) -> dict[str, Any]:
    """OpenAPI 3.1. most: pictures in one request."""
    form = {**OPTIONS, "image": {"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": most}}
    body = {**OPTIONS, "images": {"type": "array", "items": SOURCE, "maxItems": most}}
    content = {
        "multipart/form-data": {"schema": {"type": "object", "required": ["image"], "properties": form}},
        "application/json": {"schema": {"type": "object", "required": ["images"], "properties": body}},
        "image/*": {"schema": {"type": "string", "format": "binary"}},
    }
    refusals = {
        status: {"description": says, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
        for status, says in REFUSALS.items()
    }
    answered = {"description": "Found.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}}
    query = [{"name": name, "in": "query", "schema": schema, "required": False} for name, schema in OPTIONS.items()]
    operation = {
        "summary": "Find and name things in pictures", "operationId": "detect", "parameters": query,
        "requestBody": {"required": True, "content": content}, "responses": {"200": answered, **refusals},
        "security": [{"bearer": []}, {"basic": []}, {}],
    }  # fmt: skip
    return {
        "openapi": "3.1.0",
        "info": {"title": "dinolabel", "version": version("dinolabel")},
        "paths": {"/v1/detect": {"post": operation}},
        "components": {
            "schemas": {"Found": FOUND, "Result": RESULT, "Error": ERROR, "Answer": ANSWER},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}, "basic": {"type": "http", "scheme": "basic"}},
        },
    }
