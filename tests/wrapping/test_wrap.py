"""Wrapped clients of the real SDKs against the sandbox: what stays as it is, and what is gained."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from typing import Any, assert_type

import pytest
from pydantic import BaseModel
from tests.server.gated import GatedModel

import inferail as ir
from inferail.errors import BudgetError, ConfigError, DeadlineError, RateLimitError, StreamError
from inferail.telemetry.sinks import MemorySink
from inferail.testing import Sandbox, ScriptedModel
from inferail.transport.retries import RetryPolicy
from inferail.wrapping import MemoryCache, records_of

pytestmark = pytest.mark.slow

QUESTION = "What is a Target?"
SAID: Any = [{"role": "user", "content": QUESTION}]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "order_status",
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {"order_id": {"type": "string"}},
                "required": ["order_id"],
                "additionalProperties": False,
            },
        },
    }
]
AT_ONCE = RetryPolicy(retries=2, base=0.001)


class Summary(BaseModel):
    summary: str
    count: int


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def openai(needs) -> Any:
    return needs("openai")


@pytest.fixture
def anthropic(needs) -> Any:
    return needs("anthropic")


@pytest.fixture
def plain(openai, sandbox) -> Iterator[Any]:
    with openai.OpenAI(base_url=sandbox.base_url("openai"), api_key="a-key") as client:
        yield client


@pytest.fixture
def client(plain) -> Any:
    return ir.wrap(plain, retries=AT_ONCE)


@pytest.fixture
def claude(anthropic, sandbox) -> Iterator[Any]:
    with anthropic.Anthropic(base_url=sandbox.base_url("anthropic"), api_key="a-key") as client:
        yield ir.wrap(client, retries=AT_ONCE)


def asynchronous(kind: Any, base_url: str) -> Any:
    return ir.wrap(kind(base_url=base_url, api_key="a-key"), retries=AT_ONCE)


def one(client: Any) -> ir.Record:
    records = records_of(client)
    assert len(records) == 1
    return records[0]


def test_client_keeps_its_type_and_its_settings(openai, plain):
    """Serves R44."""
    wrapped = ir.wrap(plain)

    assert type(wrapped) is openai.OpenAI
    assert wrapped is not plain
    assert (wrapped.base_url, wrapped.api_key, wrapped.timeout) == (plain.base_url, plain.api_key, plain.timeout)
    assert (plain.max_retries, wrapped.max_retries) == (2, 0)


def test_type_checkers_see_the_same_types(openai, anthropic):
    """Serves R44."""
    from anthropic import AsyncAnthropic
    from openai import OpenAI

    assert isinstance(assert_type(ir.wrap(OpenAI(api_key="k")), OpenAI), openai.OpenAI)
    assert isinstance(assert_type(ir.wrap(AsyncAnthropic(api_key="k")), AsyncAnthropic), anthropic.AsyncAnthropic)


def test_create_gives_the_same_and_leaves_a_record(openai, plain, client):
    """Serves R44."""
    answer = client.chat.completions.create(model="docs", messages=SAID)

    record = one(client)
    assert isinstance(answer, openai.types.chat.ChatCompletion)
    assert answer.choices == plain.chat.completions.create(model="docs", messages=SAID).choices
    assert (record.provider, record.model, record.status_code, record.finish_reason) == ("openai", "docs", 200, "stop")
    assert (record.usage.input_tokens, record.usage.output_tokens) == (
        answer.usage.prompt_tokens,
        answer.usage.completion_tokens,
    )
    assert not record.estimated


def test_stream_gives_the_same_and_is_recorded_once(openai, plain, client):
    """Serves R44, R98."""
    options: Any = {"model": "docs", "messages": SAID, "stream": True, "stream_options": {"include_usage": True}}

    with client.chat.completions.create(**options) as stream:
        chunks = list(stream)

    record = one(client)
    assert isinstance(stream, openai.Stream)
    texts = [chunk.choices for chunk in plain.chat.completions.create(**options)]
    assert [chunk.choices for chunk in chunks] == texts
    assert (record.streamed, record.error, record.finish_reason) == (True, None, "stop")
    assert (record.usage.output_tokens, record.estimated) == (chunks[-1].usage.completion_tokens, False)
    assert record.timing.first_token is not None


def test_tokens_of_a_stream_without_usage_are_estimated(client):
    """Serves R44, R98."""
    for _ in client.chat.completions.create(model="docs", messages=SAID, stream=True):
        pass

    record = one(client)
    assert (record.error, record.estimated) == (None, True)
    assert record.usage.input_tokens > 0
    assert record.usage.output_tokens > 5


def test_price_is_known_of_a_known_model(plain):
    """Serves R44."""
    wrapped = ir.wrap(plain)

    wrapped.chat.completions.create(model="gpt-5-mini", messages=SAID)

    assert (one(wrapped).cost_usd or 0.0) > 0.0


def test_stream_helper_accumulates_tool_calls(client):
    """Serves R44."""
    asked: Any = [{"role": "user", "content": "What is the order status of A-1234?"}]

    with client.chat.completions.stream(model="docs", messages=asked, tools=TOOLS) as stream:
        answer = stream.get_final_completion()

    assert answer.choices[0].message.tool_calls[0].function.arguments == '{"order_id": "A-1234"}'
    assert one(client).finish_reason == "tool_calls"


def test_parse_helper_gives_the_typed_object(client):
    """Serves R44."""
    answer = client.chat.completions.parse(model="docs", messages=SAID, response_format=Summary)

    assert isinstance(answer.choices[0].message.parsed, Summary)
    assert one(client).finish_reason == "stop"


def test_raw_and_streaming_responses_stay(client):
    """Serves R44."""
    raw = client.chat.completions.with_raw_response.create(model="docs", messages=SAID)
    with client.chat.completions.with_streaming_response.create(model="docs", messages=SAID) as streaming:
        streamed = streaming.parse()

    assert raw.parse().choices == streamed.choices
    assert raw.headers["content-type"] == "application/json"
    assert [record.error for record in records_of(client)] == [None, None]


def test_responses_api_is_recorded_whole_and_streamed(client):
    """Serves R44."""
    whole = client.responses.create(model="gpt-5-mini", input=QUESTION)
    events = list(client.responses.create(model="gpt-5-mini", input=QUESTION, stream=True))

    assert events[-1].response.output_text == whole.output_text
    assert [(r.provider, r.streamed, r.error, r.usage.output_tokens) for r in records_of(client)] == [
        ("openai", False, None, whole.usage.output_tokens),
        ("openai", True, None, whole.usage.output_tokens),
    ]
    assert all((record.cost_usd or 0.0) > 0.0 for record in records_of(client))


def test_what_is_no_call_of_a_model_passes_through(client):
    listed = client.models.list()

    assert listed.object == "list"
    assert records_of(client) == []


def test_copies_share_the_records(client):
    copied = client.with_options(timeout=9.0)

    copied.chat.completions.create(model="docs", messages=SAID)

    assert records_of(client) == records_of(copied)
    assert len(records_of(client)) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_failed_attempts_are_made_again_and_each_is_recorded(openai, stream):
    """Serves R44."""
    script: Any = [RateLimitError("busy", retry_after=0.001), RateLimitError("busy"), "Hello."]
    with Sandbox(ScriptedModel(script)) as busy:
        client = ir.wrap(openai.OpenAI(base_url=busy.base_url("openai"), api_key="k"), retries=AT_ONCE)
        answer = client.chat.completions.create(model="docs", messages=SAID, stream=stream)
        text = (
            "".join(chunk.choices[0].delta.content or "" for chunk in answer)
            if stream
            else answer.choices[0].message.content
        )

    assert text == "Hello."
    assert [(r.reason, r.attempt, r.error) for r in records_of(client)] == [
        ("first", 1, "RateLimitError"),
        ("retry", 2, "RateLimitError"),
        ("retry", 3, None),
    ]


def test_stream_that_fails_inside_before_its_first_content_is_made_again(anthropic):
    """Anthropic tells of an overload in a 200. Serves R44."""
    with Sandbox() as sandbox:
        client = ir.wrap(anthropic.Anthropic(base_url=sandbox.base_url("anthropic"), api_key="k"), retries=AT_ONCE)
        with (
            pytest.raises(anthropic.APIStatusError),
            client.messages.stream(model="docs@error-0", max_tokens=99, messages=SAID) as stream,
        ):
            stream.get_final_message()

    assert [record.reason for record in records_of(client)] == ["first", "retry", "retry"]
    assert {record.error for record in records_of(client)} == {"OverloadedError"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "expected"),
    [("docs@400", "BadRequestError"), ("docs@401", "AuthenticationError"), ("docs@429-200", "RateLimitError")],
)
def test_error_of_the_provider_is_the_error_of_the_sdk(openai, client, stream, model, expected):
    """Serves R44."""
    with pytest.raises(getattr(openai, expected)) as caught:
        client.chat.completions.create(model=model, messages=SAID, stream=stream)

    assert caught.value.status_code == one(client).status_code
    assert caught.value.body["message"]
    assert one(client).usage.cost_usd == 0.0


@pytest.mark.parametrize(
    ("model", "recorded"),
    [("docs@cut-3", "StreamError"), ("docs@early-3", "StreamError"), ("docs@error-3", "ServerError")],
)
def test_broken_stream_is_an_error_and_recorded_once_with_what_it_had(openai, client, model, recorded):
    """Serves R44, R88, R98."""
    pieces: list[str] = []

    with pytest.raises(openai.APIError) as caught:
        for chunk in client.chat.completions.create(model=model, messages=SAID, stream=True):
            pieces += [choice.delta.content or "" for choice in chunk.choices]

    record = one(client)
    assert "".join(pieces)
    assert record.error == recorded
    assert record.estimated
    assert record.usage.output_tokens > 0
    if recorded == "StreamError":
        ours = caught.value.__cause__.__cause__
        assert isinstance(ours, StreamError)
        assert ours.partial.text == "".join(pieces)


def test_stream_that_is_left_early_is_recorded_once_and_closed(openai):
    """Serves R44, R98."""
    model = GatedModel(["One ", "two"], open_for=1)
    with Sandbox(model) as gated:
        client = ir.wrap(openai.OpenAI(base_url=gated.base_url("openai"), api_key="k"))
        with client.chat.completions.create(model="docs", messages=SAID, stream=True) as stream:
            text = next(chunk.choices[0].delta.content for chunk in stream if chunk.choices[0].delta.content)
        assert model.closed.wait(30.0)

    assert text == "One "
    assert (one(client).error, one(client).estimated) == ("CancelledError", True)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_stream_that_is_forgotten_is_recorded_once(client):
    """Serves R44, R98."""
    stream = client.chat.completions.create(model="docs", messages=SAID, stream=True)
    next(iter(stream))

    del stream
    gc.collect()

    assert one(client).error == "CancelledError"


@pytest.mark.parametrize("model", ["docs@hang", "docs@stall-2"])
def test_deadline_is_the_timeout_of_the_sdk(openai, plain, model):
    """Serves R44."""
    client = ir.wrap(plain, timeout=0.3, retries=0)

    with pytest.raises(openai.APITimeoutError) as caught:
        for _ in client.chat.completions.create(model=model, messages=SAID, stream=True):
            pass

    ours = caught.value.__cause__.__cause__
    assert isinstance(ours, DeadlineError)
    assert one(client).error_phase == ours.phase


def test_timeout_that_the_sdk_was_given_for_one_call_is_a_deadline(openai, client):
    """A server that drips keeps httpx's timeout from ever passing. Serves R44."""
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model="docs@drip-0.05", messages=SAID, timeout=0.3)

    assert one(client).error_phase == "total"


