"""Spans and measurements as they leave the process: OTLP over HTTP, read with OpenTelemetry's own protobuf classes."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import inferail as ir
from inferail.telemetry.otel import Spans
from inferail.testing import Sandbox

pytestmark = pytest.mark.slow


class Receiver:
    """What a collector would have got."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.metrics: dict[str, Any] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.headers["content-type"] == "application/x-protobuf"
                answer = receiver.take(self.path, body)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Nothing is logged."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def take(self, path: str, body: bytes) -> bytes:
        if path == "/v1/traces":
            traces = ExportTraceServiceRequest.FromString(body)
            self.spans += [span for r in traces.resource_spans for s in r.scope_spans for span in s.spans]
            return bytes(ExportTraceServiceResponse().SerializeToString())
        metrics = ExportMetricsServiceRequest.FromString(body)
        for resource in metrics.resource_metrics:
            for scope in resource.scope_metrics:
                self.metrics.update({metric.name: metric for metric in scope.metrics})
        return bytes(ExportMetricsServiceResponse().SerializeToString())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    thread = threading.Thread(target=running.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield running
    running.server.shutdown()
    running.server.server_close()
    thread.join()


def value(attribute: Any) -> Any:
    kind = attribute.WhichOneof("value")
    if kind == "array_value":
        return [value(one) for one in attribute.array_value.values]
    return getattr(attribute, kind)


def attributes(of: Any) -> dict[str, Any]:
    return {attribute.key: value(attribute.value) for attribute in of.attributes}


def exported(receiver: Receiver, names: str) -> None:
    """One answer and one failure through the exporters that users have."""
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{receiver.address}/v1/traces")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{receiver.address}/v1/metrics"))
    meters = MeterProvider([reader])
    spans = Spans(tracers, meters, names)
    with Sandbox() as sandbox:
        url = sandbox.base_url("openai")
        good, bad = (ir.Target(f"openai:{name}", base_url=url, retries=0) for name in ("docs", "docs@500"))
        with ir.Client(good, recorder=spans) as client, client.stream("What is a Target?") as stream:
            stream.final()
        with ir.Client(bad, recorder=spans) as client, pytest.raises(ir.RequestError):
            client.complete("What is a Target?")
    tracers.shutdown()
    meters.shutdown()
    assert spans.failed == 0


@pytest.mark.parametrize(
    ("names", "provider", "input_tokens", "output_tokens"),
    [
        ("1.26", "gen_ai.system", "gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"),
        ("1.36", "gen_ai.system", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
        ("latest", "gen_ai.provider.name", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
    ],
)
def test_receiver_gets_spans_with_the_exact_names(receiver, names, provider, input_tokens, output_tokens):
    """Serves R161."""
    exported(receiver, names)

    answered, failed = receiver.spans
    found = attributes(answered)
    assert found[provider] == "openai"
    assert found["gen_ai.request.model"] == "docs"
    assert found["gen_ai.response.model"] == "inferail-docs"
    assert found[input_tokens] > 0
    assert found[output_tokens] > 0
    assert found["gen_ai.response.finish_reasons"] == ["stop"]
    assert answered.end_time_unix_nano > answered.start_time_unix_nano  # latency
    assert answered.kind == Span.SPAN_KIND_CLIENT
    assert attributes(failed)["error.type"] == "ServerError"
    assert attributes(failed)["http.response.status_code"] == 500
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert not failed.status.message
    other = {"gen_ai.system", "gen_ai.provider.name"} - {provider}
    assert not other & (set(found) | set(attributes(failed)))


def test_receiver_gets_measurements_with_the_exact_names(receiver):
    """Serves R161, R205."""
    exported(receiver, "latest")

    duration = receiver.metrics["gen_ai.client.operation.duration"]
    assert duration.unit == "s"
    points = duration.histogram.data_points
    assert {attributes(point).get("error.type") for point in points} == {None, "ServerError"}
    bounds = list(points[0].explicit_bounds)
    assert (bounds[0], bounds[-1]) == (0.01, 81.92)
    assert receiver.metrics["gen_ai.client.token.usage"].unit == "{token}"
    kinds = {
        attributes(p)["gen_ai.token.type"] for p in receiver.metrics["gen_ai.client.token.usage"].histogram.data_points
    }
    assert kinds == {"input", "output"}
    assert "gen_ai.client.operation.time_to_first_chunk" in receiver.metrics
