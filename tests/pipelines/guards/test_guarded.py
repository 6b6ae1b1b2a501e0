"""A Guarded is a Model: what guards say of a request, in order or beside the model, and what their failure means."""

import asyncio
import json
import threading
from typing import Any

import pytest
from tests.providers.bodies import OPENAI, STREAM_HEADERS
from tests.routing.scripts import about

import inferail as ir
from inferail.pipelines.guards import Decision, Verdict
from inferail.testing import LoopClock, ScriptedModel, ScriptedReply, ScriptedTransport, run_virtual
from inferail.testing.streams import pause
from inferail.types.message import Text, ToolCall, ToolResult
from inferail.types.response import Response


def verdict(name):
    return f'{{"verdict": "{name}"}}'


def slow(seconds, *answers, name="slow"):
    return ScriptedModel(answers, name, delay=seconds)


def at_stage(model, stage, guard):
    return ir.Guarded(model, before=guard) if stage == "before" else ir.Guarded(model, after=guard)


def virtual(
    guarded, *, stream, timeout=60.0, prompt: Any = "Question", **options
) -> tuple[list[str], Any, float | None, float, Any]:
    """What was shown and the answer or the error, when content came, when all was over; with nothing left running."""

    async def run():
        clock = LoopClock()
        shown: list[str] = []
        first: float | None = None
        ended: Any = None
        transport = ScriptedTransport([], clock=clock)
        async with ir.AsyncClient(guarded, transport=transport, timeout=timeout, **options) as client:
            try:
                if stream:
                    async with client.stream(prompt) as reading:
                        async for text in reading.text():
                            first = clock.now() if first is None else first
                            shown.append(text)
                        ended = await reading.final()
                else:
                    ended = await client.complete(prompt)
                    first = clock.now()
            except ir.InferailError as error:
                ended = error
            records = client.records
        assert len(asyncio.all_tasks()) == 1, "something was left running"
        return shown, ended, first, clock.now(), records

    return run_virtual(run())


@pytest.mark.parametrize("stream", [True, False])
def test_blocked_request_is_never_sent(stream):
    """Serves R140."""
    model = ScriptedModel(["Never said."])

    shown, error, _, _, records = virtual(
        ir.Guarded(model, before=(ir.guards.pattern("Quest", name="no_questions"),)), stream=stream
    )

    assert (error.guard, error.stage, shown, model.requests) == ("no_questions", "before", [], [])
    (record,) = records
    assert (record.reason, record.model, record.error, record.cost_usd) == (
        "guard",
        "no_questions",
        "GuardrailError",
        0.0,
    )
    assert record.labels == {"guard.no_questions": "block:pattern", "guard.stage": "before"}


def test_guards_read_what_the_ones_before_them_left():
    model = ScriptedModel(["Fine."])
    one = ir.guards.pattern("a", action="modify", replacement="b", name="one")
    two = ir.guards.pattern("b", action="modify", replacement="c", name="two")

    ir.Client(ir.Guarded(model, before=(one, two))).complete("abc")
    ir.Client(ir.Guarded(ScriptedModel(["Fine."]), before=(two, one))).complete("abc")

    assert model.requests[0].messages[0].text == "ccc"


def test_order_of_guards_decides_who_blocks():
    first, second = ir.guards.pattern("x", name="first"), ir.guards.pattern("x", name="second")

    for guards, name in (((first, second), "first"), ((second, first), "second")):
        with pytest.raises(ir.GuardrailError) as caught:
            ir.Client(ir.Guarded(ScriptedModel(["x"]), after=guards)).complete("Q")
        assert caught.value.guard == name


@pytest.mark.parametrize("stream", [True, False])
def test_judge_reads_the_request_while_the_model_answers(stream):
    """Serves R140: two seconds and three are three, not five, and nothing is shown before the verdict."""
    judge = ir.guards.judge(slow(2.0, verdict("pass"), name="judge"), "Polite.")
    guarded = ir.Guarded(slow(3.0, "Good answer."), before=(judge,))

    shown, response, first, ended, _ = virtual(guarded, stream=stream)

    assert response.text == "Good answer."
    assert "".join(shown) == ("Good answer." if stream else "")
    assert (first, ended) == (about(3.0), about(3.0))


