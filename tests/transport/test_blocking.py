import asyncio
import contextlib
import gzip
import ssl
import threading
import time

import httpcore
import httpx
import pytest

from inferail.errors import CancelledError, ConfigError, ConnectError, DeadlineError, TransportError
from inferail.transport import blocking_transport
from inferail.transport.body import drain, read_all
from inferail.transport.cancellation import Watch
from inferail.transport.clock import BlockingClock
from inferail.transport.httpx import HttpxTransport
from inferail.transport.httpx.blocking import BlockingTransport, DeadlineBackend, DeadlineStream, LateError, Moment
from inferail.transport.protocol import Wire
from inferail.types.scope import Cancellation

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def drive(coroutine):
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    pytest.fail("a blocking transport suspended")


@pytest.fixture
def transport():
    made = BlockingTransport()
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


class ListeningOnly:
    """Takes connections in, and never a byte."""

    def __enter__(self):
        import socket

        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        return self

    def __exit__(self, *_):
        self._socket.close()


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
        drive(reply.read(transport.clock.now()))
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
    assert transport._client._transport._pool.connections == []


def test_passed_client_is_used_as_it_is_and_not_closed(serve):
    server = serve(ok)

    with httpx.Client(headers={"x-mine": "yes"}) as client:
        transport = BlockingTransport(client)
        assert fetch(transport, wire(server), soon(transport, 5.0)) == b"hello"
        drive(transport.aclose())
        assert not client.is_closed

    assert b"x-mine: yes\r\n" in server.heads[0].lower()
    with pytest.raises(ConfigError, match="closed"):
        fetch(BlockingTransport(client), wire(server))


def test_passed_client_is_cut_at_the_deadline_when_the_server_is_silent_or_sends_chunks(serve):
    async def silent(exchange):
        await exchange.hang()

    with httpx.Client() as client:
        transport = BlockingTransport(client)
        with pytest.raises(TimeoutError) as caught:
            fetch(transport, wire(serve(silent)), soon(transport, 0.1))
        assert not isinstance(caught.value, DeadlineError)
        with pytest.raises(TimeoutError):
            fetch(transport, wire(serve(endless)), soon(transport, 0.1))


def test_own_pools_obey_deadlines_those_of_proxies_as_well(monkeypatch):
    """Guards the attributes of httpx and httpcore that `obey_deadlines` relies on."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    transport = BlockingTransport()

    transports = [transport._client._transport, *transport._client._mounts.values()]
    backends = [each._pool._network_backend for each in transports if each is not None]
    assert len(backends) == 3
    assert all(isinstance(backend, DeadlineBackend) for backend in backends)
    drive(transport.aclose())


def test_proxy_that_drips_is_cut_at_the_total_deadline(serve, monkeypatch):
    """Serves R78."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{serve(endless).port}")
    transport = BlockingTransport()

    with pytest.raises((TimeoutError, ConnectError)):
        start(transport, Wire("GET", "https://name.invalid/", {}, b""), soon(transport))
    drive(transport.aclose())


def test_stream_under_tls_obeys_the_moment_too():
    moment = Moment(BlockingClock())
    stream = DeadlineBackend(httpcore.MockBackend([b"x"]), moment).connect_tcp("127.0.0.1", 1)
    secure = stream.start_tls(ssl.create_default_context())
    moment.by = 0.0

    assert isinstance(secure, DeadlineStream)
    for call in (lambda: secure.read(1), lambda: secure.write(b"x"), lambda: stream.read(1)):
        with pytest.raises(LateError):
            call()


def test_connections_send_small_packets_at_once(serve, transport):
    import socket

    fetch(transport, wire(serve(ok)))

    (connection,) = transport._client._transport._pool.connections
    plug = connection._connection._network_stream.get_extra_info("socket")
    assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_clock_blocks_without_suspending():
    clock = BlockingClock()
    started = clock.now()

    drive(clock.sleep(0.02))
    drive(clock.sleep(-1.0))

    assert 0.02 <= clock.now() - started < 1.0


def test_blocking_transport_takes_a_client_or_a_transport_and_refuses_the_rest(transport):
    with httpx.Client() as client:
        assert isinstance(blocking_transport(client), BlockingTransport)
    assert blocking_transport(transport) is transport
    with pytest.raises(ConfigError, match="event loop"):
        blocking_transport(HttpxTransport())
    with pytest.raises(ConfigError, match="AsyncClient"):
        blocking_transport(httpx.AsyncClient())
    with pytest.raises(ConfigError, match="int"):
        blocking_transport(3)


def test_blocking_transport_works_inside_a_thread_of_a_loop(serve, transport):
    server = serve(ok)

    assert asyncio.run(asyncio.to_thread(fetch, transport, wire(server))) == b"hello"


@contextlib.contextmanager
def cancelled_after(seconds=0.1):
    """A blocking Watch whose Scope is cancelled from another thread."""
    cancellation = Cancellation()
    timer = threading.Timer(seconds, cancellation.cancel)
    timer.start()
    try:
        with Watch(cancellation, True):
            yield
    finally:
        timer.cancel()
        timer.join()


@pytest.mark.parametrize("by", [None, 30.0], ids=["no-deadline", "later-deadline"])
def test_wait_for_headers_ends_when_the_scope_is_cancelled(serve, transport, by):
    async def silent(exchange):
        await exchange.hang()

    server = serve(silent)

    with cancelled_after(), pytest.raises(CancelledError):
        start(transport, wire(server), by and soon(transport, by))

    server.wait_until(lambda server: server.open == 0)
    assert transport._client._transport._pool.connections == []


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


def test_connection_that_does_not_come_about_ends_when_the_scope_is_cancelled(transport):
    go = threading.Event()

    class Slow(httpcore.MockBackend):
        def connect_tcp(self, *args, **kwargs):
            go.wait(30.0)
            return super().connect_tcp(*args, **kwargs)

    backend = DeadlineBackend(Slow([b"x"]), Moment(BlockingClock()))
    with cancelled_after(), pytest.raises(CancelledError):
        backend.connect_tcp("127.0.0.1", 1)
    go.set()


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
        drive(reply.read(transport.clock.now()))
    drive(reply.aclose())


def test_tls_carries_a_large_request_and_its_echo_inside_a_watch():
    # Key exchange without a certificate, which only the tests allow: no file with a key is needed.
    contexts = [ssl.SSLContext(kind) for kind in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT)]
    for context in contexts:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AECDH-AES128-SHA:@SECLEVEL=0")
    contexts[1].check_hostname = False
    contexts[1].verify_mode = ssl.CERT_NONE
    sent = bytes(range(256)) * 8192

    with ListeningOnly() as server, Watch(Cancellation(), True):

        def echo():
            with contexts[0].wrap_socket(server._socket.accept()[0], server_side=True) as plug:
                got = b""
                while len(got) < len(sent):
                    got += plug.recv(65536)
                plug.sendall(got)

        thread = threading.Thread(target=echo)
        thread.start()
        host, port = server._socket.getsockname()
        plain = DeadlineBackend(httpcore.SyncBackend(), Moment(BlockingClock())).connect_tcp(host, port, 5.0)
        secure = plain.start_tls(contexts[1], "localhost", 5.0)
        secure.write(sent, 5.0)
        got = b""
        while len(got) < len(sent):
            got += secure.read(65536, 5.0)
        thread.join()
        secure.close()

    assert got == sent


def test_clock_ends_its_sleep_when_the_scope_is_cancelled():
    with cancelled_after(0.05), pytest.raises(CancelledError):
        drive(BlockingClock().sleep(600.0))
