"""The event-stream relay over real sockets: what readers get, and what becomes of the provider's stream."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from tests.server.gated import EndlessModel, GatedModel, connected, received_until

import inferail as ir
from inferail.core import Delta, SSEParser, StreamDecoder
from inferail.errors import AuthenticationError, ConfigError, InferailError, RateLimitError, StreamError
from inferail.server import running, sse_relay
from inferail.testing import Breaks, FaultyModel, Sandbox, ScriptedModel
from inferail.types.accumulate import Accumulator
from inferail.types.model import Model
from inferail.types.request import Request
from inferail.types.usage import Usage

REQUEST = Request((ir.user("the prompt"),))
CANARY = "canary-7f3a"


ENDPOINTS: dict[str, Any] = {}


async def app(scope, receive, send):
    """A plain ASGI app: what a test has put at a path."""
    if scope["type"] == "http":
        await ENDPOINTS[scope["path"]](scope, receive, send)


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with running(app) as base_url:
        yield base_url


@pytest.fixture
def at(base_url, request) -> str:
    """Where the relay of this test is served."""
    return f"{base_url}/{request.node.name}"


def serve(at: str, source: Model, **options: Any) -> None:
    """Relays the model's answer to whoever asks there."""

    async def relaying(scope, receive, send):
        await sse_relay(source.stream(REQUEST), **options)(scope, receive, send)

    ENDPOINTS[unquote(urlsplit(at).path)] = relaying


def get(at: str, source: Model, *, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
    serve(at, source, **options)
    return httpx.get(at, headers=headers, trust_env=False)


def objects(body: bytes) -> list[dict]:
    parser = SSEParser()
    return [json.loads(event.data) for event in parser.feed(body)]


def test_relay_sends_states_text_and_one_done_in_their_order(at):
    """Serves R89, R90."""
    answer = get(at, ScriptedModel(["Hello there, you."], name="docs"))

    sent = objects(answer.content)
    assert [one.get("state", one["type"]) for one in sent] == [
        "started", "active", "text", "text", "text", "usage", "done",
    ]  # fmt: skip
    assert "".join(one["text"] for one in sent if one["type"] == "text") == "Hello there, you."
    assert (sent[-1]["finish_reason"], sent[-1]["model"]) == ("stop", "docs")
    assert sent[-1]["usage"] == {"input_tokens": 2, "output_tokens": 3, "estimated": False}


def test_relay_numbers_its_events(at):
    answer = get(at, ScriptedModel(["One two."]))

    parser = SSEParser()
    numbers = [event.id for event in parser.feed(answer.content)]
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]


def test_relay_tells_every_proxy_to_hold_nothing_back(at):
    answer = get(at, ScriptedModel(["One."]), headers=None)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"
    assert "content-length" not in answer.headers


def test_relay_adds_headers_that_win(at):
    serve(at, ScriptedModel(["One."]), headers={"cache-control": "no-store", "x-own": "1"})

    answer = httpx.get(at, trust_env=False)

    assert (answer.headers["cache-control"], answer.headers["x-own"]) == ("no-store", "1")


def test_relay_sends_every_kind_of_delta(at):
    """Serves R86."""
    said = [
        Delta("start", id="a", name="m"),
        Delta("reasoning", text="Hm."),
        Delta("text", text='"quoted"\n'),
        Delta("text", text="\ud800 \u2028é"),
        Delta("tool_start", block=1, id="call_1", name="look"),
        Delta("tool_args", block=1, text='{"a":'),
        Delta("tool_args", block=1, text="1}"),
        Delta("tool_end", block=1),
        Delta("citation", text='{"url":"x"}'),
        Delta("text", index=1, text="another choice"),
        Delta("refusal", text="No."),
        Delta("usage", usage=Usage(3, 4)),
        Delta("finish", reason="tool_calls"),
    ]

    sent = objects(get(at, ScriptedModel([said])).content)

    assert sent[2:-1] == [
        {"type": "reasoning", "text": "Hm."},
        {"type": "text", "text": '"quoted"\n'},
        {"type": "text", "text": "\ud800 \u2028é"},
        {"type": "tool_start", "block": 1, "id": "call_1", "name": "look"},
        {"type": "tool_args", "block": 1, "text": '{"a":'},
        {"type": "tool_args", "block": 1, "text": "1}"},
        {"type": "tool_end", "block": 1},
        {"type": "citation", "citation": {"url": "x"}},
        {"type": "refusal", "text": "No."},
        {"type": "usage", "usage": {"input_tokens": 3, "output_tokens": 4, "estimated": False}},
    ]


