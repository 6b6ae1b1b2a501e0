"""Prompt caches: layout, books, reasons, savings; against a simulator that knows nothing of ours."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inferail as ir
from inferail.pipelines.conversation import PromptCounter
from inferail.pipelines.prompts.caching import CacheWatch, Prefixed, lay_out, predict_savings, stable_tools
from inferail.providers.codec import Endpoint
from inferail.providers.native.anthropic import AnthropicCodec
from inferail.telemetry.prices import PriceTable
from inferail.testing import ScriptedModel
from inferail.types.usage import Usage

CLAUDE = "anthropic:claude-sonnet-4-5"
GPT = "openai:gpt-4o"
LONG = "Rule: weigh every claim, name its source, and say plainly what is not known about it. " * 90  # 1,700 tokens
COUNTERS = {model: PromptCounter(model) for model in (CLAUDE, GPT)}


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def _request(*turns, system=LONG, tools=()):
    messages = [ir.system(system)] if system else []
    return ir.Request(
        (*messages, *(ir.user(turn) if n % 2 == 0 else ir.assistant(turn) for n, turn in enumerate(turns))), tools
    )


def _wire(request, *, stream=False):
    endpoint = Endpoint(model="claude-sonnet-4-5", base_url="https://example.com", api_key="k")
    return json.loads(AnthropicCodec().encode(request, endpoint, stream=stream).ready().body)


def _watch():
    clock = Clock()
    return CacheWatch(clock=clock), clock


def _ask(watch, request, model=CLAUDE, **options):
    layout = lay_out(request, model, counter=COUNTERS[model], **options)
    forecast = watch.forecast(layout.request, model, layout.blocks)
    watch.sent(layout.request, model, layout.blocks)
    return forecast


def _tools(*names):
    return tuple(
        ir.Tool(name, f"Does {name}.", {"type": "object", "properties": {"b": {}, "a": {}}, "required": ["b", "a"]})
        for name in names
    )


def test_breakpoints_are_set_where_the_prompt_stops_being_the_same():
    """Serves R111."""
    layout = lay_out(_request("Hi", tools=_tools("search")), CLAUDE, ttl="5m", stable_ttl="1h")

    body = _wire(layout.request)

    assert body["system"][-1]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert body["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral", "ttl": "5m"}
    assert layout.breakpoints == ("system text 1", "message 1 (user)")
    assert 1_000 < layout.stable_tokens < layout.blocks[-1].until


@given(
    turns=st.integers(1, 60),
    parts=st.integers(1, 3),
    tools=st.integers(0, 3),
    with_system=st.booleans(),
)
@settings(max_examples=20)
def test_layout_obeys_what_anthropic_demands_for_any_request(turns, parts, tools, with_system):
    """Serves R111."""
    messages = [ir.system(LONG)] if with_system else []
    for number in range(turns):
        words = [f"{number} {part} " + "word " * 40 for part in range(parts)]
        messages.append(ir.user(*words) if number % 2 == 0 else ir.assistant(*words))
    request = ir.Request(tuple(messages), _tools(*"cab"[:tools]))

    layout = lay_out(request, CLAUDE, counter=COUNTERS[CLAUDE], stable_ttl="1h", ttl="5m")

    marked = [block for block in layout.blocks if block.cache]
    assert len(marked) <= 4
    assert all(block.until >= 1024 for block in marked)
    kinds = [block.cache for block in marked]
    assert kinds == sorted(kinds)  # "1h" before "5m"
    assert [m.parts for m in layout.request.messages] == [m.parts for m in request.messages]
    if layout.blocks[-1].until >= 1024:
        assert layout.blocks[-1].cache
    assert lay_out(layout.request, CLAUDE, counter=COUNTERS[CLAUDE]).request == layout.request


def test_same_prefix_is_the_same_bytes_whatever_the_order_it_was_made_in():
    """Serves R112."""
    one = ir.Tool(
        "a", "x", {"type": "object", "properties": {"q": {"type": "string"}, "n": {}}, "required": ["q", "n"]}
    )
    two = ir.Tool(
        "a", "x", {"required": ["n", "q"], "properties": {"n": {}, "q": {"type": "string"}}, "type": "object"}
    )
    other = ir.Tool("b", "y")

    first = _wire(lay_out(_request("Hi", tools=(one, other)), CLAUDE).request)
    second = _wire(lay_out(_request("Ho", tools=(other, two)), CLAUDE).request)

    assert json.dumps([first["tools"], first["system"]]) == json.dumps([second["tools"], second["system"]])
    assert stable_tools((other, two)) == stable_tools((one, other))


def test_system_text_with_a_time_goes_behind_the_others():
    """Serves R111."""
    request = ir.Request((ir.system("Today is 2026-11-28, 10:32."), ir.system(LONG), ir.user("Hi")))

    layout = lay_out(request, CLAUDE)

    assert [message.text[:5] for message in layout.request.messages] == ["Rule:", "Today", "Hi"]
    assert layout.request.messages[0].cache
    assert not layout.request.messages[1].cache
    assert any("behind the others" in note for note in layout.notes)
    alone = lay_out(_request("Hi", system="It is 10:32. " + LONG), CLAUDE)
    assert any("message of its own" in note for note in alone.notes)


def test_own_breakpoints_are_kept_and_checked():
    """Serves R111."""
    marked = [ir.user(f"{n} {LONG}", cache=True) if n % 2 == 0 else ir.assistant("ok") for n in range(9)]

    kept = lay_out(ir.Request(tuple(marked[:1])), CLAUDE)

    assert kept.breakpoints == ("message 1 (user)",)
    with pytest.raises(ir.ConfigError, match="5 breakpoints"):
        lay_out(ir.Request(tuple(marked)), CLAUDE)
    with pytest.raises(ir.ConfigError, match="hour come first"):
        lay_out(ir.Request((ir.system(LONG, cache="5m"), ir.user("x", cache="1h"))), CLAUDE)
    with pytest.raises(ir.ConfigError, match="stable_ttl"):
        lay_out(_request("Hi"), CLAUDE, ttl="1h", stable_ttl="5m")
    with pytest.raises(ir.ConfigError, match="5m or 1h"):
        lay_out(_request("Hi"), CLAUDE, ttl="2h")


def test_prompt_that_is_too_short_gets_no_breakpoint():
    """Serves R111."""
    layout = lay_out(_request("Hi", system="Be brief."), CLAUDE)

    assert layout.breakpoints == ()
    assert any("1024" in note for note in layout.notes)


def _changed(kind):
    """A first request and one after it, which misses for one reason."""
    base = _request("Hi", "Hello", "And?", tools=_tools("a", "b"))
    match kind:
        case "tools":
            return base, _request("Hi", "Hello", "And?", tools=_tools("a", "c"))
        case "system":
            return base, _request(
                "Hi", "Hello", "And?", system=LONG.replace("plainly", "clearly", 1), tools=_tools("a", "b")
            )
        case "history":
            return base, _request("Hi", "Hello!", "And?", tools=_tools("a", "b"))
        case "schema":
            schema = ir.OutputSchema({"type": "object"})
            return base, ir.Request(base.messages, base.tools, output=schema)
        case _:
            words = [f"Turn {n}: " + "word " * 30 for n in range(9)]
            return _request(*words), _request(*words[2:], "more", "words")


@pytest.mark.parametrize("kind", ["tools", "system", "history", "schema", "window"])
@pytest.mark.parametrize("model", [CLAUDE, GPT])
def test_each_miss_is_explained_before_sending(kind, model):
    """Serves R111."""
    watch, clock = _watch()
    first, second = _changed(kind)
    _ask(watch, first, model)
    clock.now += 1

    forecast = _ask(watch, second, model)

    assert [miss.reason for miss in forecast.misses][:1] == [kind]
    miss = forecast.misses[0]
    assert 0 <= miss.token <= forecast.tokens
    assert miss.place
    assert "plainly" not in str(forecast)
    assert "Hello" not in str(forecast)


def test_time_at_the_head_is_named_as_such():
    """Serves R111."""
    watch, _ = _watch()
    head = "You are kind. It is {} now.\n"
    watch.sent(_request("Hi", system=head.format("10:32:05") + LONG), GPT)

    forecast = watch.forecast(_request("Hi", system=head.format("10:33:47") + LONG), GPT)

    assert forecast.read_tokens == 0
    miss = forecast.misses[0]
    assert (miss.reason, miss.place) == ("system", "system text 1")
    assert miss.sentence.startswith("a date or a time in system text 1")
    assert miss.token < 30


def test_tools_in_another_order_are_named_as_such():
    """Serves R111."""
    watch, _ = _watch()
    watch.sent(_request("Hi", tools=_tools("a", "b")), GPT)

    forecast = watch.forecast(_request("Hi", tools=_tools("b", "a")), GPT)

    assert [miss.reason for miss in forecast.misses] == ["tools_order"]
    assert "stable_tools" in forecast.misses[0].sentence


def test_model_expiry_and_first_request_are_told_apart():
    """Serves R111."""
    watch, clock = _watch()

    first = _ask(watch, _request("Hi"))
    again = _ask(watch, _request("Hi", "Hello", "And?"))
    other = watch.forecast(_request("Hi"), "anthropic:claude-opus-4-1")
    clock.now += 301
    late = _ask(watch, _request("Hi", "Hello", "And?", "x", "y"))

    assert [miss.reason for miss in first.misses] == ["first"]
    assert first.read_tokens == 0
    assert first.write_tokens == first.tokens
    assert again.misses == ()
    assert again.read_tokens > 1_000
    assert "unmarked" in [miss.reason for miss in other.misses]
    laid_out = lay_out(_request("Hi"), "anthropic:claude-opus-4-1").request
    assert [m.reason for m in watch.forecast(laid_out, "anthropic:claude-opus-4-1").misses] == ["model"]
    assert [miss.reason for miss in late.misses] == ["expired"]
    assert late.read_tokens == 0


def test_hour_is_longer_than_five_minutes():
    """Serves R110."""
    watch, clock = _watch()
    first = _ask(watch, _request("Hi"), stable_ttl="1h", ttl="5m")
    clock.now += 1_800

    later = _ask(watch, _request("Ho"), stable_ttl="1h", ttl="5m")

    assert first.write_1h_tokens > 1_000
    assert later.read_tokens == first.write_1h_tokens


def test_breakpoint_too_far_behind_is_told():
    """Serves R111."""
    watch, _ = _watch()
    turns = [ir.user(f"{n} " + "word " * 120) if n % 2 == 0 else ir.assistant(f"{n} ok") for n in range(45)]
    words = turns[20].text
    watch.sent(ir.Request((*turns[:20], ir.user(words, cache=True))), CLAUDE)

    far = watch.forecast(ir.Request((*turns[:44], ir.user("End?", cache=True))), CLAUDE)
    laid_out = watch.forecast(lay_out(ir.Request(tuple(turns)), CLAUDE).request, CLAUDE)

    assert [miss.reason for miss in far.misses] == ["lookback"]
    assert far.read_tokens == 0
    assert laid_out.read_tokens > 1_000


def test_short_unmarked_and_unknown_prompts_are_told():
    watch, _ = _watch()

    assert [m.reason for m in watch.forecast(_request("Hi", system=""), GPT).misses] == ["short"]
    assert [m.reason for m in watch.forecast(_request("Hi"), CLAUDE).misses] == ["unmarked"]
    assert [m.reason for m in watch.forecast(_request("Hi"), "groq:llama-3.3-70b").misses] == ["unknown"]


class Simulator:
    """A provider's cache as its documentation tells it: prefixes as whole texts, with the moment each ends."""

    def __init__(self, price):
        self.price, self.kept = price, {}

    def bill(self, blocks, now):
        texts = [block.text for block in blocks]
        marks = [at for at, block in enumerate(blocks) if block.cache and block.until >= 1024]
        read = 0
        for mark in marks:
            for at in range(mark, max(-1, mark - 21), -1):
                name = "\0".join(texts[: at + 1])
                if self.kept.get(name, (0, 0))[0] > now:
                    self.kept[name] = (now + self.kept[name][1], self.kept[name][1])
                    read = max(read, blocks[at].until)
        for mark in marks:
            seconds = 3600 if blocks[mark].cache == "1h" else 300
            self.kept["\0".join(texts[: mark + 1])] = (now + seconds, seconds)
        last = max([blocks[mark].until for mark in marks], default=0)
        hourly = max([blocks[mark].until for mark in marks if blocks[mark].cache == "1h"], default=0)
        usage = Usage(
            blocks[-1].until,
            cache_read_tokens=read,
            cache_write_tokens=max(0, last - read),
            cache_write_1h_tokens=max(0, hourly - read),
        )
        return read, self.price.cost_usd(usage)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["ask", "go on", "new rules", "tools"]), st.sampled_from([1, 120, 400, 4000])),
        min_size=1,
        max_size=12,
    ),
    stable=st.sampled_from([None, "1h"]),
)
@settings(max_examples=20)
def test_forecast_equals_a_simulated_cache_on_any_trace(steps, stable):
    """Serves R110, R111."""
    watch, clock = _watch()
    simulator = Simulator(PriceTable.bundled().find("anthropic", "claude-sonnet-4-5"))
    turns, system, tools = ["Hi"], LONG, _tools("a")
    for number, (step, seconds) in enumerate(steps):
        clock.now += seconds
        match step:
            case "ask":
                turns = [f"Question {number}"]
            case "go on":
                turns = [*turns, f"Answer {number} " + "word " * 200, f"Question {number}"]
            case "new rules":
                system = f"{number} {LONG}"
            case _:
                tools = _tools(*"ab"[: 1 + number % 2])
        layout = lay_out(
            _request(*turns, system=system, tools=tools), CLAUDE, counter=COUNTERS[CLAUDE], stable_ttl=stable, ttl="5m"
        )

        forecast = watch.forecast(layout.request, CLAUDE, layout.blocks)
        read, usd = simulator.bill(layout.blocks, clock.now)
        watch.sent(layout.request, CLAUDE, layout.blocks)

        assert forecast.read_tokens == read
        assert forecast.usd == pytest.approx(usd)
        assert read == forecast.tokens or forecast.misses or step == "go on" or read > 0


