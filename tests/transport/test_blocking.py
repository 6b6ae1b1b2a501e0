"""What both blocking transports do: over httpx, and over the Rust core."""

import asyncio
import gzip
import threading
import time

import pytest

from inferail.errors import CancelledError, ConnectError, DeadlineError, TransportError
from inferail.transport.body import drain, read_all
from inferail.transport.cancellation import Watch
from inferail.transport.clock import BlockingClock
from inferail.transport.httpx.blocking import BlockingTransport
from inferail.transport.protocol import Wire
from inferail.transport.rust import BlockingRustTransport
from inferail.types.scope import Cancellation
from tests.transport.conftest import ListeningOnly, cancelled_after

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def drive(coroutine):
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    pytest.fail("a blocking transport suspended")


@pytest.fixture(params=[BlockingTransport, BlockingRustTransport], ids=["httpx", "rust"])
def transport(request):
    made = request.param()
    yield made
    drive(made.aclose())


def wire(server, *, stream=False, body=b'{"q": 1}'):
    return Wire("POST", server.url, {"authorization": "Bearer sk-secret"}, body, stream=stream)


def start(transport, request, by=None, connect_timeout=2.0):
    return drive(transport.open(request, connect_timeout=connect_timeout, by=by))


def fetch(transport, request, by=None):
    reply = start(transport, request, by)
    try:
        return drive(read_all(reply, by))
    finally:
        drive(reply.aclose())


def soon(transport, seconds=0.2):
    return transport.clock.now() + seconds


async def ok(exchange):
    await exchange.send(OK)


async def endless(exchange):
    await exchange.send(CHUNKED)
    while True:
        await exchange.chunk(b"x")
        await exchange.pause(0.02)


def test_transport_brings_back_status_headers_and_body(serve, transport):
    async def answer(exchange):
        packed = gzip.compress(b"hello")
        await exchange.send(
            b"HTTP/1.1 418 Tea\r\nContent-Encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(packed), packed)
        )

    reply = start(transport, wire(serve(answer)))

    assert (reply.status, reply.headers["content-encoding"]) == (418, "gzip")
    assert drive(read_all(reply, None)) == b"hello"
    assert drive(reply.read(None)) == b""


def test_connection_is_used_again_after_a_drain(serve, transport):
    async def answer(exchange):
        await exchange.send(CHUNKED)
        await exchange.chunk(b"data: [DONE]\n\n")
        await exchange.send(b"0\r\n\r\n")

    server = serve(answer)

    times = []
    for _ in range(3):
        reply = start(transport, wire(server, stream=True))
        assert drive(reply.read(None)) == b"data: [DONE]\n\n"
        drive(drain(reply, transport.clock.now()))
        times.append(reply.connect)

    assert server.connections == 1
    assert times[0] > 0.0
    assert times[1:] == [0.0, 0.0]


def test_slow_drip_is_cut_at_the_total_deadline(serve, transport):
    """Serves R78."""
    server = serve(endless)
    by, started = soon(transport), time.monotonic()
    reply = start(transport, wire(server), by)

    with pytest.raises(TimeoutError) as caught:
        drive(read_all(reply, by))
    drive(reply.aclose())

    assert 0.15 < time.monotonic() - started < 1.0
    assert not isinstance(caught.value, DeadlineError)
    server.wait_until(lambda server: server.open == 0)


@pytest.mark.parametrize("step", [b"a: b\r\n", b"a"], ids=["header-lines", "single-bytes"])
def test_headers_that_drip_are_cut_at_the_total_deadline(serve, transport, step):
    """Serves R78."""

    async def answer(exchange):
        await exchange.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await exchange.send(step)
            await exchange.pause(0.02)

    server = serve(answer)
    started = time.monotonic()

    with pytest.raises(TimeoutError):
        start(transport, wire(server), soon(transport))

    assert 0.15 < time.monotonic() - started < 1.0
    server.wait_until(lambda server: server.open == 0)


