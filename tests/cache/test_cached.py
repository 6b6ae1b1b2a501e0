"""Cached is a Model: it answers from the cache where it can, keeps what may be kept, and says what it did."""

import asyncio
import dataclasses
import json
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel
from tests.cache.answers import CALL, REQUEST, USAGE, answer, asking, drive
from tests.store.driving import RUNNERS

import inferail as ir
from inferail.cache import CachePolicy, CacheStats, Found, Missed
from inferail.cache.policy import CacheHit, SharedPolicy
from inferail.core import Delta
from inferail.testing import FaultyModel, Refuses, ScriptedModel, VirtualClock
from inferail.types.message import Refusal, Text, ToolCall
from inferail.types.model import Model


def cached(*answers, **options) -> tuple[ir.Cached, ScriptedModel]:
    model = ScriptedModel(list(answers))
    return ir.Cached(model, ir.ExactCache(**options)), model


async def twice(model: ir.Cached, request: ir.Request = REQUEST) -> list[ir.Response]:
    return [await model.generate(request), await model.generate(request)]


@pytest.mark.parametrize("run", RUNNERS)
def test_cached_asks_once_and_answers_twice_wherever_it_runs(run):
    """Serves R102."""
    model, inner = cached(answer())

    first, second = run(twice(model))

    assert len(inner.requests) == 1
    assert first == answer()
    assert second.message == first.message
    assert isinstance(model, Model)
    assert isinstance(model.policy, SharedPolicy)


def test_hit_is_marked_free_and_complete():
    """Serves R105."""
    kept = answer(
        "Twenty five.", CALL, finish="tool_calls", raw=b"body", citations=("{}",), warnings=("w",), headers={"h": "v"}
    )
    clock = VirtualClock()
    model, _ = cached(kept, now=clock.now)
    drive(model.generate(REQUEST))
    clock.advance(5.0)

    hit = drive(model.generate(REQUEST))

    assert hit.cache == CacheHit("exact", 5.0, 0.002)
    assert (hit.usage.input_tokens, hit.usage.output_tokens, hit.usage.cost_usd) == (40, 8, 0.0)
    assert (hit.total_cost_usd, hit.attempts, dict(hit.headers)) == (0.0, (), {})
    same = ("message", "finish_reason", "provider", "model", "id", "raw_finish_reason", "request_id", "raw")
    assert [getattr(hit, name) for name in same] == [getattr(kept, name) for name in same]
    assert (hit.citations, hit.warnings) == (kept.citations, kept.warnings)


def test_hit_leaves_one_record_of_a_call_that_was_no_attempt():
    """Serves R105."""
    model, _ = cached(answer())
    with ir.Client(model, labels={"app": "desk"}) as client, ir.scope(budget=ir.Budget(usd=1.0, tokens=1000)):
        client.complete("Hello")
        before = len(client.records)
        client.complete("Hello", labels={"task": "faq"})
        (record,) = client.records[before:]

    assert (record.reason, record.cost_usd, record.usage.total_tokens) == ("cache", 0.0, 0)
    assert (record.provider, record.model, record.finish_reason, record.error) == (
        "openai",
        "gpt-5-mini-2025",
        "stop",
        None,
    )
    assert record.labels == {"app": "desk", "task": "faq"}
    assert not record.streamed


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(answer(finish="length"), "length", id="truncated"),
        pytest.param(answer(finish="content_filter"), "content_filter", id="filtered"),
        pytest.param(answer(finish="pause"), "pause", id="paused"),
        pytest.param(answer(finish="error"), "error", id="error"),
        pytest.param(answer(finish="unknown"), "unknown", id="unknown-end"),
        pytest.param(answer(Refusal("I cannot help with that.")), "refusal", id="refused"),
        pytest.param(answer(Text("")), "empty", id="empty"),
        pytest.param(dataclasses.replace(answer(), message=ir.assistant()), "empty", id="nothing"),
        pytest.param(answer(ToolCall("c", "f", '{"a": '), finish="tool_calls"), "broken_arguments", id="cut-off-call"),
        pytest.param(answer(ToolCall("c", "f", "[]"), finish="tool_calls"), "broken_arguments", id="call-of-no-object"),
        pytest.param(answer(output={"parsed": 1}), "output", id="parsed"),
    ],
)
def test_answer_that_did_not_end_well_is_given_and_not_kept(given, reason):
    """Serves R102."""
    model, inner = cached(given, answer())

    first, second = drive(twice(model))

    assert first is given
    assert second == answer()
    assert len(inner.requests) == 2
    assert model.stats().refused == {reason: 1}
    assert model.stats().stored == 1