def test_predicted_savings_are_those_of_a_simulated_trace_and_over_forty_percent():
    """Serves R111."""
    simulator = Simulator(PriceTable.bundled().find("anthropic", "claude-sonnet-4-5"))
    question = "word " * 700
    layouts = [lay_out(_request(f"{n} {question}"), CLAUDE, counter=COUNTERS[CLAUDE]) for n in range(50)]

    predicted = predict_savings(layouts[0], CLAUDE, calls=50, every=30.0)
    billed = sum(simulator.bill(layout.blocks, 30.0 * n)[1] for n, layout in enumerate(layouts))

    assert predicted.usd_with == pytest.approx(billed, rel=0.01)
    assert predicted.hits == 49
    assert 0.4 <= predict_savings(_without_turn_marks(layouts[0]), CLAUDE, calls=50, every=30.0).share <= 0.7
    assert predict_savings(layouts[0], CLAUDE, calls=50, every=400.0).hits == 0
    assert predict_savings(layouts[0], CLAUDE, calls=50, every=400.0).usd < 0
    assert "saved" in str(predicted)


def _without_turn_marks(layout):
    messages = [ir.Message(m.role, m.parts, m.provider, m.role == "system") for m in layout.request.messages]
    return lay_out(ir.Request(tuple(messages)), CLAUDE, counter=COUNTERS[CLAUDE])