def test_relay_joins_what_one_read_brought(at):
    class Burst(GatedModel):
        async def _say(self, gate):
            yield [Delta("text", text=word) for word in ("One ", "two ", "three")]
            yield [Delta("finish", reason="stop")]

    sent = objects(get(at, Burst([])).content)

    assert [one["text"] for one in sent if one["type"] == "text"] == ["One two three"]


def test_relay_of_text_gives_back_its_line_breaks(at):
    answer = get(
        at, ScriptedModel([[Delta("text", text=" a\nb\r\nc\n"), Delta("finish", reason="stop")]]), format="text"
    )

    events = [(event.event, event.data) for event in SSEParser().feed(answer.content)]
    assert events == [("message", " a\nb\nc\n"), ("done", "stop")]


@pytest.mark.parametrize(("shape", "grammar"), [("openai", "openai_chat"), ("anthropic", "anthropic")])
def test_relay_in_a_providers_format_is_read_back_whole(at, shape, grammar):
    """Serves R86, R88."""
    answer = get(at, ScriptedModel(["Hello there, you."], name="named"), format=shape)

    decoder, collected = StreamDecoder(grammar), Accumulator()
    collected.add(decoder.feed(answer.content))
    assert decoder.finish() is None
    assert collected.message().text == "Hello there, you."
    assert collected.partial().model == "named"
    assert b"id: " not in answer.content  # OpenAI's SDK fails on an event with an id


def test_relay_is_a_response_that_a_framework_returns(at):
    async def endpoint(request):
        return sse_relay(ScriptedModel(["One."]).stream(REQUEST))

    ENDPOINTS[urlsplit(at).path] = Starlette(routes=[Route("/{name}", endpoint)])
    answer = httpx.get(at, trust_env=False)

    assert objects(answer.content)[-1]["type"] == "done"


def test_relay_sends_heartbeats_while_nothing_comes(at):
    """Serves R89."""
    model = GatedModel(["One ", "two"], open_for=1)

    serve(at, model, heartbeat=0.01)
    with connected(at) as connection:
        received = received_until(connection, b"One ")
        received += received_until(connection, b": heartbeat\n\n")

    assert b"200 OK" in received


def test_relay_sends_its_headers_with_the_first_heartbeat_when_the_model_thinks_long(at):
    """Serves R89, R90."""
    model = GatedModel(["One "])

    serve(at, model, heartbeat=0.01)
    with connected(at) as connection:
        received = received_until(connection, b": heartbeat\n\n")
        assert b"One" not in received
        model.let()
        received += received_until(connection, b"done")

    states = [one["state"] for one in objects(received.partition(b"\r\n\r\n")[2]) if one["type"] == "state"]
    assert states == ["started", "active"]


def test_relay_says_that_a_stream_has_stalled_and_when_it_goes_on(at):
    """Serves R90."""
    model = GatedModel(["One ", "two"], open_for=1)

    serve(at, model, stalled=0.01)
    with connected(at) as connection:
        received_until(connection, b'"stalled"')
        model.let()
        after = received_until(connection, b"done")

    assert after.index(b'"active"') < after.index(b"two")


def test_relay_answers_with_a_status_when_nothing_was_said_yet(at):
    model = ScriptedModel([RateLimitError(f"slow down {CANARY}", retry_after=2.5, detail=CANARY, provider="openai")])

    answer = get(at, model)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2.5")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"] == {
        "type": "RateLimitError",
        "message": "The service is busy. Please try again in a moment.",
        "retryable": True,
        "retry_after": 2.5,
    }