def test_server_that_is_not_there_is_a_connection_error_of_the_sdk(openai):
    client = ir.wrap(openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="k"), retries=0)

    with pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model="docs", messages=SAID)

    assert (one(client).error, one(client).usage.cost_usd) == ("ConnectError", 0.0)


def test_scope_around_a_call_holds(client):
    """Serves R44."""
    with ir.scope(labels={"task": "faq"}, budget=ir.Budget(tokens=1)):
        client.chat.completions.create(model="docs", messages=SAID)
        with pytest.raises(BudgetError):
            client.chat.completions.create(model="docs", messages=SAID)

    assert one(client).labels == {"task": "faq"}


@pytest.mark.parametrize("stream", [False, True])
def test_equal_request_is_answered_by_the_cache(plain, sandbox, stream):
    """Serves R44."""
    cache = MemoryCache()
    client = ir.wrap(plain, cache=cache, labels={"app": "a"})
    asked: Any = {"model": "docs", "messages": SAID, "stream": stream}
    before = len(sandbox.requests)

    def answer() -> Any:
        got = client.chat.completions.create(**asked)
        return [chunk.choices for chunk in got] if stream else got.choices

    first, second = answer(), answer()

    records = records_of(client)
    assert first == second
    assert len(sandbox.requests) - before == 1
    assert [(r.reason, r.streamed, r.labels["app"]) for r in records] == [
        ("first", stream, "a"),
        ("cache", stream, "a"),
    ]
    assert (records[1].usage.total_tokens, records[1].cost_usd) == (0, 0.0)
    assert (cache.hits, len(cache)) == (1, 1)


