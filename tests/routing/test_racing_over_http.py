"""Hedged and tiered calls over real connections: the loser's is closed, its thread or task gone, and its Record written."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trio

import inferail as ir
from inferail.routing.hedged import Hedged, HedgeStatistics
from inferail.routing.tiered import Tiered
from inferail.testing.sandbox import Sandbox

QUESTION = "What is a Target?"
RUNNERS = [
    pytest.param(asyncio.run, "rust", id="asyncio-rust"),
    pytest.param(asyncio.run, "httpx", id="asyncio-httpx"),
    pytest.param(lambda work: trio.run(lambda: work), "rust", id="trio-rust"),
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def whole(sandbox: Sandbox) -> str:
    with ir.Client(target(sandbox, "docs")) as client:
        return client.complete(QUESTION).text


def target(sandbox: Sandbox, name: str, provider: str = "openai") -> ir.Target:
    return ir.Target(f"{provider}:{name}", base_url=sandbox.base_url(provider), api_key="key", retries=0)


def hedged(sandbox: Sandbox, first: str, second: str = "docs", after: float = 0.05) -> Hedged:
    return Hedged(target(sandbox, first), target(sandbox, second, "anthropic"), after=after, max_extra=1.0)


def tiered(sandbox: Sandbox, fast: str, deep: str, **options: Any) -> Tiered:
    return Tiered(
        target(sandbox, fast), target(sandbox, deep, "anthropic"), fast_timeout=5.0, mode="replace", **options
    )


def told(attempts: Any) -> list[tuple[str, str | None, str]]:
    return [(attempt.provider, attempt.error, attempt.reason) for attempt in attempts]


def sockets() -> int:
    """Connections that this process has open, its server's included."""
    gc.collect()
    return sum(_is_socket(path) for path in Path("/proc/self/fd").iterdir())


def _is_socket(path: Path) -> bool:
    try:
        return str(path.readlink()).startswith("socket:")
    except FileNotFoundError:
        return False


def racers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "inferail-job"]


@pytest.mark.parametrize(("run", "transport"), RUNNERS)
def test_hedged_call_closes_the_loser_in_a_loop(sandbox, whole, run, transport):
    """Serves R55."""

    async def main() -> tuple[Any, Any, list[Any]]:
        async with ir.AsyncClient(hedged(sandbox, "docs@hang"), transport=transport) as client:
            response = await client.complete(QUESTION)
            async with client.stream(QUESTION) as stream:
                streamed = await stream.final()
            return response, streamed, client.records

    response, streamed, records = run(main())

    assert response.text == streamed.text == whole
    for answer in (response, streamed):
        assert told(answer.attempts) == [("openai", "CancelledError", "first"), ("anthropic", None, "hedge")]
        assert answer.attempts[0].usage.estimated
    assert sorted(str(record.error) for record in records) == ["CancelledError"] * 2 + ["None"] * 2
    assert not racers()


@pytest.mark.parametrize("transport", ["rust", "httpx"])
def test_hedged_call_ends_the_losers_thread(sandbox, whole, transport):
    """Serves R55."""
    with ir.Client(hedged(sandbox, "docs@hang"), transport=transport) as client:
        response = client.complete(QUESTION)
        with client.stream(QUESTION) as stream:
            streamed = stream.final()

        assert response.text == streamed.text == whole
        for answer in (response, streamed):
            assert told(answer.attempts) == [("openai", "CancelledError", "first"), ("anthropic", None, "hedge")]
        assert len(client.records) == 4
        assert not racers()


@pytest.mark.parametrize("transport", ["rust", "httpx"])
def test_hedged_threads_raise_every_attempt_when_all_fail(sandbox, transport):
    """Serves R53."""
    client = ir.Client(hedged(sandbox, "docs@500", "docs@503"), transport=transport)
    with client, pytest.raises(ir.RouteError) as caught:
        client.complete(QUESTION)

    assert [attempt.error for attempt in caught.value.attempts] == ["ServerError", "OverloadedError"]
    assert not racers()


@pytest.mark.parametrize(("run", "transport"), RUNNERS)
@pytest.mark.parametrize("deep", ["docs@delay-0.15", "docs@503"])
def test_tiered_stream_takes_over_in_a_loop(sandbox, whole, run, transport, deep):
    """Serves R49."""
    fast = "docs@stall-3" if deep != "docs@503" else "docs"

    async def main() -> tuple[list[str], Any, list[Any]]:
        async with ir.AsyncClient(tiered(sandbox, fast, deep), transport=transport) as client:
            async with client.stream(QUESTION) as stream:
                kinds = [str(delta.kind) async for delta in stream.deltas()]
            return kinds, stream.response, client.records

    kinds, response, records = run(main())

    _check(kinds, response, records, whole, deep)