def test_relay_does_not_tell_a_user_that_the_key_of_the_application_is_wrong(at):
    answer = get(at, ScriptedModel([AuthenticationError("wrong key", status_code=401)]))

    assert answer.status_code == 500
    assert "key" not in answer.text


@pytest.mark.parametrize("shape", ["deltas", "text", "openai", "anthropic"])
def test_relay_ends_a_broken_stream_with_one_error_event(at, shape):
    """Serves R88, R92."""
    broken = StreamError("the stream broke", detail=f"secret {CANARY}")
    model = FaultyModel(ScriptedModel(["One two three."]), [Breaks(2, broken)])

    answer = get(at, model, format=shape)

    last = SSEParser().feed(answer.content)[-1]
    assert answer.status_code == 200
    assert b"One " in answer.content
    assert "error" in last.event + last.data
    assert CANARY not in answer.text
    assert b"[DONE]" not in answer.content
    assert b"message_stop" not in answer.content
    assert b"done" not in answer.content


@pytest.mark.parametrize("shape", ["deltas", "text", "openai", "anthropic"])
def test_relay_takes_back_an_answer_only_where_the_format_has_a_word_for_it(at, shape):
    """Serves R92."""
    said = [
        Delta("text", text="One "),
        Delta("seam", name="m"),
        Delta("restart", name="m"),
        Delta("text", text="Two."),
        Delta("upgrade", name="m", text="continue"),
        Delta("finish", reason="stop", raw_reason="stop"),
    ]

    answer = get(at, ScriptedModel([said]), format=shape)

    if shape == "deltas":
        kinds = [one["type"] for one in objects(answer.content)]
        assert kinds[2:] == ["text", "seam", "restart", "text", "upgrade", "done"]
    else:
        last = SSEParser().feed(answer.content)[-1]
        assert "error" in last.event + last.data
        assert b"Two." not in answer.content


def test_relay_never_shows_an_unexpected_exception(at, caplog):
    class Crashing(GatedModel):
        async def _say(self, gate):
            yield [Delta("text", text="One ")]
            raise ValueError(CANARY)

    answer = get(at, Crashing([]))

    assert objects(answer.content)[-1]["error"]["type"] == "ServerError"
    assert CANARY not in answer.text + caplog.text


def test_upstream_is_cancelled_when_the_reader_goes_away(at):
    """Serves R89."""
    model = GatedModel(["One ", "two"], open_for=1)

    serve(at, model)
    with connected(at) as connection:
        received_until(connection, b"One ")
        assert not model.closed.is_set()
    closed = model.closed.wait(30.0)

    assert closed
    assert model.read == 1


def test_upstream_is_cancelled_when_the_reader_goes_away_before_the_first_word(at):
    """Serves R89."""
    model = GatedModel(["One "])

    serve(at, model, heartbeat=0.01)
    with connected(at) as connection:
        received_until(connection, b": heartbeat\n\n")
    closed = model.closed.wait(30.0)

    assert closed


def test_slow_reader_stops_the_upstream_from_being_read(at):
    """Serves R89."""
    piece = "x" * 65536
    model, stuck = EndlessModel(piece), threading.Event()

    async def watched(scope, receive, send):
        """The relay, watched from inside its loop: a write that waits for 2,000 turns of the loop is stuck."""
        writes = 0

        async def counting(message):
            nonlocal writes
            await send(message)
            writes += 1

        async def watch():
            seen, turns = -1, 0
            while turns < 2000:
                await asyncio.sleep(0)
                seen, turns = (seen, turns + 1) if writes == seen else (writes, 0)
            stuck.set()

        watching = asyncio.ensure_future(watch())
        try:
            await sse_relay(model.stream(REQUEST), heartbeat=0.01)(scope, receive, counting)
        finally:
            watching.cancel()

    ENDPOINTS[urlsplit(at).path] = watched
    with connected(at) as connection:
        received_until(connection, b"text")
        assert stuck.wait(60.0)
        held = model.read
        assert held * len(piece) < 32 * 1024 * 1024  # what the sockets of both sides take, and no more
        stuck.clear()
        for _ in range(512):
            connection.recv(65536)
        more = model.read

    assert model.closed.wait(30.0)
    assert more >= held


