"""Streams decoded inside the Rust transport: the same deltas as by hand, the same ends, on a loop and on a thread."""

import asyncio

import pytest

from inferail._sync import drive
from inferail.core import StreamDecoder
from inferail.errors import TransportError
from inferail.transport.protocol import Wire
from inferail.transport.rust import BlockingRustTransport, RustTransport

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENTS = [
    b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % word.encode()
    for word in ("one", "zwei", "trois", "quattro")
]
BODY = b"".join(EVENTS) + (
    b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


async def collected(transport, url, *, by=None):
    """The lists of one stream, and the error it ended with."""
    decoder = StreamDecoder("openai_chat")
    reply = await transport.open(Wire("POST", url, {}, b"{}", stream=True), connect_timeout=2.0, by=None)
    lists, error = [], None
    try:
        while deltas := await reply.read_deltas(decoder, by):
            lists.append(deltas)
    except (TransportError, TimeoutError) as failure:
        error = failure
    await reply.aclose()
    return lists, decoder.finish(), error


@pytest.fixture(params=["asyncio", "blocking"])
def collect(request):
    def run(url, **options):
        if request.param == "blocking":
            transport = BlockingRustTransport()
            try:
                return drive(collected(transport, url, **options))
            finally:
                drive(transport.aclose())

        async def main():
            transport = RustTransport()
            try:
                return await collected(transport, url, **options)
            finally:
                await transport.aclose()

        return asyncio.run(main())

    return run


@pytest.mark.parametrize("size", [1, 7, len(BODY)])
def test_deltas_are_those_of_a_decoder_fed_by_hand_however_the_body_comes(serve, collect, size):
    async def answer(exchange):
        await exchange.send(HEAD)
        for start in range(0, len(BODY), size):
            await exchange.chunk(BODY[start : start + size])
        await exchange.send(b"0\r\n\r\n")

    lists, reason, error = collect(serve(answer).url)

    assert [delta for deltas in lists for delta in deltas] == StreamDecoder("openai_chat").feed(BODY)
    assert (reason, error) == (None, None)


def test_bytes_that_say_nothing_wake_nobody(serve, collect):
    async def answer(exchange):
        await exchange.send(HEAD)
        for piece in (b": keep-alive\n\n", b"da", b"ta", EVENTS[0][4:-1], b"\n", b": again\n\n"):
            await exchange.chunk(piece)
            await exchange.pause(0.01)
        await exchange.send(b"0\r\n\r\n")

    lists, reason, error = collect(serve(answer).url)

    assert [[delta.kind for delta in deltas] for deltas in lists] == [["start", "text"]]
    assert reason is not None
    assert error is None


def test_deltas_before_a_broken_connection_are_handed_out_before_the_error(serve, collect):
    async def answer(exchange):
        await exchange.send(HEAD)
        await exchange.chunk(EVENTS[0] + EVENTS[1][:20])
        await exchange.close()

    lists, reason, error = collect(serve(answer).url)

    assert [delta.text for deltas in lists for delta in deltas] == [None, "one"]
    assert reason == "ended inside an event"
    assert isinstance(error, TransportError)


def test_server_that_never_pauses_does_not_outlast_the_deadline(serve, collect):
    async def answer(exchange):
        await exchange.send(HEAD)
        while True:
            await exchange.chunk(EVENTS[0])
            await exchange.pause(0.001)

    lists, _, error = collect(serve(answer).url, by=0.0)

    assert lists == []
    assert type(error) is TimeoutError