@pytest.mark.parametrize("stream", [True, False])
def test_judge_before_the_model_where_that_is_wanted(stream):
    judge = ir.guards.judge(slow(2.0, verdict("pass"), name="judge"), "Polite.")

    _, response, _, ended, _ = virtual(ir.Guarded(slow(3.0, "Good."), before=(judge,), parallel=False), stream=stream)

    assert (response.text, ended) == ("Good.", about(5.0))


@pytest.mark.parametrize("stream", [True, False])
def test_judge_that_blocks_cancels_the_model(stream):
    """Serves R140: nothing is shown, and the call ends with the verdict."""
    judge = ir.guards.judge(slow(2.0, verdict("fail"), name="judge"), "Polite.")
    model = ScriptedModel([[0.5, "Shown ", 9.0, "never."]], "model")

    shown, error, first, ended, records = virtual(ir.Guarded(model, before=(judge,)), stream=stream)

    assert (error.guard, error.stage) == ("judge", "before")
    assert (shown, first, ended) == ([], None, about(2.0))
    assert [record.reason for record in records] == ["guard"]


@pytest.mark.parametrize("stream", [True, False])
def test_verdict_after_the_answer_still_decides(stream):
    for word, expected in (("pass", ["Quick."]), ("fail", [])):
        judge = ir.guards.judge(slow(5.0, verdict(word), name="judge"), "Polite.")

        shown, ended, first, at, _ = virtual(ir.Guarded(slow(1.0, "Quick."), before=(judge,)), stream=stream)

        assert at == about(5.0)
        assert shown == (expected if stream else [])
        assert isinstance(ended, ir.GuardrailError) == (word == "fail")
        assert first == (about(5.0) if word == "pass" else None)


def test_cost_of_a_call_that_was_cancelled_by_a_guard_is_recorded():
    """Serves R140: the attempt has been made, and has its Record."""
    judge = ir.guards.judge(slow(1.0, verdict("fail"), name="judge"), "Polite.")

    async def run():
        transport = ScriptedTransport([ScriptedReply(first_byte=5.0, pieces=[b"never read"])], clock=LoopClock())
        target = ir.Target("openai:gpt-5-mini", api_key="x")
        async with ir.AsyncClient(ir.Guarded(target, before=(judge,)), transport=transport) as client:
            with pytest.raises(ir.GuardrailError):
                await client.complete("Question")
            return client.records, transport.open_replies, LoopClock().now()

    records, open_replies, ended = run_virtual(run())

    by_reason = {record.reason: record for record in records}
    assert set(by_reason) == {"first", "guard"}
    assert by_reason["first"].error == "CancelledError"
    assert by_reason["first"].usage.estimated
    assert len({record.call_id for record in records}) == 1
    assert (open_replies, ended) == (0, about(1.0))


@pytest.mark.parametrize("blocking", [True, False])
def test_cost_of_a_stream_that_a_guard_ends_is_recorded(blocking):
    """Serves R140: what was read has been paid for, and the connection is closed at once."""
    guard = ir.guards.pattern("routes")
    pieces = [(0.0, each) for each in OPENAI]

    def client(kind, clock):
        transport = ScriptedTransport(
            [ScriptedReply(pieces=pieces, headers=STREAM_HEADERS)], clock=clock, blocking=blocking
        )
        return transport, kind(
            ir.Guarded(ir.Target("openai:gpt-5-mini", api_key="x"), after=guard), transport=transport
        )

    async def run():
        transport, asking = client(ir.AsyncClient, LoopClock())
        shown = []
        async with asking.stream("Question") as stream:
            with pytest.raises(ir.GuardrailError):
                async for text in stream.text():
                    shown.append(text)  # noqa: PERF401 - what came before the error counts
            return shown, transport.open_replies, asking.records, stream.partial

    if blocking:
        transport, asking = client(ir.Client, None)
        shown: list[str] = []
        with asking.stream("Question") as reading:
            with pytest.raises(ir.GuardrailError):
                shown.extend(reading.text())
            seen = shown, transport.open_replies, asking.records, reading.partial
    else:
        seen = run_virtual(run())

    texts, open_replies, records, partial = seen
    assert "".join(texts) == partial.text == "Rails and "
    assert open_replies == 0
    by_reason = {record.reason: record for record in records}
    assert set(by_reason) == {"first", "guard"}
    assert by_reason["first"].usage.total_tokens > 0
    assert by_reason["first"].usage.estimated
    assert by_reason["guard"].labels["guard.stage"] == "after"