def test_stream_is_read_one_list_ahead_of_a_write_that_waits():
    """Serves R89."""
    model = EndlessModel("x")

    async def main() -> int:
        blocked = asyncio.Event()

        async def send(message):
            if b'"text"' in message.get("body", b""):
                await blocked.wait()

        async def receive():
            await asyncio.Event().wait()

        sending = asyncio.ensure_future(
            sse_relay(model.stream(REQUEST), heartbeat=None)({"headers": []}, receive, send)
        )
        for _ in range(100):
            await asyncio.sleep(0)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        return model.read

    assert asyncio.run(main()) == 1


def test_reader_that_is_gone_is_no_error_of_the_app():
    model = EndlessModel("x")

    async def send(message):
        if message["type"] == "http.response.body":
            raise OSError("gone")

    async def receive():
        await asyncio.Event().wait()

    asyncio.run(sse_relay(model.stream(REQUEST))({"headers": []}, receive, send))

    assert model.closed.is_set()


@pytest.mark.parametrize("shape", ["deltas", "text"])
def test_browser_that_comes_back_is_sent_away_and_the_model_not_asked(at, shape):
    model = ScriptedModel(["One."])

    answer = get(at, model, headers={"last-event-id": "7"}, format=shape)

    assert answer.status_code == 204
    assert not model.requests


@pytest.mark.parametrize(
    "options", [{"format": "xml"}, {"heartbeat": 0.0}, {"heartbeat": -1.0}, {"stalled": float("nan")}]
)
def test_relay_refuses_what_makes_no_sense(options):
    with pytest.raises(ConfigError):
        sse_relay(ScriptedModel([]).stream(REQUEST), **options)


@pytest.mark.parametrize("broken", [False, True])
def test_client_stream_is_relayed_and_recorded_once(at, broken):
    """Serves R89, R98."""
    with Sandbox() as sandbox:
        target = ir.Target("openai:docs@cut-3" if broken else "openai:docs", base_url=sandbox.base_url("openai"))
        client = ir.AsyncClient(target)

        async def relaying(scope, receive, send):
            await sse_relay(client.stream("What is a Target?"))(scope, receive, send)

        ENDPOINTS[unquote(urlsplit(at).path)] = relaying
        answer = httpx.get(at, trust_env=False)

    sent = objects(answer.content)
    assert sent[-1]["type"] == ("error" if broken else "done")
    assert "".join(one["text"] for one in sent if one["type"] == "text")
    assert [record.error for record in client.records] == (["StreamError"] if broken else [None])


def test_client_stream_is_recorded_as_cancelled_when_the_reader_leaves(at):
    """Serves R89, R98."""
    left = threading.Event()
    with Sandbox() as sandbox:
        client = ir.AsyncClient(ir.Target("openai:docs@stall-3", base_url=sandbox.base_url("openai")))

        async def relaying(scope, receive, send):
            await sse_relay(client.stream("What is a Target?"))(scope, receive, send)
            left.set()

        ENDPOINTS[urlsplit(at).path] = relaying
        with connected(at) as connection:
            received_until(connection, b'"text"')
        assert left.wait(30.0)

    assert [(record.error, record.estimated) for record in client.records] == [("CancelledError", True)]


def test_status_of_every_error_is_one_of_a_server_or_a_bad_request():
    from inferail.server import error_body, status_for

    errors = [kind("…", **dict.fromkeys(kind._required, "…")) for kind in _kinds(InferailError)]
    statuses = {type(error).__name__: status_for(error) for error in errors}

    assert set(statuses.values()) <= {400, 413, 422, 500, 502, 503, 504}
    assert statuses["RateLimitError"] == statuses["BudgetError"] == 503
    assert (statuses["DeadlineError"], statuses["StreamError"], statuses["ConfigError"]) == (504, 502, 500)
    assert CANARY not in json.dumps(error_body(StreamError(CANARY, detail=CANARY)))


def _kinds(kind: type[InferailError]) -> list[type[InferailError]]:
    return [kind, *(deeper for one in kind.__subclasses__() for deeper in _kinds(one))]
