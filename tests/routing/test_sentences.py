"""Nothing is shown before the first sentence is whole; a stream that shows nothing is left for a call without one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.providers.bodies import OPENAI, STREAM_HEADERS, UNARY, chunk, error_body, event
from tests.providers.bodies import TEXT as WHOLE_TEXT
from tests.routing.loops import on_asyncio, on_trio

import inferail as ir
from inferail.core import Delta
from inferail.routing.sentences import Gated
from inferail.testing import ScriptedModel, ScriptedReply, ScriptedTransport
from inferail.testing.streams import ScriptStream

TEXT = "Dr. Who paid 3.50 dollars. Then he left. The end."
FINISH = Delta("finish", reason="stop", raw_reason="stop")
WHOLE = ScriptedReply([UNARY])


def streamed(*pieces: Any, **options: Any) -> ScriptedReply:
    return ScriptedReply(list(pieces), headers=STREAM_HEADERS, **options)


def word(text: str, after: float = 0.0) -> tuple[float, bytes]:
    return after, chunk({"content": text})


END = (0.0, chunk({}, "stop")), (0.0, event("[DONE]"))


def gated(*replies: ScriptedReply | BaseException, **options: Any) -> tuple[ir.Client, ScriptedTransport]:
    transport = ScriptedTransport(replies, blocking=True)
    return ir.Client(Gated(ir.Target("openai:m-1", api_key="k"), **options), transport=transport), transport


def shown_by(client: ir.Client) -> list[str]:
    with client.stream("Hello") as stream:
        return list(stream.text())


class Slow:
    """A Model whose pieces come after so many seconds each; a call that is not streamed takes `whole` seconds."""

    name = "slow"

    def __init__(self, pieces: list[tuple[float, Delta]], pause: Callable[[float], Any], whole: float = 1.0) -> None:
        self._pieces, self._pause, self._whole = pieces, pause, whole
        self.closed = 0
        self.asked: list[str] = []

    async def generate(self, request: ir.Request) -> ir.Response[Any]:
        self.asked.append("whole")
        await self._pause(self._whole)
        return await ScriptedModel([TEXT]).generate(request)

    def stream(self, request: ir.Request) -> ScriptStream:
        self.asked.append("stream")
        return ScriptStream(self._play(), provider="slow", model="slow")

    async def _play(self) -> AsyncIterator[list[Delta]]:
        try:
            for seconds, delta in self._pieces:
                await self._pause(seconds)
                yield [delta]
        finally:
            self.closed += 1


everywhere = pytest.mark.parametrize("run", [on_asyncio, on_trio])


def shown_at(run: Any, pieces: list[tuple[float, str]], **options: Any) -> tuple[list[tuple[float, str]], Slow, Any]:
    """What is shown and when, to a tenth of a second."""

    async def work(carries: Any, pause: Any) -> Any:
        slow = Slow([*((after, Delta("text", text=text)) for after, text in pieces), (0.0, FINISH)], pause)
        began = carries.clock.now()
        async with (
            ir.AsyncClient(Gated(slow, **options), transport=carries) as client,
            client.stream("Hello") as stream,
        ):
            shown = [(round(carries.clock.now() - began, 1), text) async for text in stream.text()]
            return shown, slow, await stream.final()

    return run(work)


@pytest.mark.parametrize("max_hold", [3.0, None])
@pytest.mark.parametrize("switch_after", [3.0, None])
def test_gated_shows_a_whole_sentence_first_and_the_rest_as_it_comes(max_hold, switch_after):
    """Serves R94."""
    pieces = TEXT.replace(" ", " \0").split("\0")
    model = ScriptedModel([[*(Delta("text", text=piece) for piece in pieces), FINISH]])
    with (
        ir.Client(Gated(model, max_hold=max_hold, switch_after=switch_after)) as client,
        client.stream("Hello") as stream,
    ):
        batches = ["".join(delta.text or "" for delta in deltas) for deltas in stream.batches()]

    assert batches == ["Dr. Who paid 3.50 dollars. Then ", "he ", "left. ", "The ", "end.", ""]
    assert stream.response.text == TEXT


@everywhere
def test_gated_shows_what_it_holds_when_max_hold_ends_while_a_read_waits(run):
    """Serves R94."""
    pieces = [(0.5, "No sentence"), (1.0, " yet"), (5.0, " and then."), (1.0, " Yes")]

    shown, slow, response = shown_at(run, pieces, max_hold=3.0, switch_after=None)

    assert shown == [(3.0, "No sentence"), (3.0, " yet"), (6.5, " and then."), (7.5, " Yes")]
    assert (slow.asked, slow.closed, response.text) == (["stream"], 1, "No sentence yet and then. Yes")


@everywhere
@pytest.mark.parametrize("first", ["not", "begun"])
def test_gated_leaves_a_stream_that_showed_nothing_after_three_seconds(run, first):
    """Serves R95."""
    pieces = [(9.0, "too late")] if first == "not" else [(1.0, "begun"), (9.0, " too late")]

    shown, slow, response = shown_at(run, pieces, max_hold=None)

    assert shown == [(4.0, TEXT)]
    assert (slow.asked, slow.closed) == (["stream", "whole"], 1)
    assert response.text == TEXT
    assert response.attempts[0].error == "CancelledError"
    assert "switched: the stream showed nothing in time" in response.warnings[0]


@everywhere
def test_gated_shows_what_it_has_rather_than_to_leave_when_both_limits_end(run):
    """Serves R95."""
    shown, slow, _ = shown_at(run, [(1.0, "slow"), (9.0, " words")])

    assert shown == [(3.0, "slow"), (10.0, " words")]
    assert slow.asked == ["stream"]


@everywhere
def test_gated_stream_that_is_left_while_it_waits_closes_what_it_reads(run):
    async def work(carries: Any, pause: Any) -> Slow:
        slow = Slow([(1.0, Delta("text", text="held")), (99.0, FINISH)], pause)
        async with ir.AsyncClient(Gated(slow), transport=carries) as client, client.stream("Hello") as stream:
            assert [delta.text for delta in await stream.next()] == ["held"]
        return slow

    assert run(work).closed == 1


def test_gated_leaves_a_silent_stream_exactly_after_three_seconds():
    """Serves R95."""
    client, transport = gated(streamed((1e6, b"")), WHOLE)

    with client.stream("Hello") as stream:
        assert list(stream.text()) == [WHOLE_TEXT]

    assert transport.clock.now() == 3.0
    assert [(a.error, a.reason) for a in stream.attempts] == [("DeadlineError", "first"), (None, "unary")]
    assert [(record.error, record.reason) for record in client.records] == [("DeadlineError", "first"), (None, "unary")]
    assert transport.open_replies == 0


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(ir.ConnectError("refused"), id="refused"),
        pytest.param(ScriptedReply([error_body()], 503), id="overloaded"),
        pytest.param(streamed(word("Half a sent")), id="cut"),
        pytest.param(streamed(word("Half a sent"), (0.0, ir.TransportError("reset"))), id="reset"),
        pytest.param(ScriptedReply([UNARY], headers={"content-type": "application/json"}), id="no-stream"),
    ],
)
def test_gated_asks_without_a_stream_when_it_fails_before_anything_was_shown(broken):
    """Serves R95."""
    client, transport = gated(broken, WHOLE)

    assert shown_by(client) == [WHOLE_TEXT]
    assert transport.open_replies == 0
    assert transport.clock.slept == []
    assert len(client.records) == len(transport.wires) == 2


def test_gated_raises_when_a_stream_breaks_after_something_was_shown():
    """Serves R93, R95."""
    client, transport = gated(streamed(word("One sentence. "), word("Two and"), word(" a half")))
    shown = ""

    with pytest.raises(ir.StreamError) as caught, client.stream("Hello") as stream:
        for text in stream.text():
            shown += text

    assert shown == caught.value.partial.text == "One sentence. Two and a half"
    assert len(transport.wires) == 1


def test_gated_asks_once_only_and_tells_both_attempts_when_that_fails_too():
    """Serves R95."""
    client, _ = gated(streamed(word("Half")), ScriptedReply([error_body()], 401))

    with pytest.raises(ir.AuthenticationError) as caught:
        shown_by(client)

    assert [attempt.error for attempt in caught.value.attempts] == ["StreamError", "AuthenticationError"]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_gated_does_not_ask_again_what_would_be_refused_again(status):
    client, transport = gated(ScriptedReply([error_body()], status))

    with pytest.raises(ir.RequestError):
        shown_by(client)

    assert len(transport.wires) == 1


def test_gated_keeps_within_the_deadline_of_the_call():
    """Serves R95."""
    client, transport = gated(streamed((1e6, b"")), ScriptedReply([(1e6, b"")]))

    with pytest.raises(ir.DeadlineError), client.stream("Hello", timeout=5.0) as stream:
        list(stream.text())

    assert transport.clock.now() == pytest.approx(5.0)


def test_gated_shows_reasoning_at_once_and_still_holds_the_text_behind_it():
    """Serves R94."""
    deltas = [
        Delta("start", name="m"),
        Delta("reasoning", text="Hm. "),
        Delta("text", text="The answer"),
        Delta("text", text=" is 4. "),
        Delta("text", text="Yes"),
        FINISH,
    ]
    with ir.Client(Gated(ScriptedModel([deltas]))) as client, client.stream("Hello") as stream:
        batches = [[delta.kind for delta in deltas] for deltas in stream.batches()]

    assert batches == [["start", "reasoning"], ["text", "text", "text"], ["finish"]]


@pytest.mark.parametrize(
    "delta", [Delta("tool_start", id="1", name="f"), Delta("refusal", text="No"), Delta("citation", text="{}")]
)
def test_gated_shows_what_it_holds_when_something_else_than_text_comes(delta):
    """Serves R94."""
    deltas = [Delta("text", text="Let me see"), delta, Delta("text", text=" x"), FINISH]
    with ir.Client(Gated(ScriptedModel([deltas]))) as client, client.stream("Hello") as stream:
        batches = [[delta.kind for delta in deltas] for deltas in stream.batches()]

    assert batches == [["text", delta.kind], ["text"], ["finish"]]


@pytest.mark.parametrize(
    ("deltas", "kinds"),
    [
        pytest.param(["Void. Yes", Delta("restart", name="b"), "Good. Yes"], ["text", "restart", "text"], id="shown"),
        pytest.param(["Void", Delta("restart", name="b"), "Good. Yes"], ["text"], id="held"),
        pytest.param(
            ["Void", Delta("upgrade", name="b", text="replace"), "Good. Yes"], ["upgrade", "text"], id="upgrade"
        ),
        pytest.param(["Go", Delta("seam", name="b"), "od. Yes"], ["text", "seam", "text"], id="seam"),
    ],
)
def test_gated_never_shows_what_was_void_before_it_was_shown(deltas, kinds):
    """Serves R94."""
    script = [Delta("text", text=each) if isinstance(each, str) else each for each in deltas]
    with ir.Client(Gated(ScriptedModel([[*script, FINISH]]))) as client, client.stream("Hello") as stream:
        shown = list(stream)

    assert [delta.kind for delta in shown] == [*kinds, "finish"]
    assert stream.response.text == "Good. Yes"


def test_gated_shows_an_answer_without_a_sentence_at_its_end():
    """Serves R94."""
    client, _ = gated(streamed(word("yes"), word(" and no"), *END))

    assert shown_by(client) == ["yes", " and no"]


def test_gated_gives_the_whole_answer_without_being_read():
    client, _ = gated(streamed(*OPENAI))

    with client.stream("Hello") as stream:
        assert stream.final().text == WHOLE_TEXT


def test_gated_passes_a_tool_call_of_a_call_without_a_stream():
    """Serves R95."""
    call = ir.Response(ir.Message("assistant", (ir.ToolCall("1", "f", '{"a":1}'),)), "tool_calls")
    with ir.Client(Gated(ScriptedModel([ir.ServerError("down"), call]))) as client, client.stream("Hello") as stream:
        list(stream)

    assert stream.response.tool_calls == call.tool_calls
    assert stream.response.finish_reason == "tool_calls"


def test_gated_is_a_model_like_its_own():
    client, _ = gated(WHOLE)

    assert client.complete("Hello").text == WHOLE_TEXT
    assert client.model.name == "gated(openai:m-1)"
    assert client.explain("Hello", stream=True).count("POST https://api.openai.com") == 2


@pytest.mark.parametrize("option", ["max_hold", "switch_after"])
@pytest.mark.parametrize("wrong", [0, -1.0, float("inf"), float("nan"), True, "3"])
def test_gated_refuses_limits_that_are_none(option, wrong):
    with pytest.raises(ir.ConfigError, match=option):
        Gated(ScriptedModel([]), **{option: wrong})


@settings(max_examples=50)
@given(
    cut=st.integers(0, 12),
    delays=st.lists(st.sampled_from([0.0, 0.2, 2.0, 4.0]), min_size=12, max_size=12),
    options=st.fixed_dictionaries(
        {"max_hold": st.sampled_from([1.0, 3.0, None]), "switch_after": st.sampled_from([3.0, None])}
    ),
)
def test_gated_takes_nothing_back_and_shows_nothing_twice(cut, delays, options):
    """Serves R94, R95."""
    words = ["A ", "short ", "one. ", "And ", "then ", "more. ", "End."]
    pieces = [word(text, after) for text, after in zip(words, delays, strict=False)]
    client, transport = gated(streamed(*[*pieces, *END][:cut]), WHOLE, **options)
    shown = ""
    failed: ir.RequestError | None = None
    stream = client.stream("Hello")
    try:
        with stream:
            for text in stream.text():
                shown += text
    except ir.RequestError as error:
        failed = error
    if failed is not None:
        assert "".join(words).startswith(shown)
        assert failed.partial is None or shown in ("", failed.partial.text)
        assert shown or options["switch_after"] is None
    else:
        assert shown == stream.response.text
        assert shown == (WHOLE_TEXT if len(transport.wires) == 2 else "".join(words))
    assert transport.open_replies == 0
    assert len(client.records) == len(transport.wires)
