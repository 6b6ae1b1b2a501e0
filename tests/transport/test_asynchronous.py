"""What both asyncio transports do: over httpx, and over the Rust core."""

import asyncio
import gzip
import logging
import time

import pytest

from inferail.errors import ConfigError, ConnectError, DeadlineError, TransportError
from inferail.transport.body import drain, read_all
from inferail.transport.httpx import HttpxTransport
from inferail.transport.protocol import Wire
from inferail.transport.rust import RustTransport

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nX-Request-Id: r1\r\ntransfer-encoding: chunked\r\n\r\n"


def wire(server, *, stream=False, url=None):
    return Wire("POST", url or server.url, {"Authorization": "Bearer sk-secret"}, b'{"q": 1}', stream=stream)


def run(coroutine):
    return asyncio.run(coroutine)


# The class that the running test is about; a list, so that functions outside a test's arguments see it.
KIND: list[type[HttpxTransport] | type[RustTransport]] = []


@pytest.fixture(params=[HttpxTransport, RustTransport], ids=["httpx", "rust"], autouse=True)
def kind(request):
    """The class of transport that the test is about."""
    KIND[:] = [request.param]
    return request.param


def make():
    return KIND[0]()


async def with_transport(work):
    transport = make()
    try:
        return await work(transport)
    finally:
        await transport.aclose()


async def fetch(transport, request, by=None):
    reply = await transport.open(request, connect_timeout=2.0, by=by)
    try:
        return reply, await read_all(reply, by)
    finally:
        await reply.aclose()


async def until(condition):
    """Lets the loop run until something outside the test has happened."""
    async with asyncio.timeout(5.0):
        while not condition():  # noqa: ASYNC110 - a counter of another thread, no Event
            await asyncio.sleep(0)


def soon(transport, seconds=0.2):
    return transport.clock.now() + seconds


async def ok(exchange):
    await exchange.send(OK)


async def endless(exchange):
    await exchange.send(CHUNKED)
    while True:
        await exchange.chunk(b"x")
        await exchange.pause(0.02)


async def silent(exchange):
    await exchange.hang()


def test_transport_brings_back_status_headers_and_body(serve):
    async def answer(exchange):
        assert exchange.body == b'{"q": 1}'
        await exchange.send(b"HTTP/1.1 429 Slow\r\nA-B: 1\r\na-b: 2\r\ncontent-length: 2\r\n\r\nno")

    server = serve(answer)

    reply, body = run(with_transport(lambda transport: fetch(transport, wire(server))))

    assert (reply.status, body) == (429, b"no")
    assert reply.headers == {"a-b": "1, 2", "content-length": "2"}
    head = server.heads[0].lower()
    assert b"accept-encoding: gzip, deflate\r\n" in head
    assert b"authorization: bearer sk-secret\r\n" in head
    assert b"user-agent: inferail\r\n" in head


def test_transport_asks_for_streams_without_compression(serve):
    server = serve(ok)

    run(with_transport(lambda transport: fetch(transport, wire(server, stream=True))))

    assert b"accept-encoding: identity\r\n" in server.heads[0].lower()


def test_transport_uncompresses_gzip(serve):
    text = b"some text " * 1000

    async def answer(exchange):
        packed = gzip.compress(text)
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed))
        await exchange.send(packed[:20])
        await exchange.send(packed[20:])

    _, body = run(with_transport(lambda transport: fetch(transport, wire(serve(answer)))))

    assert body == text


def test_transport_reports_broken_gzip_as_transport_error(serve):
    async def answer(exchange):
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope")

    with pytest.raises(TransportError, match="compression"):
        run(with_transport(lambda transport: fetch(transport, wire(serve(answer)))))


def test_connection_is_used_again_and_its_time_counted_once(serve):
    server = serve(ok)

    async def work(transport):
        first, _ = await fetch(transport, wire(server))
        second, _ = await fetch(transport, wire(server))
        return first.connect, second.connect

    first, second = run(with_transport(work))

    assert first > 0.0
    assert second == 0.0
    assert (server.connections, server.requests) == (1, 2)


def test_connection_is_used_again_after_a_drain(serve):
    async def answer(exchange):
        await exchange.send(CHUNKED)
        await exchange.chunk(b"data: [DONE]\n\n")
        await exchange.pause(0.01)
        await exchange.send(b"0\r\n\r\n")

    server = serve(answer)

    async def work(transport):
        for _ in range(3):
            reply = await transport.open(wire(server, stream=True), connect_timeout=2.0, by=None)
            assert await reply.read(None) == b"data: [DONE]\n\n"
            await drain(reply, transport.clock.now())
            await reply.aclose()

    run(with_transport(work))

    assert server.connections == 1