def test_no_thread_is_left_after_a_verdict():
    before = set(threading.enumerate())
    guarded = ir.Guarded(
        ScriptedModel(["x"] * 9), before=ir.guards.judge(ScriptedModel([verdict("pass"), verdict("fail")]), "Polite.")
    )

    ir.Client(guarded).complete("Q")
    with pytest.raises(ir.GuardrailError):
        ir.Client(guarded).complete("Q")

    assert set(threading.enumerate()) <= before


def test_judge_in_threads_for_a_blocking_client():
    """Serves R140."""
    together = threading.Barrier(2, timeout=10.0)

    class Meeting(ScriptedModel):
        async def generate(self, request):
            together.wait()
            return await super().generate(request)

    guarded = ir.Guarded(Meeting(["Fine."]), before=(ir.guards.judge(Meeting([verdict("pass")], "judge"), "Polite."),))

    assert ir.Client(guarded).complete("Question").text == "Fine."


@pytest.mark.parametrize("word", ["pass", "fail"])
def test_judge_in_threads_for_a_blocking_stream(word):
    guarded = ir.Guarded(
        ScriptedModel(["All fine."]), before=(ir.guards.judge(ScriptedModel([verdict(word)]), "Polite."),)
    )

    with ir.Client(guarded).stream("Question") as stream:
        if word == "pass":
            assert "".join(stream.text()) == "All fine."
            assert stream.response.text == "All fine."
        else:
            with pytest.raises(ir.GuardrailError):
                list(stream.text())


@pytest.mark.parametrize("stream", [True, False])
def test_model_that_fails_beside_a_judge_is_the_error(stream):
    judge = ir.guards.judge(slow(5.0, verdict("pass"), name="judge"), "Polite.")

    _, error, _, ended, _ = virtual(ir.Guarded(slow(1.0, ir.ServerError("down")), before=(judge,)), stream=stream)

    assert (type(error), ended) == (ir.ServerError, about(1.0))


def test_trio_runs_guards_beside_the_model():
    trio = pytest.importorskip("trio")
    judge = ir.guards.judge(ScriptedModel([verdict("pass"), verdict("pass")]), "Polite.")
    guarded = ir.Guarded(ScriptedModel(["One.", "Two."]), before=(judge,), after=(ir.guards.pattern("x"),))

    async def run():
        async with ir.AsyncClient(guarded, transport=ScriptedTransport([])) as client:
            whole = (await client.complete("Q")).text
            async with client.stream("Q") as stream:
                return whole, "".join([text async for text in stream.text()])

    assert trio.run(run) == ("One.", "Two.")


async def _raises(text):
    raise RuntimeError("CANARY")


async def _hangs(text):
    await pause(99.0)


async def _forgets(text):
    return None


@pytest.mark.parametrize("stage", ["before", "after"])
@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize(
    ("function", "reason", "seconds"),
    [(_raises, "error:RuntimeError", 0.0), (_hangs, "timeout", 3.0), (_forgets, "error:TypeError", 0.0)],
)
def test_guard_that_fails_blocks_unless_it_is_told_otherwise(stage, parallel, function, reason, seconds):
    for on_error in ("closed", "open"):
        guard = ir.guards.custom(function, timeout=3.0, on_error=on_error, name="mine", parallel=parallel)
        guarded = at_stage(ScriptedModel(["Fine."]), stage, guard)

        _, ended, _, at, _ = virtual(guarded, stream=False)

        assert at == about(seconds)
        if on_error == "closed":
            assert (ended.guard, ended.stage) == ("mine", stage)
            assert reason in str(ended)
            assert "CANARY" not in str(ended)
            assert ended.__cause__ is None
            assert ended.__context__ is None
        else:
            assert ended.text == "Fine."
            what = "request" if stage == "before" else "answer"
            assert ended.warnings == (f"guard mine: the {what} was flagged ({reason})",)