def test_answer_that_was_to_be_json_and_is_none_is_not_kept():
    request = asking("a", output=ir.OutputSchema({"type": "object"}))
    model, _inner = cached(answer('{"days": '), answer('{"days": 25}'))

    broken, whole = drive(twice(model, request))

    assert (broken.text, whole.text) == ('{"days": ', '{"days": 25}')
    assert drive(model.generate(request)).cache is not None
    assert model.stats().refused == {"not_json": 1}


def test_typed_output_is_parsed_of_hits_too():
    class Leave(BaseModel):
        days: int

    model, inner = cached(answer('{"days": 25}'))
    with ir.Client(model) as client:
        both = [client.complete("How many?", output=Leave).output for _ in range(2)]

    assert both == [Leave(days=25)] * 2
    assert len(inner.requests) == 1


def test_errors_are_not_kept():
    model, _inner = cached(ir.InvalidRequestError("no"), answer())

    with pytest.raises(ir.InvalidRequestError):
        drive(model.generate(REQUEST))

    assert drive(model.generate(REQUEST)) == answer()


def test_errors_are_kept_when_asked_to_and_each_caller_gets_his_own():
    model, inner = cached(ir.ContextLengthError("too long", status_code=400), negative_ttl=60.0)
    raised = []
    for _ in range(3):
        with pytest.raises(ir.ContextLengthError, match="too long") as caught:
            drive(model.generate(REQUEST))
        raised.append(caught.value)

    assert len(inner.requests) == 1
    assert len({id(error) for error in raised}) == 3


def test_label_no_cache_neither_reads_nor_keeps():
    model, _inner = cached(answer("1"), answer("2"), answer("3"))
    quiet = dataclasses.replace(REQUEST, labels={"cache": "no-cache"})

    assert drive(model.generate(quiet)).text == "1"
    assert drive(model.generate(REQUEST)).text == "2"
    assert drive(model.generate(quiet)).text == "3"
    assert drive(model.generate(REQUEST)).text == "2"
    assert model.stats().hits == {"exact": 1}


def test_label_refresh_asks_anew_and_keeps():
    model, _inner = cached(answer("1"), answer("2"))
    drive(model.generate(REQUEST))
    with ir.scope(labels={"cache": "refresh"}):
        fresh = drive(model.generate(REQUEST))

    assert (fresh.text, fresh.cache) == ("2", None)
    assert drive(model.generate(REQUEST)).text == "2"


def test_label_of_no_known_word_is_refused():
    model, _ = cached()

    with pytest.raises(ir.ConfigError, match="'no-cache' or 'refresh', not 'nocache'"):
        drive(model.generate(asking("a", labels={"cache": "nocache"})))


class Broken:
    """A policy whose store is gone."""

    name = "broken"

    def __init__(self, *, finds: bool = True) -> None:
        self._finds = finds

    async def find(self, request, model):
        if self._finds:
            raise ir.ConnectError("the Redis server cannot be reached")
        return Missed("key")

    async def keep(self, request, model, missed, response):
        raise OSError("secret text of a prompt")

    async def compare(self, request, found, response):
        return

    def stats(self) -> CacheStats:
        return CacheStats()

    async def aclose(self):
        return


