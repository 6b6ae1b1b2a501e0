"""The span of an attempt: exact names and types, its place in the trace, and what it never says."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from tests.telemetry.otel.collecting import Collected
from tests.telemetry.prometheus.samples import record

import inferail as ir
from inferail.errors import ConfigError
from inferail.server import create_app, running
from inferail.telemetry.otel import Spans
from inferail.telemetry.otel.spans import address
from inferail.telemetry.records import Record
from inferail.testing import Sandbox
from inferail.types.embedding import EmbeddingRequest
from inferail.types.response import Timing
from inferail.types.scope import Scope
from inferail.types.usage import Usage

REQUEST = ir.Request(
    (ir.system("Be brief."), ir.user("What is a Target?")),
    sampling=ir.Sampling(
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        max_tokens=300,
        stop=("END",),
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
    ),
)
ANSWER: dict[str, Any] = {
    "provider": "gemini",
    "model": "gemini-2.5-flash",
    "model_version": "gemini-2.5-flash-001",
    "usage": Usage(100, 50, 40, 10, 20, cost_usd=0.01),
    "timing": Timing(0.01, 0.1, 0.25, 1.78125, 0.02),
    "call_id": "call",
    "request_id": "req_1",
    "status_code": 200,
    "price_version": "genai-prices 0.2.3",
    "labels": {"task": "faq", "conversation": "conv-1"},
}


def made(collected: Collected, answer: Record, **about: Any) -> None:
    """A span from its begin to its end."""
    usual: dict[str, Any] = {
        "provider": answer.provider,
        "model": answer.model,
        "operation": "chat",
        "streamed": answer.streamed,
        "host": "api.example.test:8443",
        "reason": answer.reason,
        "attempt": answer.attempt,
        "request": REQUEST,
    }
    opened = collected.spans.begin(**{**usual, **about})
    assert opened is not None
    opened.end(answer)
    assert collected.spans.failed == 0


OWN = {
    "inferail.call.id": "call",
    "inferail.provider.request_id": "req_1",
    "inferail.path": "direct",
    "inferail.attempt.reason": "first",
    "inferail.attempt.number": 1,
    "inferail.cost.usd": 0.01,
    "inferail.cost.price_version": "genai-prices 0.2.3",
    "inferail.timing.connect": 0.01,
    "inferail.timing.tls": 0.02,
    "inferail.timing.first_byte": 0.1,
    "inferail.timing.first_token": 0.25,
    "inferail.timing.per_output_token": 0.03125,
    "inferail.label.task": "faq",
    "inferail.label.conversation": "conv-1",
}
OLDEST = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "gemini",
    "gen_ai.request.model": "gemini-2.5-flash",
    "gen_ai.request.max_tokens": 300,
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.top_p": 0.9,
    "gen_ai.response.model": "gemini-2.5-flash-001",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.prompt_tokens": 100,
    "gen_ai.usage.completion_tokens": 50,
    "http.response.status_code": 200,
    "server.address": "api.example.test",
    "server.port": 8443,
}
OLD = {
    **{name: value for name, value in OLDEST.items() if "_tokens" not in name or "max" in name},
    "gen_ai.system": "gcp.gemini",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 50,
    "gen_ai.request.top_k": 40.0,
    "gen_ai.request.seed": 7,
    "gen_ai.request.stop_sequences": ("END",),
    "gen_ai.request.presence_penalty": 0.1,
    "gen_ai.request.frequency_penalty": 0.2,
    "gen_ai.conversation.id": "conv-1",
}
LATEST = {
    **{name: value for name, value in OLD.items() if name != "gen_ai.system"},
    "gen_ai.provider.name": "gcp.gemini",
    "gen_ai.request.stream": True,
    "gen_ai.response.time_to_first_chunk": 0.25,
    "gen_ai.usage.cache_read.input_tokens": 40,
    "gen_ai.usage.cache_creation.input_tokens": 10,
    "gen_ai.usage.reasoning.output_tokens": 20,
}


@pytest.mark.parametrize(("names", "expected"), [("1.26", OLDEST), ("1.36", OLD), ("latest", LATEST)])
def test_span_has_exactly_the_names_and_types_of_its_generation(names, expected):
    """Serves R161."""
    collected, answer = Collected(names), record(**ANSWER)

    made(collected, answer)

    found = collected.attributes
    wanted = {**expected, **OWN, "inferail.record.id": answer.id}
    assert found == wanted
    assert {name: type(value) for name, value in found.items()} == {name: type(value) for name, value in wanted.items()}
    (span,) = collected.finished
    assert (span.name, span.kind) == ("chat gemini-2.5-flash", SpanKind.CLIENT)
    assert span.status.status_code is StatusCode.UNSET
    assert span.end_time is not None
    assert span.start_time is not None
    assert (span.end_time - span.start_time) / 1e9 == pytest.approx(1.78125)


def test_span_of_a_failure_has_the_class_of_the_error_and_no_text():
    """Serves R161."""
    collected = Collected()

    made(
        collected, record(error="RateLimitError", status_code=429, retry_after=2.5, finish_reason=None, payload_id="p")
    )

    (span,) = collected.finished
    found = collected.attributes
    assert found["error.type"] == "RateLimitError"
    assert found["http.response.status_code"] == 429
    assert found["inferail.error.retry_after"] == 2.5
    assert found["inferail.payload.id"] == "p"
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    exception = next(event for event in span.events if event.name == "gen_ai.client.operation.exception")
    assert dict(exception.attributes or {}) == {"exception.type": "RateLimitError"}


def test_span_of_a_cancelled_attempt_is_no_error():
    collected = Collected()

    made(collected, record(error="CancelledError", reason="hedge"))

    assert collected.finished[0].status.status_code is StatusCode.UNSET
    assert collected.attributes["error.type"] == "CancelledError"


def test_first_token_is_an_event_at_its_time():
    collected = Collected()

    made(collected, record(timing=Timing(first_token=0.25, total=1.0)))

    (span,) = collected.finished
    (event,) = span.events
    assert event.name == "inferail.first_token"
    assert span.start_time is not None
    assert (event.timestamp - span.start_time) / 1e9 == pytest.approx(0.25)


def test_span_of_embeddings_names_what_was_asked():
    collected = Collected()
    request = EmbeddingRequest(("one", "two"), dimensions=256)

    made(collected, record(streamed=False, timing=Timing(total=1.0)), operation="embeddings", request=request)

    assert collected.finished[0].name == "embeddings gpt-5-mini"
    assert collected.attributes["gen_ai.embeddings.dimension.count"] == 256
    assert "gen_ai.request.stream" not in collected.attributes


def test_span_of_a_json_answer_says_so():
    collected = Collected()
    request = ir.Request((ir.user("Hi"),), output=ir.OutputSchema({"type": "object"}))

    made(collected, record(), request=request)

    assert collected.attributes["gen_ai.output.type"] == "json"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("api.openai.com", ("api.openai.com", None)),
        ("127.0.0.1:8000", ("127.0.0.1", 8000)),
        ("[::1]:8000", ("::1", 8000)),
        ("[::1]", ("::1", None)),
        ("host:", ("host:", None)),
    ],
)
def test_address_is_taken_apart(host, expected):
    assert address(host) == expected


def test_attempts_of_a_call_are_children_of_the_callers_span_and_the_wire_has_their_traceparent():
    """Serves R163."""
    collected, sent = Collected(), []
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi."}}
    answers = [httpx.Response(500), httpx.Response(200, json={"choices": [choice]})]

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers)
        return answers.pop(0)

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        models = [ir.Target(f"openai:{name}", api_key="k", transport=http, retries=0) for name in ("a", "b")]
        with (
            collected.tracers.get_tracer("app").start_as_current_span("app") as outer,
            ir.Client(ir.Fallback(*models), recorder=collected.spans) as client,
        ):
            client.complete("Hello")

    *spans, last = collected.finished
    assert last.name == "app"
    assert [span.attributes["inferail.attempt.reason"] for span in spans] == ["first", "fallback"]
    for span, headers in zip(spans, sent, strict=True):
        assert span.parent == outer.get_span_context()
        assert headers["traceparent"] == f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-03"
        assert "baggage" not in headers


def test_racing_attempts_are_children_of_the_callers_span():
    """Serves R163."""
    collected = Collected()
    with Sandbox() as sandbox:
        url = sandbox.base_url("openai")
        models = [ir.Target(f"openai:{name}", base_url=url) for name in ("docs@hang", "docs")]
        with (
            collected.tracers.get_tracer("app").start_as_current_span("app") as outer,
            ir.Client(ir.Hedged(*models, after=0.05), recorder=collected.spans) as client,
        ):
            client.complete("What is a Target?")

    attempts = [span for span in collected.finished if span.name != "app"]
    assert {span.attributes["inferail.attempt.reason"] for span in attempts} == {"first", "hedge"}
    assert all(span.parent == outer.get_span_context() for span in attempts)


def test_record_names_the_span_of_its_attempt():
    """Serves R163."""
    collected, records = Collected(), []

    class Recorder:
        begin = staticmethod(collected.spans.begin)

        def record(self, record: Record) -> None:
            records.append(record)

    with Sandbox() as sandbox:
        model = ir.Target("openai:docs", base_url=sandbox.base_url("openai"))
        with ir.Client(model, recorder=Recorder()) as client, client.stream("What is a Target?") as stream:
            stream.final()

    (span,) = collected.finished
    assert records[0].trace_id == f"{span.context.trace_id:032x}"
    assert records[0].span_id == f"{span.context.span_id:016x}"
    assert span.attributes["inferail.record.id"] == records[0].id
    assert span.attributes["gen_ai.usage.output_tokens"] == records[0].usage.output_tokens > 0


def test_server_continues_the_trace_of_its_caller():
    """Serves R163."""
    collected = Collected()
    body = {"model": "x", "messages": [{"role": "user", "content": "What is a Target?"}]}
    trace_id, span_id = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    with Sandbox() as sandbox:
        model = ir.Target("openai:docs", base_url=sandbox.base_url("openai"))
        app = create_app(model, scope=Scope(recorder=collected.spans))
        with running(app) as url, httpx.Client(base_url=url, trust_env=False) as http:
            for stream in (False, True):
                headers = {"traceparent": f"00-{trace_id}-{span_id}-01", "tracestate": "vendor=1"}
                http.post("/v1/chat/completions", json={**body, "stream": stream}, headers=headers)
            http.post("/v1/chat/completions", json=body, headers={"traceparent": "00-nonsense"})
            http.post("/v1/chat/completions", json=body)

    whole, streamed, broken, bare = collected.finished
    for span in (whole, streamed):
        assert f"{span.context.trace_id:032x}" == trace_id
        assert span.parent is not None
        assert f"{span.parent.span_id:016x}" == span_id
        assert span.context.trace_state.get("vendor") == "1"
        assert span.attributes["inferail.path"] == "gateway"
    assert broken.parent is bare.parent is None


def test_answer_of_a_cache_gets_a_span_of_its_own_and_an_attempt_that_was_begun_none_twice():
    collected = Collected()

    collected.spans.record(record(reason="cache", cache="exact", saved_usd=0.5, saved_tokens=9, streamed=False))
    collected.spans.record(record(span_id="b" * 16))

    (span,) = collected.finished
    assert span.kind is SpanKind.INTERNAL
    assert span.attributes["inferail.cache.hit"] == "exact"
    assert span.attributes["inferail.cache.saved_usd"] == 0.5
    assert "gen_ai.client.operation.duration" not in collected.measured()


def test_guard_that_blocked_gets_a_span_of_its_own():
    collected = Collected()

    collected.spans.record(
        record(reason="guard", provider="guard", model="judge", error="GuardrailError", streamed=False)
    )

    (span,) = collected.finished
    assert (span.name, span.kind) == ("run_guardrail judge", SpanKind.INTERNAL)
    assert span.attributes["gen_ai.operation.name"] == "run_guardrail"
    assert span.attributes["error.type"] == "GuardrailError"
    assert "gen_ai.client.operation.duration" not in collected.measured()


def test_unsampled_span_still_carries_the_trace_and_takes_no_attributes():
    spans = Spans(TracerProvider(sampler=ALWAYS_OFF))

    opened = spans.begin(provider="openai", model="m")

    assert opened is not None
    assert opened.headers["traceparent"].startswith(f"00-{opened.trace_id}-{opened.span_id}-")
    assert not int(opened.headers["traceparent"][-2:], 16) & 1  # not sampled, and the provider is told so
    assert not opened.span.is_recording()
    opened.end(record())
    assert spans.failed == 0


def test_without_an_sdk_nothing_is_traced_and_nothing_fails():
    program = """
