"""What a span and a count cost an attempt: without an SDK, with one and its batch processor, and for Prometheus.

The rows `otel_*` are `begin` and `end` of one attempt with everything that a stream has: 25 attributes or so, one event, and
five measurements. Exporting happens in another thread and is no part of them, but for what the GIL takes. `sdk_bare` is the SDK
alone: a span of the same attributes, without us.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

import inferail as ir
from inferail.telemetry.otel import Spans
from inferail.telemetry.prometheus import Metrics
from inferail.telemetry.records import Record
from inferail.types.response import Timing
from inferail.types.usage import Usage

REQUEST = ir.Request((ir.user("What is a span?"),), sampling=ir.Sampling(temperature=0.2, max_tokens=300))
RECORD = Record(
    started_at=datetime.now(UTC),
    provider="openai",
    model="gpt-5-mini",
    host="api.openai.com",
    streamed=True,
    status_code=200,
    finish_reason="stop",
    usage=Usage(812, 143, 512, reasoning_tokens=64, cost_usd=0.00031),
    timing=Timing(0.02, 0.31, 0.42, 2.3, 0.03),
    request_id="req_0123456789abcdef",
    labels={"task": "faq", "tenant": "acme"},
    call_id="0" * 32,
    model_version="gpt-5-mini-2025-08-07",
)
FAILED = Record(
    started_at=datetime.now(UTC),
    provider="openai",
    model="gpt-5-mini",
    error="ServerError",
    status_code=500,
    call_id="0" * 32,
    usage=Usage(cost_usd=0.0),
    timing=Timing(total=0.4),
    labels={"task": "faq"},
)


class Nowhere:
    """An exporter that takes spans and forgets them."""

    def export(self, _: Any) -> Any:
        from opentelemetry.sdk.trace.export import SpanExportResult

        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing is held."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the SDK's name
        """Nothing waits."""
        return True


@pytest.fixture
def sdk() -> Any:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    exporter: Any = Nowhere()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    yield provider
    provider.shutdown()


@pytest.fixture
def meters() -> Any:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    provider = MeterProvider([InMemoryMetricReader()])
    yield provider
    provider.shutdown()


def attempt(spans: Spans) -> Any:
    """One attempt, as `Exchange` makes it."""

    def run() -> None:
        opened = spans.begin(
            provider="openai",
            model="gpt-5-mini",
            operation="chat",
            streamed=True,
            host="api.openai.com",
            reason="first",
            attempt=1,
            request=REQUEST,
        )
        assert opened is not None
        opened.end(RECORD)

    return run


def bench_otel_without_sdk(benchmark):
    from opentelemetry.metrics import NoOpMeterProvider
    from opentelemetry.trace import NoOpTracerProvider

    benchmark(attempt(Spans(NoOpTracerProvider(), NoOpMeterProvider())))


def bench_otel_spans_with_sdk(benchmark, sdk):
    from opentelemetry.metrics import NoOpMeterProvider

    benchmark(attempt(Spans(sdk, NoOpMeterProvider())))


def bench_otel_spans_and_measurements_with_sdk(benchmark, sdk, meters):
    benchmark(attempt(Spans(sdk, meters)))


def bench_otel_sdk_bare(benchmark, sdk):
    """The peer: what the SDK takes for a span of these attributes, without us."""
    from opentelemetry.trace import SpanKind

    tracer = sdk.get_tracer("bare")
    before = {f"gen_ai.request.a{number}": number for number in range(9)}
    after = {f"gen_ai.response.a{number}": number for number in range(20)}

    def run() -> None:
        span = tracer.start_span("chat gpt-5-mini", kind=SpanKind.CLIENT, attributes=before)
        span.set_attributes(after)
        span.add_event("first")
        span.end()

    benchmark(run)


@pytest.mark.parametrize("record", [RECORD, FAILED], ids=["answer", "failure"])
def bench_prometheus_record(benchmark, record):
    metrics = Metrics()
    benchmark(metrics.record, record)
    assert not metrics.failed


def bench_prometheus_render_100_series(benchmark):
    metrics = Metrics()
    for number in range(100):
        for _ in range(3):
            metrics.record(
                Record(
                    started_at=RECORD.started_at,
                    provider="openai",
                    model=f"model-{number}",
                    usage=RECORD.usage,
                    timing=RECORD.timing,
                )
            )

    assert len(benchmark(metrics.render, open_metrics=True)) > 100_000