def test_chunk_that_drips_is_cut_at_the_total_deadline(serve, transport):
    """Serves R78."""

    async def answer(exchange):
        await exchange.send(CHUNKED + b"1000000\r\n")
        while True:
            await exchange.send(b"x")
            await exchange.pause(0.02)

    by = soon(transport)
    reply = start(transport, wire(serve(answer)), by)

    with pytest.raises(TimeoutError):
        drive(read_all(reply, by))
    with pytest.raises(TransportError, match="left before its end"):
        drive(reply.read(None))
    drive(reply.aclose())


def test_request_that_nobody_reads_is_cut_at_the_total_deadline(transport):
    """Serves R78."""
    with ListeningOnly() as server:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            start(transport, wire(server, body=bytes(64 * 1024 * 1024)), soon(transport))

    assert time.monotonic() - started < 2.0


def test_tls_handshake_that_hangs_is_cut_at_the_earlier_limit(transport):
    with ListeningOnly() as server:
        request = Wire("GET", server.url.replace("http:", "https:"), {}, b"")
        with pytest.raises(DeadlineError) as caught:
            start(transport, request, connect_timeout=0.1)
        with pytest.raises(TimeoutError) as total:
            start(transport, request, soon(transport, 0.1), connect_timeout=5.0)

    assert caught.value.phase == "connect"
    assert not isinstance(total.value, DeadlineError)


def test_moment_that_has_passed_ends_a_call_before_it_begins(serve, transport):
    server = serve(ok)
    reply = start(transport, wire(server))

    with pytest.raises(TimeoutError):
        drive(reply.read(soon(transport, -0.001)))
    with pytest.raises(TimeoutError):
        start(transport, wire(server), transport.clock.now())
    drive(reply.aclose())

    assert server.requests == 1


def test_deadline_of_one_thread_is_not_that_of_another(serve, transport):
    server, results = serve(endless), []

    def read_until(seconds):
        by, started = soon(transport, seconds), time.monotonic()
        reply = start(transport, wire(server), by)
        with pytest.raises(TimeoutError):
            drive(read_all(reply, by))
        drive(reply.aclose())
        results.append(time.monotonic() - started)

    threads = [threading.Thread(target=read_until, args=(seconds,)) for seconds in (0.1, 0.4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 0.1 <= results[0] < 0.4 <= results[1]


def test_refused_connection_is_a_connect_error_without_the_path(transport):
    with pytest.raises(ConnectError) as caught:
        fetch(transport, Wire("POST", "http://127.0.0.1:9/v1?key=sk-secret", {}, b""))

    assert str(caught.value) == "no connection to 127.0.0.1:9: refused"


def test_tls_to_a_port_that_answers_in_plain_text_is_a_connect_error(transport):
    with ListeningOnly() as server:

        def answer():
            connection, _ = server._socket.accept()
            connection.recv(10)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ConnectError, match=r"TLS failed|closed|reset"):
            fetch(transport, Wire("GET", server.url.replace("http:", "https:"), {}, b""))
        thread.join()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello", id="short-of-content-length"),
        pytest.param(CHUNKED + b"5\r\nhello\r\n", id="no-last-chunk"),
        pytest.param(CHUNKED + b"5\r\nhello\r\nzz\r\n", id="not-a-chunk-size"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"SMTP ready\r\n\r\n", id="not-http"),
    ],
)
def test_broken_answer_is_a_transport_error(serve, transport, sent):
    async def answer(exchange):
        await exchange.send(sent)
        await exchange.close()

    with pytest.raises(TransportError) as caught:
        fetch(transport, wire(serve(answer)))

    assert type(caught.value) is TransportError
    assert "secret" not in str(caught.value)


