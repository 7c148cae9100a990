"""Traces by OpenTelemetry, where the extra `otel` is installed and DINOLABEL_TRACES asks for them; else nothing happens here.

Where they are sent, and whatever else there is to set, is told to OpenTelemetry in its own variables (OTEL_EXPORTER_OTLP_ENDPOINT, …).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dinolabel.vision.errors import SettingsError

_tracer: Any = None


def start(release: str) -> None:
    """Send spans from now on. release: ours. Raises SettingsError where the extra is not installed."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingsError(
            "DINOLABEL_TRACES asks for traces, and OpenTelemetry is not installed.", hint='pip install "dinolabel[otel]", or unset it.'
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": "dinolabel", "service.version": release}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use(provider)


def use(provider: Any) -> None:
    """Make spans by a TracerProvider; None: make none."""
    global _tracer
    _tracer = None if provider is None else provider.get_tracer("dinolabel")


@contextmanager
def span(name: str, headers: Mapping[str, str] | None = None, **attributes: str | int | float) -> Iterator[Any]:
    """One step, as a span below that of the caller. headers: of a request, whose caller may have begun the trace (W3C traceparent)."""
    if _tracer is None:
        yield None
        return
    from opentelemetry import propagate
    from opentelemetry.trace import SpanKind

    context = None if headers is None else propagate.extract({key.lower(): value for key, value in headers.items()})
    kind = SpanKind.INTERNAL if headers is None else SpanKind.SERVER
    with _tracer.start_as_current_span(name, context=context, kind=kind, attributes=attributes) as made:
        yield made