def test_drain_gives_up_on_a_server_that_goes_on(serve):
    server = serve(endless)

    async def work(transport):
        reply = await transport.open(wire(server, stream=True), connect_timeout=2.0, by=None)
        await reply.read(None)
        started = time.monotonic()
        await drain(reply, transport.clock.now())
        return time.monotonic() - started

    assert 0.03 < run(with_transport(work)) < 1.0
    server.wait_until(lambda server: server.open == 0)


def test_slow_drip_is_cut_at_the_total_deadline(serve):
    """Serves R78."""
    server = serve(endless)

    async def work(transport):
        by, started = soon(transport), time.monotonic()
        reply = await transport.open(wire(server), connect_timeout=2.0, by=by)
        with pytest.raises(TimeoutError) as caught:
            await read_all(reply, by)
        await reply.aclose()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        return time.monotonic() - started, caught.value

    took, error = run(with_transport(work))

    assert 0.15 < took < 1.0
    assert not isinstance(error, DeadlineError)
    server.wait_until(lambda server: server.open == 0)


def test_headers_that_drip_are_cut_at_the_total_deadline(serve):
    """Serves R78."""

    async def answer(exchange):
        await exchange.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await exchange.send(b"a: b\r\n")
            await exchange.pause(0.02)

    server = serve(answer)

    async def work(transport):
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            await transport.open(wire(server), connect_timeout=2.0, by=soon(transport))
        return time.monotonic() - started

    assert 0.15 < run(with_transport(work)) < 1.0
    server.wait_until(lambda server: server.open == 0)


def test_deadlines_of_single_reads_move_on_with_the_reads(serve):
    async def answer(exchange):
        await exchange.send(CHUNKED)
        for _ in range(8):
            await exchange.chunk(b"x")
            await exchange.pause(0.03)
        await exchange.hang()

    async def work(transport):
        reply = await transport.open(wire(serve(answer), stream=True), connect_timeout=2.0, by=soon(transport))
        pieces = 0
        with pytest.raises(TimeoutError):
            while await reply.read(soon(transport, 0.15)):
                pieces += 1
        with pytest.raises(TransportError, match="left before its end"):
            await reply.read(None)
        await reply.aclose()
        return pieces

    assert run(with_transport(work)) == 8


def test_refused_connection_is_a_connect_error_without_the_path():
    request = Wire("POST", "http://127.0.0.1:9/v1/chat?key=sk-secret", {}, b"")

    with pytest.raises(ConnectError) as caught:
        run(with_transport(lambda transport: fetch(transport, request)))

    assert str(caught.value) == "no connection to 127.0.0.1:9: refused"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_tls_to_a_plain_port_is_a_connect_error(serve):
    async def answer(exchange):
        await exchange.send(b"this is not TLS")

    server = serve(answer)
    request = Wire("POST", f"https://127.0.0.1:{server.port}/", {}, b"")

    async def work(transport):
        # The server waits for a request head that TLS bytes do not hold; by then it is not TLS that fails.
        with pytest.raises((ConnectError, DeadlineError)) as caught:
            await transport.open(request, connect_timeout=0.2, by=None)
        return caught.value

    error = run(with_transport(work))

    assert getattr(error, "phase", "connect") == "connect"
    assert f"no connection to 127.0.0.1:{server.port}" in str(error)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello", id="short-of-content-length"),
        pytest.param(CHUNKED + b"5\r\nhello\r\n", id="no-last-chunk"),
        pytest.param(CHUNKED + b"5\r\nhel", id="inside-a-chunk"),
        pytest.param(CHUNKED + b"5\r\nhello\r\nzz\r\n", id="not-a-chunk-size"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-le", id="inside-the-headers"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"SMTP ready\r\n\r\n", id="not-http"),
    ],
)
def test_broken_answer_is_a_transport_error(serve, sent):
    async def answer(exchange):
        await exchange.send(sent)
        await exchange.close()

    server = serve(answer)

    with pytest.raises(TransportError) as caught:
        run(with_transport(lambda transport: fetch(transport, wire(server))))

    assert type(caught.value) is TransportError
    assert "secret" not in str(caught.value)
    assert f"127.0.0.1:{server.port}" in str(caught.value)


