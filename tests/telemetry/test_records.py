import json
import os
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import pytest

from inferail.errors import ConfigError, FormatError, ServerError
from inferail.telemetry.records import Note, Record, host_of, new_id
from inferail.telemetry.sinks import MemorySink
from inferail.types.response import Attempt, Timing
from inferail.types.usage import Usage

MOMENT = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
FULL = Record(
    id="0" * 32,
    started_at=MOMENT,
    provider="openai",
    model="gpt-5-mini",
    host="127.0.0.1:8080",
    streamed=True,
    reason="retry",
    attempt=2,
    status_code=529,
    error="OverloadedError",
    error_phase="first_token",
    retry_after=1.5,
    finish_reason="stop",
    usage=Usage(10, 20, 3, 4, 5, 6, 7, cost_usd=0.25, estimated=True, cache_write_1h_tokens=2, service_tier="flex"),
    timing=Timing(0.1, 0.2, 0.3, 0.4, 0.05),
    request_id="req_1",
    labels={"task": "triage"},
    call_id="1" * 32,
    path="gateway",
    model_version="gpt-5-mini-2025-08-07",
    cache="exact",
    saved_usd=0.5,
    saved_tokens=30,
    trace_id="2" * 32,
    span_id="3" * 16,
    payload_id="0" * 32,
    estimated_usd=0.2,
    price_version="genai-prices 0.2.3",
)
# What logs of the first version do not have.
LATER = [
    "cache_write_1h_tokens", "service_tier", "call_id", "path", "model_version", "cache", "saved_usd", "saved_tokens", "trace_id",
    "span_id", "payload_id", "estimated_usd", "price_version",
]  # fmt: skip


def test_record_comes_back_unchanged_through_json():
    written = json.dumps(FULL.as_dict())

    read = Record.from_dict(json.loads(written))

    assert read == FULL


def test_record_has_stable_flat_fields():
    data = FULL.as_dict()

    assert list(data) == [
        "id", "started_at", "provider", "model", "host", "streamed", "reason", "attempt", "status_code", "error",
        "error_phase", "retry_after", "finish_reason", "input_tokens", "output_tokens", "cache_read_tokens",
        "cache_write_tokens", "reasoning_tokens", "input_audio_tokens", "output_audio_tokens", "cost_usd", "estimated",
        "cache_write_1h_tokens", "service_tier", "connect", "first_byte", "first_token", "total", "tls", "request_id",
        "labels", "call_id", "path", "model_version", "cache", "saved_usd", "saved_tokens", "trace_id", "span_id",
        "payload_id", "estimated_usd", "price_version",
    ]  # fmt: skip
    assert data["started_at"] == "2026-03-04T05:06:07.890123+00:00"
    assert not [name for name, value in data.items() if name != "labels" and isinstance(value, dict | list | tuple)]


def test_record_is_frozen_and_slotted():
    with pytest.raises(FrozenInstanceError):
        FULL.model = "other"  # type: ignore[misc]
    assert not hasattr(FULL, "__dict__")


def test_record_keeps_its_time_in_utc_when_made_in_another_zone():
    local = MOMENT.astimezone(timezone(timedelta(hours=5)))

    record = Record(started_at=local, provider="openai", model="m")

    assert record.started_at == MOMENT
    assert record.as_dict()["started_at"].endswith("+00:00")


def test_record_refuses_a_time_without_zone():
    with pytest.raises(ConfigError, match="time zone"):
        Record(started_at=datetime(2026, 1, 1), provider="openai", model="m")  # noqa: DTZ001


def test_record_says_that_cost_is_estimated_when_a_stream_broke_before_its_usage():
    """Serves R98."""
    attempt = Attempt("openai", "gpt-5-mini", error="StreamError", usage=Usage(40, 7, cost_usd=0.0012, estimated=True))

    record = Record.of(attempt, started_at=MOMENT, streamed=True)

    assert record.cost_usd == 0.0012
    assert record.estimated
    assert record.error == "StreamError"
    assert record.finish_reason is None


def test_record_of_an_attempt_takes_everything_it_knows():
    attempt = Attempt(
        "anthropic",
        "claude-sonnet-4-5",
        "OverloadedError",
        529,
        2.0,
        1.0,
        Timing(total=3.0),
        Usage(1),
        "fallback",
        "req_9",
    )

    record = Record.of(
        attempt, started_at=MOMENT, number=3, host="api.example.test", error_phase="idle", labels={"a": "b"}
    )

    assert (record.provider, record.model, record.error, record.status_code) == (
        "anthropic", "claude-sonnet-4-5", "OverloadedError", 529,
    )  # fmt: skip
    assert (record.retry_after, record.timing, record.usage) == (2.0, Timing(total=3.0), Usage(1))
    assert (record.reason, record.request_id, record.attempt) == ("fallback", "req_9", 3)
    assert (record.host, record.error_phase, record.labels) == ("api.example.test", "idle", {"a": "b"})


