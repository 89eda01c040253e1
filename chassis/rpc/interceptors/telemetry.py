"""One log line, one observation and, for the sampled share and all failures, one span a request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import structlog
from opentelemetry import trace
from opentelemetry.context import attach
from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import Gauge, Histogram

from chassis import tracing
from chassis.errors import DomainError
from chassis.rpc.call import Call

log = structlog.get_logger(__name__)

DURATION = Histogram(
    "rpc_server_duration_seconds",
    "Time an rpc took in the service",
    ["service", "method", "code"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
IN_FLIGHT = Gauge("rpc_server_in_flight", "Requests being served", ["service"])
_FAULTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE}


class Telemetry:
    def __init__(self, service: str) -> None:
        self._service = service
        self._in_flight = IN_FLIGHT.labels(service)

    @contextmanager
    def observe(self, call: Call) -> Iterator[None]:
        started, wall = time.perf_counter(), time.time_ns()
        code = grpc.StatusCode.OK
        self._in_flight.inc()
        span = _start_span(call)
        try:
            yield
        except DomainError as refusal:
            code = _code(refusal)
            raise
        except BaseException:
            code = grpc.StatusCode.CANCELLED
            raise
        finally:
            took = time.perf_counter() - started
            self._in_flight.dec()
            DURATION.labels(self._service, call.method.name, code.name).observe(took)
            _end_span(call, span, code, wall)
            write = log.warning if code in _FAULTS else log.info
            write(
                "rpc",
                method=call.method.name,
                outcome=code.name,
                ms=round(took * 1000, 2),
                request_id=call.request_id,
                caller=str(call.caller),
            )


def _code(refusal: DomainError) -> grpc.StatusCode:
    number = refusal.status().code
    return next((code for code in grpc.StatusCode if code.value[0] == number), grpc.StatusCode.UNKNOWN)


def _start_span(call: Call) -> trace.Span | None:
    if tracing.tracer is None:
        return None
    context = extract(call.metadata)
    span = tracing.tracer.start_span(call.method.name, context, kind=SpanKind.SERVER)
    attach(trace.set_span_in_context(span, context))
    return span


def _end_span(call: Call, span: trace.Span | None, code: grpc.StatusCode, started_ns: int) -> None:
    if tracing.tracer is None or span is None:
        return
    if code in _FAULTS and not span.is_recording():
        span = tracing.tracer.start_span(
            call.method.name,
            extract(call.metadata),
            kind=SpanKind.SERVER,
            start_time=started_ns,
            attributes={tracing.FAILED: True},
        )
    if span.is_recording():
        span.set_attributes(
            {"rpc.system": "grpc", "rpc.method": call.method.path, "rpc.grpc.status_code": code.value[0]}
        )
        if code in _FAULTS:
            span.set_status(StatusCode.ERROR)
    span.end()
