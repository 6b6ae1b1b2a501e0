"""Streams that break after something was shown, and go on."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import inferail as ir
from inferail.core import Delta
from inferail.routing.fallback import Fallback
from inferail.routing.seams import continuation
from inferail.testing import Breaks, FaultyModel, ScriptedModel, Truncates
from inferail.testing.streams import ScriptStream
from inferail.types.request import Request

ANSWER = (
    "Paged attention keeps keys and values in blocks of one size, as an operating system keeps the pages of a process. "
    "A table says where each block lies. Blocks of a common prefix are shared, and copied when one sequence writes into "
    "them. The memory that is lost is at most one block for each sequence, so a batch can be larger."
)
WORDS = ANSWER.split(" ")
BREAKS: tuple[Callable[[int], Any], ...] = (
    lambda words: Breaks(words, ir.StreamError("the connection was lost")),
    lambda words: Breaks(words, ir.DeadlineError("nothing new", phase="idle")),
    lambda words: Breaks(words, ir.ServerError("in-band")),
    Truncates,
)


class Continuing:
    """A model that answers with ANSWER, and with the rest of it when it is asked to go on."""

    def __init__(self, name: str, *, repeats: int = 0, begins_anew: bool = False) -> None:
        self.name = self.provider = name
        self.requests: list[Request] = []
        self._repeats = repeats
        self._begins_anew = begins_anew

    async def generate(self, request: Request) -> ir.Response:
        async with self.stream(request) as stream:
            return await stream.final()

    def stream(self, request: Request) -> ScriptStream:
        self.requests.append(request)
        return ScriptStream(self._play(request), provider=self.name, model=self.name)

    async def _play(self, request: Request) -> AsyncIterator[list[Delta]]:
        shown = next((message.text for message in request.messages if message.role == "assistant"), "")
        prefilled = request.messages[-1].role == "assistant"
        rest = ANSWER[len(shown) :] if prefilled else ANSWER[len(shown) :].lstrip()
        if shown and self._repeats:
            rest = " ".join(shown.split()[-self._repeats :]) + (" " if shown[-1] == " " else "") + ANSWER[len(shown) :]
        if not shown or self._begins_anew:
            rest = ANSWER
        yield [Delta("start", id="s", name=self.name)]
        for number, word in enumerate(rest.split(" ")):
            yield [Delta("text", text=word if number == 0 else f" {word}")]
        yield [Delta("finish", reason="stop", raw_reason="stop")]


def read(model: ir.Model, **options: Any) -> tuple[str, ir.Response]:
    """What a reader of pieces of text got, synchronously, and the whole answer."""
    with ir.Client(model) as client, client.stream("Tell me.", **options) as stream:
        shown = "".join(stream.text())
    return shown, stream.response


async def read_async(model: ir.Model) -> tuple[str, ir.Response]:
    async with ir.AsyncClient(model) as client, client.stream("Tell me.") as stream:
        shown = "".join([piece async for piece in stream.text()])
    return shown, stream.response


@pytest.mark.parametrize("kind", range(len(BREAKS)))
@pytest.mark.parametrize("other", [{}, {"repeats": 2}, {"repeats": 6}, {"begins_anew": True}])
def test_a_stream_cut_at_any_word_arrives_whole_while_a_healthy_model_is_left(kind, other):
    """Serves R92, R93."""
    for words in range(1, len(WORDS)):
        first = FaultyModel(Continuing("first"), [BREAKS[kind](words)] * 2)
        shown, response = read(Fallback(first, Continuing("other", **other)))

        assert shown == response.text == ANSWER
        assert [seam.model for seam in response.seams] == ["other"]
        assert response.finish_reason == "stop"
        assert any(warning.startswith("resumed") for warning in response.warnings)
        assert [attempt.error is None for attempt in response.attempts] == [False, True]


def test_an_asynchronous_stream_goes_on_too():
    model = Fallback(FaultyModel(Continuing("first"), [Truncates(7)]), Continuing("other"))

    shown, response = asyncio.run(read_async(model))

    assert shown == response.text == ANSWER


def test_a_model_that_can_goes_on_from_its_own_words_first():
    class Prefilling(Continuing):
        provider = "anthropic"

        def __init__(self) -> None:
            super().__init__("anthropic")

    inner = Prefilling()
    first = FaultyModel(inner, [Truncates(9)])
    first.provider = "anthropic"  # type: ignore[attr-defined]
    other = Continuing("other")

    shown, response = read(Fallback(first, other))

    assert shown == ANSWER
    assert [seam.how for seam in response.seams] == ["prefill"]
    assert inner.requests[-1].messages[-1].role == "assistant"
    assert not other.requests


def test_a_stream_that_breaks_again_and_again_is_carried_to_its_end():
    models = [FaultyModel(Continuing(f"m{at}"), [Truncates(6)]) for at in range(4)]

    shown, response = read(Fallback(*models, Continuing("last")))

    assert shown == response.text == ANSWER
    assert [seam.model for seam in response.seams] == ["faulty(m1)", "faulty(m2)", "faulty(m3)", "last"]
    assert [seam.at for seam in response.seams] == sorted({seam.at for seam in response.seams})


def test_the_only_model_is_asked_to_go_on_itself():
    shown, response = read(Fallback(FaultyModel(Continuing("only"), [Truncates(5)])))

    assert shown == ANSWER
    assert response.seams[0].model == "faulty(only)"


def test_a_model_that_always_breaks_does_not_go_on_for_ever():
    """Serves R93."""
    model = FaultyModel(Continuing("only"), [Truncates(1)] * 100)
    shown = ""

    with (
        pytest.raises(ir.StreamError) as caught,
        ir.Client(Fallback(model)) as client,
        client.stream("Tell me.") as stream,
    ):
        for piece in stream.text():
            shown += piece

    assert model.calls <= 4
    assert shown == caught.value.partial.text == stream.partial.text
    assert ANSWER.startswith(shown)
    assert len(caught.value.attempts) == model.calls


def test_usage_counts_what_every_attempt_consumed():
    """Serves R93."""
    usage = ir.Usage(input_tokens=10, output_tokens=4)
    first = ScriptedModel([[Delta("text", text="One two"), Delta("usage", usage=usage)]], name="first")
    second = ScriptedModel(
        [[Delta("text", text=" three"), Delta("usage", usage=usage), Delta("finish", reason="stop", raw_reason="s")]],
        name="second",
    )

    shown, response = read(Fallback(first, second))

    assert shown == response.text == "One two three"
    assert response.usage.input_tokens == 20


def test_json_begins_anew_and_says_so():
    """Serves R92."""
    value = {"name": "a name", "count": 12}
    text = json.dumps(value)
    broken = [Delta("text", text=piece) for piece in (text[:5], text[5:12])]
    whole = [
        *(Delta("text", text=text[at : at + 4]) for at in range(0, len(text), 4)),
        Delta("finish", reason="stop", raw_reason="s"),
    ]
    schema = {"type": "object"}

    def model() -> Fallback:
        return Fallback(ScriptedModel([broken], name="first"), ScriptedModel([whole], name="second"))

    with ir.Client(model()) as client, client.stream("Tell me.", output=schema) as stream:
        kinds = [delta.kind for delta in stream]
    with ir.Client(model()) as client, client.stream("Tell me.", output=schema) as again:
        *_, last = again.objects()
    with (
        ir.Client(model()) as client,
        pytest.raises(ir.StreamError, match="began anew"),
        client.stream("Tell me.", output=schema) as third,
    ):
        list(third.text())

    assert kinds.count("restart") == 1
    assert stream.response.text == text
    assert last == value


def test_a_tool_call_begins_anew():
    call = [
        Delta("tool_start", id="c1", name="find"),
        Delta("tool_args", text='{"a": '),
        Delta("tool_args", text="1}"),
        Delta("tool_end"),
        Delta("finish", reason="tool_calls", raw_reason="t"),
    ]
    model = Fallback(ScriptedModel([call[:2]], name="first"), ScriptedModel([call], name="second"))

    with ir.Client(model) as client, client.stream("Tell me.", tools=[ir.Tool("find")]) as stream:
        response = stream.final()

    assert [(each.name, each.arguments) for each in response.tool_calls] == [("find", '{"a": 1}')]


@pytest.mark.parametrize("agrees", [True, False])
def test_restart_goes_on_where_the_new_answer_agrees_with_what_was_shown(agrees):
    other = Continuing("other") if agrees else ScriptedModel(["Something else is said here."], name="other")
    model = Fallback(FaultyModel(Continuing("first"), [Truncates(9)] * 3), other, on_break="restart")

    if agrees:
        shown, response = read(model)
        assert shown == response.text == ANSWER
        assert response.seams[0].how == "restart"
    else:
        with pytest.raises(ir.StreamError) as caught:
            read(model)
        assert ANSWER.startswith(caught.value.partial.text)


def test_an_answer_begun_anew_in_other_words_is_passed_over():
    """Nothing that was shown is shown twice: a third model goes on."""
    stubborn = ScriptedModel([ANSWER[:40] + "in another way entirely."], name="stubborn")
    model = Fallback(FaultyModel(Continuing("first"), [Truncates(12)] * 3), stubborn, Continuing("third"))

    shown, response = read(model)

    assert shown == response.text == ANSWER
    assert [seam.model for seam in response.seams] == ["third"]


def test_leaving_a_resumed_stream_early_leaves_no_error():
    model = Fallback(FaultyModel(Continuing("first"), [Truncates(3)]), Continuing("other"))

    with ir.Client(model) as client, client.stream("Tell me.") as stream:
        for _, _piece in zip(range(6), stream.text(), strict=False):
            pass

    assert ANSWER.startswith(stream.partial.text)
    assert stream.partial.text


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("words", [1, 5, 17, 40])
def test_a_rest_that_breaks_goes_on_as_one_answer(again, words):
    """A tier that goes on from an opening, and breaks: its Fallback asks for the rest of all of it."""
    opening = ANSWER[: ANSWER.index(". ") + 2]
    request = continuation(Request((ir.user("Tell me."),)), opening, Continuing("deep"), prefill=False)
    deep = Fallback(FaultyModel(Continuing("deep"), [Truncates(words)]), Continuing("spare", begins_anew=again))

    with ir.Client(deep) as client, client.stream(request.messages) as stream:
        shown = "".join(stream.text())

    assert opening + shown == ANSWER
    assert stream.response.text == shown
    assert [len(asked.messages) for asked in deep.models[1].requests] == [3]  # type: ignore[attr-defined]
