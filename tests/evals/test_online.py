"""Scores of what is really answered."""

from __future__ import annotations

import pytest

import inferail as ir
from inferail.errors import ConfigError
from inferail.evals import Matches, Watched
from inferail.evals.online import EVENT
from inferail.testing import ScriptedModel
from inferail.types.message import user
from inferail.types.request import Request


def asked(watched, count):
    with ir.Client(watched) as client:
        return [client.complete(f"C4N4RY {number}").text for number in range(count)]


def test_every_answer_is_scored_and_given_back():
    """Serves R184."""
    events = []
    watched = Watched(ScriptedModel(["12", "none"]), Matches(r"\d"), events.append, share=1.0)

    assert asked(watched, 2) == ["12", "none"]
    assert [(event.scorer, event.score.value, event.model) for event in events] == [
        ("matches", 1.0, "scripted:scripted"),
        ("matches", 0.0, "scripted:scripted"),
    ]
    assert all(event.call_id for event in events)
    assert "C4N4RY" not in repr(events)


def test_share_of_the_answers_is_scored():
    events = []

    asked(Watched(ScriptedModel(["1"], cycles=True), Matches(r"\d"), events.append, share=0.25, seed=5), 400)

    assert 70 <= len(events) <= 130


def test_failing_scorer_and_failing_listener_do_not_reach_the_call():
    events = []

    def fails(_case, _output):
        raise RuntimeError("C4N4RY")

    def listens(event):
        events.append(event)
        raise RuntimeError("C4N4RY")

    assert asked(Watched(ScriptedModel(["ok"]), fails, listens, share=1.0), 1) == ["ok"]
    assert (events[0].score, events[0].error) == (None, "RuntimeError")
    assert events[0].attributes()["error.type"] == "RuntimeError"


def test_score_is_an_event_of_the_open_span(needs):
    """Serves R184."""
    needs("opentelemetry.sdk.trace")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    with provider.get_tracer("test").start_as_current_span("answering"):
        asked(Watched(ScriptedModel(["12"]), Matches(r"\d"), share=1.0), 1)

    (event,) = exporter.get_finished_spans()[0].events
    assert event.name == EVENT
    assert event.attributes == {
        "gen_ai.evaluation.name": "matches",
        "gen_ai.evaluation.score.value": 1.0,
        "gen_ai.evaluation.score.label": "pass",
    }


@pytest.mark.parametrize("how", ["final", "text", "both"])
def test_stream_is_scored_once_when_it_has_been_read(how):
    """Serves R184."""
    events = []
    watched = Watched(ScriptedModel(["12 pieces"]), Matches(r"\d"), events.append, share=1.0)

    with ir.Client(watched) as client, client.stream("x") as stream:
        if how != "final":
            assert "".join(stream.text()) == "12 pieces"
        if how != "text":
            assert stream.final().text == "12 pieces"

    (event,) = events
    assert event.score.value == 1.0
    assert event.call_id


def test_stream_that_is_left_or_breaks_is_not_scored():
    events = []
    watched = Watched(ScriptedModel(["12", ["1", ir.ServerError("down")]]), Matches(r"\d"), events.append, share=1.0)

    with ir.Client(watched) as client:
        with client.stream("x") as stream:
            assert stream.partial.text == ""
        with client.stream("x") as stream, pytest.raises(ir.ServerError):
            stream.final()

    assert stream.partial.text == "1"
    assert not events


def test_watched_says_what_it_is():
    watched = Watched(ScriptedModel([]), Matches(r"\d"))

    assert watched.name == "watched(scripted)"
    assert watched.explain(Request((user("x"),))).startswith("scripted")


@pytest.mark.parametrize("share", [-0.1, 1.5, True])
def test_share_is_a_number_from_0_to_1(share):
    with pytest.raises(ConfigError, match="share"):
        Watched(ScriptedModel([]), Matches("x"), share=share)
