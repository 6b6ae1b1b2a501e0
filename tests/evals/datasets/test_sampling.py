"""Production traffic as a dataset: uniform, deterministic, redacted, and honest about what is left out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.replaying.payloads import asked

import inferail as ir
from inferail.errors import RateLimitError
from inferail.evals import Sampled, load, run_eval, sample_payloads
from inferail.telemetry.payloads import FailedPayloads, Unredacted
from inferail.telemetry.records import Record
from inferail.testing import ScriptedModel
from inferail.types.embedding import EmbeddingRequest
from inferail.types.message import Image, Message, Text, assistant, system, user
from inferail.types.request import OutputSchema, Request
from inferail.types.tools import Tool

MAIL = "ann.smith@example.com"
START = datetime(2026, 11, 28, tzinfo=UTC)


def question(text):
    return Request((user(text),))


def keep(payloads, request, number=0, *, provider="openai", labels=None):
    wire = asked(provider, request).ready()
    record = Record(
        started_at=START + timedelta(seconds=number),
        provider=provider,
        model="m",
        error="RateLimitError",
        labels=labels or {},
    )
    assert payloads.keep(record, wire), payloads.last_failure
    return record.id


def test_sample_of_kept_requests_is_a_redacted_dataset(tmp_path):
    """Serves R185."""
    payloads = FailedPayloads(redactor=Unredacted())
    identity = keep(payloads, question(f"Write to {MAIL}, please"), labels={"task": "mail"})
    conversation = Request((system("Be short."), user("Hello"), assistant("Hi"), user(f"I am {MAIL}")))
    keep(payloads, conversation, 1, provider="anthropic")

    sample = sample_payloads(payloads, 10)
    sample.save(tmp_path / "week.jsonl")

    first, second = load(tmp_path / "week.jsonl")
    assert first.input == "Write to <EMAIL>, please"
    assert (first.id, first.tags) == (identity, ("RateLimitError", "mail"))
    assert [row["role"] for row in second.input] == ["system", "user", "assistant", "user"]
    assert second.input[-1]["content"] == "I am <EMAIL>"
    assert MAIL not in (tmp_path / "week.jsonl").read_text(encoding="utf-8")
    assert MAIL not in repr(sample)
    assert (sample.seen, sample.skipped) == (2, {})


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "cohere", "ollama"])
def test_sample_reads_every_format(provider):
    payloads = FailedPayloads()
    keep(payloads, question("What is a Scope?"), provider=provider)

    sample = sample_payloads(payloads, 1)

    assert [case.input for case in sample.cases] == ["What is a Scope?"]


def test_sample_is_the_same_for_the_same_seed_and_another_for_another():
    """Serves R185."""
    payloads = FailedPayloads()
    for number in range(40):
        keep(payloads, question(f"question {number}"), number)

    samples = [[case.id for case in sample_payloads(payloads, 5, seed=seed).cases] for seed in (1, 1, 2)]

    assert samples[0] == samples[1] != samples[2]
    assert all(len(ids) == 5 for ids in samples)


def test_sample_says_what_it_skipped():
    tool = Tool("weather", "Weather.", {"type": "object", "properties": {}})
    payloads = FailedPayloads(max_body_bytes=600)
    picture = Message("user", (Text("What is this?"), Image(data=b"x", media_type="image/png")))
    keep(payloads, question("plain"))
    keep(payloads, Request((user("a"),), tools=(tool,)))
    keep(payloads, Request((user("a"),), output=OutputSchema({"type": "object"}, name="o")))
    keep(payloads, Request((picture,)))
    keep(payloads, question("long " * 500))
    keep(payloads, EmbeddingRequest(("text",)))

    sample = sample_payloads(payloads, 10)

    assert [case.input for case in sample.cases] == ["plain"]
    assert sample.skipped == {
        "tools": 1,
        "output schema": 1,
        "not only text": 1,
        "not kept whole": 1,
        "embeddings": 1,
    }


def test_sample_takes_only_what_is_asked_for():
    payloads = FailedPayloads()
    for number in range(4):
        keep(payloads, question(f"question {number}"), number)

    sample = sample_payloads(payloads, 10, where=lambda kept: kept.started_at > START + timedelta(seconds=1.5))

    assert [case.input for case in sample.cases] == ["question 2", "question 3"]
    assert sample.seen == 2


def test_damaged_payload_is_skipped_and_told(tmp_path):
    path = tmp_path / "payloads.db"
    payloads = FailedPayloads(path, key=b"k" * 32)
    keep(payloads, question("hidden"))
    payloads.close()

    other = FailedPayloads(path, key=b"l" * 32)
    sample = sample_payloads(other, 10)
    other.close()

    assert sample.cases == ()
    (reason,) = sample.skipped
    assert reason.startswith("cannot be read")


def test_sampled_keeps_some_of_what_passes_and_changes_nothing():
    """Serves R185."""
    model = ScriptedModel(["ok"], cycles=True)
    sampled = Sampled(model, 5, seed=3)
    with ir.Client(sampled) as client:
        for number in range(50):
            assert client.complete(f"{number}: I am {MAIL}", labels={"task": "intro"}).text == "ok"
        with client.stream("streamed") as stream:
            assert stream.final().text == "ok"

    sample = sampled.sample()

    assert sample.seen == 51
    assert len(sample.cases) == 5
    assert all("<EMAIL>" in case.input for case in sample.cases if case.input != "streamed")
    assert MAIL not in json.dumps([case.input for case in sample.cases])
    assert {case.tags for case in sample.cases} <= {("intro",), ()}


def test_sampled_does_not_break_a_call_it_cannot_read():
    class Breaks:
        def redact(self, text):
            raise RuntimeError

        def redact_bytes(self, body):
            raise RuntimeError

    sampled = Sampled(ScriptedModel(["ok", "ok"]), 5, redactor=Breaks())

    with ir.Client(sampled) as client:
        assert client.complete("Hello").text == "ok"
    assert sampled.sample().skipped == {"not redacted": 1}


def test_sampled_counts_the_same_question_once():
    sampled = Sampled(ScriptedModel(["ok", "ok", RateLimitError("busy")]), 5)
    with ir.Client(sampled) as client:
        client.complete("Hello")
        client.complete("Hello")
        with pytest.raises(RateLimitError):
            client.complete("Bye")

    sample = sampled.sample()

    assert [case.input for case in sample.cases] == ["Hello", "Bye"]
    assert sample.skipped == {"repeated": 1}
    assert run_eval(sample.cases, lambda text: text, lambda *_: 1.0).score == 1.0
    assert sampled.explain(Request((user("x"),))).startswith("scripted")