def test_record_has_no_words_of_the_server_when_an_attempt_failed():
    """Serves R189."""
    canary = "CANARY-prompt-and-key"
    error = ServerError("the provider failed", detail=canary, raw=canary.encode())
    attempt = Attempt("openai", "m", error=type(error).__name__, status_code=500)

    record = Record.of(
        attempt, started_at=MOMENT, host=host_of(f"https://{canary}@api.example.test/v1/{canary}?key={canary}")
    )

    assert canary not in repr(record)
    assert canary not in json.dumps(record.as_dict())


@pytest.mark.parametrize(
    ("url", "host"),
    [
        pytest.param("https://api.example.test/v1/chat", "api.example.test", id="path"),
        pytest.param("http://127.0.0.1:8000/v1?key=secret", "127.0.0.1:8000", id="port-and-query"),
        pytest.param("https://user:secret@api.example.test", "api.example.test", id="user"),
        pytest.param("http://[::1]:80/x", "[::1]:80", id="ipv6"),
        pytest.param("http://[::1", "", id="broken"),
        pytest.param("no url", "", id="no-url"),
    ],
)
def test_host_of_keeps_host_and_port_only(url, host):
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", 1), ("started_at", None), ("started_at", "yesterday"), ("started_at", "2026-01-01T00:00:00"),
        ("started_at", "0001-01-01T00:00:00+23:00"), ("total", 10**400), ("cost_usd", -float("inf")), ("model", None),
        ("streamed", 1), ("attempt", True), ("attempt", -1), ("status_code", "500"), ("error", 7), ("input_tokens", 1.5),
        ("cost_usd", "0"), ("cost_usd", float("nan")), ("total", None), ("first_byte", False), ("labels", {"a": 1}),
        ("labels", None),
    ],
)  # fmt: skip
def test_record_from_dict_names_the_field_when_a_value_is_wrong(name, value):
    with pytest.raises(FormatError, match=name):
        Record.from_dict({**FULL.as_dict(), name: value})


def test_records_of_the_first_version_are_read():
    data = {name: value for name, value in FULL.as_dict().items() if name not in LATER}

    record = Record.from_dict(data)

    assert (record.id, record.usage.input_tokens, record.labels) == (FULL.id, 10, FULL.labels)
    assert (record.call_id, record.path, record.usage.service_tier, record.saved_tokens) == ("", "direct", None, 0)


def test_ids_are_unique_and_sort_by_the_millisecond_they_were_made_in():
    made = [new_id() for _ in range(10_000)]

    assert len(set(made)) == 10_000
    assert [one[:12] for one in made] == sorted(one[:12] for one in made)
    assert all(len(one) == 32 and one[12] == "7" and int(one, 16) >= 0 for one in made)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_ids_of_a_fork_are_not_those_of_its_parent():
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)

    theirs = os.read(reading, 32).decode()

    assert len(theirs) == 32
    assert theirs[12:26] != new_id()[12:26]
    for end in (reading, writing):
        os.close(end)


def test_memory_keeps_what_was_noted_and_makes_each_record_once():
    sink, attempt = MemorySink(), Attempt("openai", "m", usage=Usage(1, 2, cost_usd=0.5))
    sink.note(Note(attempt, 1_772_600_767_890_123_456, {"number": 2, "labels": {"task": "t"}, "call_id": "c"}))

    (record,) = sink.records

    assert (record.started_at, record.attempt, record.task, record.call_id) == (MOMENT, 2, "t", "c")
    assert (record.provider, record.cost_usd) == ("openai", 0.5)
    assert sink.records == [record]


def test_record_says_how_long_a_token_took():
    def streamed(first_token, total, output_tokens):
        timing, usage = Timing(first_token=first_token, total=total), Usage(1, output_tokens)
        return Record(started_at=MOMENT, provider="openai", model="m", timing=timing, usage=usage).seconds_per_token

    assert streamed(1.0, 3.0, 11) == pytest.approx(0.2)
    assert streamed(None, 3.0, 11) is streamed(1.0, 3.0, 1) is None


@pytest.mark.parametrize("name", [name for name in FULL.as_dict() if name not in LATER])
def test_record_from_dict_names_the_field_when_it_is_missing(name):
    data = FULL.as_dict()
    del data[name]

    with pytest.raises(FormatError, match=f"{name} is missing"):
        Record.from_dict(data)


def test_record_from_dict_passes_over_fields_of_a_newer_version():
    assert Record.from_dict({**FULL.as_dict(), "speed": 9}) == FULL


def test_new_id_is_different_every_time():
    ids = {new_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert all(len(name) == 32 for name in ids)