def test_reply_left_early_closes_its_connection(serve, transport):
    server = serve(endless)
    reply = start(transport, wire(server, stream=True))
    drive(reply.read(None))

    drive(reply.aclose())
    drive(reply.aclose())

    server.wait_until(lambda server: server.open == 0)


def test_clock_blocks_without_suspending():
    clock = BlockingClock()
    started = clock.now()

    drive(clock.sleep(0.02))
    drive(clock.sleep(-1.0))

    assert 0.02 <= clock.now() - started < 1.0


def test_blocking_transport_works_inside_a_thread_of_a_loop(serve, transport):
    server = serve(ok)

    assert asyncio.run(asyncio.to_thread(fetch, transport, wire(server))) == b"hello"


@pytest.mark.parametrize("by", [None, 30.0], ids=["no-deadline", "later-deadline"])
def test_wait_for_headers_ends_when_the_scope_is_cancelled(serve, transport, by):
    async def silent(exchange):
        await exchange.hang()

    server = serve(silent)

    with cancelled_after(), pytest.raises(CancelledError):
        start(transport, wire(server), by and soon(transport, by))

    server.wait_until(lambda server: server.open == 0)


def test_wait_for_a_piece_ends_when_the_scope_is_cancelled(serve, transport):
    async def stall(exchange):
        await exchange.send(CHUNKED)
        await exchange.chunk(b"x")
        await exchange.hang()

    server = serve(stall)
    reply = start(transport, wire(server, stream=True))
    assert drive(reply.read(None)) == b"x"

    with cancelled_after(), pytest.raises(CancelledError):
        drive(reply.read(soon(transport, 30.0)))
    drive(reply.aclose())

    server.wait_until(lambda server: server.open == 0)


def test_request_that_nobody_reads_ends_when_the_scope_is_cancelled(transport):
    with ListeningOnly() as server, cancelled_after(), pytest.raises(CancelledError):
        start(transport, wire(server, body=bytes(64 * 1024 * 1024)), soon(transport, 30.0))


def test_large_request_arrives_whole_inside_a_watch(serve, transport):
    server, body = serve(ok), bytes(8 * 1024 * 1024)

    with Watch(Cancellation(), True):
        assert fetch(transport, wire(server, body=body), soon(transport, 30.0)) == b"hello"

    assert b"content-length: %d" % len(body) in server.heads[0].lower()


def test_tls_handshake_that_hangs_ends_when_the_scope_is_cancelled(transport):
    with ListeningOnly() as server:
        request = Wire("GET", server.url.replace("http:", "https:"), {}, b"")
        with cancelled_after(), pytest.raises(CancelledError):
            start(transport, request, soon(transport, 30.0), connect_timeout=30.0)
        connection, _ = server._socket.accept()
        with connection:
            connection.settimeout(5.0)
            while connection.recv(65536):
                pass


def test_refused_connection_is_a_connect_error_inside_a_watch_too(transport):
    with Watch(Cancellation(), True), pytest.raises(ConnectError, match="refused"):
        fetch(transport, Wire("POST", "http://127.0.0.1:9/v1", {}, b""))


def test_deadline_still_ends_a_wait_inside_a_watch(serve, transport):
    """Serves R78."""
    server = serve(endless)
    by = soon(transport)

    with Watch(Cancellation(), True):
        reply = start(transport, wire(server), by)
        with pytest.raises(TimeoutError):
            drive(read_all(reply, by))
        drive(reply.aclose())


def test_cancellation_wins_over_a_deadline_that_has_passed_as_well(serve, transport):
    cancellation = Cancellation()
    reply = start(transport, wire(serve(endless)))
    cancellation.cancel()

    with Watch(cancellation, True), pytest.raises(CancelledError):
        drive(reply.read(soon(transport, -0.001)))
    drive(reply.aclose())


def test_clock_ends_its_sleep_when_the_scope_is_cancelled():
    with cancelled_after(0.05), pytest.raises(CancelledError):
        drive(BlockingClock().sleep(600.0))
