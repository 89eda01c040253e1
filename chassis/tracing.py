"""OpenTelemetry traces: W3C trace context, a sampled share of requests, and every failed request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

# Attribute of a span that is recorded afterwards because its request failed.
FAILED = "failed"

tracer: trace.Tracer | None = None


def configure(service: str, endpoint: str, ratio: float) -> None:
    """Exports spans in batches over OTLP/gRPC. Without a call to this nothing is traced."""
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import (
        Decision,
        ParentBased,
        Sampler,
        SamplingResult,
        TraceIdRatioBased,
    )

    class SampledOrFailed(Sampler):
        """Samples by parent and ratio, and every span of a failed request."""

        def __init__(self) -> None:
            self._sampler = ParentBased(TraceIdRatioBased(ratio))

        def should_sample(
            self,
            parent_context: Context | None,
            trace_id: int,
            name: str,
            kind: SpanKind | None = None,
            attributes: Attributes = None,
            links: Sequence[Link] | None = None,
            trace_state: TraceState | None = None,
        ) -> SamplingResult:
            if attributes and attributes.get(FAILED):
                return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
            return self._sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

        def get_description(self) -> str:
            return f"SampledOrFailed({ratio})"

    global tracer  # noqa: PLW0603 - set once, before the first request
    provider = TracerProvider(sampler=SampledOrFailed(), resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=True)))
    trace.set_tracer_provider(provider)
    tracer = provider.get_tracer("chassis")


def shutdown() -> None:
    """Exports the queued spans."""
    provider: Any = trace.get_tracer_provider()
    if tracer is not None:
        provider.shutdown()
