"""What the benchmarks share: prepared bodies and a transport that reads them from memory, so that only our code runs."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest

import inferail as ir
from inferail.core import BUILD_INFO
from inferail.transport.protocol import Wire

ResultT = TypeVar("ResultT")
LONG = 10  # times as many pieces in `openai-long`
HEADERS = {
    "date": "Sat, 21 Nov 2026 13:25:00 GMT",
    "connection": "keep-alive",
    "x-request-id": "req_0123456789abcdef0123456789abcdef",
    "openai-processing-ms": "412",
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-reset-requests": "6ms",
    "cf-ray": "9a1b2c3d4e5f6789-FRA",
}
GRAMMARS = {"openai": "openai_chat", "anthropic": "anthropic", "gemini": "gemini"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuses to measure a debug build; measures CPU time: nothing here waits, and other processes do not count then."""
    if BUILD_INFO["profile"] != "release":
        pytest.exit(f"inferail is a {BUILD_INFO['profile']} build: build it in release mode first (make build)", 2)
    for item in items:
        item.add_marker(pytest.mark.benchmark(timer=time.process_time))


@dataclass(frozen=True, slots=True)
class Bodies:
    """One provider's answers, as its server sends them.

    Attributes:
        unary: The body of a whole answer.
        events: The events of a streamed answer of 200 pieces.
    """

    unary: bytes
    events: tuple[bytes, ...]


def _peers_server() -> ModuleType:
    path = Path(__file__).parents[1] / "peers" / "server.py"
    specification = importlib.util.spec_from_file_location("benches_peers_server", path)
    assert specification is not None
    assert specification.loader is not None
    module = sys.modules[specification.name] = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _gemini(words: list[str]) -> Bodies:
    usage = {"promptTokenCount": 12, "candidatesTokenCount": len(words), "totalTokenCount": 12 + len(words)}

    def body(text: str, reason: str | None) -> bytes:
        candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
        if reason:
            candidate["finishReason"] = reason
        rest = {"usageMetadata": usage, "modelVersion": "bench", "responseId": "resp_bench"}
        return json.dumps({"candidates": [candidate], **rest}, separators=(",", ":")).encode()

    reasons = [None] * (len(words) - 1) + ["STOP"]
    events = [b"data: " + body(word, reason) + b"\r\n\r\n" for word, reason in zip(words, reasons, strict=True)]
    return Bodies(body("".join(words[:30]), "STOP"), tuple(events))


@pytest.fixture(scope="session")
def bodies() -> Mapping[str, Bodies]:
    """Per provider, the bytes that the peer benchmarks' server sends (Gemini's are made here); shorter and longer streams."""
    server = _peers_server()
    openai = tuple(server.openai_events())
    return {
        "openai": Bodies(server.openai_unary(), openai),
        "openai-short": Bodies(b"", openai[:2] + openai[server.CONTENT_EVENTS :]),
        "openai-long": Bodies(b"", openai[: server.CONTENT_EVENTS] * LONG + openai[server.CONTENT_EVENTS :]),
        "anthropic": Bodies(server.anthropic_unary(), tuple(server.anthropic_events())),
        "gemini": _gemini(server.WORDS),
    }


class MonotonicClock:
    """The machine's clock; nothing here waits."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:  # noqa: ARG002 - the protocol's signature
        raise AssertionError("a benchmark waits for nothing")


class MemoryReply:
    """A 200 whose body is a list of pieces in memory."""

    status = 200
    connect = tls = 0.0

    def __init__(self, content_type: str, pieces: tuple[bytes, ...]) -> None:
        self.headers: Mapping[str, str] = {**HEADERS, "content-type": content_type}
        self._pieces = iter(pieces)

    async def read(self, by: float | None) -> bytes:  # noqa: ARG002
        return next(self._pieces, b"")

    async def aclose(self) -> None:
        return


class MemoryTransport:
    """Answers every request from memory; no method ever suspends, so it drives both clients."""

    def __init__(self, bodies: Bodies, *, burst: bool = False, blocking: bool = False) -> None:
        self.clock = MonotonicClock()
        self.blocking = blocking
        self._unary = (bodies.unary,)
        self._stream = (b"".join(bodies.events),) if burst else bodies.events

    async def open(self, wire: Wire, *, connect_timeout: float | None, by: float | None) -> MemoryReply:  # noqa: ARG002
        if wire.stream:
            return MemoryReply("text/event-stream", self._stream)
        return MemoryReply("application/json", self._unary)

    async def aclose(self) -> None:
        return


class Discard:
    """A recorder that keeps nothing, so that memory stays level over thousands of calls."""

    def record(self, record: object) -> None:  # noqa: ARG002
        return


@pytest.fixture
def memory_transport(bodies: Mapping[str, Bodies]) -> Callable[[str], MemoryTransport]:
    """Makes a transport over prepared bytes: `memory_transport("openai")`."""
    return lambda provider: MemoryTransport(bodies[provider])


@pytest.fixture
def memory_client(bodies: Mapping[str, Bodies]) -> Callable[..., Any]:
    """Makes a client over prepared bytes: `memory_client(ir.AsyncClient, "openai", burst=True)`, or of a Model."""

    def make(kind: Callable[..., Any], what: Any, *, burst: bool = False, name: str = "bench") -> Any:
        if not isinstance(what, str):
            return kind(what, recorder=Discard())
        transport = MemoryTransport(bodies[what], burst=burst, blocking=kind is ir.Client)
        return kind(f"{what.partition('-')[0]}:{name}", api_key="x", transport=transport, recorder=Discard())

    return make


@pytest.fixture
def run() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Runs one coroutine to its end on an event loop that stays open for the whole benchmark."""
    with asyncio.Runner() as runner:
        yield runner.get_loop().run_until_complete


@pytest.fixture(autouse=True)
def _label(request: pytest.FixtureRequest) -> None:
    """Writes into every result what was measured with."""
    if "benchmark" in request.fixturenames:
        benchmark = request.getfixturevalue("benchmark")
        benchmark.extra_info["versions"] = {"inferail": BUILD_INFO["version"], "profile": BUILD_INFO["profile"]}


@pytest.fixture(params=list(GRAMMARS))
def provider(request: pytest.FixtureRequest) -> str:
    """Each of the three wire formats."""
    return str(request.param)


@pytest.fixture
def grammar(provider: str) -> str:
    """The decoder's name of the provider's stream grammar."""
    return GRAMMARS[provider]
