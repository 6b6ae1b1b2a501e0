"""Every fault of the sandbox, over real HTTP: the right exception, or the fallback's whole answer."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import inferail as ir
from inferail.testing.sandbox import Sandbox

QUESTION = "What is a Target?"
PROVIDERS = ("openai", "anthropic", "gemini", "openai_responses", "cohere")
SHORT = ir.Timeouts(connect=2.0, first_token=0.4, idle=0.4, total=0.6, stream_total=0.8)

# fault -> (error of a stream, text before it, error of a unary call; the sandbox refuses faults that only a stream can have)
FAULTS: dict[str, tuple[Any, bool, Any]] = {
    "429-20": (ir.RateLimitError, False, ir.RateLimitError),
    "503": (ir.OverloadedError, False, ir.OverloadedError),
    "hang": (ir.DeadlineError, False, ir.DeadlineError),
    "delay-5": (ir.DeadlineError, False, ir.DeadlineError),
    "stall-3": (ir.DeadlineError, True, ir.InvalidRequestError),
    "cut-0": (ir.StreamError, False, ir.TransportError),
    "cut-3": (ir.StreamError, True, ir.TransportError),
    "early-3": (ir.StreamError, True, ir.InvalidRequestError),
    "malformed-3": (ir.StreamError, True, ir.InvalidRequestError),
    "error-0": (ir.ProviderError, False, ir.InvalidRequestError),
    "error-3": (ir.ProviderError, True, ir.InvalidRequestError),
    "drip-0.3": (ir.DeadlineError, False, ir.DeadlineError),
    "html": (ir.ServerError, False, ir.ServerError),
    "empty": (ir.RequestError, False, ir.ServerError),
    "error200": (ir.ProviderError, False, ir.ProviderError),
}
HARMLESS = ("noevent", "bom", "bytes", "delay-0.05")


@pytest.fixture(params=["rust", "httpx"], autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERAIL_TRANSPORT", request.param)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def whole(sandbox: Sandbox) -> str:
    with ir.Client(target(sandbox, "openai", "docs")) as client:
        return client.complete(QUESTION).text


def target(sandbox: Sandbox, provider: str, model: str) -> ir.Target:
    return ir.Target(f"{provider}:{model}", base_url=sandbox.base_url(provider), api_key="key", retries=0)


CASES = [pytest.param(provider, fault, id=f"{provider}-{fault}") for provider in PROVIDERS for fault in FAULTS]


@pytest.mark.slow
@pytest.mark.parametrize(("provider", "fault"), CASES)
def test_stream_raises_the_right_error_and_keeps_its_partial_when_the_server_is_faulty(sandbox, whole, provider, fault):
    """Serves R82, R92, R93, R98."""
    expected, began, _ = FAULTS[fault]

    async def main() -> tuple[ir.AsyncClient, str, Any]:
        shown = ""
        async with ir.AsyncClient(target(sandbox, provider, f"docs@{fault}"), timeout=SHORT) as client:
            with pytest.raises(expected) as caught:
                async with client.stream(QUESTION) as stream:
                    async for piece in stream.text():
                        shown += piece
            return client, shown, caught.value

    client, shown, error = asyncio.run(main())

    arrived = error.partial.text if error.partial is not None else ""
    assert bool(arrived) is began
    assert whole.startswith(arrived)
    # What comes in one read with the error is not shown: the attempt could still be made again.
    assert shown in ("", arrived)
    assert len(client.records) == 1
    assert client.records[0].error == type(error).__name__
    assert client.records[0].finish_reason is None
    assert not began or client.records[0].usage.estimated
    assert QUESTION not in str(error) + repr(error)


@pytest.mark.slow
@pytest.mark.parametrize(("provider", "fault"), CASES)
def test_complete_raises_the_right_error_when_the_server_is_faulty(sandbox, provider, fault):
    """Serves R24, R78, R82."""
    expected = FAULTS[fault][2]
    with ir.Client(target(sandbox, provider, f"docs@{fault}"), timeout=SHORT) as client:
        with pytest.raises(expected) as caught:
            client.complete(QUESTION)

        assert [record.error for record in client.records] == [type(caught.value).__name__]
    assert QUESTION not in str(caught.value) + repr(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(("provider", "fault"), CASES)
def test_fallback_brings_the_whole_answer_unless_something_was_shown(sandbox, whole, provider, fault):
    """Serves R48, R53, R82."""
    expected, began, _ = FAULTS[fault]
    healthy = PROVIDERS[(PROVIDERS.index(provider) + 1) % len(PROVIDERS)]
    broken, well = target(sandbox, provider, f"docs@{fault}"), target(sandbox, healthy, "docs")
    shown = ""
    with ir.Client(ir.Fallback(broken, well, on_break="error"), timeout=SHORT) as client:
        stream = client.stream(QUESTION)
        try:
            with stream:
                for piece in stream.text():
                    shown += piece
        except expected:
            assert began
            assert whole.startswith(shown)
            assert 0 < len(shown) < len(whole)
            assert len(client.records) == 1
        else:  # also where text and error came in one read, of which nothing was shown
            assert shown == whole
            assert stream.response.provider == healthy
            assert [attempt.error is None for attempt in stream.response.attempts] == [False, True]
            assert [record.reason for record in client.records] == ["first", "fallback"]


@pytest.mark.slow
@pytest.mark.parametrize(("provider", "fault"), CASES)
def test_fallback_carries_a_stream_to_its_end_also_where_something_was_shown(sandbox, whole, provider, fault):
    """Serves R48, R92, R93."""
    healthy = PROVIDERS[(PROVIDERS.index(provider) + 1) % len(PROVIDERS)]
    model = ir.Fallback(target(sandbox, provider, f"docs@{fault}"), target(sandbox, healthy, "docs"))
    with ir.Client(model, timeout=SHORT) as client, client.stream(QUESTION) as stream:
        shown = "".join(stream.text())

    assert shown == whole == stream.response.text
    assert stream.response.provider == healthy
    assert [attempt.error is None for attempt in stream.response.attempts][-1:] == [True]
    assert len(client.records) == len(stream.response.attempts)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("fault", HARMLESS)
def test_stream_is_whole_when_the_server_is_merely_odd(sandbox, whole, provider, fault):
    """Serves R26, R91."""
    with (
        ir.Client(target(sandbox, provider, f"docs@{fault}")) as client,
        client.stream(QUESTION) as stream,
    ):
        assert "".join(stream.text()) == whole
        assert stream.final().finish_reason == "stop"
        assert not stream.response.usage.estimated


@pytest.mark.slow
@pytest.mark.parametrize("provider", PROVIDERS)
def test_stream_carries_ten_megabytes_in_one_event_when_allowed(sandbox, provider):
    """Serves R92."""
    with (
        ir.Client(target(sandbox, provider, "docs@big")) as client,
        pytest.raises(ir.StreamError, match="max_event_bytes"),
    ):
        client.stream(QUESTION).__enter__()

    allowed = ir.Target(f"{provider}:docs@big", base_url=sandbox.base_url(provider), max_event_bytes=32_000_000)
    with ir.Client(allowed) as client, client.stream(QUESTION) as stream:
        assert len("".join(stream.text())) >= 10_000_000


@pytest.mark.parametrize("provider", PROVIDERS)
def test_streamed_and_whole_answers_are_the_same(sandbox, whole, provider):
    """Serves R28, R29, R31, R32, R85, R91, R101."""
    with ir.Client(target(sandbox, provider, "docs")) as client:
        response = client.complete(QUESTION)
        with client.stream(QUESTION) as stream:
            final = stream.final()

    assert final.text == response.text == whole
    assert final.finish_reason == response.finish_reason == "stop"
    assert final.usage.input_tokens == response.usage.input_tokens > 0
    assert final.usage.output_tokens == response.usage.output_tokens > 0
    assert final.timing.first_token is not None
    assert 0 < final.timing.first_token <= final.timing.total


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("streamed", [False, True])
def test_explain_shows_what_the_server_receives_byte_for_byte(sandbox, provider, streamed):
    """Serves R20."""
    options: Any = {"system": "Be brief.", "sampling": ir.Sampling(max_tokens=50)}
    with ir.Client(target(sandbox, provider, "docs")) as client:
        text = client.explain(QUESTION, stream=streamed, **options)
        if streamed:
            with client.stream(QUESTION, **options) as stream:
                stream.final()
        else:
            client.complete(QUESTION, **options)

    received = sandbox.requests[-1]
    assert text.encode().endswith(b"\n\n" + received.body)
    assert received.path in text
