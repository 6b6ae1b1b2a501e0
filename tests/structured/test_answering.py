"""One corrective call: what it sends, what it costs, and what is raised where it does not help."""

from __future__ import annotations

import asyncio
import traceback
from typing import cast

import pytest
from pydantic import BaseModel, ValidationError, ValidationInfo, field_validator
from tests.structured.shapes import Point, Ticket

import inferail as ir
from inferail.core import Delta
from inferail.structured import Matching, Output
from inferail.structured.answering import corrected
from inferail.structured.problems import Problem
from inferail.testing import ScriptedModel

GOOD = '{"category": "outage", "urgent": true}'
BAD = '{"category": "CANARY"}'
MISSING = "- urgent: Field required"


def priced(text, dollars, finish_reason="stop", reason="first"):
    usage = ir.Usage(input_tokens=10, output_tokens=5, cost_usd=dollars)
    attempts = (ir.Attempt("scripted", "scripted", usage=usage, reason=reason),)
    return ir.Response(ir.assistant(text), finish_reason, usage, attempts=attempts)


def test_second_call_replaces_the_failed_turn_and_carries_the_problems_alone():
    """Serves R19, R145."""
    model = ScriptedModel([BAD, GOOD])

    response = ir.Client(model).complete("The site is down!", output=Ticket, system="Be brief.")

    first, second = model.requests
    assert response.output == Ticket(category="outage", urgent=True)
    assert [message.role for message in second.messages] == [message.role for message in first.messages]
    assert second.messages[0] == first.messages[0]
    said = second.messages[1].text
    assert said.startswith("The site is down!\n\n")
    assert MISSING in said
    assert "CANARY" not in said
    assert second.output == first.output


def test_second_call_is_the_same_whatever_came_before():
    """Serves R19."""
    sent = []
    for _ in range(2):
        model = ScriptedModel([BAD, GOOD])
        ir.Client(model).complete("The site is down!", output=Ticket)
        sent.append(model.requests)

    assert sent[0] == sent[1]


def test_attempts_and_costs_of_both_calls_are_in_the_response():
    """Serves R145."""
    model = ScriptedModel([priced(BAD, 0.25), priced(GOOD, 0.5)])

    response = ir.Client(model).complete("?", output=Ticket)

    assert [attempt.error for attempt in response.attempts] == ["OutputValidationError", None]
    assert response.usage.cost_usd == 0.5
    assert response.total_cost_usd == 0.75
    assert response.warnings == ("corrected: 1 earlier answer(s) did not match",)


def test_two_calls_are_made_at_most_and_the_error_has_all_of_both():
    """Serves R145, R189."""
    model = ScriptedModel([priced(BAD, 0.25), priced('{"category": 7, "urgent": "CANARY"}', 0.5)])

    with pytest.raises(ir.OutputValidationError, match="after 1 correction") as caught:
        ir.Client(model).complete("?", output=Ticket)

    error = caught.value
    assert len(model.requests) == 2
    assert error.texts == (BAD, '{"category": 7, "urgent": "CANARY"}')
    assert error.text == error.texts[-1]
    assert error.errors == (("category", "string_type"), ("urgent", "bool_parsing"))
    assert len(error.attempts) == 2
    assert error.total_cost_usd == 0.75
    assert "CANARY" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("corrections", [0, 1, 3])
def test_corrections_are_as_many_as_were_allowed(corrections):
    """Serves R145."""
    model = ScriptedModel([BAD], cycles=True)

    with pytest.raises(ir.OutputValidationError):
        ir.Client(model).complete("?", output=Output(Ticket, corrections=corrections))

    assert len(model.requests) == corrections + 1
    lengths = {len(request.messages[0].text) for request in model.requests[1:]}
    assert len(lengths) <= 1  # nothing grows


def test_both_clients_correct_alike():
    """Serves R38."""
    blocking, suspending = ScriptedModel([BAD, GOOD]), ScriptedModel([BAD, GOOD])

    one = ir.Client(blocking).complete("?", output=Ticket)
    two = asyncio.run(ir.AsyncClient(suspending).complete("?", output=Ticket))

    assert one == two
    assert blocking.requests == suspending.requests


def test_words_of_a_validator_reach_the_model_and_no_log():
    class Booking(BaseModel):
        nights: int

        @field_validator("nights")
        @classmethod
        def whole_weeks(cls, nights: int) -> int:
            if nights % 7:
                raise ValueError(f"{nights} nights are no whole weeks")
            return nights

    model = ScriptedModel(['{"nights": 8}', '{"nights": 9}'])

    with pytest.raises(ir.OutputValidationError) as caught:
        ir.Client(model).complete("?", output=Booking)

    assert "- nights: Value error, 8 nights are no whole weeks" in model.requests[1].messages[0].text
    assert "weeks" not in "".join(traceback.format_exception(caught.value))
    assert not isinstance(caught.value.__context__, ValidationError)
    assert caught.value.errors == (("nights", "value_error"),)