@pytest.mark.parametrize("transport", ["rust", "httpx"])
@pytest.mark.parametrize("deep", ["docs@delay-0.15", "docs@503"])
def test_tiered_stream_takes_over_in_threads(sandbox, whole, transport, deep):
    """Serves R49."""
    fast = "docs@stall-3" if deep != "docs@503" else "docs"
    with ir.Client(tiered(sandbox, fast, deep), transport=transport) as client:
        with client.stream(QUESTION) as stream:
            kinds = [str(delta.kind) for delta in stream.deltas()]
        records = client.records

    _check(kinds, stream.response, records, whole, deep)
    assert not racers()


def _check(kinds: list[str], response: Any, records: list[Any], whole: str, deep: str) -> None:
    upgraded = deep != "docs@503"
    assert response.text == whole
    assert kinds.count("upgrade") == upgraded
    assert kinds.count("finish") == 1
    assert [(error, reason) for _, error, reason in told(response.attempts)] == (
        [("CancelledError", "fast"), (None, "deep")] if upgraded else [(None, "fast"), ("OverloadedError", "deep")]
    )
    assert len(records) == 2
    assert bool(response.warnings) is not upgraded


@pytest.mark.parametrize("transport", ["rust", "httpx"])
def test_tiered_reader_that_leaves_ends_both_threads(sandbox, transport):
    with ir.Client(tiered(sandbox, "docs@stall-3", "docs@hang"), transport=transport) as client:
        with client.stream(QUESTION) as stream:
            next(stream.text())

        assert told(stream.attempts) == [("openai", "CancelledError", "fast"), ("anthropic", "CancelledError", "deep")]
        assert len(client.records) == 2
        assert not racers()


@pytest.mark.parametrize("transport", ["rust", "httpx"])
def test_races_of_threads_nest(sandbox, whole, transport):
    inner = hedged(sandbox, "docs@hang", "docs@hang", after=0.01)
    outer = Hedged(inner, target(sandbox, "docs"), after=0.05)
    with ir.Client(outer, transport=transport) as client:
        response = client.complete(QUESTION)

        assert response.text == whole
        assert [(error, reason) for _, error, reason in told(response.attempts)] == [
            ("CancelledError", "first"),
            ("CancelledError", "hedge"),
            (None, "hedge"),
        ]
        assert len(client.records) == 3
        assert not racers()


@pytest.mark.parametrize("transport", ["rust", "httpx"])
@pytest.mark.parametrize("kind", ["hedged", "tiered"])
def test_cancelling_ends_a_race_of_threads(sandbox, transport, kind):
    model = hedged(sandbox, "docs@hang", "docs@hang") if kind == "hedged" else tiered(sandbox, "docs@hang", "docs@hang")
    cancellation = ir.Cancellation()
    timer = threading.Timer(0.15, cancellation.cancel)
    with ir.Client(model, transport=transport) as client, ir.scope(cancellation=cancellation):
        timer.start()
        with pytest.raises(ir.CancelledError) as caught, client.stream(QUESTION) as stream:
            stream.final()
        timer.join()

        assert [attempt.error for attempt in caught.value.attempts] == ["CancelledError"] * 2
        assert len(client.records) == 2
        assert not racers()


@pytest.mark.slow
@pytest.mark.parametrize(("run", "transport"), RUNNERS)
def test_races_leave_no_connection_behind(sandbox, run, transport):
    async def main() -> tuple[int, int]:
        async with ir.AsyncClient(hedged(sandbox, "docs@hang", after=0.01), transport=transport) as client:
            await client.complete(QUESTION)
            before = sockets()
            for _ in range(30):
                await client.complete(QUESTION)
                async with client.stream(QUESTION) as stream:
                    await stream.next()
            return before, sockets()

    before, after = run(main())

    assert after <= before + 8  # the server closes its ends when it gets to it


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["rust", "httpx"])
def test_races_of_threads_leave_nothing_behind(sandbox, transport):
    with ir.Client(hedged(sandbox, "docs@hang", after=0.01), transport=transport) as client:
        client.complete(QUESTION)
        before = sockets()
        for _ in range(15):
            client.complete(QUESTION)
            with client.stream(QUESTION) as stream:
                next(stream.batches())
        assert not racers()
        assert sockets() <= before + 8  # the server closes its ends when it gets to it


@pytest.mark.slow
def test_one_hedged_client_serves_many_threads_at_once(sandbox, whole):
    """All have begun before the first is late, so each must find its own share of the extra requests still there."""
    began = threading.Barrier(16)
    model = hedged(sandbox, "docs@hang")

    def ask(client: ir.Client) -> str:
        began.wait()
        return client.complete(QUESTION).text

    with ir.Client(model, transport="rust") as client, ThreadPoolExecutor(16) as threads:
        texts = list(threads.map(ask, [client] * 16))

        assert texts == [whole] * 16
        assert model.statistics == HedgeStatistics(requests=16, hedged=16, won=16)
        assert len(client.records) == 32
        assert not racers()
