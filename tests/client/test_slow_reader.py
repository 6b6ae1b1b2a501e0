"""A reader that is slower than its server: what is not read stays with the server, not in memory here."""

import asyncio
import threading

import pytest
from tests.transport.conftest import RawServer

import inferail as ir

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % (b"x" * 10_000)
# The buffers of two sockets on the loopback hold a few megabytes; without back-pressure there is no end to it.
BOUND = 64 * 1024 * 1024
TURNS = 3_000


class Endless:
    """Sends events as fast as they are taken."""

    def __init__(self):
        self.sent = 0
        self.server = RawServer(self._answer)

    async def _answer(self, exchange):
        await exchange.send(HEAD)
        while True:
            await exchange.chunk(EVENT)
            self.sent += len(EVENT)

    def target(self):
        return ir.Target("openai:m", base_url=f"http://127.0.0.1:{self.server.port}/v1", api_key="k", retries=0)


@pytest.fixture
def endless():
    source = Endless()
    yield source
    source.server.stop()


@pytest.fixture(params=["rust", "httpx"], autouse=True)
def transport(request, monkeypatch):
    monkeypatch.setenv("INFERAIL_TRANSPORT", request.param)


def test_stream_takes_no_more_than_its_reader_when_nobody_reads(endless):
    """Serves R87."""

    async def main():
        async with ir.AsyncClient(endless.target()) as client, client.stream("Go") as stream:
            await anext(stream.batches())
            unchanged, seen = 0, -1
            while unchanged < TURNS and endless.sent < BOUND:
                await asyncio.sleep(0)
                unchanged = unchanged + 1 if endless.sent == seen else 0
                seen = endless.sent
            return len(stream.partial.text)

    kept = asyncio.run(main())

    assert endless.sent < BOUND
    assert kept < BOUND


def test_blocking_stream_takes_no_more_than_its_reader_when_nobody_reads(endless):
    """Serves R87."""
    turn = threading.Event()
    with ir.Client(endless.target()) as client, client.stream("Go") as stream:
        next(stream.batches())
        unchanged, seen = 0, -1
        while unchanged < TURNS and endless.sent < BOUND:
            turn.wait(0)
            unchanged = unchanged + 1 if endless.sent == seen else 0
            seen = endless.sent

    assert endless.sent < BOUND
