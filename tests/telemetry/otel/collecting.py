"""An SDK whose spans and measurements stay in memory."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from inferail.telemetry.otel import Spans


class Collected:
    """`spans` go here; what arrived is in `finished` and `measured`."""

    def __init__(self, names: str = "latest", **options: Any) -> None:
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider(metric_readers=[self._reader])
        self.spans = Spans(self.tracers, self.meters, names, **options)

    @property
    def finished(self) -> tuple[Any, ...]:
        """The spans that have ended, `ReadableSpan`s of the SDK, in that order."""
        return self._exporter.get_finished_spans()

    @property
    def attributes(self) -> dict[str, Any]:
        """Those of the only span."""
        (span,) = self.finished
        return dict(span.attributes or {})

    def measured(self) -> dict[str, list[Any]]:
        """Data points by the name of their instrument."""
        data = self._reader.get_metrics_data()
        if data is None:
            return {}
        metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
        return {metric.name: list(metric.data.data_points) for metric in metrics}
