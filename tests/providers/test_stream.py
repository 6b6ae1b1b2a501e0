"""The stream of a Target: one end, right deadlines, nothing lost."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inferail as ir
from inferail.testing import ScriptedReply, ScriptedTransport
from tests.providers.bodies import (
    ANTHROPIC,
    OPENAI,
    STREAM_HEADERS,
    STREAMS,
    TEXT,
    UNARY,
    WORDS,
    chunk,
    error_body,
    event,
)

PROVIDERS = tuple(STREAMS)


def asked(
    provider: str, *replies: ScriptedReply | BaseException, **options: Any
) -> tuple[ir.Client, ScriptedTransport]:
    transport = ScriptedTransport(replies, blocking=True)
    return ir.Client(f"{provider}:m-1", transport=transport, **{"api_key": "k", "retries": 0, **options}), transport


def reply(pieces: Iterable[Any], **options: Any) -> ScriptedReply:
    return ScriptedReply(list(pieces), headers=STREAM_HEADERS, **options)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_stream_gives_text_then_a_response(provider):
    """Serves R7, R85, R91, R99, R100, R101."""
    client, transport = asked(provider, reply([(0.25, piece) for piece in STREAMS[provider]]))

    with client.stream("Hello") as stream:
        pieces = list(stream.text())

    response = stream.response
    assert tuple(pieces) == WORDS
    assert (response.text, response.finish_reason, response.provider) == (TEXT, "stop", provider)
    assert (response.usage.input_tokens, response.usage.output_tokens) == (9, 3)
    assert response.timing.first_token in (0.25, 0.5, 0.75)
    assert response.timing.total == pytest.approx(0.25 * len(STREAMS[provider]))
    assert response.request_id == "req_1"
    assert [record.finish_reason for record in client.records] == ["stop"]
    assert transport.open_replies == 0


@pytest.mark.parametrize("provider", PROVIDERS)
def test_final_reads_the_stream_when_nobody_else_did(provider):
    """Serves R91."""
    client, _ = asked(provider, reply(STREAMS[provider]))

    with client.stream("Hello") as stream:
        assert stream.final().text == TEXT
        assert stream.final() is stream.response


@pytest.mark.parametrize("provider", PROVIDERS)
def test_stream_cut_at_any_byte_is_never_complete(provider):
    """Serves R88, R92, R93, R98."""
    body = b"".join(STREAMS[provider])
    for cut in range(len(body.rstrip(b"\n"))):
        client, transport = asked(provider, reply([body[:cut]] if cut else []))
        shown = ""

        with pytest.raises(ir.StreamError) as caught, client.stream("Hello") as stream:
            for piece in stream.text():
                shown += piece

        assert TEXT.startswith(shown)
        assert caught.value.partial.text.startswith(shown)
        assert TEXT.startswith(caught.value.partial.text)
        assert len(client.records) == 1
        assert client.records[0].usage.estimated
        assert client.records[0].finish_reason is None
        assert transport.open_replies == 0


@settings(max_examples=60)
@given(st.data())
def test_stream_is_the_same_however_it_is_split(data):
    """Serves R99."""
    provider = data.draw(st.sampled_from(PROVIDERS))
    body = b"".join(STREAMS[provider])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=40)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True) if a < b]
    client, _ = asked(provider, reply(pieces))

    with client.stream("Hello") as stream:
        text = "".join(stream.text())

    assert text == stream.response.text == TEXT
    assert stream.response.finish_reason == "stop"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_stream_keeps_its_partial_when_the_connection_breaks(provider):
    """Serves R92, R93."""
    client, _ = asked(provider, reply([*STREAMS[provider][:3], ir.TransportError("connection reset")]))

    with pytest.raises(ir.StreamError, match="connection reset") as caught, client.stream("Hello") as stream:
        list(stream.text())

    assert stream.partial.text == caught.value.partial.text
    assert TEXT.startswith(caught.value.partial.text)
    with pytest.raises(ir.StreamError):
        _ = stream.response


def test_stream_ends_at_done_when_the_server_keeps_the_connection_open():
    """Serves R88."""
    client, transport = asked("openai", reply([*OPENAI, (1000.0, b": still here\n\n")]))

    with client.stream("Hello") as stream:
        assert "".join(stream.text()) == TEXT

    assert transport.clock.now() < 1.0


def test_stream_misses_first_token_when_only_comments_arrive():
    """Serves R92."""
    client, transport = asked("openai", reply([(1.0, b": keep-alive\n\n")] * 100), first_token_timeout=3.5)

    with pytest.raises(ir.DeadlineError) as caught, client.stream("Hello"):
        pass

    assert caught.value.phase == "first_token"
    assert transport.clock.now() == pytest.approx(3.5)


def test_stream_that_is_far_more_silent_than_usual_has_stalled():
    """Serves R92."""
    steady = [*[(0.05, OPENAI[1])] * 40, (0.05, OPENAI[-3]), *OPENAI[-2:]]
    silent = [*[(0.05, OPENAI[1])] * 3, (25.0, OPENAI[1])]
    transport = ScriptedTransport([reply(steady), reply(silent)], blocking=True)
    target = ir.Target("openai:m-1", api_key="k", timeout=ir.Timeouts(idle=30.0, stall=8.0))
    client = ir.Client(target, transport=transport)
    with client.stream("Hello") as stream:
        stream.final()
    began = transport.clock.now()

    with pytest.raises(ir.DeadlineError, match="nothing new within 1 s") as caught, client.stream("Hello") as stream:
        stream.final()

    assert caught.value.phase == "idle"
    assert transport.clock.now() - began == pytest.approx(1.15)
    assert caught.value.partial.text == WORDS[0] * 3


def test_stream_misses_idle_when_only_comments_follow_content():
    """Serves R92."""
    comments = [(1.0, b": keep-alive\n\n")] * 100
    client, transport = asked("openai", reply([*OPENAI[:3], *comments]), timeout=ir.Timeouts(idle=4.5))

    with pytest.raises(ir.DeadlineError) as caught, client.stream("Hello") as stream:
        list(stream.text())

    assert caught.value.phase == "idle"
    assert transport.clock.now() == pytest.approx(4.5)
    assert caught.value.partial.text == "".join(WORDS[:2])


def test_stream_is_cut_at_its_total_when_it_drips():
    """Serves R78."""
    body = b"".join(OPENAI)
    limits = ir.Timeouts(first_token=None, idle=None, stream_total=200.0)
    client, transport = asked("openai", reply([(1.0, body[at : at + 1]) for at in range(len(body))]), timeout=limits)

    with pytest.raises(ir.DeadlineError) as caught, client.stream("Hello") as stream:
        list(stream.text())

    assert caught.value.phase == "total"
    assert transport.clock.now() == pytest.approx(200.0)


def test_stream_counts_content_that_comes_with_usage_in_every_chunk():
    """Serves R96."""
    usage = {"prompt_tokens": 9, "completion_tokens": 1}
    pieces = [
        event(
            {"id": "c1", "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}], "usage": usage}
        )
        for word in WORDS
    ]
    client, _ = asked(
        "openai",
        reply([*((4.0, piece) for piece in pieces), *OPENAI[-3:]]),
        timeout=ir.Timeouts(idle=5.0, first_token=5.0),
    )

    with client.stream("Hello") as stream:
        assert "".join(stream.text()) == TEXT


@pytest.mark.parametrize(
    ("provider", "body", "error"),
    [
        ("openai", event({"error": {"message": "CANARY", "type": "server_error", "code": 503}}), ir.ProviderError),
        (
            "openai",
            event({"error": {"message": "CANARY", "type": "rate_limit_exceeded", "code": 429}}),
            ir.RateLimitError,
        ),
        (
            "anthropic",
            event({"type": "error", "error": {"type": "overloaded_error", "message": "CANARY"}}, "error"),
            ir.OverloadedError,
        ),
        ("gemini", b'{"error":{"code":429,"message":"CANARY","status":"RESOURCE_EXHAUSTED"}}\n', ir.RateLimitError),
        ("openai", b"data: {not json CANARY\n\n", ir.StreamError),
    ],
)
@pytest.mark.parametrize("shown", [0, 3])
def test_stream_hands_out_what_came_before_an_error_inside_it(provider, body, error, shown):
    """Serves R24, R82, R93, R189."""
    client, transport = asked(provider, reply([*STREAMS[provider][:shown], body]))
    text = ""

    with pytest.raises(error) as caught, client.stream("Hello") as stream:
        for piece in stream.text():
            text += piece

    assert bool(text) is bool(shown)
    assert caught.value.partial.text == text
    assert "CANARY" not in str(caught.value) + repr(caught.value)
    assert transport.open_replies == 0
    assert len(client.records) == 1


def test_stream_retries_when_content_and_error_come_in_one_read():
    """Serves R77."""
    broken = b"".join(OPENAI[:3]) + event({"error": {"message": "x", "type": "server_error", "code": 503}})
    client, _ = asked("openai", reply([broken]), reply(OPENAI), retries=1)

    with client.stream("Hello") as stream:
        assert "".join(stream.text()) == TEXT

    assert len(stream.attempts) == 2


def test_stream_retries_what_fails_before_its_first_content():
    """Serves R77."""
    overloaded = event({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, "error")
    client, transport = asked(
        "anthropic", ScriptedReply([error_body()], 529), reply([ANTHROPIC[0], overloaded]), reply(ANTHROPIC), retries=3
    )

    with client.stream("Hello") as stream:
        assert "".join(stream.text()) == TEXT

    assert [attempt.error for attempt in stream.attempts] == ["OverloadedError", "OverloadedError", None]
    assert stream.response.attempts == tuple(stream.attempts)
    assert len(client.records) == 3
    assert transport.open_replies == 0


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"<html>CANARY</html>", "text/html; charset=utf-8", ir.ServerError),
        (UNARY, "application/json", ir.ServerError),
        (error_body("CANARY", "invalid_api_key"), "application/json", ir.ProviderError),
        (b"", "application/json", ir.ServerError),
        (b"", "text/event-stream", ir.StreamError),
        (b"<html>CANARY</html>", "text/event-stream", ir.StreamError),
    ],
)
def test_stream_raises_a_typed_error_when_a_200_is_no_stream(body, content_type, error):
    """Serves R24, R189."""
    client, _ = asked("openai", ScriptedReply([body] if body else [], headers={"content-type": content_type}))

    with pytest.raises(error) as caught, client.stream("Hello"):
        pass

    assert "CANARY" not in str(caught.value)


def test_stream_leaves_one_cancelled_record_when_its_reader_leaves():
    """Serves R98."""
    client, transport = asked("openai", reply(OPENAI))

    with client.stream("Hello") as stream:
        next(stream.text())

    assert transport.open_replies == 0
    (record,) = client.records
    assert record.error == "CancelledError"
    assert record.usage.estimated
    with pytest.raises(ir.StreamError, match="before its end"):
        stream.final()


def test_stream_is_released_when_its_task_is_cancelled():
    """Serves R98."""
    transport = ScriptedTransport([reply([OPENAI[0], OPENAI[1], asyncio.CancelledError()])])

    async def main() -> list[ir.Record]:
        client = ir.AsyncClient("openai:m-1", api_key="k", transport=transport)
        with pytest.raises(asyncio.CancelledError):
            async with client.stream("Hello") as stream:
                async for _ in stream.text():
                    pass
        return list(client.records)

    (record,) = asyncio.run(main())

    assert record.error == "CancelledError"
    assert transport.open_replies == 0


def test_stream_without_done_is_complete_only_when_told_so():
    """Serves R88."""
    client, _ = asked("openai", reply(OPENAI[:-1]))
    with pytest.raises(ir.StreamError), client.stream("Hello") as stream:
        list(stream.text())

    client, _ = asked("openai", reply(OPENAI[:-1]), require_done=False)
    with client.stream("Hello") as stream:
        assert stream.final().finish_reason == "stop"


def test_stream_builds_tool_calls_and_reports_them_as_the_finish_reason():
    """Serves R22."""
    start = {"index": 0, "id": "call_a", "type": "function", "function": {"name": "weather", "arguments": ""}}
    pieces = [
        chunk({"role": "assistant", "tool_calls": [start]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]}),
        chunk({}, "tool_calls"),
        event("[DONE]"),
    ]
    client, _ = asked("openai", reply(pieces))

    with client.stream("Weather?", tools=[ir.Tool("weather")]) as stream:
        response = stream.final()

    (call,) = response.tool_calls
    assert (call.id, call.name, json.loads(call.arguments)) == ("call_a", "weather", {"city": "Oslo"})
    assert response.finish_reason == "tool_calls"


def test_stream_of_ten_megabytes_in_one_event_is_refused_by_name_or_arrives_when_allowed():
    """Serves R92."""
    body = [chunk({"content": "x" * 10_000_000}), *OPENAI[-3:]]
    client, transport = asked("openai", reply(body))

    with pytest.raises(ir.StreamError, match="max_event_bytes"), client.stream("Hello"):
        pass

    assert transport.open_replies == 0
    client, _ = asked("openai", reply(body), max_event_bytes=16_000_000)
    with client.stream("Hello") as stream:
        assert len(stream.final().text) == 10_000_000


@pytest.mark.parametrize("read", [lambda s: list(s.text()), lambda s: s.final()], ids=["text", "final"])
def test_stream_says_so_when_it_was_not_entered(read):
    client, transport = asked("openai")

    with pytest.raises(ir.ConfigError, match="not been entered"):
        read(client.stream("Hello"))

    assert transport.wires == []


def test_stream_is_entered_once():
    client, transport = asked("openai", reply(OPENAI))

    with client.stream("Hello") as stream, pytest.raises(ir.ConfigError, match="entered once"):
        stream.__enter__()

    assert (len(transport.wires), len(client.records)) == (1, 1)


def test_stream_does_not_end_quietly_when_it_was_left_before():
    """Serves R88."""
    client, _ = asked("openai", reply(OPENAI))

    with client.stream("Hello") as stream:
        pieces = stream.text()
        shown = next(pieces)

    assert [attempt.error for attempt in stream.attempts] == ["CancelledError"]
    with pytest.raises(ir.StreamError, match="left before its end") as caught:
        list(pieces)
    assert caught.value.partial.text == shown
    assert caught.value.attempts == stream.attempts


def test_usage_of_all_zeros_is_estimated_from_what_arrived():
    zeros = b'data: {"id":"c1","choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}\n\n'
    client, _ = asked("openai", reply([*OPENAI[:-2], zeros, OPENAI[-1]]))

    with client.stream("Hello") as stream:
        usage = stream.final().usage

    assert usage.estimated
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0


@pytest.mark.parametrize(
    "foreign",
    [
        ir.RateLimitError("other", provider="other", model="o", status_code=429),
        ir.ConnectError("other", provider="other", model="o"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_stream_leaves_the_error_of_another_call_alone_when_it_ends_its_block(foreign):
    client, transport = asked("openai", reply(OPENAI))

    with pytest.raises(type(foreign)) as caught, client.stream("Hello") as stream:
        next(stream.text())
        raise foreign

    assert (caught.value.provider, caught.value.partial, caught.value.attempts) == ("other", None, ())
    record = client.records[0]
    assert (record.error, record.status_code) == ("CancelledError", 200)
    assert record.usage.estimated
    assert record.usage.total_tokens > 0
    assert transport.open_replies == 0


def test_stream_lists_every_attempt_when_two_of_them_look_the_same():
    failed = ScriptedReply([error_body()], 500)
    whole = reply([b"".join(OPENAI)])
    client, _ = asked("openai", failed, failed, failed, whole, retries=ir.RetryPolicy(retries=3, base=0.0))

    with client.stream("Hello") as stream:
        response = stream.final()

    assert [attempt.error for attempt in response.attempts] == ["ServerError"] * 3 + [None]


def test_stream_keeps_its_partial_when_the_scope_is_cancelled_while_it_waits():
    """Serves R93."""
    cancellation = ir.Cancellation()

    class Stalls(ScriptedTransport):
        async def open(self, wire: Any, *, connect_timeout: float | None, by: float | None) -> Any:
            opened: Any = await super().open(wire, connect_timeout=connect_timeout, by=by)
            scripted = opened.read

            async def read(by: float | None) -> bytes:
                piece = await scripted(by)
                if not piece:
                    asyncio.get_running_loop().call_soon(cancellation.cancel)
                    await asyncio.Event().wait()
                return piece

            opened.read = read
            return opened

    transport = Stalls([reply(OPENAI[:3])])

    async def main() -> None:
        client = ir.AsyncClient("openai:m-1", api_key="k", transport=transport)
        with ir.scope(cancellation=cancellation):
            stream = client.stream("Hello")
        with pytest.raises(ir.CancelledError) as caught:
            async with stream:
                await stream.final()
        assert caught.value.partial.text == "".join(WORDS[:2])
        assert (caught.value.provider, caught.value.model) == ("openai", "m-1")
        assert [attempt.error for attempt in caught.value.attempts] == ["CancelledError"]
        assert len(client.records) == 1

    asyncio.run(main())
    assert transport.open_replies == 0


def test_stream_of_another_choice_than_the_first_is_a_typed_error():
    """Serves R24."""
    other = event({"id": "c1", "choices": [{"index": 1, "delta": {"content": "Hi."}, "finish_reason": "stop"}]})
    client, transport = asked("openai", reply([other, event("[DONE]")]))

    with pytest.raises(ir.StreamError, match="other choices"), client.stream("Hello") as stream:
        list(stream.deltas())

    assert transport.open_replies == 0
    assert len(client.records) == 1
