"""A fast tier is shown until the deep one is ready. All on virtual time."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.bodies import OPENAI, STREAM_HEADERS, TEXT
from tests.routing.scripts import END, Call, about, call, model, said

import inferail as ir
from inferail.core import Delta
from inferail.routing.tiered import Tiered, TieredStatistics
from inferail.testing import LoopClock, ScriptedModel, ScriptedReply, ScriptedTransport, run_virtual

DEEP_ANSWER = "The deep answer."


def kinds(seen: Call) -> list[str]:
    return [delta.kind for _, delta in seen.deltas]


def moment_of(seen: Call, kind: str) -> float:
    (moment,) = [moment for moment, delta in seen.deltas if delta.kind == kind]
    return moment


def test_tiered_shows_the_fast_tier_and_upgrades_once_the_deep_one_is_ready():
    """Serves R49."""
    tiered = Tiered(model("fast", said("A quick guess.", 0.1, 0.2, 0.2)), model("deep", said(DEEP_ANSWER, 3.0, 0.5)))

    seen = run_virtual(call(tiered, stream=True))

    upgrades = [delta for _, delta in seen.deltas if delta.kind == "upgrade"]
    assert seen.first == about(0.1)
    assert [(delta.text, delta.name) for delta in upgrades] == [("replace", "deep")]
    assert moment_of(seen, "upgrade") == about(3.0)
    assert seen.shown == seen.response.text == f"{DEEP_ANSWER} "
    assert kinds(seen).count("finish") == 1
    assert seen.attempts == [("fast", None, "fast"), ("deep", None, "deep")]
    assert seen.response.warnings == ()
    assert tiered.statistics == TieredStatistics(requests=1, fast=1, upgraded=1)
    assert tiered.statistics.hit_rate == 1.0


def test_tiered_stops_a_fast_tier_that_still_speaks_when_it_is_replaced():
    """Serves R49."""
    tiered = Tiered(model("fast", said("On and on.", 0.1, 2.0, 2.0)), model("deep", said(DEEP_ANSWER, 1.0)))

    seen = run_virtual(call(tiered, stream=True))

    assert seen.ended == about(1.0)
    assert seen.attempts == [("fast", "CancelledError", "fast"), ("deep", None, "deep")]


@pytest.mark.parametrize("mode", ["replace", "continue"])
def test_tiered_cuts_the_fast_tier_at_its_deadline(mode):
    """Serves R51."""
    reply = ScriptedReply([(9.0, OPENAI[0])], headers=STREAM_HEADERS)
    deep = ScriptedReply([(2.0, b"".join(OPENAI))], headers=STREAM_HEADERS)
    transport = ScriptedTransport([reply, deep], clock=LoopClock())
    tiered = Tiered(ir.Target("openai:fast", api_key="k"), ir.Target("openai:deep", api_key="k"), mode=mode)

    seen = run_virtual(call(tiered, stream=True, transport=transport))

    fast, second = seen.response.attempts
    assert (fast.model, fast.error, second.model, second.error) == ("fast", "CancelledError", "deep", None)
    assert fast.timing.total == about(0.2, abs=0.005)
    assert seen.shown == seen.response.text == TEXT
    assert "upgrade" not in kinds(seen)
    assert seen.first == about(2.0 if mode == "replace" else 2.2)
    assert tiered.statistics == TieredStatistics(requests=1, deep=1)
    assert transport.open_replies == 0


def test_tiered_gives_the_deep_tier_up_at_its_deadline_and_carries_the_fast_one_on():
    """Serves R51."""
    late = ScriptedReply([(99.0, b"")], headers=STREAM_HEADERS)
    transport = ScriptedTransport([late], clock=LoopClock())
    fast = model("fast", said("It goes on.", 0.1, 10.0, 10.0))
    tiered = Tiered(fast, ir.Target("openai:deep", api_key="k"))

    seen = run_virtual(call(tiered, stream=True, transport=transport))

    assert seen.shown == seen.response.text == "It goes on. "
    assert seen.ended == about(20.1)
    assert seen.response.attempts[1].timing.total == about(15.0, abs=0.005)
    assert seen.response.warnings == ("degraded: openai:deep missed its deadline, fast answered",)
    assert tiered.statistics == TieredStatistics(requests=1, fast=1, degraded=1)
    assert transport.open_replies == 0


def test_tiered_keeps_the_end_of_the_fast_answer_until_the_deep_one_has_failed():
    """Serves R49."""
    tiered = Tiered(model("fast", said("A quick guess.", 0.1)), model("deep", [4.0, ir.ServerError("down")]))

    seen = run_virtual(call(tiered, stream=True))

    assert seen.shown == seen.response.text == "A quick guess. "
    assert moment_of(seen, "finish") == about(4.0)
    assert seen.attempts == [("fast", None, "fast"), ("deep", "ServerError", "deep")]
    assert seen.response.warnings == ("degraded: deep failed (ServerError), fast answered",)


def test_tiered_waits_for_a_fast_tier_without_its_deadline_once_the_deep_one_has_failed():
    """Serves R51."""
    tiered = Tiered(model("fast", said("Late but whole.", 3.0)), model("deep", [0.05, ir.ServerError("down")]))

    seen = run_virtual(call(tiered, stream=True))

    assert (seen.shown, seen.first) == ("Late but whole. ", about(3.0))
    assert tiered.statistics.degraded_rate == 1.0


def test_tiered_shows_the_deep_tier_alone_when_it_is_first():
    tiered = Tiered(model("fast", said("Slow today.", 0.15)), model("deep", said(DEEP_ANSWER, 0.1)))

    seen = run_virtual(call(tiered, stream=True))

    assert (seen.shown, seen.first) == (f"{DEEP_ANSWER} ", about(0.1))
    assert "upgrade" not in kinds(seen)
    assert tiered.statistics == TieredStatistics(requests=1, deep=1)


def test_tiered_replaces_a_fast_answer_that_broke():
    """Serves R49."""
    tiered = Tiered(model("fast", [0.1, "Half ", 0.1, ir.ServerError("down")]), model("deep", said(DEEP_ANSWER, 1.0)))

    seen = run_virtual(call(tiered, stream=True))

    assert seen.shown == seen.response.text == f"{DEEP_ANSWER} "
    assert seen.attempts == [("fast", "ServerError", "fast"), ("deep", None, "deep")]


@pytest.mark.parametrize("first", ["fast", "deep"])
@pytest.mark.parametrize("mode", ["replace", "continue"])
def test_tiered_raises_what_came_when_a_shown_fast_answer_and_the_deep_tier_fail(first, mode):
    """Serves R93."""
    moments = (0.1, 0.5) if first == "fast" else (0.5, 0.1)
    tiered = Tiered(
        model("fast", [0.1, "Half a ", moments[0], ir.ServerError("down")]),
        model("deep", [moments[1], ir.RateLimitError("busy")]),
        mode=mode,
    )

    seen = run_virtual(call(tiered, stream=True))

    assert isinstance(seen.error, ir.ServerError)
    assert seen.shown == seen.error.partial.text == "Half a "
    assert sorted(str(error) for _, error, _ in seen.attempts) == ["RateLimitError", "ServerError"]
    assert tiered.statistics == TieredStatistics(requests=1, fast=1, failed=1)


@pytest.mark.parametrize("stream", [True, False])
def test_tiered_lists_both_attempts_when_nobody_answers(stream):
    """Serves R53."""
    tiered = Tiered(model("fast", [9.0, "Late", END]), model("deep", [1.0, ir.ServerError("down")]))
    broken = Tiered(model("fast", ir.RateLimitError("busy")), model("deep", [1.0, ir.ServerError("down")]))

    late, seen = run_virtual(call(tiered, stream=stream)), run_virtual(call(broken, stream=stream))

    assert isinstance(seen.error, ir.RouteError)
    assert seen.attempts == [("fast", "RateLimitError", "fast"), ("deep", "ServerError", "deep")]
    assert broken.statistics == TieredStatistics(requests=1, failed=1)
    if stream:
        assert isinstance(late.error, ir.RouteError)
        assert late.attempts[0] == ("fast", "CancelledError", "fast")


def test_tiered_answers_with_the_deep_tier_where_it_is_not_streamed():
    """Serves R49, R51."""
    tiered = Tiered(model("fast", said("Quick.", 0.1)), model("deep", said(DEEP_ANSWER, 9.0)))

    seen = run_virtual(call(tiered, stream=False))

    assert (seen.response.text, seen.ended) == (f"{DEEP_ANSWER} ", about(9.0))
    assert seen.attempts == [("fast", None, "fast"), ("deep", None, "deep")]


@pytest.mark.parametrize("why", ["late", "fails"])
def test_tiered_answers_with_the_fast_tier_when_the_deep_one(why):
    """Serves R51."""
    deep = said(DEEP_ANSWER, 99.0) if why == "late" else [1.0, ir.ServerError("down")]
    tiered = Tiered(model("fast", said("Quick.", 0.5)), model("deep", deep))

    seen = run_virtual(call(tiered, stream=False))

    assert (seen.response.text, seen.ended) == ("Quick. ", about(15.0 if why == "late" else 1.0))
    assert seen.response.warnings[-1].startswith("degraded: deep ")
    assert seen.attempts[1][1] == ("CancelledError" if why == "late" else "ServerError")
    assert tiered.statistics == TieredStatistics(requests=1, degraded=1)


def test_tiered_tells_the_deep_targets_below_how_much_time_there_is():
    """The fallback inside the deep tier shares 15 s out, not the minute that the client has."""
    transport = ScriptedTransport([ScriptedReply([(99.0, b"")]), ScriptedReply([(99.0, b"")])], clock=LoopClock())
    deep = ir.Fallback(*(ir.Target(f"openai:{name}", api_key="k") for name in ("one", "two")))

    seen = run_virtual(call(Tiered(model("fast", said("Quick.", 0.5)), deep), stream=False, transport=transport))

    assert seen.response.text == "Quick. "
    assert [attempt.timing.total for attempt in seen.response.attempts[1:]] == [about(7.5)] * 2


def test_tiered_continues_from_the_opening_of_the_fast_tier():
    """Serves R49."""
    deep = model("deep", said("It is the Doppler effect.", 2.0))
    tiered = Tiered(model("fast", said("Good question. I guess so.", 0.1, 0.1, 0.1, 0.1)), deep, mode="continue")

    seen = run_virtual(call(tiered, stream=True))

    upgrades = [(moment, delta.text, delta.name) for moment, delta in seen.deltas if delta.kind == "upgrade"]
    assert upgrades == [(about(2.2), "continue", "deep")]
    assert seen.shown == seen.response.text == "Good question. It is the Doppler effect. "
    assert deep.requests[0].messages[-2].text == "Good question. "
    assert seen.attempts == [("fast", None, "fast"), ("deep", None, "deep")]
    assert tiered.statistics == TieredStatistics(requests=1, fast=1, upgraded=1)


def test_tiered_leaves_out_what_a_continuation_repeats():
    deep = model("deep", said("Good question. It is light.", 2.0))
    tiered = Tiered(model("fast", said("Good question. I guess so.", 0.1)), deep, mode="continue")

    seen = run_virtual(call(tiered, stream=True))

    assert seen.shown == seen.response.text == "Good question. It is light. "


@pytest.mark.parametrize(
    "deep",
    [
        pytest.param([2.0, ir.ServerError("down")], id="fails"),
        pytest.param(said("Too late.", 99.0), id="late"),
        pytest.param(said("Good question: it depends on what you mean.", 1.0), id="begins-anew"),
    ],
)
def test_tiered_goes_on_with_the_fast_tier_when_there_is_no_continuation(deep):
    """Serves R49, R51."""
    fast = model("fast", said("Good question. I guess so.", 0.1))
    tiered = Tiered(fast, model("deep", deep), mode="continue")

    seen = run_virtual(call(tiered, stream=True))

    assert seen.shown == seen.response.text == "Good question. I guess so. "
    assert "upgrade" not in kinds(seen)
    assert seen.response.warnings[-1].startswith("degraded: ")


def test_tiered_replaces_where_an_answer_cannot_be_continued():
    tiered = Tiered(model("fast", said('{"a": 1}', 0.1, 0.1)), model("deep", said('{"a": 2}', 2.0)), mode="continue")

    seen = run_virtual(call(tiered, stream=True, output={"type": "object"}))

    assert [delta.text for _, delta in seen.deltas if delta.kind == "upgrade"] == ["replace"]
    assert seen.response.output == {"a": 2}


def test_tiered_raises_when_the_deep_tier_breaks_after_it_took_over():
    """Serves R93."""
    tiered = Tiered(model("fast", said("Quick.", 0.1)), model("deep", [1.0, "Deep ", 0.5, ir.ServerError("down")]))

    seen = run_virtual(call(tiered, stream=True))

    assert isinstance(seen.error, ir.ServerError)
    assert seen.shown == seen.error.partial.text == "Deep "
    assert seen.attempts == [("fast", None, "fast"), ("deep", "ServerError", "deep")]


@pytest.mark.parametrize(("mode", "words"), [("replace", 1), ("replace", 2), ("continue", 1)])
def test_tiered_lets_go_of_both_when_its_reader_leaves_early(words, mode):
    """Serves R49."""
    stream = ScriptedReply([b"".join(OPENAI[:3]), (9.0, b"".join(OPENAI[3:]))], headers=STREAM_HEADERS)
    deep = ScriptedReply([(1.0, b"".join(OPENAI[:2])), (9.0, b"")], headers=STREAM_HEADERS)
    transport = ScriptedTransport([stream, deep], clock=LoopClock())
    tiered = Tiered(*(ir.Target(f"openai:{name}", api_key="k") for name in ("fast", "deep")), mode=mode)

    async def main() -> list[Any]:
        async with ir.AsyncClient(tiered, transport=transport) as client:
            async with client.stream("Hello there") as reading:
                for _ in range(words):
                    await reading.next()
            assert len(asyncio.all_tasks()) == 1
            return client.records

    records = run_virtual(main())

    assert {record.error for record in records} == {"CancelledError"}
    assert all(record.usage.estimated for record in records)
    assert transport.open_replies == 0


@pytest.mark.parametrize("moment", [0.05, 0.5, 1.5])
@pytest.mark.parametrize("how", ["scope", "task"])
@pytest.mark.parametrize("stream", [True, False])
def test_tiered_ends_with_both_when_its_call_is_cancelled(stream, how, moment):
    fast = ScriptedReply([(0.1, b"".join(OPENAI[:3])), (30.0, b"")], headers=STREAM_HEADERS)
    deep = ScriptedReply([(1.0, b"".join(OPENAI[:3])), (30.0, b"")], headers=STREAM_HEADERS)
    transport = ScriptedTransport([fast, deep], clock=LoopClock())
    tiered = Tiered(*(ir.Target(f"openai:{name}", api_key="k") for name in ("fast", "deep")))
    cancellation = ir.Cancellation()

    async def main() -> tuple[Any, list[Any]]:
        async with ir.AsyncClient(tiered, transport=transport) as client:

            async def work() -> None:
                if stream:
                    async with client.stream("Hello") as reading:
                        await reading.final()
                else:
                    await client.complete("Hello")

            with ir.scope(cancellation=cancellation):
                task = asyncio.create_task(work())
            await asyncio.sleep(moment)
            cancellation.cancel() if how == "scope" else task.cancel()
            with pytest.raises((ir.CancelledError, asyncio.CancelledError)) as caught:
                await task
            assert len(asyncio.all_tasks()) == 1
            return caught.value, client.records

    error, records = run_virtual(main())

    assert isinstance(error, ir.CancelledError if how == "scope" else asyncio.CancelledError)
    assert [record.error for record in records] == ["CancelledError"] * 2
    assert transport.open_replies == 0


def test_tiered_records_both_costs():
    """Serves R49."""
    body = b"".join(OPENAI)
    fast = ScriptedReply([(0.1, body)], headers=STREAM_HEADERS)
    deep = ScriptedReply([(1.0, body)], headers=STREAM_HEADERS)
    transport = ScriptedTransport([fast, deep], clock=LoopClock())
    tiered = Tiered(ir.Target("openai:gpt-5-nano", api_key="k"), ir.Target("openai:gpt-5", api_key="k"))

    seen = run_virtual(call(tiered, stream=True, transport=transport))

    costs = [attempt.usage.cost_usd for attempt in seen.response.attempts]
    assert None not in costs
    assert 0 < costs[0] < costs[1]
    assert seen.response.usage.cost_usd == costs[1]
    assert seen.response.total_cost_usd == about(sum(costs))


def test_tiered_explains_both_tiers_and_names_them(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    tiered = Tiered(fast="openai:gpt-5-nano", deep="openai:gpt-5")

    text = tiered.explain(ir.Request((ir.user("Hello"),)), stream=True)

    assert tiered.name == "tiered(openai:gpt-5-nano, openai:gpt-5)"
    assert "0.2 s and 15 s" in text
    assert text.index("gpt-5-nano") < text.rindex('"gpt-5"')
    assert "Bearer k" not in text


def test_tiered_nests_in_a_fallback():
    """Serves R34."""
    tiered = Tiered(model("fast", ir.ServerError("down")), model("deep", [1.0, ir.ServerError("down")]))

    seen = run_virtual(call(ir.Fallback(tiered, model("last", said("Fine.", 0.1))), stream=True))

    assert (seen.shown, seen.ended) == ("Fine. ", about(1.1))
    assert [name for name, _, _ in seen.attempts] == ["fast", "deep", "last"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"mode": "both"}, "mode"),
        ({"fast_timeout": -1.0}, "fast_timeout"),
        ({"deep_timeout": None}, "deep_timeout"),
        ({"fast_timeout": 2.0, "deep_timeout": 1.0}, "shorter"),
    ],
)
def test_tiered_refuses_what_makes_no_sense(options, match):
    with pytest.raises(ir.ConfigError, match=match):
        Tiered(model("a"), model("b"), **options)


def test_tiered_stream_says_so_when_it_was_not_entered_or_entered_twice():
    async def main() -> None:
        stream = Tiered(model("a", "One."), model("b", "Two.")).stream(ir.Request((ir.user("Hello"),)))
        assert stream.partial.text == ""
        assert stream.attempts == ()
        with pytest.raises(ir.ConfigError, match="not been entered"):
            await stream.final()
        async with stream:
            with pytest.raises(ir.ConfigError, match="entered once"):
                await stream.__aenter__()

    run_virtual(main())


_PLAN = st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=4)


@given(fast=_PLAN, deep=_PLAN, mode=st.sampled_from(["replace", "continue"]), leave=st.none() | st.integers(0, 4))
def test_tiered_shows_one_whole_answer_whatever_the_order_of_events(fast, deep, mode, leave):
    """Each plan is words with their gaps in 0.05 s; a False breaks the script there."""
    tiered = Tiered(
        ScriptedModel([_script("fast", fast)], "fast"),
        ScriptedModel([_script("deep", deep)], "deep"),
        mode=mode,
        fast_timeout=0.225,
        deep_timeout=1.025,
    )

    if leave is not None:
        run_virtual(_left(tiered, leave))
        return
    seen = run_virtual(call(tiered, stream=True))

    upgrades = kinds(seen).count("upgrade")
    counts = tiered.statistics
    in_time = fast[0][1] and 0.05 * fast[0][0] <= 0.225
    assert upgrades <= 1
    assert counts.upgraded == upgrades
    assert counts.requests == 1 == counts.upgraded + counts.deep + counts.degraded + counts.failed or seen.error
    assert not counts.fast or in_time or not deep[0][1]
    assert 1 <= len(seen.attempts) <= 2
    if seen.error is not None:
        assert isinstance(seen.error, ir.RequestError)
        assert counts.failed == 1
        assert (seen.error.partial.text if seen.error.partial else "") == seen.shown
        return
    assert seen.shown == seen.response.text
    assert kinds(seen).count("finish") == 1
    assert kinds(seen)[-1] == "finish"
    whole = {
        name: "".join(f"{name}-{at}. " for at in range(len(plan))) for name, plan in (("fast", fast), ("deep", deep))
    }
    if counts.degraded:
        assert seen.shown == whole["fast"]
        assert seen.response.warnings
    elif upgrades and mode == "continue":
        assert seen.shown.startswith("fast-0. ")
        assert seen.shown.endswith(whole["deep"])
    else:
        assert seen.shown == whole["deep"]


async def _left(tiered: Tiered, after: int) -> None:
    stream = tiered.stream(ir.Request((ir.user("Hello"),)))
    try:
        async with stream:
            for _ in range(after):
                await anext(stream)
    except (ir.RequestError, StopAsyncIteration):
        pass
    assert len(asyncio.all_tasks()) == 1


def _script(name: str, plan: list[tuple[int, bool]]) -> list[Any]:
    steps: list[Any] = []
    for at, (gap, fine) in enumerate(plan):
        steps += [gap / 20, f"{name}-{at}. " if fine else ir.ServerError("down")]
    return [*steps, END]


def test_end_of_the_opening_is_after_a_sentence_or_at_a_blank():
    from inferail.routing.tiered import _Opening

    def opening(*texts: str) -> tuple[str, bool]:
        found = _Opening()
        for text in texts:
            found.split([Delta("text", text=text)])
        return found.text, found.complete

    assert opening("A good question. And", " more.") == ("A good question. ", True)
    assert opening("Dr. ", "Who knows", '?" ', "Then") == ('Dr. Who knows?" ', True)
    assert opening("这是一个很好的问题,值得回答。然后") == ("这是一个很好的问题,值得回答。", True)
    assert opening("No end in sight") == ("No end in sight", False)
    text, complete = opening("word " * 100)
    assert complete
    assert 200 < len(text) <= 401