def test_validators_see_the_context():
    class Quote(BaseModel):
        text: str

        @field_validator("text")
        @classmethod
        def from_the_source(cls, text: str, info: ValidationInfo) -> str:
            if text not in cast("dict[str, str]", info.context)["source"]:
                raise ValueError("is not in the source")
            return text

    model = ScriptedModel(['{"text": "made up"}', '{"text": "real"}'])

    response = ir.Client(model).complete("?", output=Output(Quote, context={"source": "a real text"}))

    assert response.output == Quote.model_construct(text="real")
    with pytest.raises(ir.ConfigError, match="context"):
        Output({"type": "object"}, context={})


def test_problems_are_named_up_to_twenty():
    found = [Problem(str(number), "missing") for number in range(50)]

    text = corrected(ir.Request((ir.user("?"),)), found).messages[0].text

    assert "- 19: missing" in text
    assert "- and 30 more" in text
    assert "- 20: missing" not in text


def test_matching_is_corrected_in_words():
    """Serves R147."""
    model = ScriptedModel(["in 2026", "2026"])

    response = ir.Client(model).complete("Which year?", output=Matching(r"\d{4}"))

    assert response.output == "2026"
    assert model.requests[0].output is None
    assert model.requests[0].messages[0].text == "Which year?"
    assert r"- the answer: must match the regular expression \d{4}" in model.requests[1].messages[0].text


@pytest.mark.parametrize(
    ("messages", "roles"),
    [
        pytest.param((ir.user("a"), ir.assistant("{")), ["user", "assistant"], id="prefill"),
        pytest.param(
            (ir.user("a"), ir.assistant(ir.ToolCall("1", "f")), ir.tool_result(ir.ToolCall("1", "f"), "x")),
            ["user", "assistant", "tool", "user"],
            id="tool-results",
        ),
        pytest.param((ir.user("a", ir.Image(url="https://x.test/y.png")),), ["user"], id="picture-last"),
        pytest.param((ir.assistant("a"),), ["assistant", "user"], id="assistant-alone"),
    ],
)
def test_correction_stands_where_every_provider_takes_it(messages, roles):
    request = corrected(ir.Request(messages), [Problem("a", "missing")])

    assert [message.role for message in request.messages] == roles
    said = next(message for message in reversed(request.messages) if message.role == "user")
    assert "- a: missing" in said.text


def test_correction_that_the_budget_forbids_is_not_made():
    """Serves R145."""

    class Spent(ScriptedModel):
        async def generate(self, request):
            if self.requests:
                raise ir.BudgetError("the budget is spent", limit=1, spent=1)
            return await super().generate(request)

    with pytest.raises(ir.OutputValidationError, match="the correction failed with BudgetError") as caught:
        ir.Client(Spent([priced(BAD, 1.0)])).complete("?", output=Ticket)

    assert isinstance(caught.value.__cause__, ir.BudgetError)
    assert caught.value.errors == (("urgent", "missing"),)
    assert len(caught.value.attempts) == 1


def test_cancelling_between_the_calls_is_a_cancelled_call():
    cancellation = ir.Cancellation()

    class Cancelled(ScriptedModel):
        async def generate(self, request):
            cancellation.check()
            cancellation.cancel()
            return await super().generate(request)

    with ir.scope(cancellation=cancellation), pytest.raises(ir.CancelledError):
        ir.Client(Cancelled([BAD, GOOD])).complete("?", output=Ticket)


def test_first_error_is_raised_as_it_is():
    with pytest.raises(ir.ServerError):
        ir.Client(ScriptedModel([ir.ServerError("down")])).complete("?", output=Ticket)


def test_refusal_and_cut_off_answers_are_not_asked_for_again():
    for text, reason in (("", "content_filter"), ('{"category": "out', "length"), ("prose", "length")):
        model = ScriptedModel([priced(text, 0.1, reason)])

        with pytest.raises(ir.OutputValidationError):
            ir.Client(model).complete("?", output=Ticket)

        assert len(model.requests) == 1


def test_call_of_a_tool_is_given_back_as_it_is():
    call = ir.Response(ir.assistant(ir.ToolCall("1", "f", "{}")), "tool_calls")

    response = ir.Client(ScriptedModel([call])).complete("?", output=Ticket, tools=[ir.Tool("f")])

    assert response.tool_calls
    assert response.output is None


# Streams


def steps(*pieces, finish="stop"):
    return [*(Delta("text", text=piece) for piece in pieces), Delta("finish", reason=finish)]


