"""Summaries and facts: what stays of a conversation that outgrows its window."""

from __future__ import annotations

import pytest

import inferail as ir
from inferail.pipelines.conversation import FACTS_PROMPT, SUMMARY_CONTEXT, SUMMARY_PROMPT, Summary
from inferail.pipelines.conversation.memory import transcript
from inferail.store.memory import MemoryStore
from inferail.testing import ScriptedModel

QUESTION = "Question {}: " + "word " * 12


def _summarising(answers=100, summaries=100, window=400, **options):
    model = ScriptedModel(["Answer. " * 4] * answers)
    writer = ScriptedModel([f"Summary {number}." for number in range(summaries)], name="small")
    settings = Summary(ir.Client(writer), max_tokens=40, **options)
    return ir.Conversation(ir.Client(model), system="Be brief.", window=window, summary=settings), model, writer


def test_full_window_is_summarised_by_the_model_that_was_given():
    """Serves R126, R150."""
    conversation, model, writer = _summarising()

    replies = [conversation.say(QUESTION.format(number)) for number in range(20)]

    assert writer.requests
    first = writer.requests[0]
    assert first.messages[0].text.startswith(SUMMARY_PROMPT[:40])
    assert "user: Question 0" in first.messages[0].text
    assert first.labels == {"task": "conversation-summary"}
    assert first.sampling.max_tokens == 40
    sent = [message.text for message in model.requests[-1].messages]
    assert sent[:2] == ["Be brief.", SUMMARY_CONTEXT.replace("{summary}", conversation.summary)]
    assert len(conversation.messages) == 40
    assert conversation.headroom().tokens <= 400
    assert not any("left out" in warning for reply in replies for warning in reply.warnings)


def test_tokens_stay_bounded_over_a_thousand_turns_and_facts_stay_word_for_word():
    """Serves R126."""
    conversation, model, writer = _summarising(1_000, 1_000)
    conversation.remember("The customer's name is Ada.")

    for number in range(1_000):
        conversation.say(QUESTION.format(number))

    counter = conversation._counter({})
    assert max(counter.count(request.messages).tokens for request in model.requests[::50]) <= 400
    assert max(counter.count(request.messages).tokens for request in writer.requests[::20]) <= 400
    fact = FACTS_PROMPT.replace("{facts}", "- The customer's name is Ada.")
    assert all(any(message.text == fact for message in request.messages) for request in model.requests)
    assert len(conversation.messages) == 2_000
    assert len(writer.requests) < 400


def test_every_turn_is_summarised_once_and_none_is_lost():
    """Serves R126."""
    conversation, model, writer = _summarising()

    for number in range(30):
        conversation.say(QUESTION.format(number))

    summarised = "".join(request.messages[-1].text for request in writer.requests)
    recent = " ".join(message.text for message in model.requests[-1].messages)
    for number in range(30):
        assert summarised.count(f"Question {number}:") + recent.count(f"Question {number}:") == 1


