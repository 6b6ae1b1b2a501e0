"""The next model answers when one fails."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.bodies import ANTHROPIC, GEMINI, OPENAI, STREAM_HEADERS, TEXT, UNARY, WORDS, error_body

import inferail as ir
from inferail.core import Delta
from inferail.routing.fallback import OnBreak
from inferail.testing import ScriptedModel, ScriptedReply, ScriptedTransport

RATE_LIMITED = ScriptedReply([error_body()], 429, {"retry-after": "20"})
WHOLE = ScriptedReply([UNARY])


def stream_of(pieces: Iterable[Any], **options: Any) -> ScriptedReply:
    return ScriptedReply(list(pieces), headers=STREAM_HEADERS, **options)


def three(
    *replies: ScriptedReply | BaseException, on_break: OnBreak = "resume", **options: Any
) -> tuple[ir.Client, ScriptedTransport]:
    transport = ScriptedTransport(replies, blocking=True)
    targets = (ir.Target(f"{name}:m-1", api_key="k") for name in ("openai", "anthropic", "gemini"))
    model = ir.Fallback(*targets, on_break=on_break)
    return ir.Client(model, transport=transport, **options), transport


def test_fallback_asks_the_next_at_once_when_the_first_is_rate_limited():
    """Serves R48, R53."""
    transport = ScriptedTransport([RATE_LIMITED, WHOLE], blocking=True)
    model = ir.Fallback(ir.Target("openai:a", api_key="k"), ir.Target("openai:b", api_key="k"))
    with ir.Client(model, transport=transport) as client:
        response = client.complete("Hello")

    assert response.text == TEXT
    assert [(a.model, a.error, a.reason) for a in response.attempts] == [
        ("a", "RateLimitError", "first"),
        ("b", None, "fallback"),
    ]
    assert transport.clock.slept == []


def test_fallback_streams_from_the_third_when_two_fail_before_content():
    """Serves R48, R53."""
    client, transport = three(RATE_LIMITED, stream_of(ANTHROPIC[:2]), stream_of(GEMINI))

    with client.stream("Hello") as stream:
        assert "".join(stream.text()) == TEXT

    response = stream.response
    assert response.provider == "gemini"
    assert [attempt.error for attempt in response.attempts] == ["RateLimitError", "StreamError", None]
    assert [record.provider for record in client.records] == ["openai", "anthropic", "gemini"]
    assert transport.open_replies == 0


def test_fallback_raises_when_a_stream_breaks_after_something_was_shown():
    """Serves R93."""
    client, transport = three(stream_of(OPENAI[:3]), stream_of(ANTHROPIC), on_break="error")
    shown = ""

    with pytest.raises(ir.StreamError) as caught, client.stream("Hello") as stream:
        for piece in stream.text():
            shown += piece

    assert shown == caught.value.partial.text == "".join(WORDS[:2])
    assert len(transport.wires) == 1
    assert transport.open_replies == 0


def test_fallback_lists_every_attempt_when_all_fail():
    """Serves R53."""
    client, _ = three(RATE_LIMITED, ir.ConnectError("refused"), ScriptedReply([error_body()], 401))

    with pytest.raises(ir.RouteError) as caught:
        client.complete("Hello")

    assert [attempt.error for attempt in caught.value.attempts] == [
        "RateLimitError",
        "ConnectError",
        "AuthenticationError",
    ]
    assert str(caught.value) == (
        "every model failed: openai:m-1 RateLimitError, anthropic:m-1 ConnectError, gemini:m-1 AuthenticationError"
    )


def test_fallback_retries_only_the_last_target():
    client, transport = three(RATE_LIMITED, RATE_LIMITED, ScriptedReply([error_body()], 503), stream_of(GEMINI))

    with client.stream("Hello") as stream:
        assert stream.final().text == TEXT

    assert [attempt.reason for attempt in stream.attempts] == ["first", "fallback", "fallback", "retry"]
    assert len(transport.clock.slept) == 1


def test_fallback_leaves_time_for_the_last_when_the_first_hangs():
    """Serves R48."""
    never = ScriptedReply([(1e6, b"")])
    transport = ScriptedTransport([never, WHOLE], blocking=True)
    model = ir.Fallback(ir.Target("openai:a", api_key="k"), ir.Target("openai:b", api_key="k"))
    with ir.Client(model, transport=transport, timeout=10.0) as client:
        response = client.complete("Hello")

    assert response.attempts[0].error == "DeadlineError"
    assert transport.clock.now() == pytest.approx(5.0)


def test_fallback_runs_past_no_deadline():
    client, transport = three(*[ScriptedReply([(1e6, b"")])] * 3, timeout=9.0)

    with pytest.raises(ir.RouteError):
        client.complete("Hello")

    assert transport.clock.now() == pytest.approx(9.0)


def test_fallback_runs_past_no_default_deadline_either():
    """Serves R80."""
    client, transport = three(*[ScriptedReply([(1e6, b"")])] * 3)

    with pytest.raises(ir.RouteError):
        client.complete("Hello")

    assert transport.clock.now() == pytest.approx(30.0)


@pytest.mark.parametrize("error", [ir.ConfigError("wrong"), ir.BudgetError("spent", limit=1, spent=1)])
def test_fallback_raises_the_callers_own_mistakes_at_once(error):
    second = ScriptedModel(["unused"])
    with ir.Client(ir.Fallback(ScriptedModel([error]), second)) as client, pytest.raises(type(error)):
        client.complete("Hello")

    assert second.requests == []


def test_fallback_nests_and_takes_any_model():
    """Serves R34."""
    inner = ir.Fallback(
        ScriptedModel([ir.ServerError("down")], name="a"), ScriptedModel([ir.ServerError("down")], name="b")
    )
    with ir.Client(ir.Fallback(inner, ScriptedModel(["fine"], name="c"))) as client:
        response = client.complete("Hello")

    assert response.text == "fine"
    assert client.model.name == "fallback(fallback(a, b), c)"


def test_fallback_refuses_to_be_empty():
    with pytest.raises(ir.ConfigError, match="at least one model"):
        ir.Fallback()


def test_fallback_explains_every_target_in_order():
    client, transport = three()

    text = client.explain("Hello")

    assert text.index("api.openai.com") < text.index("api.anthropic.com") < text.index("generativelanguage")
    assert "Bearer k" not in text
    assert transport.wires == []


@given(
    broken=st.lists(st.integers(0, 4), max_size=3),
    words=st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5), min_size=1, max_size=4),
)
def test_fallback_shows_nothing_twice_whatever_breaks(broken, words):
    """Serves R53, R93."""
    whole = [*(Delta("text", text=word) for word in words), Delta("finish", reason="stop", raw_reason="stop")]
    models = [ScriptedModel([whole[: min(cut, len(words))]], name=f"m{at}") for at, cut in enumerate(broken)]
    models.append(ScriptedModel([whole], name="last"))

    async def main() -> tuple[str, bool]:
        shown = ""
        async with ir.AsyncClient(ir.Fallback(*models, on_break="error")) as client:
            try:
                async with client.stream("Hello") as stream:
                    async for piece in stream.text():
                        shown += piece
            except ir.RequestError as error:
                return shown, error.partial.text != shown
            return shown, stream.response.text == shown

    shown, complete = asyncio.run(main())

    assert "".join(words).startswith(shown)
    assert complete is all(cut == 0 for cut in broken)
    assert not complete or shown == "".join(words)


def test_fallback_asks_nobody_else_when_the_scope_is_cancelled():
    cancellation = ir.Cancellation()
    cancellation.cancel()
    second = ScriptedModel(["never asked"])
    client = ir.Client(
        ir.Fallback(ir.Target("openai:a", api_key="k"), second), transport=ScriptedTransport([], blocking=True)
    )

    with ir.scope(cancellation=cancellation):
        with pytest.raises(ir.CancelledError):
            client.complete("Hello")
        with pytest.raises(ir.CancelledError), client.stream("Hello"):
            pass

    assert second.requests == []


def test_fallback_lists_every_attempt_when_the_last_stream_breaks():
    """Serves R53."""
    client, _ = three(RATE_LIMITED, stream_of(ANTHROPIC[:4]), on_break="error")

    with pytest.raises(ir.StreamError) as caught, client.stream("Hello") as stream:
        stream.final()

    assert [attempt.error for attempt in caught.value.attempts] == ["RateLimitError", "StreamError"]


def test_fallback_stream_says_so_when_it_was_not_entered_or_entered_twice():
    client, transport = three(stream_of(OPENAI))
    stream = client.stream("Hello")

    with pytest.raises(ir.ConfigError, match="not been entered"):
        list(stream.text())
    with stream, pytest.raises(ir.ConfigError, match="entered once"):
        stream.__enter__()

    assert len(transport.wires) == 1
