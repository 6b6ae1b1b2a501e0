"""What is measured of an attempt, on the instruments of OpenTelemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from inferail.telemetry.otel.names import OWN
from inferail.telemetry.records import NOT_ASKED

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Histogram, Meter

    from inferail.telemetry.otel.names import Generation
    from inferail.telemetry.records import Record

__all__ = ["Instruments"]

# The conventions' own: powers of two from 10 ms, powers of four from one token.
_SECONDS: Final = tuple(0.01 * 2**step for step in range(14))
_TOKENS: Final = tuple(4**step for step in range(14))
_DESCRIPTIONS: Final = {
    "duration": ("s", "How long an attempt took.", _SECONDS),
    "tokens": ("{token}", "Tokens of an attempt.", _TOKENS),
    "first_chunk": ("s", "From the request to the first content of a stream.", _SECONDS),
    "per_chunk": ("s", "Between two pieces of a stream: the mean over its tokens, once per stream.", _SECONDS),
}


class Instruments:
    """The histograms of one generation, and a counter of money."""

    def __init__(self, meter: Meter, names: Generation) -> None:
        self._names = names
        self._histograms: dict[str, Histogram] = {
            what: meter.create_histogram(
                name,
                unit=_DESCRIPTIONS[what][0],
                description=_DESCRIPTIONS[what][1],
                explicit_bucket_boundaries_advisory=_DESCRIPTIONS[what][2],
            )
            for what, name in names.metrics.items()
        }
        self._cost = meter.create_counter(OWN["metric_cost"], unit="{USD}", description="What attempts cost.")

    def measure(self, record: Record, operation: str, context: Context) -> None:
        """Measures an attempt; the context names its span, for exemplars. An answer of a cache is none."""
        if record.reason in NOT_ASKED:
            return
        names, usage, histograms = self._names.attributes, record.usage, self._histograms
        about: dict[str, Any] = {
            names["operation"]: operation,
            names["provider"]: self._names.provider(record.provider),
            names["request_model"]: record.model,
            OWN["path"]: record.path,
        }
        if record.model_version is not None:
            about[names["response_model"]] = record.model_version
        if record.error is not None:
            about[names["error"]] = record.error
        histograms["duration"].record(record.timing.total, about, context)
        if usage.input_tokens:
            histograms["tokens"].record(usage.input_tokens, {**about, names["token_type"]: "input"}, context)
        if usage.output_tokens:
            histograms["tokens"].record(usage.output_tokens, {**about, names["token_type"]: "output"}, context)
        if usage.cost_usd:
            self._cost.add(usage.cost_usd, about, context)
        first = record.timing.first_token
        if record.streamed and first is not None and "first_chunk" in histograms:
            histograms["first_chunk"].record(first, about, context)
            each = record.seconds_per_token
            if each is not None:
                histograms["per_chunk"].record(each, about, context)