def test_explain_shows_the_summary_before_it_is_made(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    target = ir.Target("openai:gpt-4o", api_key="k")
    conversation = ir.Conversation(ir.Client(target), window=200, summary=Summary(model="openai:gpt-4o-mini"))

    plain = conversation.explain("Hi")
    conversation.append(*(ir.user(QUESTION.format(n)) if n % 2 == 0 else ir.assistant("Yes.") for n in range(20)))
    with_summary = conversation.explain("Hi")

    assert "summary of older turns" not in plain
    assert "# a summary of older turns" in with_summary
    assert "gpt-4o-mini" in with_summary
    assert "Write the" in with_summary
    assert with_summary.count("# a summary of older turns") == with_summary.count("POST") - 1 >= 1


def test_summary_that_fails_is_a_warning_and_the_window_slides():
    model = ScriptedModel(["Answer. " * 4] * 20)
    writer = ScriptedModel([ir.OverloadedError("busy")] * 20)
    conversation = ir.Conversation(ir.Client(model), window=300, summary=Summary(ir.Client(writer)))

    replies = [conversation.say(QUESTION.format(number)) for number in range(20)]

    assert any("OverloadedError" in warning for warning in replies[-1].warnings)
    assert any("left out" in warning for warning in replies[-1].warnings)
    assert conversation.summary == ""


def test_budget_that_is_spent_is_not_spent_on_a_summary():
    writer = ScriptedModel([ir.BudgetError("spent", limit=1.0, spent=1.0)])
    model = ScriptedModel(["Answer."])
    conversation = ir.Conversation(
        ir.Client(model),
        window=300,
        summary=Summary(ir.Client(writer)),
        messages=[ir.user(QUESTION.format(0)), ir.assistant("Yes.")] * 20,
    )

    with pytest.raises(ir.BudgetError):
        conversation.say("Hi")

    assert model.requests == []


def test_summary_is_kept_in_the_store_and_in_json():
    store = MemoryStore()
    conversation, _, writer = _summarising()
    kept = ir.Conversation(
        conversation.client,
        store=store,
        id="x",
        window=400,
        summary=conversation.summary_settings,
    )
    for number in range(20):
        kept.say(QUESTION.format(number))
    asked = len(writer.requests)

    again = ir.Conversation(kept.client, store=store, id="x", window=400, summary=conversation.summary_settings)
    copied = ir.Conversation.from_json(kept.to_json(), kept.client, window=400)

    assert again.summary == copied.summary == kept.summary != ""
    assert again.to_json() == kept.to_json()
    assert len(writer.requests) == asked


def test_fork_before_the_summary_has_none():
    conversation, _, _ = _summarising()
    for number in range(20):
        conversation.say(QUESTION.format(number))

    assert conversation.fork(at=2).summary == ""
    assert conversation.fork().summary == conversation.summary


def test_long_turns_are_summarised_in_pieces_that_fit():
    conversation, _, writer = _summarising(window=400)
    conversation.append(ir.user("long " * 3_000), ir.assistant("Yes."), ir.user("two"), ir.assistant("three"))

    conversation.say("Hi")

    counter = conversation._counter({})
    assert writer.requests
    assert all(counter.count(request.messages).tokens <= 400 for request in writer.requests)
    assert any("[… cut …]" in request.messages[0].text for request in writer.requests)


def test_turns_are_cut_to_the_window_of_the_model_that_summarises():
    writer = ScriptedModel(["Short."] * 20, name="openai:gpt-3.5-turbo")  # 16,385 tokens
    model = ScriptedModel(["Answer."], name="openai:gpt-4o")
    turns = [ir.user("word " * 3_000), ir.assistant("Yes.")] * 12
    conversation = ir.Conversation(
        ir.Client(model), window=30_000, summary=Summary(ir.Client(writer), keep=0.1), messages=turns
    )

    conversation.say("Hi")

    counter = conversation._counter({})
    assert len(writer.requests) > 1
    assert max(counter.count(request.messages).tokens for request in writer.requests) <= 16_385


def test_pinned_messages_outlive_the_summary():
    """Serves R126."""
    conversation, model, _ = _summarising()
    conversation.say("Order 4711, please.")
    conversation.pin(0)

    for number in range(20):
        conversation.say(QUESTION.format(number))

    assert conversation.summary
    assert any(message.text == "Order 4711, please." for message in model.requests[-1].messages)


def test_braces_in_what_was_said_are_no_fields():
    settings = Summary(ir.Client(ScriptedModel([])))

    text = settings.written("{turns} {summary}", "{summary} {x} {turns}").text

    assert "{turns} {summary}" in text
    assert "{summary} {x} {turns}" in text


def test_transcript_says_who_called_what():
    call = ir.ToolCall("c", "look_up", '{"q":1}')
    messages = [
        ir.user("Hi", ir.Image(data=b"x")),
        ir.Message("assistant", (ir.Reasoning("hidden"), call)),
        ir.tool_result(call, "found"),
    ]

    assert transcript(messages) == 'user: Hi\n[image]\n\nassistant: [calls look_up with {"q":1}]\n\ntool: [gave: found]'


@pytest.mark.parametrize(
    "options", [{"after": 0.4}, {"keep": 0.0}, {"after": 1.2}, {"max_tokens": 0}, {"prompt": "Summarise {turns}"}]
)
def test_wrong_settings_are_config_errors(options):
    with pytest.raises(ir.ConfigError):
        Summary(**options)


def test_summary_needs_the_same_kind_of_client():
    with pytest.raises(ir.ConfigError, match="same kind"):
        ir.Conversation(ir.Client(ScriptedModel([])), summary=Summary(ir.AsyncClient(ScriptedModel([]))))