def test_guard_of_a_blocking_client_that_hangs_blocks():
    release = threading.Event()
    guard = ir.guards.custom(lambda text: release.wait(1.0), timeout=0.05, name="hangs")

    with pytest.raises(ir.GuardrailError, match="timeout"):
        ir.Client(ir.Guarded(ScriptedModel(["Fine."]), before=(guard,))).complete("Q")
    release.set()


def test_judge_without_a_verdict_fails():
    for answer in ("I think it is fine.", "{}", '{"verdict": "maybe"}', "[]", ""):
        with pytest.raises(ir.GuardrailError, match="error:OutputError"):
            judge = ir.guards.judge(ScriptedModel([answer]), "Polite.")
            ir.Client(ir.Guarded(ScriptedModel(["Fine."]), before=(judge,))).complete("Q")


def test_judge_that_cannot_be_reached_blocks_or_passes_with_a_flag():
    down = ir.ServerError("down")
    with pytest.raises(ir.GuardrailError, match="error:ServerError"):
        judge = ir.guards.judge(ScriptedModel([down]), "Polite.")
        ir.Client(ir.Guarded(ScriptedModel(["Fine."]), after=(judge,))).complete("Q")

    judge = ir.guards.judge(ScriptedModel([down]), "Polite.", on_error="open")
    assert ir.Client(ir.Guarded(ScriptedModel(["Fine."]), after=(judge,))).complete("Q").text == "Fine."


def test_deadline_of_the_call_is_not_a_verdict():
    judge = ir.guards.judge(slow(30.0, verdict("pass")), "Polite.", timeout=20.0)

    _, error, _, ended, _ = virtual(ir.Guarded(slow(1.0, "Fine."), after=(judge,)), stream=False, timeout=5.0)

    assert isinstance(error, ir.DeadlineError)
    assert ended == about(5.0)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("stage", ["before", "after"])
def test_cancelled_scope_ends_guards_and_model(stream, stage):
    cancellation = ir.Cancellation()
    judge = ir.guards.judge(slow(30.0, verdict("pass")), "Polite.", timeout=50.0)
    model = slow(1.0 if stage == "after" else 30.0, "Fine.")

    async def run():
        clock = LoopClock()
        asyncio.get_running_loop().call_later(5.0, cancellation.cancel)
        transport = ScriptedTransport([], clock=clock)
        guarded = at_stage(model, stage, judge)
        async with ir.AsyncClient(guarded, transport=transport, timeout=99.0) as client:
            with ir.scope(cancellation=cancellation), pytest.raises(ir.CancelledError):
                if stream:
                    async with client.stream("Q") as reading:
                        await reading.final()
                else:
                    await client.complete("Q")
        return len(asyncio.all_tasks()), clock.now()

    assert run_virtual(run()) == (1, about(5.0))


