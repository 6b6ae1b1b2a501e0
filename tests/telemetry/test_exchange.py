"""What an attempt tells the recorder: its call, its trace, and the request of a failure."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from tests.providers.bodies import OPENAI, STREAM_HEADERS

import inferail as ir
from inferail.telemetry.records import Record
from inferail.telemetry.sinks import MemorySink
from inferail.testing import ScriptedReply, ScriptedTransport
from inferail.testing.sandbox import Sandbox
from inferail.transport.protocol import Wire
from inferail.types.message import Message

QUESTION = "What is a Target?"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as running:
        yield running


@dataclass
class Span:
    headers: Mapping[str, str]
    trace_id: str | None = "a" * 32
    span_id: str | None = "b" * 16
    ended: list[Record] = field(default_factory=list)
    answers: list[tuple[str, str | None]] = field(default_factory=list)

    def answered(self, said: Callable[[], Message], finish_reason: str | None) -> None:
        self.answers.append((said().text, finish_reason))

    def end(self, record: Record) -> None:
        self.ended.append(record)


class Tracing(MemorySink):
    """A recorder with everything that an attempt asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[dict[str, Any]] = []
        self.spans: list[Span] = []
        self.failures: list[tuple[Record, Wire]] = []

    def begin(self, **about: Any) -> Span:
        self.begun.append(about)
        self.spans.append(Span({"traceparent": f"00-{'a' * 32}-{len(self.spans):016x}-01"}))
        return self.spans[-1]

    def record_failure(self, record: Record, wire: Wire) -> None:
        self.failures.append((record, wire))
        self.record(record)


def target(sandbox: Sandbox, name: str, **options: Any) -> ir.Target:
    return ir.Target(f"openai:{name}", base_url=sandbox.base_url("openai"), api_key="sk-key", **options)


def test_attempts_of_one_call_share_its_id_and_those_of_two_do_not(sandbox):
    """Serves R163."""
    model = ir.Fallback(target(sandbox, "docs@500", retries=0), target(sandbox, "docs"))
    with ir.Client(model) as client:
        client.complete(QUESTION)
        client.complete(QUESTION)

        first, second, third, fourth = client.records
    assert first.call_id == second.call_id != third.call_id == fourth.call_id
    assert [record.error for record in (first, second)] == ["ServerError", None]
    assert second.model_version == "inferail-docs"
    assert second.price_version is None  # nobody knows what this model costs


def test_retries_of_a_target_without_a_client_share_an_id():
    sink = MemorySink()
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi."}}
    answers = [httpx.Response(500), httpx.Response(200, json={"choices": [choice]})]

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answers.pop(0))) as http:
            asked = ir.Target("openai:m", api_key="k", retries=ir.RetryPolicy(1, base=0.001), transport=http)
            with ir.Scope(recorder=sink).enter():
                await asked.generate(ir.Request((ir.user(QUESTION),)))

    asyncio.run(main())

    assert [record.reason for record in sink.records] == ["first", "retry"]
    assert len({record.call_id for record in sink.records}) == 1
    assert sink.records[0].call_id


@pytest.mark.parametrize("streamed", [False, True])
def test_span_begins_before_the_request_and_ends_before_the_record(sandbox, streamed):
    """Serves R161."""
    recorder = Tracing()
    with ir.Client(target(sandbox, "docs"), recorder=recorder) as client:
        if streamed:
            with client.stream(QUESTION) as stream:
                response = stream.final()
        else:
            response = client.complete(QUESTION)

    (about,), (span,), (record,) = recorder.begun, recorder.spans, recorder.records
    assert (about["provider"], about["model"], about["operation"], about["attempt"]) == ("openai", "docs", "chat", 1)
    assert (about["streamed"], about["reason"], about["request"].messages[0].text) == (streamed, "first", QUESTION)
    assert span.ended == [record]
    assert span.answers == [(response.text, "stop")]
    assert (record.trace_id, record.span_id) == ("a" * 32, "b" * 16)
    assert sandbox.requests[-1].headers["traceparent"] == span.headers["traceparent"]


@pytest.mark.parametrize("streamed", [False, True])
def test_request_of_a_failure_is_handed_over_whole(sandbox, streamed):
    """Serves R164."""
    recorder = Tracing()
    with ir.Client(target(sandbox, "docs@500", retries=0), recorder=recorder) as client, pytest.raises(ir.ServerError):
        if streamed:
            with client.stream(QUESTION):
                pass
        else:
            client.complete(QUESTION)

    ((record, wire),) = recorder.failures
    assert recorder.records == [record]
    assert (record.error, record.status_code) == ("ServerError", 500)
    assert wire.url.startswith(sandbox.base_url("openai"))
    assert QUESTION.encode() in wire.body
    assert wire.headers["traceparent"]


def test_answers_and_cancelled_calls_are_no_failures(sandbox):
    recorder = Tracing()
    with ir.Client(target(sandbox, "docs"), recorder=recorder) as client:
        client.complete(QUESTION)
        stalling = target(sandbox, "docs@stall-3")  # it has no end that could come first
        with client.stream(QUESTION, model=stalling) as stream:
            next(stream.batches())

    assert [record.error for record in recorder.records] == [None, "CancelledError"]
    assert not recorder.failures


def test_running_cost_is_compared_with_what_it_was():
    """Serves R97."""
    prices = ir.PriceTable.bundled().override({"openai:m-1": ir.Price(1_000.0, 1_000.0)})
    transport = ScriptedTransport([ScriptedReply(OPENAI, headers=STREAM_HEADERS)], blocking=True)
    with ir.Client("openai:m-1", api_key="k", transport=transport, prices=prices) as client:
        with client.stream(QUESTION) as stream:
            next(stream.batches())
            running = stream.partial.usage
            response = stream.final()

        (record,) = client.records
    assert running.estimated
    assert running.cost_usd == record.estimated_usd
    assert record.cost_usd == response.usage.cost_usd != record.estimated_usd
    assert record.price_version == f"{ir.PriceTable.bundled().version}+overrides"