@pytest.mark.parametrize("finds", [True, False])
def test_cache_that_fails_is_one_that_is_not_there(finds, caplog):
    inner = ScriptedModel([answer("1"), answer("2")])
    policy: CachePolicy = Broken(finds=finds)
    model = ir.Cached(inner, policy)

    both = [response.text for response in drive(twice(model))]

    assert both == ["1", "2"]
    assert model.stats().failures == 2
    (line,) = caplog.messages
    assert "ConnectError" in line or "OSError" in line
    assert "secret" not in line


def test_cached_refuses_a_policy_that_is_none():
    wrong: list[Any] = [None, ir.ExactCache, "exact"]
    for policy in wrong:
        with pytest.raises(ir.ConfigError, match=r"ir\.ExactCache\(\)"):
            ir.Cached(ScriptedModel([]), policy)


def test_cached_explains_lists_warms_and_closes_through_to_its_model():
    model = ir.Cached("openai:gpt-5-mini", ir.ExactCache(), api_key="k")
    shown = model.explain(REQUEST)

    assert shown.startswith("# cached(openai:gpt-5-mini): sent only if the exact cache has no answer")
    assert "chat/completions" in shown
    assert (model.name, repr(model)) == ("cached(openai:gpt-5-mini)", "Cached('openai:gpt-5-mini', exact)")
    with pytest.raises(ir.ConfigError, match="no list of models"):
        drive(ir.Cached(ScriptedModel([]), ir.ExactCache()).list_models())


def test_cached_passes_on_what_is_asked_of_its_model():
    class Whole(ScriptedModel):
        asked: ClassVar[list[object]] = []

        async def warm(self, connections: int = 1) -> None:
            self.asked.append(connections)

        async def list_models(self, limit: int = 1000) -> list[object]:
            return [limit]

        async def aclose(self) -> None:
            self.asked.append("closed")

    model = ir.Cached(Whole([]), ir.ExactCache())
    drive(model.warm(3))

    assert drive(model.list_models(7)) == [7]
    drive(model.aclose())
    assert Whole.asked == [3, "closed"]
    assert model.explain(REQUEST).endswith("sends nothing")
    drive(ir.Cached(ScriptedModel([]), ir.ExactCache()).warm())


def test_cached_nests_in_a_fallback_and_a_fallback_in_it():
    """Serves R102."""
    failing = ScriptedModel([ir.OverloadedError("busy"), ir.OverloadedError("busy")], name="failing")
    inner = ScriptedModel([answer("inner")])
    first = ir.Fallback(failing, ir.Cached(inner, ir.ExactCache()))
    second = ir.Cached(
        ir.Fallback(ScriptedModel([ir.OverloadedError("busy")], name="failing"), ScriptedModel([answer("outer")])),
        ir.ExactCache(),
    )

    within = [drive(first.generate(REQUEST)) for _ in range(2)]
    around = [drive(second.generate(REQUEST)) for _ in range(2)]

    assert [response.text for response in within + around] == ["inner", "inner", "outer", "outer"]
    assert [attempt.error for attempt in within[1].attempts] == ["OverloadedError"]
    assert within[1].cache is not None
    assert len(around[0].attempts) == 1
    assert around[1].attempts == ()


def test_cached_in_a_cached_asks_the_outer_first():
    inner = ScriptedModel([answer()])
    outer_policy, inner_policy = ir.ExactCache(), ir.ExactCache()
    model = ir.Cached(ir.Cached(inner, inner_policy), outer_policy)

    drive(twice(model))

    assert (outer_policy.stats().hits, inner_policy.stats().hits) == ({"exact": 1}, {})


def test_one_policy_serves_several_models_and_keeps_them_apart():
    policy = ir.ExactCache()
    one = ir.Cached(ScriptedModel([answer("1")], name="one"), policy)
    two = ir.Cached(ScriptedModel([answer("2")], name="two"), policy)

    texts = [drive(model.generate(REQUEST)).text for model in (one, two, one, two)]

    assert texts == ["1", "2", "1", "2"]