def test_answer_that_ends_with_the_connection_is_whole_when_it_announced_no_end(serve):
    async def answer(exchange):
        await exchange.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await exchange.close()

    assert run(with_transport(lambda transport: fetch(transport, wire(serve(answer)))))[1] == b"hello"


def test_header_that_cannot_be_sent_is_a_config_error_without_its_value(serve):
    request = Wire("POST", serve(ok).url, {"authorization": "Bearer sk-secret\n"}, b"")

    with pytest.raises(ConfigError) as caught:
        run(with_transport(lambda transport: fetch(transport, request)))

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "/v1/chat", "http://a:port/"])
def test_url_that_is_not_http_is_a_config_error(url):
    with pytest.raises(ConfigError):
        run(with_transport(lambda transport: fetch(transport, Wire("GET", url, {}, b""))))


def test_body_over_the_limit_is_a_transport_error(serve):
    async def answer(exchange):
        await exchange.send(CHUNKED)
        for _ in range(20):
            await exchange.chunk(b"x" * 100)
        await exchange.send(b"0\r\n\r\n")

    server = serve(answer)

    async def work(transport, limit):
        reply = await transport.open(wire(server), connect_timeout=2.0, by=None)
        try:
            return await read_all(reply, None, limit=limit)
        finally:
            await reply.aclose()

    assert len(run(with_transport(lambda transport: work(transport, 2000)))) == 2000
    with pytest.raises(TransportError, match="1999 bytes"):
        run(with_transport(lambda transport: work(transport, 1999)))


def test_outer_cancellation_is_not_taken_for_the_deadline(serve):
    async def work(transport):
        reply = await transport.open(wire(serve(endless)), connect_timeout=2.0, by=None)

        async def read_on():
            while True:
                await reply.read(soon(transport, 5.0))

        reading = asyncio.ensure_future(read_on())
        await asyncio.wait([reading], timeout=0.05)
        reading.cancel()
        await asyncio.wait([reading])
        await reply.aclose()
        return reading.cancelled()

    assert run(with_transport(work))


async def silent_body(exchange):
    await exchange.send(CHUNKED)
    await exchange.hang()


def test_asyncio_timeout_around_a_read_still_works(serve):
    async def work(transport):
        reply = await transport.open(wire(serve(silent_body)), connect_timeout=2.0, by=None)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reply.read(soon(transport, 5.0))
        await reply.aclose()
        return time.monotonic() - started

    assert run(with_transport(work)) < 1.0


def test_reply_left_early_closes_its_connection(serve):
    server = serve(endless)

    async def work(transport):
        reply = await transport.open(wire(server, stream=True), connect_timeout=2.0, by=None)
        await reply.read(None)
        await reply.aclose()
        await reply.aclose()
        with pytest.raises(TransportError):
            await reply.read(None)

    run(with_transport(work))
    server.wait_until(lambda server: server.open == 0)


def test_transport_serves_one_event_loop_after_another(serve):
    async def answer(exchange):
        await exchange.send(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        await exchange.close()

    transport, server = make(), serve(answer)

    assert asyncio.run(fetch(transport, wire(server)))[1] == b"hello"
    assert asyncio.run(fetch(transport, wire(server)))[1] == b"hello"


def test_hot_path_does_not_block_the_loop(serve, caplog):
    """Serves R38."""

    async def answer(exchange):
        await exchange.send(CHUNKED)
        for _ in range(10):
            await exchange.send(b"5\r\nhello\r\n" * 10)
            await exchange.pause(0)
        await exchange.send(b"0\r\n\r\n")

    server = serve(answer)

    async def work(transport):
        loop = asyncio.get_running_loop()
        await fetch(transport, wire(server))
        # A busy machine may hold a step up for 5 ms; what blocks does so every time.
        for _ in range(20):
            caplog.clear()
            loop.slow_callback_duration = 0.005
            await fetch(transport, wire(server, stream=True), soon(transport, 10.0))
            loop.slow_callback_duration = 10.0
            if not [record for record in caplog.records if "took" in record.getMessage()]:
                return True
        return False

    with caplog.at_level(logging.WARNING, logger="asyncio"):
        assert asyncio.run(with_transport(work), debug=True)


def test_detector_of_blocked_loops_works(caplog):
    async def work():
        asyncio.get_running_loop().slow_callback_duration = 0.005
        until_then = time.monotonic() + 0.01
        while time.monotonic() < until_then:
            pass

    with caplog.at_level(logging.WARNING, logger="asyncio"):
        asyncio.run(work(), debug=True)

    assert [record for record in caplog.records if "took" in record.getMessage()]
