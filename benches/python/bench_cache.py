"""An exact hit: from the request to the marked answer, through `Cached.generate`, on each store.

Coroutines are driven by hand, as in `bench_client.py`. Redis is a real server on loopback and waits for it are no CPU time,
so its row is what this process does; `make peers` measures by the clock. The request is a system prompt and a question,
the answer 330 characters with the provider's body of 900 bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

import inferail as ir
from inferail.cache import request_key
from inferail.testing import ScriptedModel
from inferail.types.message import Message, Text
from inferail.types.response import Response
from inferail.types.scope import current_scope
from inferail.types.usage import Usage

sys.path.insert(0, str(Path(__file__).parents[2]))

REQUEST = ir.Request(
    (ir.system("You answer from the handbook."), ir.user("How many days of leave do I have in the first year?")),
    sampling=ir.Sampling(temperature=0.0, max_tokens=300),
)
TOOLS = tuple(
    ir.Tool(f"tool_{number}", "Looks something up.", {"type": "object", "properties": {"id": {"type": "string"}}})
    for number in range(8)
)
ANSWER = Response(
    Message("assistant", (Text("You have twenty five days of leave in the first year. " * 6),), "openai"),
    "stop",
    Usage(40, 80, cost_usd=0.0001),
    "openai",
    "gpt-5-mini",
    "chatcmpl-1",
    raw_finish_reason="stop",
    raw=b"x" * 900,
)


def finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that never suspends gives."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for an event loop")


class Discard:
    """A recorder that keeps nothing."""

    def record(self, record: object) -> None:  # noqa: ARG002
        return


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory) -> Iterator[str]:
    """A real server."""
    from tests.store.servers import redis_server

    pytest.importorskip("redis")
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "redis"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ir.Cached]:
    """A cache that has the answer."""
    store = {"memory": lambda: None, "sqlite": lambda: tmp_path / "c.db"}.get(
        request.param, lambda: request.getfixturevalue("redis_url")
    )()
    cached = ir.Cached(ScriptedModel([ANSWER]), ir.ExactCache(store))
    finish(cached.generate(REQUEST))
    yield cached
    finish(cached.aclose())


def bench_cache_exact_hit(benchmark, filled):
    response = benchmark(lambda: finish(filled.generate(REQUEST)))

    assert response.cache.kind == "exact"


def bench_cache_exact_hit_recorded(benchmark):
    cached = ir.Cached(ScriptedModel([ANSWER]), ir.ExactCache())
    finish(cached.generate(REQUEST))

    with current_scope().but(recorder=Discard()).enter():
        assert benchmark(lambda: finish(cached.generate(REQUEST))).cache.kind == "exact"


def bench_cache_exact_hit_streamed(benchmark):
    cached = ir.Cached(ScriptedModel([ANSWER]), ir.ExactCache())
    finish(cached.generate(REQUEST))

    async def read() -> int:
        async with cached.stream(REQUEST) as stream:
            return sum([len(deltas) async for deltas in stream])

    assert benchmark(lambda: finish(read())) == 4


@pytest.mark.parametrize("request_", [REQUEST, ir.Request(REQUEST.messages, TOOLS)], ids=["plain", "eight-tools"])
def bench_cache_request_key(benchmark, request_):
    key: Callable[[], str] = lambda: request_key(request_, "openai:gpt-5-mini")  # noqa: E731

    assert len(benchmark(key)) == 64


def bench_cache_miss_and_keep(benchmark):
    cached = ir.Cached(ScriptedModel([ANSWER], cycles=True), ir.ExactCache())
    again = ir.Request(REQUEST.messages, labels={"cache": "refresh"})

    assert benchmark(lambda: finish(cached.generate(again))).cache is None