def test_hit_needs_no_budget_and_no_time():
    model, _ = cached(answer())
    with ir.Client(model, timeout=20.0) as client:
        client.complete("Hello")
        with ir.scope(budget=ir.Budget(usd=0.0)):
            assert client.complete("Hello").cache is not None


class Shadowing(ir.ExactCache):
    """Wants every hit asked again; notes what came of it."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.compared: list[tuple[str, str]] = []

    async def find(self, request, model):
        found = await super().find(request, model)
        return dataclasses.replace(found, shadow=True) if isinstance(found, Found) else found

    async def compare(self, request, found, response):
        self.compared.append((found.response.text, response.text))


@pytest.mark.parametrize("run", RUNNERS)
def test_shadowed_hit_is_asked_again_in_the_background(run):
    policy = Shadowing()
    model = ir.Cached(ScriptedModel([answer("kept"), answer("asked again")]), policy)

    async def work():
        responses = await twice(model)
        await model.idle(10.0)
        return responses

    responses = run(work())

    assert [response.text for response in responses] == ["kept", "kept"]
    assert policy.compared == [("kept", "asked again")]


@pytest.mark.parametrize("run", RUNNERS)
def test_stale_answer_is_given_and_refreshed_once(run):
    clock = VirtualClock()
    model, inner = cached(answer("old"), answer("new"), ttl=10.0, stale=100.0, now=clock.now)

    async def work():
        await model.generate(REQUEST)
        clock.advance(50.0)
        stale = [await model.generate(REQUEST) for _ in range(3)]
        await model.idle(10.0)
        return stale, await model.generate(REQUEST)

    stale, fresh = run(work())

    assert {(response.text, response.cache.fresh) for response in stale[:1]} == {("old", False)}
    assert (fresh.text, fresh.cache.fresh) == ("new", True)
    assert len(inner.requests) == 2
    assert model.stats().stale >= 1


def test_refresh_that_fails_leaves_the_stale_answer(caplog):
    clock = VirtualClock()
    model, inner = cached(
        answer("old"), ir.OverloadedError("busy"), answer("new"), ttl=10.0, stale=100.0, now=clock.now
    )

    async def work():
        await model.generate(REQUEST)
        clock.advance(50.0)
        texts = []
        for _ in range(3):
            texts.append((await model.generate(REQUEST)).text)
            await model.idle(10.0)
        return texts

    assert asyncio.run(work()) == ["old", "old", "new"]
    assert len(inner.requests) == 3


def test_refresh_runs_without_the_callers_deadline_and_with_his_recorder():
    clock = VirtualClock()
    scopes = []

    class Watching(ScriptedModel):
        async def generate(self, request):
            from inferail.types.scope import current_scope

            scopes.append(current_scope())
            return await super().generate(request)

    model = ir.Cached(Watching([answer(), answer()]), ir.ExactCache(ttl=10.0, stale=100.0, now=clock.now))
    recorder = ir.MemorySink()

    with ir.Client(model, timeout=5.0, recorder=recorder) as client, ir.scope(labels={"a": "b"}):
        client.complete("Hello")
        clock.advance(50.0)
        client.complete("Hello")
        drive(model.idle(10.0))

    caller, background = scopes
    assert caller.deadline is not None
    assert (background.deadline, background.default_deadline) == (None, None)
    assert background.recorder is recorder
    assert background.labels == {"a": "b"}


def test_provider_that_refuses_in_words_is_asked_again():
    model = ir.Cached(FaultyModel(ScriptedModel([answer()]), [Refuses()]), ir.ExactCache())

    first, second = drive(twice(model))

    assert first.refusal
    assert second.text


def test_public_names_are_lazy_and_there():
    assert ir.Cached.__module__ == "inferail.cache.cached"
    assert json.dumps(sorted({"Cached", "ExactCache"} & set(ir.__all__))) == '["Cached", "ExactCache"]'
    assert ir.Stream is not None
    assert ir.ResponseStream is not None
    assert Delta is ir.Delta
    assert USAGE.total_tokens == 48