def test_savings_need_a_price_and_a_cache():
    """Serves R110."""
    layout = lay_out(_request("Hi"), "groq:llama-3.3-70b")

    with pytest.raises(ir.ConfigError, match="prompt cache"):
        predict_savings(layout, "groq:llama-3.3-70b", calls=2, every=1.0)
    with pytest.raises(ir.ConfigError, match="positive"):
        predict_savings(layout, GPT, calls=2, every=0.0)


def test_openai_caches_by_itself_in_steps_of_128():
    """Serves R110."""
    watch, _ = _watch()
    watch.sent(_request("Hi"), GPT)

    forecast = watch.forecast(_request("What else?"), GPT)

    assert forecast.read_tokens % 128 == 0
    assert forecast.read_tokens >= 1024
    assert forecast.write_tokens == 0
    assert forecast.saved_usd == pytest.approx(forecast.read_tokens * 1.25e-6)


def test_prefixed_model_lays_out_and_warns():
    """Serves R111, R112."""
    clock = Clock()
    inner = ScriptedModel(["A"] * 4, name=CLAUDE)
    client = ir.Client(Prefixed(inner, stable_ttl="1h", watch=CacheWatch(clock=clock)))
    tools = _tools("b", "a")

    first = client.complete([ir.system(LONG), ir.user("Hi")], tools=tools)
    second = client.complete([ir.system(LONG), ir.user("Ho")], tools=tools[::-1])
    clock.now += 4_000
    third = client.complete([ir.system(LONG), ir.user("Ho")], tools=tools)
    with client.stream([ir.system("New. " + LONG), ir.user("Ho")], tools=tools) as stream:
        fourth = stream.final()

    assert inner.requests[0].messages[0].cache == "1h"
    assert [tool.name for tool in inner.requests[0].tools] == ["a", "b"]
    assert not first.warnings
    assert not second.warnings
    assert any("3,600 s" in warning for warning in third.warnings)
    assert any("system text 1" in warning for warning in fourth.warnings)