import datetime
from inferail.telemetry.otel import Spans
from inferail.telemetry.records import Record
spans = Spans()
opened = spans.begin(provider="openai", model="m")
assert (opened.trace_id, opened.span_id, dict(opened.headers)) == (None, None, {})
opened.end(Record(started_at=datetime.datetime.now(datetime.UTC), provider="openai", model="m"))
assert spans.failed == 0
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_without_opentelemetry_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(ConfigError, match=r'pip install "inferail\[otel\]"'):
        Spans()


def test_nothing_of_opentelemetry_is_loaded_before_it_is_asked_for():
    program = (
        "import sys, inferail, inferail.telemetry.otel, inferail.telemetry.prometheus, inferail.server.app\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_broken_sdk_does_not_reach_the_call(caplog):
    class Broken(TracerProvider):
        def get_tracer(self, *_: Any, **__: Any) -> Any:
            class Tracer:
                def start_span(self, *_: Any, **__: Any) -> Any:
                    raise RuntimeError("secret")

            return Tracer()

    spans = Spans(Broken())
    with Sandbox() as sandbox:
        model = ir.Target("openai:docs", base_url=sandbox.base_url("openai"))
        with ir.Client(model, recorder=spans) as client:
            assert client.complete("What is a Target?").text

    assert spans.failed == 2  # at its begin, and when the record came without a span
    assert [each.getMessage() for each in caplog.records if "span" in each.getMessage()] == [
        "a span could not be made (RuntimeError); this is said once, failures are counted"
    ]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [("", "1.36"), ("http", "1.36"), ("http, gen_ai_latest_experimental", "latest")],
)
def test_environment_chooses_the_generation(monkeypatch, listed, expected):
    """Serves R161."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", listed)

    assert Spans(names="environment").names.version == expected


def test_unknown_generation_is_refused():
    with pytest.raises(ConfigError, match=r"latest, environment"):
        Spans(names="1.99")


def test_current_span_of_the_caller_is_not_changed():
    collected = Collected()

    made(collected, record())

    assert not trace.get_current_span().get_span_context().is_valid