@pytest.mark.parametrize("model", ["docs@cut-3", "docs@early-3", "docs@400"])
def test_broken_answer_does_not_get_into_the_cache(openai, plain, model):
    """Serves R44."""
    cache = MemoryCache()
    client = ir.wrap(plain, cache=cache, retries=0)

    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model=model, messages=SAID, stream=True))

    assert len(cache) == 0


def test_other_key_is_not_given_what_the_first_one_paid_for(plain):
    cache = MemoryCache()
    first, second = ir.wrap(plain, cache=cache), ir.wrap(plain.with_options(api_key="another"), cache=cache)

    first.chat.completions.create(model="docs", messages=SAID)
    second.chat.completions.create(model="docs", messages=SAID)

    assert cache.hits == 0


@pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")
def test_anthropic_client_keeps_its_helpers_and_is_recorded(anthropic, claude):
    """Serves R44."""
    whole = claude.messages.create(model="claude-sonnet-4-5", max_tokens=500, messages=SAID)
    with claude.messages.stream(model="claude-sonnet-4-5", max_tokens=500, messages=SAID) as stream:
        texts = list(stream.text_stream)
        final = stream.get_final_message()

    records = records_of(claude)
    assert type(claude) is anthropic.Anthropic
    assert "".join(texts) == final.content[0].text == whole.content[0].text
    assert [(r.provider, r.streamed, r.error, r.finish_reason) for r in records] == [
        ("anthropic", False, None, "stop"),
        ("anthropic", True, None, "stop"),
    ]
    assert [record.usage.output_tokens for record in records] == [whole.usage.output_tokens] * 2
    assert all((record.cost_usd or 0.0) > 0.0 for record in records)