def test_cost_of_a_judge_is_in_the_budget_and_under_its_label():
    sink = ir.MemorySink()

    async def run():
        body = json.dumps(
            {
                "choices": [{"message": {"role": "assistant", "content": verdict("pass")}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 7, "completion_tokens": 3},
                "model": "gpt-5-nano",
            }
        ).encode()
        transport = ScriptedTransport(
            [ScriptedReply(pieces=[body], headers={"content-type": "application/json"})], clock=LoopClock()
        )
        judge = ir.guards.judge("openai:gpt-5-nano", "Polite.", api_key="x", name="polite")
        budget = ir.Budget(tokens=100)
        guarded = ir.Guarded(ScriptedModel(["Fine."]), before=(judge,))
        async with ir.AsyncClient(guarded, transport=transport, recorder=sink) as client:
            with ir.scope(budget=budget, labels={"tenant": "t"}):
                await client.complete("Q")
        return budget.spent.total_tokens, transport.wires[0].body

    spent, sent = run_virtual(run())

    assert spent == 10
    (record,) = sink.records
    assert record.labels == {"tenant": "t", "guard": "polite"}
    assert b"Polite." in sent


def test_labels_of_the_call_say_what_guards_said_of_the_request():
    seen = []

    class Labels(ScriptedModel):
        async def generate(self, request):
            from inferail.types.scope import current_scope

            seen.append(dict(current_scope().labels))
            return await super().generate(request)

    guards = (ir.guards.redact_pii(), ir.guards.pattern("urgent", action="flag", name="urgent"))

    ir.Client(ir.Guarded(Labels(["Fine."]), before=guards)).complete("urgent: write to ada@example.com")

    assert seen == [{"guard.redact_pii": "modify:pii.email", "guard.urgent": "flag:pattern"}]


def test_every_verdict_is_told():
    told: list[Decision] = []
    guarded = ir.Guarded(
        ScriptedModel(["a secret"]),
        before=(ir.guards.max_input_tokens(100), ir.guards.custom(lambda text: Verdict("flag", "odd"), name="mine")),
        after=(ir.guards.pattern("secret"),),
        on_verdict=told.append,
    )

    with pytest.raises(ir.GuardrailError):
        ir.Client(guarded).complete("Q")

    assert [(each.guard, each.stage, each.action, each.reason) for each in told] == [
        ("max_input_tokens", "before", "allow", ""),
        ("mine", "before", "flag", "odd"),
        ("pattern", "after", "block", "pattern"),
    ]


def test_listener_that_raises_decides_nothing(caplog):
    def listen(decision):
        raise RuntimeError

    guarded = ir.Guarded(ScriptedModel(["x"]), before=(ir.guards.max_input_tokens(100),), on_verdict=listen)

    assert ir.Client(guarded).complete("Q").text == "x"
    assert "on_verdict failed (RuntimeError)" in caplog.text


def test_guards_read_arguments_and_results_of_tools_in_a_request():
    call = ToolCall("1", "search", '{"q": "s\\u0065cret"}')
    history = [ir.user("Search."), ir.Message("assistant", (call,)), ir.tool_result("1", "nothing")]
    guarded = ir.Guarded(ScriptedModel(["x"]), before=(ir.guards.pattern("secret"),))

    with pytest.raises(ir.GuardrailError):
        ir.Client(guarded).complete(history)
    clean = ir.Message("assistant", (ToolCall("1", "search", "{}"),))
    with pytest.raises(ir.GuardrailError):
        ir.Client(guarded).complete([ir.user("Search."), clean, ir.tool_result("1", "the secret")])


def test_guards_read_the_parts_of_a_message_as_one_text():
    with pytest.raises(ir.GuardrailError):
        guarded = ir.Guarded(ScriptedModel(["x"]), before=(ir.guards.pattern("secret"),))
        ir.Client(guarded).complete(ir.user("the sec", "ret"))


def test_system_messages_are_the_programs_own():
    model = ScriptedModel(["x"])
    guarded = ir.Guarded(model, before=(ir.guards.banned_words(["secret"]), ir.guards.redact_pii(restore=False)))

    ir.Client(guarded).complete("Hello", system="Never say secret. Ask ada@example.com.")

    assert model.requests[0].system_text == "Never say secret. Ask <EMAIL>."


def test_request_that_no_guard_changes_is_sent_as_it_is():
    model = ScriptedModel(["x"])
    messages = (ir.user("Hello"), ir.assistant("Hi"), ir.user("Why?"))

    ir.Client(ir.Guarded(model, before=(ir.guards.redact_pii(), ir.guards.banned_words(["x"])))).complete(messages)

    assert all(sent is given for sent, given in zip(model.requests[0].messages, messages, strict=True))


def test_explain_shows_the_request_that_would_be_sent_and_what_guards_would_send():
    target = ir.Target("openai:gpt-5-mini", api_key="x")
    judge = ir.guards.judge(ir.Target("anthropic:claude-haiku-4-5", api_key="x"), "No promises.")
    guarded = ir.Guarded(target, before=(ir.guards.redact_pii(restore=False), judge), after=(judge,))

    told = ir.Client(guarded).explain("Write to ada@example.com")

    assert told.startswith("# guarded(openai:gpt-5-mini): redact_pii > judge > model > judge")
    assert "ada@example.com" not in told
    assert told.count("No promises.") == 2
    assert told.count("Write to <EMAIL>") == 2
    assert "(the text of the answer)" in told
    assert told.index("api.anthropic.com") < told.index("api.openai.com")


def test_explain_shows_the_bytes_that_are_sent():
    """Tokens too: they are the same in every call of a guard."""
    transport = ScriptedTransport([ScriptedReply(pieces=[b"{}"])], blocking=True)
    guarded = ir.Guarded(ir.Target("openai:gpt-5-mini", api_key="x", retries=0), before=ir.guards.redact_pii())
    client = ir.Client(guarded, transport=transport)

    told = client.explain("Write to ada@example.com")
    with pytest.raises(ir.RequestError):
        client.complete("Write to ada@example.com")

    assert transport.wires[0].body.decode() in told
    assert "<EMAIL_" in told


def test_explain_says_what_would_be_blocked():
    guarded = ir.Guarded(ir.Target("openai:gpt-5-mini", api_key="x"), before=(ir.guards.pattern("secret"),))

    assert "guard 'pattern' blocked the request (pattern): nothing is sent" in ir.Client(guarded).explain("a secret")


def test_guarded_passes_on_what_it_does_not_guard():
    closed = []

    class Listed(ScriptedModel):
        async def list_models(self, limit=1000):
            return []

        async def warm(self, connections=1):
            closed.append("warm")

        async def aclose(self):
            closed.append(self.name)

    guarded = ir.Guarded(Listed([], "model"), after=(ir.guards.judge(Listed([], "judge"), "Polite."),))

    with ir.Client(guarded) as client:
        assert client.models() == []
        client.warm()

    assert closed == ["warm", "judge", "model"]
    assert guarded.name == "guarded(model)"


def test_guarded_nests_in_a_fallback_and_its_error_is_not_passed_over():
    """A request that is not to be sent is not to be sent elsewhere either."""
    other = ScriptedModel(["Never asked."])
    fallback = ir.Fallback(ir.Guarded(ScriptedModel(["x"]), before=(ir.guards.pattern("secret"),)), other)

    with pytest.raises(ir.GuardrailError):
        ir.Client(fallback).complete("a secret")
    assert other.requests == []


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"before": ["redact_pii"]}, id="a-name"),
        pytest.param({"after": "x"}, id="a-text"),
        pytest.param({"on_verdict": 3}, id="no-function"),
        pytest.param({"after": ir.guards.max_input_tokens(9)}, id="tokens-after"),
        pytest.param({"before": ir.guards.matches(int)}, id="schema-before"),
    ],
)
def test_guarded_refuses_what_is_no_guard(options):
    with pytest.raises(ir.ConfigError):
        ir.Guarded(ScriptedModel([]), **options)


