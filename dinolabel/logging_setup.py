"""How log lines look: readable on a terminal, JSON otherwise, always on stderr, never with a secret in them."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from pathlib import Path
from typing import Any

import structlog

MASK = "•••"
SECRET_KEY = re.compile(r"token|secret|password|passwd|authorization|cookie|api_?key|credential|sessionid|csrf", re.IGNORECASE)
SECRET_TEXT = re.compile(
    r"(?P<scheme>\b(?:Bearer|Token|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}"
    r"|(?P<jwt>\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?)"
    r"|(?P<user>://)[^/\s@:]+:[^/\s@]+@"
    r"|(?P<query>[?&](?:token|access_token|api_key|signature|X-Amz-Signature|sig)=)[^&\s]+",
    re.IGNORECASE,
)
_known: set[str] = set()
LARGEST = 10 * 2**20  # bytes of a log file


def register_secret(*secrets: str | None) -> None:
    """Mask these wherever they turn up."""
    _known.update(each for each in secrets if each and len(each) >= 6)


def _before(*, as_json: bool) -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json),
    ]


def configure(level: str = "warning", *, as_json: bool | None = None) -> None:
    """Set up structlog and the standard logging under it. as_json None: JSON unless stderr is a terminal."""
    as_json = not sys.stderr.isatty() if as_json is None else as_json
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    before = _before(as_json=as_json)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[*_AFTER, renderer], foreign_pre_chain=before))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("urllib3", "httpx", "httpcore", "PIL", "matplotlib", "werkzeug", "filelock"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def into(folder: Path, name: str) -> Path:
    """From now on everything goes into a file, a line of JSON each; what the level asks for goes to stderr as before. Returns the file.

    A file that has grown large makes way for a new one; one earlier file is kept.
    """
    path = folder / f"{name}.log"
    if path.exists() and path.stat().st_size > LARGEST:
        path.replace(folder / f"{name}.1.log")
    root = logging.getLogger()
    (terminal,) = root.handlers[:1] or [logging.NullHandler()]
    terminal.setLevel(max(terminal.level, root.level))
    handler = logging.FileHandler(path, encoding="utf-8")
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[*_AFTER, renderer], foreign_pre_chain=_before(as_json=True)))
    root.handlers[:] = [terminal, handler]
    root.setLevel(min(root.level, logging.INFO))
    return path


def quiet_in_python() -> None:
    """For programs that import us and set up no logging: warnings to stderr; structlog would print all of it to stdout."""
    if not structlog.is_configured():
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        processors: list[Any] = [warnings_only, structlog.stdlib.add_log_level, mask_secrets, renderer]
        structlog.configure(processors=processors, logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def warnings_only(_logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: drops what is no warning."""
    if method in ("debug", "info"):
        raise structlog.DropEvent
    return event


def mask_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: the same event without secrets, however deep they lie."""
    return {key: _mask_value(key, value) for key, value in event.items()}


_AFTER: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.format_exc_info, mask_secrets]


def mask_text(text: str) -> str:
    """The text without anything that looks like, or is known to be, a secret."""
    for secret in _known:
        text = text.replace(secret, MASK)
    return SECRET_TEXT.sub(_keep_the_word, text)


def _keep_the_word(match: re.Match[str]) -> str:
    groups = match.groupdict()
    kept = groups["scheme"] or groups["user"] or groups["query"] or ""
    return f"{kept}{MASK}@" if groups["user"] else f"{kept}{MASK}"


def _mask_value(key: str, value: Any) -> Any:
    if SECRET_KEY.search(key) and value not in (None, "", True, False) and not isinstance(value, (int, float)):
        return MASK
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, MutableMapping):
        return {name: _mask_value(str(name), each) for name, each in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        return [_mask_value("", each) for each in value]
    return value if isinstance(value, (int, float, bool)) or value is None else mask_text(str(value))
