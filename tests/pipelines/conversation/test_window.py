"""Windows: valid for every provider, never over the limit, pairs whole, the question always there."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inferail as ir
from inferail.pipelines.conversation import Headroom, PromptCounter, Window, fit
from inferail.pipelines.conversation.window import units
from inferail.testing import ScriptedModel

PROVIDERS = ["openai:gpt-4o", "anthropic:claude-sonnet-4-5", "gemini:gemini-2.5-pro", "mistral:mistral-small-latest"]
COUNTERS = {model: PromptCounter(model) for model in PROVIDERS}
WORDS = st.lists(
    st.sampled_from(["alpha", "beta", "Zürich", "東京", "12345", "\n", "🙂"]), min_size=1, max_size=30
).map(" ".join)


@st.composite
def histories(draw):
    """Turns as they happen: a greeting perhaps, questions, answers, calls with one or several results, also in a row."""
    history = [ir.assistant("Welcome!")] if draw(st.booleans()) else []
    number = 0
    for _ in range(draw(st.integers(1, 8))):
        history.append(ir.user(draw(WORDS)))
        for _ in range(draw(st.integers(0, 3))):
            calls = [ir.ToolCall(f"c{number}_{at}", "look_up", '{"q": "x"}') for at in range(draw(st.integers(1, 3)))]
            number += 1
            history.append(ir.assistant(draw(WORDS), *calls))
            if draw(st.booleans()):
                history += [ir.tool_result(call, draw(WORDS)) for call in calls]
            else:
                history.append(ir.Message("tool", tuple(ir.ToolResult(call.id, draw(WORDS)) for call in calls)))
        if draw(st.booleans()):
            history.append(ir.assistant(draw(WORDS)))
    if history[-1].role == "assistant":
        history.append(ir.user(draw(WORDS)))
    return history


def reference_fit(history, limit, counter, system, pinned):
    """The slow twin: tries every beginning, counts every prompt as a whole, and takes the longest that fits."""
    parts = units(history)
    users = [part.start for part in parts if history[part.start].role == "user"]
    start = users[0] if set(counter.providers) & {"anthropic", "gemini", "mistral"} else 0
    must = {parts[-1].start, users[-1]}
    for part in parts:
        if any(at in pinned and at >= start for at in part):
            must.add(part.start)
            must.update([at for at in users if at <= part.start][-1:])
    candidates = []
    for begin in [part.start for part in parts if part.start >= start] + [len(history)]:
        first = begin == start
        in_turn = begin > users[-1] and (begin == len(history) or history[begin].role == "assistant")
        if not (first or begin in users or in_turn):
            continue
        chosen = [at for part in parts for at in part if part.start >= begin or part.start in must]
        tokens = counter.count([*system, *(history[at] for at in chosen)]).tokens
        if tokens <= limit:
            candidates.append(chosen)
    return max(candidates, key=len) if candidates else None


@settings(max_examples=50)
@given(history=histories(), limit=st.integers(10, 700), model=st.sampled_from(PROVIDERS), data=st.data())
def test_window_keeps_what_providers_demand_for_any_history(history, limit, model, data):
    """Serves R125."""
    counter = COUNTERS[model]
    system = [ir.system("Be brief.")] if data.draw(st.booleans()) else []
    pinned = data.draw(st.sets(st.integers(0, len(history) - 1), max_size=2))
    expected = reference_fit(history, limit, counter, system, pinned)

    try:
        fitted = fit(history, limit, counter, system=system, pinned=pinned)
    except ir.ContextLengthError:
        assert expected is None
        return

    assert list(fitted.kept) == expected
    assert fitted.tokens == counter.count(fitted.messages).tokens <= limit
    ir.Request(fitted.messages)  # every call has its results, and every result its call
    last_user = max(at for at, message in enumerate(history) if message.role == "user")
    assert last_user in fitted.kept
    assert fitted.kept[-1] == len(history) - 1
    assert sorted((*fitted.kept, *fitted.left_out)) == list(range(len(history)))
    turns = [message for message in fitted.messages if message.role != "system"]
    # A pinned greeting stays with who takes it.
    greeting = model == "openai:gpt-4o" and history[0].role == "assistant"
    if not greeting or (fitted.left_out and 0 not in pinned):
        assert turns[0].role == "user"
    assert not any(a.role == "assistant" == b.role for a, b in pairwise(turns)) or fitted.left_out == ()


@settings(max_examples=40)
@given(history=histories())
def test_units_are_the_history_in_pieces_that_are_whole(history):
    """Serves R125."""
    parts = units(history)

    assert [at for part in parts for at in part] == list(range(len(history)))
    for part in parts:
        called = {call.id for at in part for call in history[at].tool_calls}
        assert called == {result.call_id for at in part for result in history[at].tool_results}


def test_window_leaves_out_the_oldest_turns_and_says_so():
    """Serves R125."""
    model = ScriptedModel(["Answer."] * 30, name="openai:gpt-4o")
    conversation = ir.Conversation(ir.Client(model), system="Be brief.", window=120)

    replies = [conversation.say(f"Question {number}: " + "word " * 10) for number in range(12)]

    assert len(conversation.messages) == 24
    sent = model.requests[-1].messages
    assert sent[0].text == "Be brief."
    assert sent[1].role == "user"
    assert len(sent) < 12
    assert COUNTERS["openai:gpt-4o"].count(sent).tokens <= 120
    assert any("left out" in warning for warning in replies[-1].warnings)
    assert not replies[0].warnings


@settings(max_examples=30)
@given(history=histories(), limit=st.integers(30, 500), step=st.integers(1, 200))
def test_window_in_steps_keeps_the_end_of_what_fits(history, limit, step):
    """Serves R125."""
    counter = COUNTERS["anthropic:claude-sonnet-4-5"]
    try:
        longest = fit(history, limit, counter)
    except ir.ContextLengthError:
        return

    stepped = fit(history, limit, counter, step=step)

    assert set(stepped.kept) <= set(longest.kept)
    assert stepped.kept[-1] == len(history) - 1
    ir.Request(stepped.messages)
    assert stepped.messages[0].role == "user"


def test_window_in_steps_stands_still_for_many_turns():
    """Serves R125."""

    def beginnings(step):
        model = ScriptedModel(["Answer. " * 3] * 60, name="openai:gpt-4o")
        conversation = ir.Conversation(ir.Client(model), window=Window(600, step=step))
        for number in range(60):
            conversation.say(f"Question {number}: " + "word " * 10)
        return len({request.messages[0].text for request in model.requests})

    assert beginnings(0.0) > 35
    assert beginnings(0.25) < 15


def test_pinned_messages_stay_with_their_question():
    """Serves R125."""
    model = ScriptedModel(["Noted."] + ["Answer."] * 30)
    conversation = ir.Conversation(ir.Client(model), window=150)
    conversation.say("My order is 4711.")
    conversation.pin(1)

    for number in range(12):
        conversation.say(f"Question {number}: " + "word " * 10)

    assert [message.text for message in model.requests[-1].messages[:2]] == ["My order is 4711.", "Noted."]
    conversation.unpin(1)
    conversation.say("And now?")
    assert model.requests[-1].messages[0].text != "My order is 4711."


def test_question_that_cannot_fit_is_a_context_length_error_before_anything_is_sent():
    """Serves R125."""
    model = ScriptedModel(["Answer."])
    conversation = ir.Conversation(ir.Client(model), window=50)

    with pytest.raises(ir.ContextLengthError) as caught:
        conversation.say("SECRET " * 100)

    assert "50" in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert model.requests == []
    assert conversation.messages == ()


def test_tools_and_schema_take_room_in_the_window():
    tool = ir.Tool("look_up", "Looks something up. " * 30)
    conversation = ir.Conversation(ir.Client(ScriptedModel(["A"])), window=100)

    plain = conversation.headroom("Hi")
    with_tool = conversation.headroom("Hi", tools=[tool])
    with_schema = conversation.headroom("Hi", output={"type": "object", "properties": {"name": {"type": "string"}}})

    assert with_tool.tokens > plain.tokens + 100
    assert with_schema.tokens > plain.tokens
    with pytest.raises(ir.ContextLengthError):
        conversation.say("Hi", tools=[tool])


def test_headroom_warns_from_its_share_on():
    """Serves R150."""
    told: list[Headroom] = []
    model = ScriptedModel(["word " * 20] * 10)
    conversation = ir.Conversation(ir.Client(model), window=Window(200, warn=0.5), on_headroom=told.append)

    replies = [conversation.say("go on") for _ in range(5)]

    low = [reply for reply in replies if any("of its window" in warning for warning in reply.warnings)]
    assert not replies[0].warnings
    assert len(told) == 5
    assert len(low) == sum(headroom.is_low for headroom in told) > 0
    assert [headroom.is_low for headroom in told] == [(headroom.share or 0.0) >= 0.5 for headroom in told]
    assert told[0].left == 200 - told[0].tokens
    assert "200 tokens" in told[0].sentence
    assert not Headroom(10, None).is_low
    assert Headroom(10, None).left is None


def test_window_is_the_models_own_where_it_is_known():
    """Serves R150."""
    conversation = ir.Conversation(ir.Client(ScriptedModel([], name="openai:gpt-4o")))
    unknown = ir.Conversation(ir.Client(ScriptedModel([], name="somebody:else")))

    assert conversation.headroom("Hi").limit == 128_000 - 4_096
    assert conversation.headroom("Hi", sampling=ir.Sampling(max_tokens=1_000)).limit == 127_000
    assert unknown.headroom("Hi").limit is None
    assert Window.of_model("openai:gpt-4o", answer=1_000).tokens == 127_000
    with pytest.raises(ir.ConfigError, match="not known"):
        Window.of_model("somebody:else")
    with pytest.raises(ir.ConfigError, match="leaves nothing"):
        Window.of_model("openai:gpt-4o", answer=200_000)


def test_greeting_is_not_sent_where_the_user_must_speak_first():
    """Serves R125."""
    history = [ir.assistant("Welcome!"), ir.user("Hi")]

    to_anthropic = fit(history, None, COUNTERS["anthropic:claude-sonnet-4-5"])
    to_openai = fit(history, None, COUNTERS["openai:gpt-4o"])

    assert (to_anthropic.kept, to_anthropic.left_out) == ((1,), (0,))
    assert to_openai.kept == (0, 1)


def test_pictures_and_sealed_reasoning_are_counted_for_who_is_sent_them():
    counter = COUNTERS["openai:gpt-4o"]
    sealed = ir.Message("assistant", (ir.Reasoning("think " * 50, "s"), ir.Text("Yes.")), provider="anthropic")

    assert counter.cost(ir.user("x", ir.Image(data=b"1"))) > 1_000
    assert counter.cost(sealed) == counter.cost(ir.assistant("Yes."))
    assert counter.count([ir.user("x"), sealed]).tokens == counter.count([ir.user("x")]).tokens + counter.cost(sealed)


@pytest.mark.parametrize("model", PROVIDERS)
def test_cost_of_messages_adds_up_to_the_whole(model):
    history = [ir.user("one two"), ir.assistant("three"), ir.user("four five six")]
    counter = PromptCounter(model)

    whole = counter.count(history).tokens
    first = counter.count(history[:1]).tokens

    assert whole == first + sum(counter.cost(message) for message in history[1:])


@settings(max_examples=30)
@given(history=histories(), model=st.sampled_from(PROVIDERS))
def test_total_is_the_count_for_any_history(history, model):
    """Serves R125."""
    counter = COUNTERS[model]
    system = [ir.system("Be brief."), ir.system("And kind.")]
    tools = [ir.Tool("look_up", "Looks something up.")]

    counted = counter.count([*system, *history], tools=tools)
    total = counter.total(system, history, tools=tools)

    assert total.tokens == counted.tokens
    assert set((total.estimate or "").split("; ")) == set((counted.estimate or "").split("; "))


def test_several_models_behind_one_count_as_the_dearest():
    fallback = ir.Fallback(ScriptedModel([], name="openai:gpt-4o"), ScriptedModel([], name="gemini:gemini-2.5-pro"))
    messages = [ir.user("Hello there, how are you?")]

    counted = PromptCounter(fallback).count(messages).tokens

    assert counted == max(PromptCounter(model).count(messages).tokens for model in fallback.models)
