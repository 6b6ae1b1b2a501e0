"""Failed payloads: kept, found, bounded, and readable by nobody else."""

from __future__ import annotations

import asyncio
import hashlib
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.telemetry.payloads.redactor import WordRedactor, as_json

from inferail.errors import ConfigError, FormatError
from inferail.store import MemoryStore
from inferail.telemetry.payloads import FailedPayload, FailedPayloads, Unredacted
from inferail.telemetry.records import Record
from inferail.transport.protocol import Wire
from inferail.types.usage import Usage

KEY = bytes(range(32))
HEADERS = {"content-type": "application/json", "Authorization": "Bearer sk-C4N4RYkey", "x-trace": "C4N4RY"}
BODY = as_json({"model": "m", "messages": [{"role": "user", "content": "Write to C4N4RY@example.com"}]})
WIRE = Wire("POST", "https://user:C4N4RY@api.example.com/v1/chat/completions?key=C4N4RY", HEADERS, BODY)


def record(**changes: Any) -> Record:
    made = Record(
        started_at=datetime.now(UTC),
        provider="openai",
        model="m",
        host="api.example.com",
        error="RateLimitError",
        status_code=429,
        usage=Usage(7, cost_usd=0.0),
        labels={"task": "mail"},
    )
    return replace(made, **changes)


def keeper(store: Any = None, **options: Any) -> FailedPayloads:
    return FailedPayloads(store, **{"redactor": WordRedactor(), **options})