def test_stream_goes_on_with_the_corrected_answer_after_a_restart():
    """Serves R145."""
    model = ScriptedModel([steps('{"category": ', '"CANARY"}'), steps('{"category": "outage", ', '"urgent": true}')])

    with ir.Client(model).stream("?", output=Ticket) as stream:
        deltas = list(stream.deltas())
        response = stream.response

    kinds = [delta.kind for delta in deltas]
    assert kinds.count("restart") == 1
    assert kinds.count("finish") == 2
    assert response.output == Ticket(category="outage", urgent=True)
    assert response.warnings == ("corrected: 1 earlier answer(s) did not match",)
    assert MISSING in model.requests[1].messages[0].text


def test_objects_grow_anew_with_the_correction():
    """Serves R145."""
    model = ScriptedModel([steps('{"category": "a"}'), steps('{"category": "b"', ', "urgent": true}')])

    with ir.Client(model).stream("?", output=Ticket) as stream:
        seen = [dict(value) for value in stream.objects()]

    assert seen == [{"category": "a"}, {"category": "b"}, {"category": "b", "urgent": True}]


def test_text_that_was_given_out_cannot_be_taken_back():
    model = ScriptedModel([steps('{"category": "a"}'), steps(GOOD)])

    with ir.Client(model).stream("?", output=Ticket) as stream, pytest.raises(ir.StreamError, match="began anew"):
        list(stream.text())


def test_iteration_ends_with_the_error_when_the_correction_does_not_match_either():
    """Serves R93, R145."""
    model = ScriptedModel([steps(BAD), steps(BAD)])
    seen = []

    with ir.Client(model).stream("?", output=Ticket) as stream:
        with pytest.raises(ir.OutputValidationError) as caught:
            for delta in stream.deltas():
                seen.append(delta.kind)  # noqa: PERF401 - kept also where the loop raises
        with pytest.raises(ir.OutputValidationError):
            stream.final()

    assert seen == ["text", "finish", "restart", "text", "finish"]
    assert caught.value.texts == (BAD, BAD)
    assert len(model.requests) == 2


def test_stream_that_breaks_in_the_correction_says_both():
    model = ScriptedModel([steps(BAD), [Delta("text", text="{"), ir.ServerError("down")]])

    with (
        ir.Client(model).stream("?", output=Ticket) as stream,
        pytest.raises(ir.OutputValidationError, match="the correction failed with") as caught,
    ):
        stream.final()

    assert isinstance(caught.value.__cause__, ir.RequestError)
    assert caught.value.texts == (BAD,)


def test_stream_that_breaks_before_is_a_stream_error():
    model = ScriptedModel([[Delta("text", text="{"), ir.StreamError("gone")]])

    with ir.Client(model).stream("?", output=Ticket) as stream, pytest.raises(ir.StreamError):
        stream.final()


def test_partial_objects_skip_what_stands_around_them():
    """Serves R146."""
    pieces = ("Here you are:\n", "```json\n{", '"answer": [{"x": 1', '}, {"x": 2}]', "}\n", "```\n", "Done {x}")
    model = ScriptedModel([steps(*pieces)])

    with ir.Client(model).stream("?", output=list[Point]) as stream:
        seen = [len(value) for value in stream.objects()]
        response = stream.response

    assert seen[0] == 1
    assert seen[-1] == 2
    assert response.output == [Point(1.0), Point(2.0)]


def test_streams_of_both_clients_correct_alike():
    """Serves R38."""

    async def run():
        client = ir.AsyncClient(ScriptedModel([steps(BAD), steps(GOOD)]))
        async with client.stream("?", output=Ticket) as stream:
            return [delta.kind async for delta in stream], stream.response

    with ir.Client(ScriptedModel([steps(BAD), steps(GOOD)])).stream("?", output=Ticket) as stream:
        blocking = [delta.kind for delta in stream], stream.response

    kinds, response = asyncio.run(run())
    assert kinds == blocking[0]
    assert response.output == blocking[1].output


def test_stream_is_left_early_without_a_check():
    model = ScriptedModel([steps("no", "JSON")])

    with ir.Client(model).stream("?", output=Ticket) as stream:
        for _ in stream.deltas():
            break
        assert stream.partial.text == "no"
        with pytest.raises(ir.StreamError):
            _ = stream.response

    assert len(model.requests) == 1


def test_explain_says_what_a_correction_would_add():
    client = ir.Client(ir.Target("openai:gpt-5", api_key="k"))

    text = client.explain("?", output=Ticket)

    assert "at most 1 corrective call(s)" in text
    assert "An earlier answer to this was not what was asked for" in text
    assert "no corrective call" in client.explain("?", output=Output(Ticket, corrections=0))
