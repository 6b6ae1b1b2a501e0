"""A span and its measurements for each attempt, with the names of the GenAI conventions."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from inferail.errors import ConfigError
from inferail.telemetry.failures import Failures
from inferail.telemetry.otel.content import (
    Redacting,
    input_messages,
    output_messages,
    system_instructions,
    tool_definitions,
)
from inferail.telemetry.otel.instruments import Instruments
from inferail.telemetry.otel.names import OWN, generation
from inferail.telemetry.records import NOT_ASKED

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

    from inferail.telemetry.records import Record
    from inferail.types.embedding import EmbeddingRequest
    from inferail.types.message import Message
    from inferail.types.request import Request, Sampling

__all__ = ["Opened", "Spans"]

_SCOPE: Final = "inferail"
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_CANCELLED: Final = "CancelledError"


class Spans:
    """Makes a span and measurements of every attempt. Thread-safe; it never raises into a call.

    Give it to a ledger (`Ledger(…, spans=Spans())`) or to a client as its recorder. A span is a child of the span that
    is current where the call is made, and its `traceparent` goes out with the wire request. Without an SDK the spans are
    those of the API: they cost a few microseconds and lead nowhere.

    Attributes:
        names: The `Generation` of names in use.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        names: str = "latest",
        content: bool = False,  # noqa: FBT001, FBT002 - given by name
        *,
        redactor: Redacting | None = None,
    ) -> None:
        """Sets it up.

        Args:
            tracer_provider: Where spans go; by default the global provider.
            meter_provider: Where measurements go; by default the global provider.
            names: `latest`, `1.36`, `1.26`, or `environment` for what OTEL_SEMCONV_STABILITY_OPT_IN says.
            content: Whether the spans carry what was said. Only the names `latest` have attributes for it.
            redactor: What takes personal data and keys out of the content; by default the one that records go through.

        Raises:
            ConfigError: OpenTelemetry is not installed, or there are no such names.
        """
        self.names = generation(names)
        self._failures = Failures("a span could not be made")
        if content and "input_messages" not in self.names.attributes:
            raise ConfigError(f"the names {names!r} have none for content: use names='latest', or leave content out")
        try:
            from opentelemetry import metrics, trace
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ModuleNotFoundError as error:
            raise ConfigError('OpenTelemetry is not installed: pip install "inferail[otel]"') from error
        self._trace = trace
        self._error = trace.Status(trace.StatusCode.ERROR)  # without a text: texts of providers quote prompts
        self._propagator = TraceContextTextMapPropagator()  # and no baggage: it is not for providers
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        self._instruments = Instruments(metrics.get_meter(_SCOPE, meter_provider=meter_provider), self.names)
        self._redactor: Redacting | None = None
        if content:
            self._redactor = redactor or _default_redactor()

    @property
    def failed(self) -> int:
        """How many spans were lost to an error of the SDK."""
        return self._failures.count

    def begin(
        self,
        *,
        provider: str,
        model: str,
        operation: str = "chat",
        streamed: bool = False,
        host: str = "",
        reason: str = "first",
        attempt: int = 1,
        request: Request | EmbeddingRequest | None = None,
    ) -> Opened | None:
        """Opens the span of an attempt that starts now; None if that failed."""
        try:
            attributes = self._asked(provider, model, operation, streamed=streamed, host=host, request=request)
            attributes[OWN["reason"]] = reason
            attributes[OWN["attempt"]] = attempt
            started = time.time_ns()
            span = self._start(f"{operation} {model}", attributes, started, local=provider == "local")
            opened = Opened(self, operation, span, started)
        except Exception as error:  # noqa: BLE001 - whatever it is, the call goes on
            self._failures.add(error)
            return None
        if self._redactor is not None and request is not None:
            self._say(span, request, self._redactor)
        return opened

    def record(self, record: Record) -> None:
        """Makes the span of an attempt that was not begun here (an answer of a cache, a local model); never raises.

        An attempt that was begun has its span already.
        """
        if record.span_id is not None:
            return
        try:
            started = int(record.started_at.timestamp() * 1e9)
            # What the draft of the conventions for guardrails calls this; its attributes have no released names yet.
            operation = "run_guardrail" if record.reason == "guard" else "chat"
            attributes = self._asked(
                record.provider, record.model, operation, streamed=record.streamed, host=record.host, request=None
            )
            attributes[OWN["reason"]] = record.reason
            attributes[OWN["attempt"]] = record.attempt
            local = "local" in (record.provider, record.path) or record.reason in NOT_ASKED
            span = self._start(f"{operation} {record.model}", attributes, started, local=local)
            Opened(self, operation, span, started).end(record)
        except Exception as error:  # noqa: BLE001 - as above
            self._failures.add(error)

    def finish(self, opened: Opened, record: Record) -> None:
        """Ends a span with what its attempt became, and measures it; never raises. `Opened.end` calls it."""
        try:
            span = opened.span
            if span.is_recording():
                span.set_attributes(self._became(record))
                self._tell(span, opened, record)
            self._instruments.measure(record, opened.operation, opened.context)
            span.end(opened.started + int(record.timing.total * 1e9))
        except Exception as error:  # noqa: BLE001 - as above
            self._failures.add(error)

    def answered(self, opened: Opened, said: Callable[[], Message], finish_reason: str | None) -> None:
        """Adds what the model said, where content was asked for; never raises. `Opened.answered` calls it."""
        try:
            if self._redactor is not None and opened.span.is_recording():
                name = self.names.attributes["output_messages"]
                opened.span.set_attribute(name, output_messages(said().parts, finish_reason, self._redactor))
        except Exception as error:  # noqa: BLE001 - as above
            self._failures.add(error)

    def context_of(self, span: Span) -> tuple[Context, Mapping[str, str]]:
        """The context with a span in it, and the headers that tell a server of it."""
        context = self._trace.set_span_in_context(span)
        headers: dict[str, str] = {}
        self._propagator.inject(headers, context)
        return context, headers or _NOTHING

    def _start(self, name: str, attributes: dict[str, Any], started: int, *, local: bool) -> Span:
        kind = self._trace.SpanKind.INTERNAL if local else self._trace.SpanKind.CLIENT
        return self._tracer.start_span(name, kind=kind, attributes=attributes, start_time=started)

    def _asked(
        self,
        provider: str,
        model: str,
        operation: str,
        *,
        streamed: bool,
        host: str,
        request: Request | EmbeddingRequest | None,
    ) -> dict[str, Any]:
        """What is known before the answer; samplers see this much."""
        names = self.names.attributes
        found: dict[str, Any] = {
            names["operation"]: operation,
            names["provider"]: self.names.provider(provider),
            names["request_model"]: model,
        }
        if host:
            found[names["host"]], port = address(host)
            if port is not None:
                found[names["port"]] = port
        if streamed and "stream" in names:
            found[names["stream"]] = True
        if request is None:
            return found
        sampling: Sampling | None = getattr(request, "sampling", None)
        if sampling is not None:
            _choices(found, names, sampling)
            if getattr(request, "output", None) is not None and "output_type" in names:
                found[names["output_type"]] = "json"
        dimensions: int | None = getattr(request, "dimensions", None)
        if dimensions is not None and "dimensions" in names:
            found[names["dimensions"]] = dimensions
        return found

    def _say(self, span: Span, request: Request | EmbeddingRequest, redactor: Redacting) -> None:
        """Adds what was asked; without it, where it cannot be redacted."""
        try:
            if not span.is_recording():
                return
            said = {
                "input_messages": input_messages(request, redactor),
                "system_instructions": system_instructions(request, redactor),
                "tool_definitions": tool_definitions(request),
            }
            names = self.names.attributes
            span.set_attributes({names[name]: text for name, text in said.items() if text is not None})
        except Exception as error:  # noqa: BLE001 - as above
            self._failures.add(error)

    def _became(self, record: Record) -> dict[str, Any]:
        """What is known after the answer."""
        names, usage, timing = self.names.attributes, record.usage, record.timing
        standard: dict[str, Any] = {
            "error": record.error,
            "status_code": record.status_code,
            "response_model": record.model_version,
            "finish_reasons": None if record.finish_reason is None else (record.finish_reason,),
            "first_chunk": timing.first_token if record.streamed else None,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cache_read_tokens": usage.cache_read_tokens or None,
            "cache_write_tokens": usage.cache_write_tokens or None,
            "reasoning_tokens": usage.reasoning_tokens or None,
            "conversation": record.labels.get("conversation"),
        }
        own: dict[str, Any] = {
            "record_id": record.id,
            "call_id": record.call_id or None,
            "payload_id": record.payload_id,
            "request_id": record.request_id,
            "path": record.path,
            "error_phase": record.error_phase,
            "retry_after": record.retry_after,
            "cost_usd": usage.cost_usd,
            "estimated_usd": record.estimated_usd,
            "price_version": record.price_version,
            "estimated": usage.estimated or None,
            "cache": record.cache,
            "saved_usd": record.saved_usd,
            "saved_tokens": record.saved_tokens or None,
            "connect": timing.connect or None,
            "tls": timing.tls or None,
            "first_byte": timing.first_byte,
            "first_token": timing.first_token,
            "seconds_per_token": record.seconds_per_token,
        }
        found = {names[key]: value for key, value in standard.items() if value is not None and key in names}
        found.update({OWN[key]: value for key, value in own.items() if value is not None})
        found.update({OWN["label"] + label: text for label, text in record.labels.items()})
        return found

    def _tell(self, span: Span, opened: Opened, record: Record) -> None:
        """Events, and the status. A cancelled attempt (the slower of two, a reader who left) is no error of anybody."""
        first = record.timing.first_token
        if first is not None:
            span.add_event(OWN["event_first_token"], timestamp=opened.started + int(first * 1e9))
        if record.error is not None:
            span.add_event(self.names.events["exception"], {"exception.type": record.error})
            if record.error != _CANCELLED:
                span.set_status(self._error)