def everything(folder: Path) -> bytes:
    """The bytes of every file there: the database, its log and its shared memory."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_payload_is_found_by_the_id_of_its_record(tmp_path, key) -> None:
    """Serves R163."""
    payloads, failed = keeper(tmp_path / "payloads.db", key=key), record()

    assert payloads.keep(failed, WIRE)

    found = payloads.get(failed.id)
    assert found.id == failed.id
    assert found.record == replace(failed, payload_id=failed.id)
    assert (found.method, found.url) == ("POST", "https://api.example.com/v1/chat/completions")
    assert found.headers == {"content-type": "application/json"}
    assert found.omitted == ("authorization", "x-trace", "user", "key")
    assert found.body == BODY.replace(b"C4N4RY@example.com", b"<SECRET_0>")
    assert (found.redacted, found.truncated, found.obstacle) == (True, False, None)


def test_body_without_secrets_is_kept_byte_for_byte() -> None:
    body = as_json({"messages": ["Grüezi \u2028 \x00 🦀"]})
    payloads, failed = keeper(), record()

    payloads.keep(failed, replace(WIRE, body=body, stream=True))

    found = payloads.get(failed.id)
    assert found.body == body
    assert found.digest == hashlib.sha256(body).hexdigest()
    assert (found.redacted, found.stream, found.size) == (False, True, len(body))


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_file_holds_no_key_and_nothing_redacted(tmp_path, key) -> None:
    """Serves R163, R189."""
    payloads = keeper(tmp_path / "deep" / "payloads.db", key=key)

    for number in range(20):
        labels = {"user": "C4N4RY@example.com"}
        assert payloads.keep(record(labels=labels), replace(WIRE, body=BODY + b" " * number))

    assert b"C4N4RY" not in everything(tmp_path)
    assert (b"Write to" in everything(tmp_path)) is (key is None)
    payloads.close()
    assert b"C4N4RY" not in everything(tmp_path)


def test_nothing_of_a_request_is_in_any_repr(tmp_path) -> None:
    payloads = keeper(tmp_path / "p.db", key=[KEY, "a C4N4RY passphrase"], redactor=Unredacted())
    failed = record()
    payloads.keep(failed, WIRE)

    shown = repr(payloads) + repr(payloads.get(failed.id)) + str(payloads.get(failed.id)) + repr(payloads.index())

    assert "C4N4RY" not in shown
    assert "Write to" not in shown


def test_file_is_readable_by_its_owner_alone(tmp_path) -> None:
    path = tmp_path / "payloads.db"
    path.touch(mode=0o644)
    payloads = keeper(path)
    payloads.keep(record(), WIRE)

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}

    assert modes == dict.fromkeys(("payloads.db", "payloads.db-wal", "payloads.db-shm"), 0o600)


def test_payload_is_found_by_the_beginning_of_its_id() -> None:
    payloads = keeper()
    for identity in ("aa11", "aa22", "bb33"):
        payloads.keep(record(id=identity), WIRE)

    assert payloads.get("b").id == "bb33"
    assert payloads.get("aa2").id == "aa22"
    with pytest.raises(ConfigError, match="2 failed payloads have an id that begins with 'aa'"):
        payloads.get("aa")
    for missing in ("cc", ""):
        with pytest.raises(ConfigError, match="there is no failed payload whose id begins with"):
            payloads.get(missing)


def test_payload_that_is_deleted_is_gone() -> None:
    payloads = keeper()
    for identity in ("one", "two", "three"):
        payloads.keep(record(id=identity), WIRE)

    assert payloads.delete("two")
    assert not payloads.delete("two")
    assert payloads.ids() == ["one", "three"]
    assert payloads.clear() == 2
    assert payloads.ids() == []


def test_oldest_makes_room() -> None:
    payloads = keeper(max_count=3)

    for number in range(7):
        payloads.keep(record(id=f"id-{number}"), WIRE)

    assert payloads.ids() == ["id-4", "id-5", "id-6"]


def test_lowered_bound_is_reached_step_by_step() -> None:
    store = MemoryStore()
    many, few = keeper(store, max_count=100), keeper(store, max_count=2)
    for number in range(40):
        many.keep(record(id=f"id-{number:02}"), WIRE)

    for number in range(40, 45):
        few.keep(record(id=f"id-{number:02}"), WIRE)

    assert few.ids() == ["id-43", "id-44"]


def test_expired_payload_is_forgotten_with_its_line() -> None:
    now = [1000.0]
    store = MemoryStore(now=lambda: now[0])
    payloads = keeper(store, ttl=60.0)
    payloads.keep(record(id="old", started_at=datetime.now(UTC) - timedelta(seconds=90)), WIRE)

    now[0] += 61
    assert payloads.ids() == []
    payloads.keep(record(id="new"), WIRE)

    assert payloads.ids() == ["new"]
    assert len(payloads._run(lambda: store.read("failed-payloads"))) == 1


@pytest.mark.parametrize("limit", [100, 5000])
def test_body_that_is_too_long_is_kept_as_its_digest_and_beginning(limit) -> None:
    body = as_json({"messages": ["C4N4RY@example.com " * 2000]})
    payloads, failed = keeper(max_body_bytes=limit), record()

    payloads.keep(failed, replace(WIRE, body=body))

    found = payloads.get(failed.id)
    whole = WordRedactor().redact_bytes(body)
    assert found.truncated
    assert found.body == whole[: min(limit, 4096)]
    assert (found.size, found.digest) == (len(body), hashlib.sha256(whole).hexdigest())
    assert (
        found.obstacle == f"its body of {len(body):,} bytes was too long: only the first {min(limit, 4096):,} were kept"
    )


def test_body_is_not_kept_where_content_is_not_wanted(tmp_path) -> None:
    payloads, failed = keeper(tmp_path / "p.db", content=False), record()

    payloads.keep(failed, WIRE)

    found = payloads.get(failed.id)
    assert found.body == b""
    assert found.obstacle == "its body was not kept (content=False)"
    assert b"Write to" not in everything(tmp_path)


class Broken:
    """Redacts nothing, and fails at it."""

    def redact(self, text: str) -> str:
        return text

    def redact_bytes(self, body: bytes) -> bytes:
        raise RuntimeError("C4N4RY")


def test_nothing_is_written_and_nothing_raised_when_redacting_fails(tmp_path) -> None:
    payloads = keeper(tmp_path / "p.db", redactor=Broken())

    assert not payloads.keep(record(), WIRE)

    assert (payloads.kept, payloads.failures, payloads.last_failure) == (0, 1, "RuntimeError")
    assert payloads.ids() == []
    assert b"Write to" not in everything(tmp_path)


def test_closed_store_is_counted_and_not_raised(tmp_path) -> None:
    payloads = keeper(tmp_path / "p.db")
    payloads.close()

    assert not payloads.keep(record(), WIRE)

    assert (payloads.failures, payloads.last_failure) == (1, "ConfigError")


def test_store_that_is_too_small_is_counted() -> None:
    payloads = keeper(MemoryStore(max_bytes=600))

    assert not payloads.keep(record(), WIRE)

    assert payloads.failures == 1


def test_wrong_key_is_a_typed_error_and_listing_needs_none(tmp_path) -> None:
    path = tmp_path / "p.db"
    first, failed = keeper(path, key=KEY), record()
    first.keep(failed, WIRE)
    first.close()

    locked = keeper(path)

    assert [kept.error for kept in locked.index()] == ["RateLimitError"]
    with pytest.raises(ConfigError, match="encrypted with the key"):
        locked.get(failed.id)


def test_changed_entry_is_a_typed_error() -> None:
    store = MemoryStore()
    payloads, failed = keeper(store, key=KEY), record()
    payloads.keep(failed, WIRE)
    entry = payloads._run(lambda: store.get("failed-payloads", failed.id))
    assert entry is not None

    payloads._run(lambda: store.put("failed-payloads", failed.id, entry.value[:-1] + bytes([entry.value[-1] ^ 1])))

    with pytest.raises(FormatError, match="changed after it was written"):
        payloads.get(failed.id)


def test_entries_move_to_a_new_key(tmp_path) -> None:
    path, new = tmp_path / "p.db", bytes(32)
    old = keeper(path, key=KEY)
    for number in range(3):
        old.keep(record(id=f"id-{number}"), WIRE)
    old.close()

    assert keeper(path, key=[new, KEY]).rotate() == 3

    assert [keeper(path, key=new).get(f"id-{number}").id for number in range(3)] == ["id-0", "id-1", "id-2"]
    with pytest.raises(ConfigError, match="not among the keys"):
        keeper(path, key=KEY).get("id-0")


def test_rotation_without_the_old_key_changes_nothing(tmp_path) -> None:
    path = tmp_path / "p.db"
    keeper(path, key=KEY).keep(record(id="one"), WIRE)

    with pytest.raises(ConfigError, match="not among the keys"):
        keeper(path, key=bytes(32)).rotate()
    with pytest.raises(ConfigError, match="there is no key to encrypt with"):
        keeper(path).rotate()

    assert keeper(path, key=KEY).get("one").id == "one"


@pytest.mark.slow
def test_passphrase_has_one_salt_in_a_store() -> None:
    store, words = MemoryStore(), "correct horse battery"

    for number in range(2):  # two objects, as two processes would have
        keeper(store, key=words).keep(record(id=f"id-{number}"), WIRE)

    payloads = keeper(store, key=words)
    entries = [payloads._run(partial(store.get, "failed-payloads", f"id-{number}")) for number in range(2)]
    assert len({entry.value[6:22] for entry in entries if entry is not None}) == 1
    assert payloads.get("id-0").id == "id-0"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_body_bytes": 0}, "max_body_bytes must be a number, 1 or more"),
        ({"max_count": True}, "max_count must be a number, 1 or more"),
        ({"ttl": -1.0}, "ttl must be a positive number"),
        ({"key": b"short"}, "a key has 32 bytes"),
        ({"store": 7}, "a store is a path"),
    ],
)
def test_wrong_option_is_refused(options, message) -> None:
    with pytest.raises(ConfigError, match=message):
        keeper(**options)


def test_file_that_cannot_be_opened_is_named(tmp_path) -> None:
    (tmp_path / "taken").write_text("x")

    with pytest.raises(ConfigError, match="cannot be opened as a store of failed payloads"):
        keeper(tmp_path / "taken" / "p.db")
    with pytest.raises(FormatError, match="no SQLite file"):
        (tmp_path / "text").write_text("not a database at all, but long enough to be looked at" * 20)
        keeper(tmp_path / "text")


def test_payload_is_kept_from_inside_an_event_loop() -> None:
    payloads, failed = keeper(), record()

    async def inside() -> bool:
        return payloads.keep(failed, WIRE)

    assert asyncio.run(inside())
    assert payloads.ids() == [failed.id]


class Suspending(MemoryStore):
    """Leaves an event loop free where one runs, as RedisStore does."""

    async def put(self, *args: Any, **options: Any) -> bool:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return await super().put(*args, **options)
        await asyncio.sleep(0)
        return await super().put(*args, **options)


def test_store_that_suspends_in_a_loop_works_in_a_thread(monkeypatch) -> None:
    monkeypatch.setattr("inferail.telemetry.payloads.keeper._NEVER_SUSPEND", ())
    payloads, failed = keeper(Suspending()), record()

    async def inside() -> bool:
        return payloads.keep(failed, WIRE)

    assert asyncio.run(inside())
    assert payloads.get(failed.id).id == failed.id


@given(
    body=st.binary(max_size=64),
    url=st.text(max_size=30),
    headers=st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3),
    stream=st.booleans(),
)
def test_payload_is_the_same_after_it_was_bytes(body, url, headers, stream) -> None:
    payload = FailedPayload(
        record(), "POST", url, headers, body, stream, len(body), hashlib.sha256(body).hexdigest(), omitted=("x",)
    )

    assert FailedPayload.from_bytes(payload.to_bytes()) == payload


@given(data=st.binary(max_size=40), cut=st.integers(0, 400))
def test_damaged_payload_is_a_typed_error(data, cut) -> None:
    whole = FailedPayload(record(), "POST", "u", {}, b"body", digest=hashlib.sha256(b"body").hexdigest()).to_bytes()
    broken: list[Callable[[], bytes]] = [lambda: data, lambda: whole[: min(cut, len(whole) - 1)], lambda: whole + b"x"]

    for make in broken:
        with pytest.raises(FormatError):
            FailedPayload.from_bytes(make())