def test_conversation_finds_its_own_beginning_in_the_cache_turn_after_turn():
    """Serves R111, R126."""
    model = Prefixed(ScriptedModel(["Answer. " * 20] * 12, name=CLAUDE))
    conversation = ir.Conversation(ir.Client(model), system=LONG)
    shares: list[float] = []

    for number in range(12):
        messages = (ir.system(LONG), *conversation.messages, ir.user(f"Question {number}"))
        forecast = model.forecast(ir.Request(messages))
        shares.append(forecast.read_tokens / forecast.tokens)
        assert not conversation.say(f"Question {number}").warnings

    assert shares[0] == 0.0
    assert min(shares[1:]) > 0.95


def test_explain_says_what_the_cache_will_have(monkeypatch):
    """Serves R111."""
    model = Prefixed(ir.Target(CLAUDE, api_key="k"))
    client = ir.Client(model)
    request = ir.Request((ir.system(LONG), ir.user("Hi")))

    told = client.explain(list(request.messages))

    assert "# prefixed(anthropic:claude-sonnet-4-5)" in told
    assert "breakpoints: system text 1, message 1 (user)" in told
    assert "0 of" in told
    assert '"cache_control"' in told
    assert model.forecast(request).misses[0].reason == "first"


def test_wrong_ttl_is_told_when_the_model_is_made():
    with pytest.raises(ir.ConfigError, match="5m"):
        Prefixed(ScriptedModel([]), ttl="2h")