class Opened:
    """The span of an attempt that runs.

    Attributes:
        span: The span of OpenTelemetry.
        context: The context in which it is current.
        operation: `chat` or `embeddings`.
        started: When it began, nanoseconds since 1970.
        headers: Tells the provider of the span: `traceparent`, and `tracestate` if there is one.
        trace_id: 32 hexadecimal digits, or None where nothing is traced.
        span_id: 16 hexadecimal digits, or None where nothing is traced.
    """

    __slots__ = ("_spans", "context", "headers", "operation", "span", "span_id", "started", "trace_id")

    def __init__(self, spans: Spans, operation: str, span: Span, started: int) -> None:
        self._spans = spans
        self.span = span
        self.operation = operation
        self.started = started
        self.context, self.headers = spans.context_of(span)
        known = span.get_span_context()
        self.trace_id = f"{known.trace_id:032x}" if known.is_valid else None
        self.span_id = f"{known.span_id:016x}" if known.is_valid else None

    def answered(self, said: Callable[[], Message], finish_reason: str | None) -> None:
        """Adds the answer that `said` gives, where content was asked for; never raises."""
        self._spans.answered(self, said, finish_reason)

    def end(self, record: Record) -> None:
        """Ends the span with the record of its attempt; never raises."""
        self._spans.finish(self, record)


def _default_redactor() -> Redacting:
    try:
        redactor: Redacting = importlib.import_module("inferail.telemetry.redaction").Redactor()
    except ModuleNotFoundError as error:
        raise ConfigError("content=True needs a redactor: pass redactor=…, an object with redact(text)") from error
    return redactor


def address(host: str) -> tuple[str, int | None]:
    """Host and port of `host:port`; the port is None where it is the default one."""
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdecimal() or (":" in name and not name.endswith("]")):
        return host.strip("[]"), None
    return name.strip("[]"), int(port)


def _choices(found: dict[str, Any], names: Mapping[str, str], sampling: Sampling) -> None:
    chosen: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
    }
    for key, number in chosen.items():
        if number is not None and key in names:
            found[names[key]] = float(number)  # all of them are doubles there, top_k too
    if sampling.max_tokens is not None:
        found[names["max_tokens"]] = sampling.max_tokens
    if sampling.seed is not None and "seed" in names:
        found[names["seed"]] = sampling.seed
    if sampling.stop and "stop_sequences" in names:
        found[names["stop_sequences"]] = sampling.stop