@pytest.mark.parametrize("model", ["docs@cut-3", "docs@early-3", "docs@noevent"])
def test_anthropic_stream_without_its_end_is_an_error(claude, model):
    """The SDK alone takes two of these for whole answers. Serves R44, R88."""
    failed: Exception | None = None
    try:
        with claude.messages.stream(model=model, max_tokens=500, messages=SAID) as stream:
            stream.get_final_message()
    except Exception as error:  # noqa: BLE001 - which one is the SDK's choice
        failed = error

    if model == "docs@noevent":  # our own decoder reads it whole
        assert one(claude).error is None
    else:
        causes = [
            failed,
            getattr(failed, "__cause__", None),
            getattr(getattr(failed, "__cause__", None), "__cause__", None),
        ]
        assert any(isinstance(cause, StreamError) for cause in causes)
        assert one(claude).error == "StreamError"


def test_async_clients_are_wrapped_alike(openai, anthropic, sandbox):
    """Serves R44."""

    async def main() -> None:
        async with asynchronous(openai.AsyncOpenAI, sandbox.base_url("openai")) as client:
            whole = await client.chat.completions.create(model="docs", messages=SAID)
            stream = await client.chat.completions.create(model="docs", messages=SAID, stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
            parsed = await client.chat.completions.parse(model="docs", messages=SAID, response_format=Summary)
            assert type(client) is openai.AsyncOpenAI
            assert text == whole.choices[0].message.content
            assert isinstance(parsed.choices[0].message.parsed, Summary)
            assert [record.error for record in records_of(client)] == [None] * 3
        async with asynchronous(anthropic.AsyncAnthropic, sandbox.base_url("anthropic")) as claude:
            async with claude.messages.stream(model="docs", max_tokens=500, messages=SAID) as events:
                final = await events.get_final_message()
            assert type(claude) is anthropic.AsyncAnthropic
            assert final.content[0].text == text
            assert [record.error for record in records_of(claude)] == [None]

    asyncio.run(main())


def test_async_call_that_is_cancelled_is_recorded_once_and_closes_the_connection(openai):
    """Serves R44, R98."""
    model = GatedModel(["One ", "two"], open_for=1)

    async def main(base_url: str) -> list[ir.Record]:
        async with asynchronous(openai.AsyncOpenAI, base_url) as client:
            stream = await client.chat.completions.create(model="docs", messages=SAID, stream=True)
            began = asyncio.Event()

            async def reading() -> None:
                async for _ in stream:
                    began.set()

            task = asyncio.ensure_future(reading())
            await began.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await stream.close()
            return records_of(client)

    with Sandbox(model) as gated:
        records = asyncio.run(main(gated.base_url("openai")))
        assert model.closed.wait(30.0)

    assert [record.error for record in records] == ["CancelledError"]


def test_async_clients_call_at_the_same_time(openai, sandbox):
    async def main() -> list[ir.Record]:
        async with asynchronous(openai.AsyncOpenAI, sandbox.base_url("openai")) as client:
            await asyncio.gather(
                *(client.chat.completions.create(model="docs", messages=SAID) for _ in range(20)),
            )
            return records_of(client)

    assert [record.error for record in asyncio.run(main())] == [None] * 20


def test_sync_client_works_where_a_loop_runs(client):
    """As in a notebook."""

    async def main() -> None:
        client.chat.completions.create(model="docs", messages=SAID)

    asyncio.run(main())

    assert one(client).error is None


def test_our_transport_can_carry_the_calls(plain):
    client = ir.wrap(plain, transport="rust")

    text = "".join(
        chunk.choices[0].delta.content or ""
        for chunk in client.chat.completions.create(model="docs", messages=SAID, stream=True)
    )

    assert "Sources: " in text
    assert one(client).error is None


def test_client_over_plain_httpx_is_wrapped_too(openai, sandbox):
    import httpx

    with httpx.Client(headers={"x-own": "kept"}) as inner:
        client = ir.wrap(openai.OpenAI(base_url=sandbox.base_url("openai"), api_key="k", http_client=inner))
        client.chat.completions.create(model="docs", messages=SAID)

    assert one(client).error is None
    assert sandbox.requests[-1].headers["x-own"] == "kept"


def test_closing_the_copy_closes_what_it_uses(openai, sandbox):
    original = openai.OpenAI(base_url=sandbox.base_url("openai"), api_key="k")

    ir.wrap(original).close()

    assert original.is_closed()


def test_recorder_takes_the_records_from_threads(plain):
    sink = MemorySink()
    client = ir.wrap(plain, recorder=sink)
    threads = [
        threading.Thread(target=lambda: client.chat.completions.create(model="docs", messages=SAID)) for _ in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [record.error for record in sink.records] == [None] * 8


def test_no_key_and_no_prompt_is_in_a_record_or_a_repr(client):
    """Serves R189."""
    client.chat.completions.create(model="docs", messages=SAID)

    told = repr(records_of(client)) + str(one(client).as_dict())
    assert "a-key" not in told
    assert QUESTION not in told


@pytest.mark.parametrize("wrong", [None, "openai", object(), ScriptedModel([])])
def test_wrap_refuses_what_is_no_client(wrong):
    with pytest.raises(ConfigError, match="openai or anthropic"):
        ir.wrap(wrong)


def test_wrap_refuses_to_wrap_twice(client):
    with pytest.raises(ConfigError, match="already"):
        ir.wrap(client)


def test_records_of_refuses_a_client_that_is_not_wrapped(plain):
    with pytest.raises(ConfigError, match="not wrapped"):
        records_of(plain)
