"""Trace work with OpenTelemetry where that is turned on. Otherwise nothing is imported, and a span is an empty block.

A span has a name, times, counts and the kind of an error. It never has a text of a request: neither a query nor the
message of an error, which may quote one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_EXPORT_SECONDS = 3.0
_P = ParamSpec("_P")
_R = TypeVar("_R")


class TracingUnavailable(Exception):
    """Traces are turned on, and the packages for them are not installed."""


class _Off:
    """Block that is not traced."""

    def __enter__(self) -> _Off:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def set(self, **_: object) -> None:
        """Do nothing."""

    def rename(self, _: str) -> None:
        """Do nothing."""


class _On:
    """Span of a block, which is current inside it."""

    def __init__(self, span: Any, current: AbstractContextManager[Any]) -> None:
        self._span, self._current = span, current

    def __enter__(self) -> _On:
        self._current.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._current.__exit__(None, None, None)
        if kind is not None:
            self.set(**{"error.type": kind.__qualname__})
            self._span.set_status(_api.StatusCode.ERROR)
        self._span.end()

    def set(self, **attributes: Any) -> None:
        """Add attributes: numbers, and words that this project chose."""
        for name, value in attributes.items():
            self._span.set_attribute(name, value)

    def rename(self, name: str) -> None:
        """Give the span another name."""
        self._span.update_name(name)


Span = _On | _Off
_OFF = _Off()
_tracer: Any = None
_provider: Any = None
_api: Any = None
_propagator: Any = None


def endpoint(given: str) -> str:
    """Return the address that spans are sent to: the given one, or that of OpenTelemetry's own variable; or nothing."""
    return (given or os.environ.get(ENDPOINT, "")).rstrip("/")


def start(service: str, given: str, share: float) -> bool:
    """Begin to trace, if there is an address to send spans to; return True if so.

    Args:
        service: Name of this process in traces.
        given: Address of a collector that speaks OTLP over HTTP, such as http://127.0.0.1:4318.
        share: Share of the traces that begin here which are kept; those that another process began are kept if it does.

    Raises:
        TracingUnavailable: The packages are not installed.
    """
    global _tracer, _provider, _api, _propagator
    if not (to := endpoint(given)):
        return False
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError as error:
        raise TracingUnavailable(
            f"traces are to be sent to {to}, and the extra `tracing` is not installed ({error.name}): "
            'pip install "akin[tracing]", or unset AKIN_TRACES'
        ) from error
    _provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(share)), resource=Resource.create({"service.name": service})
    )
    _provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(f"{to}/v1/traces", timeout=_EXPORT_SECONDS), schedule_delay_millis=1000)
    )
    _api, _propagator = trace, TraceContextTextMapPropagator()
    _tracer = _provider.get_tracer("akin")
    return True


def stop() -> None:
    """Send what waits, for some seconds at most, and trace nothing further."""
    global _tracer, _provider
    _tracer, ending, _provider = None, _provider, None
    if ending is not None:
        ending.shutdown()


def is_on() -> bool:
    """Return True if work is traced."""
    return _tracer is not None


def span(name: str, **attributes: Any) -> Span:
    """Return a span of a block, below the current one; work outside of a kept trace has none."""
    return _begin(name, attributes, None, "INTERNAL") if _is_kept() else _OFF


def server_span(name: str, headers: Mapping[str, str]) -> Span:
    """Return the span of a request, below the one that its `traceparent` names, if it has one."""
    return _OFF if _tracer is None else _begin(name, {}, _propagator.extract(headers), "SERVER")


def client_span(name: str, *, begins: bool = False, **attributes: Any) -> Span:
    """Return the span of a request to another process; outside of a trace only if it `begins` one."""
    return _begin(name, attributes, None, "CLIENT") if _is_kept() or (begins and _tracer is not None) else _OFF


def headers() -> dict[str, str]:
    """Return the header that continues the current trace in another process; none without one."""
    carried: dict[str, str] = {}
    if _tracer is not None:
        _propagator.inject(carried)
    return carried


def trace_id() -> str | None:
    """Return the id of the current trace, if it is kept; None otherwise."""
    if _tracer is None:
        return None
    context = _api.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid and context.trace_flags.sampled else None


def exemplar() -> dict[str, str] | None:
    """Return the labels of an exemplar, which leads from a measurement to its trace; None without a kept trace."""
    found = trace_id()
    return {"trace_id": found} if found else None


def traced(name: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Return a decorator that makes a call a span."""

    def decorate(work: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(work)
        def call(*arguments: _P.args, **named: _P.kwargs) -> _R:
            if not _is_kept():
                return work(*arguments, **named)
            with span(name):
                return work(*arguments, **named)

        return call

    return decorate


def _is_kept() -> bool:
    """Return True inside a trace that is kept."""
    return _tracer is not None and _api.get_current_span().is_recording()


def _begin(name: str, attributes: dict[str, Any], context: Any, kind: str) -> _On:
    made = _tracer.start_span(name, context, getattr(_api.SpanKind, kind), attributes)
    # An error is recorded by its kind only.
    current = _api.use_span(made, end_on_exit=False, record_exception=False, set_status_on_exception=False)
    return _On(made, current)