def test_guarded_takes_a_single_guard():
    assert len(ir.Guarded(ScriptedModel([]), before=ir.guards.redact_pii()).before) == 1


def test_answer_of_several_parts_keeps_them():
    parts = (Text("a key "), ToolCall("1", "search", "{}"), Text("b key"))
    response = Response(ir.Message("assistant", parts), "tool_calls")
    guarded = ir.Guarded(ScriptedModel([response]), after=(ir.guards.banned_words(["key"], action="modify"),))

    answer = ir.Client(guarded).complete("Q")

    assert answer.message.parts == (Text("a [removed] "), parts[1], Text("b [removed]"))


def test_results_of_tools_are_redacted_on_their_way_to_the_model():
    model = ScriptedModel(["Ada is <EMAIL>."])
    history = [ir.user("Who?"), ir.Message("assistant", (ToolCall("1", "who", '{"mail": "ada@example.com"}'),))]

    ir.Client(ir.Guarded(model, before=ir.guards.redact_pii(restore=False))).complete(
        [*history, ir.tool_result("1", "ada@example.com")]
    )

    _, asked, answered = model.requests[0].messages
    assert asked.tool_calls[0].arguments == '{"mail": "<EMAIL>"}'
    assert isinstance(answered.parts[0], ToolResult)
    assert answered.parts[0].content == "<EMAIL>"
