"""Failed payloads over every store, from several threads, processes and event loops; and no canary in any of them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.replaying.payloads import CHAT, asked
from tests.store.servers import redis_server
from tests.telemetry.payloads.redactor import WordRedactor

from inferail.store import MemoryStore, RedisStore, SQLiteStore, Store
from inferail.telemetry.payloads import FailedPayloads
from inferail.telemetry.records import Record
from inferail.transport.protocol import Wire
from inferail.types.message import user
from inferail.types.request import Request

WIRE = Wire("POST", "https://api.example.com/v1/chat/completions", {}, b'{"messages":[]}')
_numbers = count()


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory) -> Iterator[str]:
    pytest.importorskip("redis")
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request, tmp_path) -> Store:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "sqlite":
        return SQLiteStore(tmp_path / "store.db")
    return RedisStore(request.getfixturevalue("redis_url"), prefix=f"payloads{next(_numbers)}")


def record(**changes: Any) -> Record:
    return Record(
        **{"started_at": datetime.now(UTC), "provider": "openai", "model": "m", "error": "ServerError", **changes}
    )


def test_payloads_are_the_same_over_every_store(store) -> None:
    """Serves R163."""
    payloads = FailedPayloads(store, redactor=WordRedactor(), key=bytes(32), max_count=3)

    for number in range(5):
        assert payloads.keep(record(id=f"id-{number}"), WIRE), payloads.last_failure

    assert payloads.ids() == ["id-2", "id-3", "id-4"]
    assert payloads.get("id-3").body == WIRE.body
    assert payloads.delete("id-3")
    assert payloads.rotate() == 2
    assert payloads.clear() == 2
    assert payloads.ids() == []


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_payloads_are_kept_and_read_inside_any_event_loop(store, loop) -> None:
    payloads = FailedPayloads(store, redactor=WordRedactor())

    async def inside() -> tuple[bool, list[str]]:
        return payloads.keep(record(id="one"), WIRE), payloads.ids()

    found = asyncio.run(inside()) if loop == "asyncio" else trio.run(inside)

    assert found == (True, ["one"])


def test_payloads_are_kept_by_several_threads(store) -> None:
    payloads = FailedPayloads(store, redactor=WordRedactor(), key=bytes(32))

    def keep(thread: int) -> None:
        for number in range(10):
            payloads.keep(record(id=f"id-{thread}-{number}"), WIRE)

    threads = [threading.Thread(target=keep, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (payloads.kept, payloads.failures) == (60, 0)
    assert len(payloads.ids()) == 60


KILLED = """
import os, sys, signal
from datetime import UTC, datetime
from inferail.telemetry.payloads import FailedPayloads, Unredacted
from inferail.telemetry.records import Record
from inferail.transport.protocol import Wire
payloads = FailedPayloads(sys.argv[1], redactor=Unredacted())
for number in range(50):
    record = Record(id=f"id-{number}", started_at=datetime.now(UTC), provider="openai", model="m", error="ServerError")
    if payloads.keep(record, Wire("POST", "https://e.com/v1/chat/completions", {}, b"{}")):
        print(record.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kept_payloads_survive_the_end_of_their_process(tmp_path) -> None:
    path = tmp_path / "payloads.db"
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)], capture_output=True, text=True, timeout=60, check=False
    )

    assert ran.returncode == -9
    assert FailedPayloads(path, redactor=WordRedactor()).ids() == ran.stdout.split()
    assert len(ran.stdout.split()) == 50


def everything(folder: Path) -> bytes:
    """The bytes of every file there: the database, its log and its shared memory."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("key", [None, bytes(32)], ids=["plain", "encrypted"])
def test_no_key_and_no_redacted_value_of_any_provider_reaches_the_file(tmp_path, key, stream) -> None:
    """Serves R163, R189."""
    payloads = FailedPayloads(tmp_path / "p.db", key=key, redactor=WordRedactor())
    request = Request((user("Write to C4N4RY@example.com with the key sk-C4N4RYC4N4RY."),))
    extra = {"x-custom": "C4N4RY", "Cookie": "C4N4RY", "traceparent": "C4N4RY", "user-agent": "C4N4RY@example.com"}
    shown = ""
    for provider in CHAT:
        wire = asked(provider, request, stream=stream).ready()
        assert "C4N4RY" in repr(dict(wire.headers))
        assert b"C4N4RY" in wire.body
        sent = Wire(wire.method, wire.url, {**wire.headers, **extra}, wire.body, stream)
        failed = record(provider=provider, labels={"user": "C4N4RY@example.com"})
        assert payloads.keep(failed, sent)
        found = payloads.get(failed.id)
        shown += f"{found!r} {found!s} {found.headers} {found.url} {found.omitted} {found.record} {payloads.index()}"

    assert len(payloads.ids()) == len(CHAT)
    assert "C4N4RY" not in shown + repr(payloads)
    assert b"C4N4RY" not in everything(tmp_path)
    payloads.close()
    assert b"C4N4RY" not in everything(tmp_path)
